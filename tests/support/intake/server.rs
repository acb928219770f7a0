//! The listener's thread, and the judgement of one request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::{fmt, io, thread};

use axum::body::{Body, Bytes, to_bytes};
use futures_util::{future::pending, stream};
use hyper::Response;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{
    Answer, Elsewhere, Request, Shared, logs,
    payload::{self, Series, Unreadable, Version},
    rules::{self, Limits},
};

/// A body that no request of the tests exceeds; beyond it the stub does not even count.
const ROOM: usize = 128 << 20;

pub(super) enum Command {
    Down,
    Up,
}

/// The thread's handle.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    commands: mpsc::UnboundedSender<(Command, std::sync::mpsc::SyncSender<()>)>,
}

impl Server {
    pub(super) fn start(shared: Arc<Shared>) -> Self {
        let (commands, told) = mpsc::unbounded_channel();
        let (bound, address) = std::sync::mpsc::sync_channel(1);
        thread::Builder::new()
            .name("intake".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime
                    .expect("a runtime starts")
                    .block_on(serve(shared, told, bound));
            })
            .expect("a thread starts");
        Self {
            address: address.recv().expect("the intake is bound"),
            commands,
        }
    }

    /// Has the thread do something, and waits until it is done.
    pub(super) fn tell(&self, command: Command) {
        let (done, wait) = std::sync::mpsc::sync_channel(1);
        self.commands
            .send((command, done))
            .expect("the intake's thread runs");
        wait.recv().expect("the intake's thread runs");
    }
}

/// A socket that holds a port of loopback and does not listen: a connection is refused, and nobody else gets the port.
fn hold(port: u16) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("the option is known");
    socket
        .bind(SocketAddr::from(([127, 0, 0, 1], port)))
        .expect("the port is free");
    socket
}

async fn serve(
    shared: Arc<Shared>,
    mut told: mpsc::UnboundedReceiver<(Command, std::sync::mpsc::SyncSender<()>)>,
    bound: std::sync::mpsc::SyncSender<SocketAddr>,
) {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let other = elsewhere.local_addr().expect("a bound socket has an address");
    let mut others = JoinSet::new();
    others.spawn(serve_elsewhere(elsewhere, Arc::clone(&shared)));

    // It stays until the end, so that no other test is given the port while nobody listens.
    let held = hold(0);
    let address = held.local_addr().expect("a bound socket has an address");
    let listen = || hold(address.port()).listen(1024).expect("the socket listens");
    let mut listener = listen();
    bound.send(address).expect("the test waits for the address");
    loop {
        let mut connections = JoinSet::new();
        let went_down = loop {
            tokio::select! {
                accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, Arc::clone(&shared), other));
                },
                Some(_) = connections.join_next() => {}
                command = told.recv() => match command {
                    Some((Command::Down, done)) => break done,
                    Some((Command::Up, done)) => done.send(()).expect("the test waits"),
                    None => return,
                },
            }
        };
        drop(listener);
        connections.shutdown().await;
        went_down.send(()).expect("the test waits");
        let came_up = loop {
            match told.recv().await {
                Some((Command::Down, done)) => done.send(()).expect("the test waits"),
                Some((Command::Up, done)) => break done,
                None => return,
            }
        };
        listener = listen();
        came_up.send(()).expect("the test waits");
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, other: SocketAddr) {
    let service = service_fn(move |request| answer(request, Arc::clone(&shared), other));
    // A client that goes away, and the closings below, are what the tests are about.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The connection is to be closed without an answer.
#[derive(Debug)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("closed without an answer, as the test wants it")
    }
}

impl std::error::Error for Closed {}

