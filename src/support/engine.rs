//! A container engine (Docker, Podman) and the way to it.

use std::path::PathBuf;

/// Where an engine listens and how one talks to it. Making one connects to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    /// `unix:///PATH` or `tcp://HOST:PORT`.
    pub endpoint: String,
    /// With TLS: the certificates to trust (PEM); `None` for the system's.
    pub ca_file: Option<PathBuf>,
    /// With TLS: who we are, a certificate and its key (PEM).
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether `tcp://` speaks TLS.
    pub tls: bool,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            endpoint: "unix:///var/run/docker.sock".to_string(),
            ca_file: None,
            identity: None,
            tls: false,
        }
    }
}
