//! A container engine (Docker, Podman) and the way to it.
//!
//! * [`error`]: what goes wrong, and which setting helps
//! * [`address`]: where an engine listens
//! * [`reach`]: whether an engine is there and may be asked, without asking it
//! * [`link`]: requests, of which only those that read are sent
//! * [`chunks`]: an answer without an end, as it comes

use std::path::PathBuf;

use bollard::Docker;

use crate::support::engine::address::Address;
use crate::support::engine::error::EngineError;
use crate::support::engine::link::Link;
use crate::support::engine::reach::Reach;

pub mod address;
pub mod chunks;
mod dial;
pub mod error;
pub mod link;
pub mod reach;
mod stream;
mod tls;

/// Where Docker listens by default.
pub const DOCKER: &str = "unix:///var/run/docker.sock";
/// Where Podman listens when root runs it.
pub const PODMAN: &str = "unix:///run/podman/podman.sock";

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
            endpoint: DOCKER.to_string(),
            ca_file: None,
            identity: None,
            tls: false,
        }
    }
}

impl Engine {
    /// Reads an address as `DOCKER_HOST` and `DOCKER_SOCKET_PATH` write it: `unix:///PATH`, a path, `tcp://HOST[:PORT]`,
    /// `http://…`, `https://…`.
    ///
    /// # Errors
    /// The text is none of these.
    pub fn parse(given: &str) -> Result<Self, EngineError> {
        let given = given.trim();
        let (endpoint, tls) = if given.starts_with('/') {
            (format!("unix://{given}"), false)
        } else if let Some(rest) = given.strip_prefix("https://") {
            (format!("tcp://{rest}"), true)
        } else if let Some(rest) = given.strip_prefix("http://") {
            (format!("tcp://{rest}"), false)
        } else {
            (given.to_string(), false)
        };
        let engine = Self {
            endpoint: endpoint.trim_end_matches('/').to_string(),
            tls,
            ..Self::default()
        };
        engine.address().map(|_| engine)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The endpoint is no address.
    pub fn address(&self) -> Result<Address, EngineError> {
        Address::parse(&self.endpoint, self.tls)
    }

    /// Whether it is there and may be asked; looks at the file of a socket and connects to nothing.
    pub fn reach(&self) -> Reach {
        match self.address() {
            Ok(Address::Unix(path)) => reach::of_socket(&path),
            Ok(Address::Tcp { .. }) => Reach::Open,
            Err(_) => Reach::Absent,
        }
    }

    /// This engine, or Podman where this one is Docker's default, nothing is at its place, and Podman's socket is there.
    pub fn or_podman(&self) -> Self {
        let podman = Self {
            endpoint: PODMAN.to_string(),
            ..Self::default()
        };
        if *self == Self::default() {
            first(self.clone(), podman)
        } else {
            self.clone()
        }
    }

    /// A way to the engine, whose API version is agreed upon. Every request opens a connection of its own, so that it
    /// outlives a restart of the engine; only requests that read are sent.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn link(&self) -> Result<Link, EngineError> {
        Link::open(self).await
    }

    /// The same as [`Engine::link`], as the client library: for the streams of events and logs.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub async fn connect(&self) -> Result<Docker, EngineError> {
        Ok(self.link().await?.docker().clone())
    }
}

/// The one of the two that is there; the former where both are or none is.
fn first(one: Engine, other: Engine) -> Engine {
    let is_there = |engine: &Engine| engine.reach() != Reach::Absent;
    if !is_there(&one) && is_there(&other) {
        other
    } else {
        one
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn parsed(given: &str) -> (String, bool) {
        let engine = Engine::parse(given).unwrap();
        (engine.endpoint, engine.tls)
    }

    #[test]
    fn every_form_of_docker_host_is_read() {
        assert_eq!(parsed("unix:///run/d.sock"), ("unix:///run/d.sock".into(), false));
        assert_eq!(parsed("/run/d.sock"), ("unix:///run/d.sock".into(), false));
        assert_eq!(
            parsed("unix://var/run/d.sock"),
            ("unix://var/run/d.sock".into(), false)
        );
        assert_eq!(parsed("tcp://[::1]:2375/"), ("tcp://[::1]:2375".into(), false));
        assert_eq!(parsed("http://h:1"), ("tcp://h:1".into(), false));
        assert_eq!(parsed("https://h"), ("tcp://h".into(), true));
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_settings_that_give_one() {
        for given in [
            "",
            "ssh://host",
            "tcp://",
            "tcp://h:port",
            "unix://",
            "fd://",
            "tcp://h/base",
        ] {
            let error = Engine::parse(given).unwrap_err().to_string();
            assert!(
                error.contains("DOCKER_HOST") && error.contains("docker.endpoint"),
                "{error}"
            );
        }
    }

    #[test]
    fn the_second_engine_is_taken_only_where_the_first_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one.sock", "other.sock"].map(|name| folder.path().join(name));
        let taken = || {
            let [one, other] = [&one, &other].map(|path| Engine::parse(path.to_str().unwrap()).unwrap());
            first(one, other).endpoint.contains("other.sock")
        };
        assert!(!taken());
        let _other = UnixListener::bind(&other).unwrap();
        assert!(taken());
        let _one = UnixListener::bind(&one).unwrap();
        assert!(!taken());
    }
}
