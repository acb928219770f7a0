//! Where a Redis is, and how one logs in.

use std::fmt;

use crate::support::secret::Secret;

/// A Redis. [`fmt::Display`] shows it without secrets.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Host names or addresses with ports: of the server; of some Sentinels; of some nodes of the cluster. At least one.
    pub nodes: Vec<(String, u16)>,
    /// What they are.
    pub kind: TargetKind,
    /// The number of the database; 0 in a cluster.
    pub database: u16,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The user; empty for the default one.
    pub username: String,
    /// The password; empty for none. Read anew at every connection.
    pub password: Secret,
}

/// What the nodes of a [`Target`] are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetKind {
    /// One server.
    Single,
    /// Sentinels that know the server of this name.
    Sentinel {
        /// The name under which they watch it.
        master: String,
    },
    /// Nodes of a cluster.
    Cluster,
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (host, port)) in self.nodes.iter().enumerate() {
            write!(out, "{}{host}:{port}", if index > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}
