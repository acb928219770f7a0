//! An engine that is none: it answers on a socket what a test says, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::{fs, thread};

/// What is said to one request.
pub(crate) enum Answer {
    /// A status and a body.
    Says(u16, Vec<u8>),
    /// A stream that is open and silent.
    Silence,
}

/// One that listens for as long as the test runs.
pub(crate) struct StubEngine {
    socket: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
}

impl StubEngine {
    /// Listens at a path; `answer` gets the path that is asked for, with its query and without the version.
    pub(crate) fn serve(socket: &Path, answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (answer, log) = (Arc::new(answer), asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, log) = (answer.clone(), log.clone());
                thread::spawn(move || converse(stream, &*answer, &log));
            }
        });
        Self {
            socket: socket.to_owned(),
            asked,
        }
    }

    /// Answers from a folder: `version`, `info`, `list` and, by id, `ID` and `ID.stats`, each with `.json`. What is not
    /// there is not found.
    pub(crate) fn of_files(socket: &Path, folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self::serve(socket, move |path| {
            let bare = path.split('?').next().unwrap_or_default();
            let name = match bare {
                "/containers/json" => "list".to_string(),
                _ => {
                    let inner = bare.trim_start_matches("/containers/").trim_start_matches('/');
                    inner.trim_end_matches("/json").replace("/stats", ".stats")
                }
            };
            match fs::read(folder.join(format!("{name}.json"))) {
                Ok(text) => Answer::Says(200, text),
                Err(_) => Answer::Says(404, br#"{"message": "not here"}"#.to_vec()),
            }
        })
    }

    /// The address, as `DOCKER_HOST` is written.
    pub(crate) fn endpoint(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// What it was asked so far, each as `GET /path?query`, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn converse(stream: UnixStream, answer: &(dyn Fn(&str) -> Answer + Send + Sync), log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    if reader.read_line(&mut first).unwrap_or(0) == 0 {
        return;
    }
    let mut header = String::new();
    while reader.read_line(&mut header).unwrap_or(0) > 2 {
        header.clear();
    }
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let bare = match path.strip_prefix("/v1.").and_then(|rest| rest.find('/')) {
        Some(at) => &path[at + "/v1.".len()..],
        None => path,
    };
    log.lock().unwrap().push(format!("{method} {bare}"));
    let mut stream = reader.into_inner();
    match answer(bare) {
        Answer::Says(status, body) => {
            let head = format!(
                "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: \
                 close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
        Answer::Silence => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            // Until the other side goes.
            let _ = stream.read(&mut [0]);
        }
    }
}
