//! Requests to an engine, of which only those that read are sent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use crate::support::engine::Engine;
use crate::support::engine::chunks::Chunks;
use crate::support::engine::dial::{self, PATIENCE};
use crate::support::engine::error::{EngineError, shortened};

/// What the library is told, whose one limit holds for streams too: the transport has limits of its own.
const UNBOUNDED: Duration = Duration::from_secs(365 * 24 * 3600);

/// A way to an engine whose API version is agreed upon.
#[derive(Clone, Debug)]
pub struct Link {
    engine: Arc<Engine>,
    docker: Docker,
}

impl Link {
    /// See [`Engine::link`].
    pub(super) async fn open(engine: &Engine) -> Result<Self, EngineError> {
        let engine = Arc::new(engine.clone());
        let dialled = engine.clone();
        let transport = move |request: BollardRequest| {
            let engine = dialled.clone();
            async move {
                let answer = dial::send(&engine, request).await;
                answer.map_err(|error| io::Error::other(error).into())
            }
        };
        let failed = |error| EngineError::from_library(&engine.endpoint, "/version", error);
        // The address is the transport's business; the library only needs something that makes a URL.
        let docker = Docker::connect_with_custom_transport(
            transport,
            Some("http://docker"),
            UNBOUNDED.as_secs(),
            API_DEFAULT_VERSION,
        )
        .map_err(failed)?;
        let docker = timeout(PATIENCE, docker.negotiate_version()).await;
        let docker = docker
            .map_err(|_| slow(&engine, "/version", PATIENCE))?
            .map_err(failed)?;
        Ok(Self { engine, docker })
    }

    /// The client library over this way: for streams.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Where the engine is.
    pub fn endpoint(&self) -> &str {
        &self.engine.endpoint
    }

    /// Whether the engine's API is at least `major.minor`.
    pub fn is_at_least(&self, major: usize, minor: usize) -> bool {
        let version = self.docker.client_version();
        (version.major_version, version.minor_version) >= (major, minor)
    }

    /// Asks for `path` (without the version, with its query) and gives the answer as it came, up to 64 MiB.
    ///
    /// # Errors
    /// See [`EngineError`]; any status but 200 is [`EngineError::Refused`].
    pub async fn get(&self, path: &str, patience: Duration) -> Result<Bytes, EngineError> {
        let within = timeout(patience, self.fetch(path)).await;
        within.unwrap_or_else(|_| Err(slow(&self.engine, path, patience)))
    }

    /// Asks for `path` (without the version, with its query), whose answer is as long as it likes and comes as it comes:
    /// a container's log. The client library's own reader takes the log of a terminal for what it is not.
    ///
    /// # Errors
    /// See [`EngineError`]; any status but 200 is [`EngineError::Refused`].
    pub async fn stream(&self, path: &str) -> Result<Chunks, EngineError> {
        let request = Request::get(format!("/v{}{path}", self.docker.client_version())).body(String::new());
        let request = request.map_err(|error| EngineError::Malformed {
            endpoint: self.endpoint().to_string(),
            path: path.to_string(),
            reason: error.to_string(),
        })?;
        let answer = dial::send(&self.engine, request).await?;
        let status = answer.status().as_u16();
        let mut chunks = Chunks::new(self.endpoint(), answer.into_body());
        if status == 200 {
            return Ok(chunks);
        }
        let said_so = timeout(PATIENCE, chunks.next()).await;
        let body = said_so.ok().and_then(Result::ok).flatten().unwrap_or_default();
        Err(EngineError::Refused {
            endpoint: self.endpoint().to_string(),
            path: path.to_string(),
            status,
            message: said(&body),
        })
    }

    async fn fetch(&self, path: &str) -> Result<Bytes, EngineError> {
        let malformed = |reason: String| EngineError::Malformed {
            endpoint: self.endpoint().to_string(),
            path: path.to_string(),
            reason,
        };
        let request = Request::get(format!("/v{}{path}", self.docker.client_version()))
            .body(String::new())
            .map_err(|error| malformed(error.to_string()))?;
        let answer = dial::send(&self.engine, request).await?;
        let status = answer.status().as_u16();
        let body = read(answer.into_body())
            .await
            .map_err(|error| malformed(error.to_string()))?;
        if status == 200 {
            return Ok(body);
        }
        Err(EngineError::Refused {
            endpoint: self.endpoint().to_string(),
            path: path.to_string(),
            status,
            message: said(&body),
        })
    }
}

/// Reads a body to its end; the connection bounds it.
async fn read(mut body: Incoming) -> Result<Bytes, hyper::Error> {
    let mut whole = Vec::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(data) = frame?.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.into())
}

/// What an engine says of an error: `{"message": "…"}`, or a proxy's own words.
fn said(body: &[u8]) -> String {
    let message = serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|value| Some(value.get("message")?.as_str()?.to_string()));
    shortened(message.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()))
}

fn slow(engine: &Engine, path: &str, patience: Duration) -> EngineError {
    EngineError::Slow {
        endpoint: engine.endpoint.clone(),
        path: path.to_string(),
        seconds: patience.as_secs(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    use super::*;

    /// An engine that answers `/version` as one of API 1.41 and anything else with `answer`.
    async fn engine(folder: &Path, answer: &'static str) -> Engine {
        let path = folder.join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let answer = match request.lines().next() {
                    Some(line) if line.contains("/version") => ok(r#"{"ApiVersion":"1.41"}"#),
                    Some("GET /v1.41/asked?for=this HTTP/1.1") => ok("here"),
                    _ => answer.to_string(),
                };
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Engine::parse(path.to_str().unwrap()).unwrap()
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn the_version_is_agreed_upon_and_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let link = engine(folder.path(), "").await.link().await.unwrap();
        assert!(link.is_at_least(1, 41) && !link.is_at_least(1, 42));
        let answer = link.get("/asked?for=this", PATIENCE).await.unwrap();
        assert_eq!(answer, "here");
    }

    #[tokio::test]
    async fn what_is_gone_is_told_from_what_is_broken() {
        let folder = tempfile::tempdir().unwrap();
        let gone = "HTTP/1.1 404 Not Found\r\nContent-Length: 23\r\n\r\n{\"message\":\"no such c\"}";
        let link = engine(folder.path(), gone).await.link().await.unwrap();
        let error = link.get("/containers/x/json", PATIENCE).await.unwrap_err();
        assert!(error.is_gone());
        assert!(
            error
                .to_string()
                .ends_with("/containers/x/json with 404: no such c"),
            "{error}"
        );
        let folder = tempfile::tempdir().unwrap();
        let link = engine(folder.path(), "nonsense\r\n\r\n")
            .await
            .link()
            .await
            .unwrap();
        assert!(!link.get("/x", PATIENCE).await.unwrap_err().is_gone());
    }

    #[tokio::test]
    async fn nothing_that_writes_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path(), "HTTP/1.1 204 No Content\r\n\r\n").await;
        let docker = engine.connect().await.unwrap();
        let error = docker.restart_container("x", None).await.unwrap_err();
        let error = EngineError::from_library(&engine.endpoint, "/", error);
        assert!(
            matches!(&error, EngineError::Writes { method } if method == "POST"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_named_with_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none.sock");
        let error = Engine::parse(path.to_str().unwrap())
            .unwrap()
            .link()
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("unix://{} does not answer: ", path.display())),
            "{text}"
        );
        assert!(
            text.contains("docker.endpoint (DOCKER_HOST, DOCKER_SOCKET_PATH)"),
            "{text}"
        );
    }
}
