//! Where an engine listens.

use std::path::PathBuf;

use crate::support::engine::error::EngineError;

/// The parts of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// A host, without the brackets of IPv6, and its port.
    Tcp {
        /// Name or address.
        host: String,
        /// As given, or Docker's: 2376 with TLS, 2375 without.
        port: u16,
    },
}

impl Address {
    /// Reads `unix://PATH` or `tcp://HOST[:PORT]`.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(endpoint: &str, tls: bool) -> Result<Self, EngineError> {
        let wrong = |reason: &str| EngineError::Address {
            given: endpoint.to_string(),
            reason: reason.to_string(),
        };
        if let Some(path) = endpoint.strip_prefix("unix://") {
            if path.is_empty() {
                return Err(wrong("the path of the socket is missing"));
            }
            // `unix://var/run/docker.sock` is what many write.
            return Ok(Self::Unix(PathBuf::from(format!(
                "/{}",
                path.trim_start_matches('/')
            ))));
        }
        let rest = endpoint
            .strip_prefix("tcp://")
            .ok_or_else(|| wrong("it begins neither with unix:// nor with tcp://"))?;
        if rest.contains(['/', '@', '?']) {
            return Err(wrong("more than a host and a port stands after tcp://"));
        }
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').unwrap_or(port))),
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        let port = match port {
            Some(port) => port.parse().map_err(|_| wrong("the port is no number"))?,
            None if tls => 2376,
            None => 2375,
        };
        Ok(Self::Tcp {
            host: host.to_string(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp {
            host: host.to_string(),
            port,
        }
    }

    #[test]
    fn a_port_that_is_not_given_is_dockers() {
        let parse = |text, tls| Address::parse(text, tls).unwrap();
        assert_eq!(parse("tcp://h", false), tcp("h", 2375));
        assert_eq!(parse("tcp://h", true), tcp("h", 2376));
        assert_eq!(parse("tcp://[::1]", false), tcp("::1", 2375));
        assert_eq!(parse("tcp://[::1]:7", false), tcp("::1", 7));
        assert_eq!(parse("unix://run/x", false), Address::Unix("/run/x".into()));
    }
}
