//! What goes wrong on the way to an engine, and which setting helps.

use bollard::errors::Error;

/// What to do about an engine that is not there.
const START: &str = "start the engine, mount its socket, or give its address in docker.endpoint (DOCKER_HOST, \
                     DOCKER_SOCKET_PATH)";

/// Why an engine does not answer, or not with what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The endpoint is no address.
    #[error(
        "`{given}` is no address of an engine: {reason}; give unix:///PATH or tcp://HOST:PORT in docker.endpoint \
         (DOCKER_HOST; DOCKER_SOCKET_PATH for a path)"
    )]
    Address {
        /// What stands there.
        given: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing listens there.
    #[error("{endpoint} does not answer: {reason}; {START}")]
    Unreachable {
        /// Where it should be.
        endpoint: String,
        /// What the system says.
        reason: String,
    },
    /// The socket may not be opened.
    #[error("{endpoint} may not be opened: {remedy}")]
    Forbidden {
        /// Where it is.
        endpoint: String,
        /// What a person can do.
        remedy: String,
    },
    /// No secure connection.
    #[error(
        "{endpoint} and this agent agree on no TLS: {reason}; see docker.tls, docker.ca_file, docker.cert_file and \
         docker.key_file"
    )]
    Tls {
        /// Where it is.
        endpoint: String,
        /// What went wrong.
        reason: String,
    },
    /// It took too long.
    #[error("{endpoint} did not answer {path} within {seconds} s")]
    Slow {
        /// Where it is.
        endpoint: String,
        /// What was asked for.
        path: String,
        /// How long was waited.
        seconds: u64,
    },
    /// It answered that it will not: 404 for a container that is gone, 403 from a proxy that allows too little.
    #[error("{endpoint} answered {path} with {status}: {message}")]
    Refused {
        /// Where it is.
        endpoint: String,
        /// What was asked for.
        path: String,
        /// The status of HTTP.
        status: u16,
        /// What it says.
        message: String,
    },
    /// The answer cannot be used.
    #[error("{endpoint} answered {path} with what cannot be read: {reason}")]
    Malformed {
        /// Where it is.
        endpoint: String,
        /// What was asked for.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The request would have changed something.
    #[error("{method} is not sent to an engine: the agent only reads")]
    Writes {
        /// The method of HTTP.
        method: String,
    },
}

impl EngineError {
    /// Whether what was asked for is not there: a container that went between two requests.
    pub fn is_gone(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                status: 404 | 409,
                ..
            }
        )
    }

    /// What went wrong and what to do about it, without the endpoint where that is a field of its own.
    pub fn advice(&self) -> String {
        match self {
            Self::Unreachable { reason, .. } => format!("{reason}; {START}"),
            Self::Forbidden { remedy, .. } => remedy.clone(),
            Self::Tls { reason, .. } => format!(
                "no TLS: {reason}; see docker.tls, docker.ca_file, docker.cert_file and docker.key_file"
            ),
            Self::Slow { path, seconds, .. } => format!("no answer to {path} within {seconds} s"),
            Self::Refused {
                path,
                status: status @ (401 | 403),
                message,
                ..
            } => {
                format!("GET {path} gives {status}: {message}; a proxy before the engine must let it through")
            }
            Self::Refused {
                path,
                status,
                message,
                ..
            } => format!("GET {path} gives {status}: {message}"),
            Self::Malformed { path, reason, .. } => format!("GET {path}: {reason}"),
            Self::Address { .. } | Self::Writes { .. } => self.to_string(),
        }
    }

    /// What the client library returned for a request for `path`.
    pub fn from_library(endpoint: &str, path: &str, error: Error) -> Self {
        let (endpoint, path) = (endpoint.to_string(), path.to_string());
        let malformed = |reason: String| Self::Malformed {
            endpoint: endpoint.clone(),
            path: path.clone(),
            reason,
        };
        match error {
            Error::IOError { err } => match err.downcast::<Self>() {
                Ok(ours) => ours,
                Err(error) => Self::Unreachable {
                    reason: error.to_string(),
                    endpoint,
                },
            },
            Error::DockerResponseServerError { status_code, message } => Self::Refused {
                endpoint,
                path,
                status: status_code,
                message: shortened(message),
            },
            Error::HyperResponseError { err } => Self::Unreachable {
                reason: err.to_string(),
                endpoint,
            },
            Error::JsonDataError { message, .. } => malformed(shortened(message)),
            error => malformed(shortened(error.to_string())),
        }
    }
}

/// A text from outside, as much of it as a log line bears.
pub(in crate::support::engine) fn shortened(text: String) -> String {
    let line = text.trim().replace(['\n', '\r'], " ");
    match line.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
