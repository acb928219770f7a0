//! A server whose answers are files: what a target said once is said again.
//!
//! A GET of `/api/queues/%2F?page=2&sort=name` is answered with the file `api_queues_%2F.page2.json`: slashes become
//! underscores, and of the query only the page counts. `….status401.json` is sent with that status. What has no file is
//! 404.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// Serves a folder, as it is at each request, until the caller's runtime ends. Returns `http://127.0.0.1:PORT`.
pub(crate) fn serve(folder: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    listener
        .set_nonblocking(true)
        .expect("a socket that is waited for");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
    let answering = move |method: Method, uri: Uri| async move { answer(&folder, &method, &uri) };
    let server = axum::serve(listener, Router::new().fallback(answering)).into_future();
    tokio::spawn(server);
    url
}

fn answer(folder: &Path, method: &Method, uri: &Uri) -> Response {
    if method != Method::GET {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = uri.path().trim_start_matches('/').replace('/', "_");
    let mut words = uri.query().unwrap_or_default().split('&');
    let page = words.find_map(|word| word.strip_prefix("page="));
    let name = path + &page.map_or_else(String::new, |page| format!(".page{page}"));
    let files = fs::read_dir(folder).into_iter().flatten();
    let found = files.filter_map(|file| {
        let file = file.expect("a file of answers");
        let known = file.file_name().into_string().expect("a name in UTF-8");
        let rest = known.strip_prefix(&name)?.strip_suffix(".json")?;
        let status = match rest.strip_prefix(".status") {
            Some(status) => status.parse().expect("a status"),
            None if rest.is_empty() => 200,
            None => return None,
        };
        Some((status, fs::read(file.path()).expect("an answer")))
    });
    match found.into_iter().next() {
        Some((status, body)) => {
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
