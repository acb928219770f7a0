//! Connections to an engine and requests over them: one connection a request, and only requests that read.

use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsConnector;

use crate::support::engine::Engine;
use crate::support::engine::address::Address;
use crate::support::engine::error::EngineError;
use crate::support::engine::reach;
use crate::support::engine::stream::{Stream, Wire};
use crate::support::engine::tls;

/// How long connecting may take, and an answer be silent that is not a stream.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// The most of an answer that is not a stream.
const MOST: usize = 64 << 20;

/// Sends a request over a connection of its own, which ends with the answer's body.
///
/// A request is refused unless it only reads: whoever gives the agent an engine's socket need not fear it.
pub(super) async fn send<B>(
    engine: &Engine,
    mut request: Request<B>,
) -> Result<Response<Incoming>, EngineError>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(EngineError::Writes {
            method: request.method().to_string(),
        });
    }
    let path = request.uri().path().to_string();
    let endless = is_endless(&path);
    let stream = timeout(PATIENCE, open(engine, endless))
        .await
        .map_err(|_| unreachable(engine, "no connection in time"))??;
    let broken = |error: hyper::Error| {
        // What the connection says (a time-out, an answer too large) stands below what the protocol says.
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        unreachable(engine, &format!("{error}{}", cause.unwrap_or_default()))
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(async move {
        // What fails here fails the answer too, whose reader hears of it.
        let _ = connection.await;
    });
    let resource = request
        .uri()
        .path_and_query()
        .map_or("/", |resource| resource.as_str());
    let resource: Uri = resource
        .parse()
        .map_err(|_| unreachable(engine, "no such path"))?;
    *request.uri_mut() = resource;
    // The name that Docker's own client gives; an engine looks at it no further.
    request
        .headers_mut()
        .insert(HOST, HeaderValue::from_static("docker"));
    let answer = sender.send_request(request);
    if endless {
        // Some engines send nothing of a stream, not even that it is one, before its first item.
        return answer.await.map_err(broken);
    }
    timeout(PATIENCE, answer)
        .await
        .map_err(|_| EngineError::Slow {
            endpoint: engine.endpoint.clone(),
            path,
            seconds: PATIENCE.as_secs(),
        })?
        .map_err(broken)
}

/// Whether an answer may be silent for as long as it likes and have any length.
fn is_endless(path: &str) -> bool {
    path.ends_with("/events") || path.ends_with("/logs")
}

async fn open(engine: &Engine, endless: bool) -> Result<Stream, EngineError> {
    let wire: Box<dyn Wire> = match engine.address()? {
        Address::Unix(path) => match UnixStream::connect(&path).await {
            Ok(stream) => patient(stream, endless),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(EngineError::Forbidden {
                    endpoint: engine.endpoint.clone(),
                    remedy: reach::remedy_of(&path),
                });
            }
            Err(error) => return Err(unreachable(engine, &error.to_string())),
        },
        Address::Tcp { host, port } => {
            let connected = TcpStream::connect((host.as_str(), port)).await;
            let stream = connected.map_err(|error| unreachable(engine, &error.to_string()))?;
            // A stream of events may be silent for days; only this tells that nobody is there any more.
            let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
            let _ = rustix::net::sockopt::set_tcp_keepidle(&stream, Duration::from_secs(60));
            if engine.tls {
                secured(engine, &host, stream, endless).await?
            } else {
                patient(stream, endless)
            }
        }
    };
    let left = (!endless).then_some(MOST);
    Ok(Stream { wire, left })
}

async fn secured(
    engine: &Engine,
    host: &str,
    stream: TcpStream,
    endless: bool,
) -> Result<Box<dyn Wire>, EngineError> {
    let failed = |reason: String| EngineError::Tls {
        endpoint: engine.endpoint.clone(),
        reason,
    };
    let config = tls::config(engine)?;
    let name = ServerName::try_from(host.to_string()).map_err(|error| failed(error.to_string()))?;
    let secured = TlsConnector::from(config).connect(name, stream).await;
    Ok(patient(
        secured.map_err(|error| failed(error.to_string()))?,
        endless,
    ))
}

fn patient<W>(wire: W, endless: bool) -> Box<dyn Wire>
where
    W: Wire + 'static,
{
    if endless {
        return Box::new(wire);
    }
    let mut wire = TimeoutStream::new(wire);
    wire.set_read_timeout(Some(PATIENCE));
    wire.set_write_timeout(Some(PATIENCE));
    Box::new(Box::pin(wire))
}

fn unreachable(engine: &Engine, reason: &str) -> EngineError {
    EngineError::Unreachable {
        endpoint: engine.endpoint.clone(),
        reason: reason.to_string(),
    }
}