async fn answer(
    request: hyper::Request<Incoming>,
    shared: Arc<Shared>,
    other: SocketAddr,
) -> Result<Response<Body>, Closed> {
    let (head, body) = request.into_parts();
    let body = to_bytes(Body::new(body), ROOM).await.map_err(|_| Closed)?;
    let now = shared.clock.now();
    let (reply, record) = {
        let mut ledger = shared.lock();
        let mut record = record(&head, &body, now);
        let reply = match (head.method.as_str(), head.uri.path()) {
            ("GET", path) if path.ends_with("/v1/validate") => {
                let status = match (ledger.validates, authorized(&head, &ledger.key)) {
                    (false, _) => 404,
                    (true, false) => 403,
                    (true, true) => 200,
                };
                Reply::Plain(
                    status,
                    if status == 200 {
                        r#"{"valid":true}"#.into()
                    } else {
                        "{}".into()
                    },
                )
            }
            ("POST", path) if path.ends_with("/v1/series") => {
                series(&mut ledger, &head, &body, Version::V1, now, &mut record)
            }
            ("POST", path) if path.ends_with("/v2/series") => {
                series(&mut ledger, &head, &body, Version::V2, now, &mut record)
            }
            ("POST", path) if logs::is_of_logs(path) => {
                logs::logs(&mut ledger, &head, &body, now, &mut record)
            }
            (_, path) => Reply::Plain(404, format!("nothing is at {path}")),
        };
        record.status = reply.status();
        ledger.requests.push(record.clone());
        (reply, record)
    };
    shared.changed.notify_all();
    reply.give(&record.path, other).await
}

fn record(head: &Parts, body: &Bytes, at: i64) -> Request {
    let headers = head.headers.iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()));
    Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        headers: headers.collect(),
        raw: body.len(),
        plain: None,
        at,
        status: None,
        series: Vec::new(),
        logs: 0,
    }
}

pub(super) fn authorized(head: &Parts, key: &str) -> bool {
    head.headers
        .get("dd-api-key")
        .is_some_and(|given| given.as_bytes() == key.as_bytes())
}

pub(super) fn header<'a>(head: &'a Parts, name: &str) -> &'a str {
    head.headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// What goes back over the wire.
pub(super) enum Reply {
    Plain(u16, String),
    TooMany(u64),
    Redirect,
    Hang,
    HalfClosed,
    Lost,
}

impl Reply {
    fn status(&self) -> Option<u16> {
        match self {
            Self::Plain(status, _) => Some(*status),
            Self::TooMany(_) => Some(429),
            Self::Redirect => Some(302),
            Self::HalfClosed => Some(202),
            Self::Hang | Self::Lost => None,
        }
    }

    async fn give(self, path: &str, other: SocketAddr) -> Result<Response<Body>, Closed> {
        let status = self.status().unwrap_or(500);
        let response = Response::builder().status(status);
        let response = match self {
            Self::Hang => pending().await,
            Self::Lost => return Err(Closed),
            Self::Plain(_, text) => response
                .header("content-type", "application/json")
                .body(Body::from(text)),
            Self::TooMany(after) => response.header("retry-after", after).body(Body::empty()),
            Self::Redirect => response
                .header("location", format!("http://{other}{path}"))
                .body(Body::empty()),
            Self::HalfClosed => response
                .header("content-length", 20)
                .body(Body::from_stream(stream::once(async {
                    // The head leaves while the body is not ready; then there is none.
                    tokio::task::yield_now().await;
                    Err::<Bytes, _>(io::Error::other("half-closed, as the test wants it"))
                }))),
        };
        Ok(response.expect("a plain answer"))
    }
}

