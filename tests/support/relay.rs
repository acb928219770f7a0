//! A relay between a scraper and the agent that writes down what was asked for and what was answered.
//!
//! Only so does a test see in which format a real Prometheus was served.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;

use axum::body::{Body, to_bytes};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::support::http;

/// One scrape as it passed by.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) accept: String,
    pub(crate) accept_encoding: String,
    pub(crate) content_type: String,
    pub(crate) content_encoding: String,
    pub(crate) status: u16,
    /// The page, with the compression taken off.
    pub(crate) page: String,
}

/// A listener on loopback that hands every GET on to one agent, compression untouched.
pub(crate) struct Relay {
    address: SocketAddr,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
    _stop: oneshot::Sender<()>,
}

impl Relay {
    /// Starts a relay in front of `agent` (`127.0.0.1:port`).
    pub(crate) fn before(agent: &str) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, address) = std::sync::mpsc::sync_channel(1);
        let exchanges = Arc::new(Mutex::new(Vec::new()));
        let (seen, agent) = (Arc::clone(&exchanges), agent.to_owned());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                bound
                    .send(listener.local_addr().expect("an address"))
                    .expect("the test waits for the address");
                tokio::select! {
                    () = accept(listener, agent, seen) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address: address.recv().expect("the relay is bound"),
            exchanges,
            _stop: stop,
        }
    }

    /// `127.0.0.1:port` of the relay.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Every scrape that has passed so far.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges.lock().expect("no panic under the lock").clone()
    }
}

async fn accept(listener: TcpListener, agent: String, seen: Arc<Mutex<Vec<Exchange>>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (agent, seen) = (agent.clone(), Arc::clone(&seen));
        connections.spawn(async move {
            let service = service_fn(move |request| pass(request, agent.clone(), Arc::clone(&seen)));
            // A scraper that closes its connection is no fault.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn pass(
    request: Request<Incoming>,
    agent: String,
    seen: Arc<Mutex<Vec<Exchange>>>,
) -> Result<Response<Body>, Infallible> {
    let (request, body) = request.into_parts();
    let _ = to_bytes(Body::new(body), 1 << 20).await;
    let asked = |name: &str| -> String {
        request.headers.get(name).map_or(String::new(), |value| {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        })
    };
    let (accept, accept_encoding) = (asked("accept"), asked("accept-encoding"));
    let url = format!("http://{agent}{}", request.uri);
    let headers = [
        ("accept", accept.as_str()),
        ("accept-encoding", accept_encoding.as_str()),
    ];
    let Ok(answer) = http::get(&url, &headers) else {
        return Ok(Response::builder()
            .status(502)
            .body(Body::empty())
            .expect("a plain answer"));
    };
    let exchange = Exchange {
        content_type: answer.header("content-type").to_owned(),
        content_encoding: answer.header("content-encoding").to_owned(),
        status: answer.status,
        page: answer.text(),
        accept,
        accept_encoding,
    };
    let mut response = Response::builder()
        .status(exchange.status)
        .header("content-type", &exchange.content_type);
    if !exchange.content_encoding.is_empty() {
        response = response.header("content-encoding", &exchange.content_encoding);
    }
    seen.lock().expect("no panic under the lock").push(exchange);
    Ok(response.body(Body::from(answer.body)).expect("a plain answer"))
}
