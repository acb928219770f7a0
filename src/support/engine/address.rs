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
            given: without_user_info(endpoint),
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
        if rest.contains('@') {
            return Err(wrong(
                "an engine takes no user and password; give a certificate in docker.cert_file and docker.key_file",
            ));
        }
        if rest.contains(['/', '?', '#']) {
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

/// An address as it may be shown: whoever is in it, and with which password, stays out. A password that is written as it
/// is may have any character, a `/` among them, so that everything before the last `@` may be of it.
fn without_user_info(given: &str) -> String {
    let (scheme, rest) = match given.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), given),
    };
    match rest.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}***@{host}"),
        None => given.to_string(),
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

    #[test]
    fn a_password_in_an_address_is_not_in_the_error() {
        // It was: in a warning, and on the page of settings that cannot be used.
        for given in [
            "tcp://me:hunter2@h:1",
            "tcp://me:hun/ter2@h",
            "ssh://me:hunter2@h",
            "me:hunter2@h",
            "unix:/me:hunter2@x",
        ] {
            let text = Address::parse(given, false).unwrap_err().to_string();
            assert!(!text.contains("ter2") && text.contains("***@"), "{text}");
        }
        let text = Address::parse("tcp://me:hunter2@h:1", false)
            .unwrap_err()
            .to_string();
        assert!(
            text.starts_with("`tcp://***@h:1` is no address of an engine: an engine takes no user"),
            "{text}"
        );
    }
}