/// The answer that a script gives without a look at the request.
pub(super) fn scripted(script: &Answer) -> Option<Reply> {
    match script {
        Answer::Status(status) => Some(Reply::Plain(
            *status,
            format!(r#"{{"errors":["scripted {status}"]}}"#),
        )),
        Answer::TooMany { retry_after } => Some(Reply::TooMany(*retry_after)),
        Answer::Redirect => Some(Reply::Redirect),
        Answer::Hang => Some(Reply::Hang),
        Answer::Judge | Answer::Errors(_) | Answer::HalfClosed | Answer::Lost => None,
    }
}

/// Answers one series request, and takes its points if that is the answer.
fn series(
    ledger: &mut super::Ledger,
    head: &Parts,
    body: &Bytes,
    version: Version,
    now: i64,
    record: &mut Request,
) -> Reply {
    let script = ledger.next.pop_front().unwrap_or_else(|| ledger.standing.clone());
    if let Some(reply) = scripted(&script) {
        return reply;
    }
    let taken = match judge(ledger, head, body, version, record) {
        Ok(taken) => taken,
        Err((status, why)) => {
            return Reply::Plain(status, serde_json::json!({ "errors": [why] }).to_string());
        }
    };
    ledger.book.take(taken, now);
    match (script, version) {
        (Answer::HalfClosed, _) => Reply::HalfClosed,
        (Answer::Lost, _) => Reply::Lost,
        (Answer::Errors(errors), _) => Reply::Plain(202, serde_json::json!({ "errors": errors }).to_string()),
        (_, Version::V1) => Reply::Plain(202, r#"{"status":"ok"}"#.to_owned()),
        (_, Version::V2) => Reply::Plain(202, r#"{"errors":[]}"#.to_owned()),
    }
}

/// The series of a request that keeps every rule, or the status and the reason of its refusal.
fn judge(
    ledger: &super::Ledger,
    head: &Parts,
    body: &Bytes,
    version: Version,
    record: &mut Request,
) -> Result<Vec<Series>, (u16, String)> {
    if !authorized(head, &ledger.key) {
        return Err((403, "Forbidden".to_owned()));
    }
    let Limits { raw, plain } = match version {
        Version::V1 => rules::V1,
        Version::V2 => rules::V2,
    };
    if body.len() > raw.min(ledger.most_bytes) {
        return Err((413, "Payload too large".to_owned()));
    }
    let refusal = |unreadable| match unreadable {
        Unreadable::TooLarge => (413, "Payload too large after decompression".to_owned()),
        Unreadable::Unsupported(why) => (415, why),
        Unreadable::Malformed(why) => (400, format!("Unparsable: {why}")),
    };
    let text =
        payload::decompress(version, header(head, "content-encoding"), body, plain).map_err(refusal)?;
    record.plain = Some(text.len());
    let all = payload::decode(version, header(head, "content-type"), &text).map_err(refusal)?;
    record.series.clone_from(&all);
    for series in &all {
        check(series).map_err(|fault| (400, fault))?;
    }
    if all.iter().any(|series| ledger.poisoned.contains(&series.name)) {
        return Err((400, "Payload is not in the expected format".to_owned()));
    }
    Ok(all)
}

/// What is wrong with one series, with its name.
fn check(series: &Series) -> Result<(), String> {
    let name = &series.name;
    if let Some(fault) = rules::name_fault(name) {
        return Err(format!("metric {name:?} {fault}"));
    }
    for tag in &series.tags {
        if let Some(fault) = rules::tag_fault(tag) {
            return Err(format!("tag {tag:?} of metric {name:?} {fault}"));
        }
    }
    if series.points.is_empty() {
        return Err(format!("metric {name:?} has no points"));
    }
    if series.kind != super::Kind::Gauge && series.interval <= 0 {
        return Err(format!(
            "metric {name:?} is a {:?} without an interval",
            series.kind
        ));
    }
    if let Some((_, value)) = series.points.iter().find(|(_, value)| !value.is_finite()) {
        return Err(format!("metric {name:?} has the value {value}"));
    }
    Ok(())
}

/// The host that redirects point to. It says yes to everything, as a captive portal does.
async fn serve_elsewhere(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(move |request: hyper::Request<Incoming>| {
                let shared = Arc::clone(&shared);
                async move {
                    let key = request.headers().contains_key("dd-api-key")
                        || request
                            .uri()
                            .query()
                            .is_some_and(|query| query.contains("api_key"));
                    let Elsewhere { requests, with_key } = &mut shared.lock().elsewhere;
                    *requests += 1;
                    *with_key += u64::from(key);
                    Ok::<_, Infallible>(Response::new(Body::from("{}")))
                }
            });
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
