//! The Redis of the applications and of the journal: its section of the settings, and what it means.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::component::settings::Problems;
use crate::config::layers::{Layers, Origin};
use crate::support::redis::address::{self, AddressError};
use crate::support::redis::target::{PORT, SENTINEL_PORT, Target, TargetKind};
use crate::support::secret::Secret;
use crate::support::trust;

/// The host where nobody names one; the original relied on it.
const HOST: &str = "redis";

/// A Redis: where it is, by `url` or by the keys beside it, and how one logs in.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedisSettings {
    /// All in one: `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, `rediss://…` for TLS,
    /// `redis+sentinel://…@HOST:PORT,HOST:PORT/MASTER[/DATABASE]`, `redis+cluster://…@HOST:PORT,HOST:PORT`,
    /// `unix:///PATH`. It is a secret and never shown; `file:PATH` works. The keys below add to it or win over it, but
    /// for `host` and `port`.
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub url: Secret,
    /// Its name or address; default `redis`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its port; default 6379, never 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The number of its database; default 0. A cluster has only that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<u16>,
    /// Whether it speaks TLS; default false, or as `url` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<bool>,
    /// Certificates (PEM) to trust besides the system's; default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The user (Redis 6 and later); default none.
    pub username: String,
    /// The password, or `file:PATH`, which is read again at every connection; default none.
    pub password: Secret,
    /// Sentinels that know where the server is; default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel: Option<SentinelSettings>,
    /// Some nodes of a cluster as `HOST:PORT`; default none, which means that it is no cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster: Vec<String>,
    /// What all keys begin with; default `chouette`, as the client library writes them. In a cluster it must carry a
    /// `{tag}`.
    pub prefix: String,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            url: Secret::new(""),
            host: None,
            port: None,
            database: None,
            tls: None,
            ca_file: None,
            username: String::new(),
            password: Secret::new(""),
            sentinel: None,
            cluster: Vec::new(),
            prefix: "chouette".to_string(),
        }
    }
}

/// Sentinels. They speak TLS where the server does.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SentinelSettings {
    /// The name under which they watch the server.
    pub master: String,
    /// Some of them as `HOST` or `HOST:PORT`; default of the port is 26379. Beside `url` these are the URL's.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// Their own user; default none.
    #[serde(default)]
    pub username: String,
    /// Their own password, or `file:PATH`; default none. The server's is `redis.password`.
    #[serde(default = "no_secret")]
    pub password: Secret,
}

fn no_secret() -> Secret {
    Secret::new("")
}

/// A Redis, and the keys in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Where it is.
    pub target: Target,
    /// What the keys begin with, without the colon behind it.
    pub prefix: String,
}

/// Whether somebody set which Redis it is. A prefix says nothing about that; neither does REDIS_PORT alone, which
/// Kubernetes and Docker links set wherever there is a service called `redis`.
pub(super) fn is_configured(layers: &Layers) -> bool {
    let injected = matches!(layers.origins.of("redis.port"), Origin::Variable(_));
    match layers.get(&["redis"]) {
        Some(Value::Object(map)) => map.iter().any(|(key, value)| {
            let tells = key != "prefix" && !(key == "port" && injected);
            tells && !value.is_null()
        }),
        _ => false,
    }
}

/// Moves a URL that was given as the host to where it is kept as a secret.
pub(super) fn host_as_url(layers: &mut Layers, warnings: &mut Problems) {
    let host = layers.get(&["redis", "host"]).and_then(Value::as_str);
    let Some(url) = host.filter(|host| host.contains("://")).map(Value::from) else {
        return;
    };
    if let Some(Value::Object(redis)) = layers.tree.get_mut("redis") {
        redis.remove("host");
    }
    let origin = layers.origins.of("redis.host").clone();
    if layers.get(&["redis", "url"]).is_some() {
        warnings.add(
            "redis.host",
            "has no effect, because `redis.url` says where it is",
        );
        return;
    }
    layers.set(&["redis", "url"], url, origin);
    warnings.add_with_hint(
        "redis.host",
        "is a URL; it is used as one, with the port in it or the usual one",
        "set TAWNY_REDIS_URL, or `redis.url`, instead",
    );
}

impl RedisSettings {
    /// The server of this name, for installations that never said which it is.
    pub(super) fn by_name(&self) -> Server {
        Server {
            target: Target::server(HOST, self.port.unwrap_or(PORT)),
            prefix: self.prefix.clone(),
        }
    }

