//! Where a Redis is, and how one logs in.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::support::secret::Secret;

/// The port of a Redis where none is given.
pub const PORT: u16 = 6379;
/// The port of a Sentinel where none is given.
pub const SENTINEL_PORT: u16 = 26379;

/// A Redis. [`fmt::Display`] shows it without secrets.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Host names or addresses (IPv6 without brackets) with ports: of the server; of some Sentinels; of some nodes of
    /// the cluster. At least one, but for a socket.
    pub nodes: Vec<(String, u16)>,
    /// What they are.
    pub kind: TargetKind,
    /// The number of the database; 0 in a cluster.
    pub database: u16,
    /// Whether it speaks TLS; Sentinels then too.
    pub tls: bool,
    /// Certificates (PEM) to trust besides the system's, read anew at every connection.
    pub ca_file: Option<PathBuf>,
    /// The user; empty for the default one.
    pub username: String,
    /// The password; empty for none. Read anew at every connection.
    pub password: Secret,
}

/// What the nodes of a [`Target`] are.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetKind {
    /// One server.
    Single,
    /// One server on this machine, at a socket file.
    Unix {
        /// The socket.
        path: PathBuf,
    },
    /// Sentinels that know the server of this name.
    Sentinel {
        /// The name under which they watch it.
        master: String,
        /// The Sentinels' own user; empty for the default one.
        username: String,
        /// The Sentinels' own password; empty for none. The server's is [`Target::password`].
        password: Secret,
    },
    /// Nodes of a cluster.
    Cluster,
}

impl Target {
    /// A server without TLS, user and password, and its database 0.
    pub fn server(host: impl Into<String>, port: u16) -> Self {
        Self {
            nodes: vec![(host.into(), port)],
            kind: TargetKind::Single,
            database: 0,
            tls: false,
            ca_file: None,
            username: String::new(),
            password: Secret::new(""),
        }
    }

    /// Whether keys with this prefix can be used together there. In a cluster a command, script or transaction
    /// reaches the keys of one slot only, and only a `{tag}` in their names keeps keys in one slot.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead.
    pub fn check_prefix(&self, prefix: &str) -> Result<(), String> {
        let tag = prefix
            .split_once('{')
            .and_then(|(_, rest)| rest.split_once('}'))
            .is_some_and(|(tag, _)| !tag.is_empty());
        if self.kind != TargetKind::Cluster || tag {
            return Ok(());
        }
        Err(format!(
            "`{prefix}` has no `{{tag}}`, which a cluster needs: without one the two keys of a queue lie in different \
             slots, and even the client's own transaction fails; write `{{{prefix}}}`, and give the client the same \
             prefix",
            prefix = prefix.replace(['{', '}'], "")
        ))
    }
}

impl Target {
    /// Whether the name of its first node resolves, within a time.
    pub async fn resolves(&self, within: Duration) -> bool {
        let Some((host, port)) = self.nodes.first() else {
            return false;
        };
        match timeout(within, lookup_host((host.as_str(), *port))).await {
            Ok(Ok(mut found)) => found.next().is_some(),
            _ => false,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            TargetKind::Unix { path } => return write!(out, "{}", path.display()),
            TargetKind::Sentinel { master, .. } => write!(out, "{master} of ")?,
            TargetKind::Single | TargetKind::Cluster => {}
        }
        for (index, (host, port)) in self.nodes.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(out, "{comma}{}", Node(host, *port))?;
        }
        Ok(())
    }
}

/// Displays a host and its port, IPv6 addresses in brackets.
pub(super) struct Node<'a>(pub(super) &'a str, pub(super) u16);

impl fmt::Display for Node<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') {
            return write!(out, "[{}]:{}", self.0, self.1);
        }
        write!(out, "{}:{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_resolves_or_does_not() {
        let within = Duration::from_secs(20);
        assert!(Target::server("127.0.0.1", 1).resolves(within).await);
        assert!(!Target::server("no-such-host.invalid", 1).resolves(within).await);
    }

    #[test]
    fn a_cluster_wants_a_tag_in_the_prefix() {
        let mut target = Target::server("a", 1);
        assert_eq!(target.check_prefix("chouette"), Ok(()));
        target.kind = TargetKind::Cluster;
        for good in ["{chouette}", "x{y}z", "{a}{b}"] {
            assert_eq!(target.check_prefix(good), Ok(()), "{good}");
        }
        for bad in ["chouette", "{}chouette", "}chouette{", "{chouette"] {
            let told = target.check_prefix(bad).unwrap_err();
            assert!(told.contains("write `{chouette}`"), "{told}");
        }
    }

    #[test]
    fn a_target_is_shown_without_secrets() {
        let mut target = Target::server("::1", 7);
        target.username = "me".to_string();
        target.password = Secret::new("hunter2");
        assert_eq!(target.to_string(), "[::1]:7");
        assert!(!format!("{target:?}").contains("hunter2"));
        target.nodes.push(("b".to_string(), 8));
        target.kind = TargetKind::Sentinel {
            master: "mymaster".to_string(),
            username: String::new(),
            password: Secret::new("hunter3"),
        };
        assert_eq!(target.to_string(), "mymaster of [::1]:7,b:8");
        assert!(!format!("{target:?}").contains("hunter3"));
    }
}