    /// What the settings mean; `None` where they cannot be used.
    pub(super) fn server(&self, problems: &mut Problems, warnings: &mut Problems) -> Option<Server> {
        let before = problems.iter().count();
        let base = self.base(problems, warnings);
        if self.prefix.is_empty() || !self.prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
            problems.add("redis.prefix", "expected text without spaces, such as `chouette`");
        } else if self.prefix.ends_with(':') {
            problems.add_with_hint("redis.prefix", "ends with a colon", "keys get one by themselves");
        }
        let mut target = base?;
        if let Some(database) = self.database {
            target.database = database;
        }
        if let Some(tls) = self.tls {
            target.tls = tls;
        }
        if !self.username.is_empty() {
            target.username.clone_from(&self.username);
        }
        if !self.password.is_empty() {
            target.password = self.password.clone();
        }
        target.ca_file.clone_from(&self.ca_file);
        self.fits(&target, problems, warnings);
        (problems.iter().count() == before).then(|| Server {
            target,
            prefix: self.prefix.clone(),
        })
    }

    /// Where it is, by the one way that is set.
    fn base(&self, problems: &mut Problems, warnings: &mut Problems) -> Option<Target> {
        let url = !self.url.is_empty();
        if !self.cluster.is_empty() && (url || self.sentinel.is_some()) {
            let other = if url { "redis.url" } else { "redis.sentinel" };
            problems.add_with_hint(
                "redis.cluster",
                format!("stands beside `{other}`, which says something else"),
                "leave one of them out",
            );
            return None;
        }
        if self.host.is_some() && (url || self.sentinel.is_some() || !self.cluster.is_empty()) {
            warnings.add(
                "redis.host",
                "has no effect, because the URL, the Sentinels or the cluster say where it is",
            );
        }
        if url {
            let text = self
                .url
                .expose()
                .map_err(|error| problems.add("redis.url", error.to_string()));
            let target = by_url("redis.url", &text.ok()?, problems)?;
            return self.beside_url(target, problems);
        }
        if let Some(sentinel) = &self.sentinel {
            if sentinel.master.is_empty() {
                problems.add(
                    "redis.sentinel.master",
                    "expected the name under which the Sentinels watch the server",
                );
            }
            let mut target = several("redis.sentinel.nodes", &sentinel.nodes, SENTINEL_PORT, problems)?;
            target.kind = sentinel.kind();
            return Some(target);
        }
        if !self.cluster.is_empty() {
            let mut target = several("redis.cluster", &self.cluster, PORT, problems)?;
            target.kind = TargetKind::Cluster;
            return Some(target);
        }
        self.one(problems)
    }

    /// Sentinels' own login cannot be in a URL, so it may stand beside one.
    fn beside_url(&self, mut target: Target, problems: &mut Problems) -> Option<Target> {
        let Some(sentinel) = &self.sentinel else {
            return Some(target);
        };
        match &target.kind {
            TargetKind::Sentinel { master, .. }
                if sentinel.nodes.is_empty() && sentinel.master == *master =>
            {
                target.kind = sentinel.kind();
                Some(target)
            }
            _ => {
                problems.add_with_hint(
                    "redis.sentinel",
                    "stands beside `redis.url`, which says something else",
                    "leave one of them out",
                );
                None
            }
        }
    }

    fn one(&self, problems: &mut Problems) -> Option<Target> {
        let host = self.host.as_deref().map_or(HOST, str::trim);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_v6 = bare.parse::<std::net::Ipv6Addr>().is_ok();
        let port = self.port.unwrap_or(PORT);
        if port == 0 {
            problems.add("redis.port", "expected a port from 1 to 65535, found 0");
        }
        match address::node(host, port) {
            _ if is_v6 => Some(Target::server(bare, port)),
            Ok((name, own)) if own == port && name == host => Some(Target::server(name, port)),
            Ok(_) => {
                problems.add_with_hint(
                    "redis.host",
                    "expected a name or an address alone, found a port behind it",
                    "set `redis.port` (REDIS_PORT)",
                );
                None
            }
            Err(_) => {
                problems.add("redis.host", "expected a name or an address, or a URL");
                None
            }
        }
    }

    /// Whether all that is set goes together.
    fn fits(&self, target: &Target, problems: &mut Problems, warnings: &mut Problems) {
        if target.kind == TargetKind::Cluster && target.database != 0 {
            problems.add("redis.database", AddressError::ClusterDatabase.to_string());
        }
        if matches!(target.kind, TargetKind::Unix { .. }) && target.tls {
            problems.add("redis.tls", "a socket on this machine speaks no TLS");
        }
        match &self.ca_file {
            Some(_) if !target.tls => warnings.add_with_hint(
                "redis.ca_file",
                "has no effect without TLS",
                "set `redis.tls`, or write rediss://",
            ),
            Some(file) => {
                if let Err(error) = trust::pem(Some(file)) {
                    problems.add("redis.ca_file", error.to_string());
                }
            }
            None => {}
        }
        if let Err(wrong) = target.check_prefix(&self.prefix) {
            problems.add("redis.prefix", wrong);
        }
    }
}

impl SentinelSettings {
    fn kind(&self) -> TargetKind {
        TargetKind::Sentinel {
            master: self.master.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
        }
    }
}

fn by_url(path: &str, url: &str, problems: &mut Problems) -> Option<Target> {
    Target::parse(url)
        .map_err(|error| problems.add(path, error.to_string()))
        .ok()
}

/// A target of several nodes; its kind is still to be set.
fn several(path: &str, nodes: &[String], port: u16, problems: &mut Problems) -> Option<Target> {
    if nodes.is_empty() {
        problems.add(path, "expected at least one HOST:PORT, found nothing");
    }
    let mut read = Vec::new();
    for (index, text) in nodes.iter().enumerate() {
        match address::node(text, port) {
            Ok(node) => read.push(node),
            Err(error) => problems.add(format!("{path}[{index}]"), error.to_string()),
        }
    }
    if read.is_empty() || read.len() < nodes.len() {
        return None;
    }
    let mut target = Target::server("", port);
    target.nodes = read;
    Some(target)
}
