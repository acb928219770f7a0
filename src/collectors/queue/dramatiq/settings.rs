//! The settings of the collector `dramatiq`: which broker it asks, and how.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::component::settings::{Problems, Section};
use crate::support::http::{Client, Options};
use crate::support::quantity::Span;
use crate::support::redis::address::AddressError;
use crate::support::redis::target::{Target, TargetKind};
use crate::support::secret::Secret;
use crate::support::trust;
use crate::support::url::{Url, decoded};

/// Most time for one answer of the management API.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of one answer; a page of the longest names that RabbitMQ allows is a hundredth of it.
const BODY: usize = 16 * 1024 * 1024;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// The Redis that is the broker, as a URL (a secret), or `file:PATH`. Default: the one of the section `redis`. For
    /// those whose dramatiq has a Redis or a database of its own.
    redis_url: Option<Secret>,
    /// What the keys in Redis begin with, without the colon. Default `dramatiq`, as dramatiq's; never empty. It has no
    /// effect with RabbitMQ.
    namespace: String,
    /// How long an empty queue of Redis is reported as 0. Default an hour; 0 for not at all. It has no effect with
    /// RabbitMQ, where queues stay when they are empty.
    keep: Span,
    /// The management API of the RabbitMQ that is the broker, as a URL (a secret), or `file:PATH`. Default none, which
    /// means that the broker is a Redis.
    rabbitmq_url: Option<Secret>,
    /// Who asks it. Default: as the URL says, else `guest`, whom RabbitMQ lets in from its own machine only.
    rabbitmq_user: Option<String>,
    /// The user's password, or `file:PATH`, which is read again when it changes. Default: as the URL says, else `guest`.
    rabbitmq_password: Option<Secret>,
    /// Certificates to trust besides the system's. Default none. It needs `rediss://` or `https://`.
    ca_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            redis_url: None,
            namespace: "dramatiq".to_string(),
            keep: Span::seconds(3600),
            rabbitmq_url: None,
            rabbitmq_user: None,
            rabbitmq_password: None,
            ca_file: None,
        }
    }
}

/// Who is asked.
#[derive(Debug)]
pub(super) enum Broker {
    Redis(Server),
    RabbitMq(Api),
}

/// A Redis.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) target: Target,
    /// The key that says where it is, where it is this collector's own: `collectors.dramatiq.redis_url`.
    pub(super) own: Option<String>,
    pub(super) namespace: String,
    pub(super) keep: Duration,
}

/// The management API of a RabbitMQ.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) client: Client,
    /// The list of the virtual host's queues, with the user where one is set, and without the password.
    pub(super) url: Url,
    pub(super) password: Secret,
    /// Where this collector's settings are, for hints.
    pub(super) path: String,
}

/// Reads and checks a section; `redis` is the one that is set for all. `None` where it cannot be used, the reason being
/// among `problems`.
pub(super) fn read(section: &Section, redis: Option<&Target>, problems: &mut Problems) -> Option<Broker> {
    let config: Config = section.read(problems)?;
    let before = problems.iter().count();
    let at = |key: &str| format!("{}.{key}", section.path);
    let redis_url = config.redis_url.as_ref().filter(|url| !url.is_empty());
    let rabbitmq_url = config.rabbitmq_url.as_ref().filter(|url| !url.is_empty());
    let broker = match (redis_url, rabbitmq_url) {
        (Some(_), Some(_)) => {
            problems.add_with_hint(
                at("rabbitmq_url"),
                "stands beside `redis_url`; dramatiq has one broker",
                "leave one of them out, or name a second collector with `type: dramatiq`",
            );
            None
        }
        (None, Some(url)) => api(&config, url, &at, problems).map(Broker::RabbitMq),
        (url, None) => {
            for (key, set) in [
                ("rabbitmq_user", config.rabbitmq_user.is_some()),
                ("rabbitmq_password", config.rabbitmq_password.is_some()),
            ] {
                if set {
                    problems.add_with_hint(at(key), "has no effect alone", "set `rabbitmq_url` too");
                }
            }
            server(&config, url, redis, &at, problems).map(Broker::Redis)
        }
    };
    broker.filter(|_| problems.iter().count() == before)
}

/// The section with every default in its place.
pub(super) fn effective(section: &Section) -> Option<Value> {
    let config: Config = section.read(&mut Problems::default())?;
    serde_json::to_value(config).ok()
}

fn server(
    config: &Config,
    url: Option<&Secret>,
    redis: Option<&Target>,
    at: &impl Fn(&str) -> String,
    problems: &mut Problems,
) -> Option<Server> {
    let (key, own) = (at("redis_url"), url.is_some());
    if config.namespace.is_empty() || config.namespace.ends_with(':') {
        problems.add_with_hint(
            at("namespace"),
            "expected text that does not end with a colon",
            "keys get one by themselves",
        );
    }
    let mut target = match (url, redis) {
        (Some(url), _) => {
            let text = said(url, &key, problems)?;
            Target::parse(&text)
                .map_err(|error| problems.add(&key, error.to_string().replace(", or use `password`", "")))
                .ok()?
        }
        (None, Some(redis)) => redis.clone(),
        (None, None) => {
            problems.add_with_hint(
                at("redis_url"),
                "says nothing, and no Redis is set that could be dramatiq's broker",
                "set it, or REDIS_HOST where the agent's Redis is dramatiq's as well, or `rabbitmq_url`",
            );
            return None;
        }
    };
    if target.kind == TargetKind::Cluster {
        let which = if own {
            "is"
        } else {
            "is not set, and the section `redis` names"
        };
        problems.add_with_hint(
            &key,
            format!("{which} a cluster, in which SCAN sees the keys of one node only"),
            "name the one Redis that is dramatiq's broker, as redis://HOST:PORT",
        );
    }
    if let Some(file) = &config.ca_file {
        needs_tls(own && target.tls, "redis_url` as rediss://", at, problems);
        if let Err(error) = trust::pem(Some(file)) {
            problems.add(at("ca_file"), error.to_string());
        }
        target.ca_file = Some(file.clone());
    }
    Some(Server {
        target,
        own: own.then_some(key),
        namespace: config.namespace.clone(),
        keep: config.keep.0,
    })
}

fn api(config: &Config, url: &Secret, at: &impl Fn(&str) -> String, problems: &mut Problems) -> Option<Api> {
    let key = at("rabbitmq_url");
    let text = said(url, &key, problems)?;
    let wanted = "expected http://[USER:PASSWORD@]HOST:15672[/VHOST], or https://";
    let parsed = Url::parse(text.trim()).ok();
    // It is not shown: a password may be anywhere in it.
    let Some(mut url) = parsed.filter(|url| matches!(url.scheme(), "http" | "https")) else {
        let hint = match text.trim().starts_with("amqp") {
            true => "AMQP counts no messages; enable the plugin rabbitmq_management and name its port",
            false => "characters such as / ? # @ in a password are written %2F %3F %23 %40",
        };
        problems.add_with_hint(key, wanted, hint);
        return None;
    };
    let vhost = match url.path().trim_matches('/') {
        "" => "%2F".to_string(),
        vhost => vhost.to_string(),
    };
    if vhost.contains('/') || url.query().is_some() || url.fragment().is_some() {
        problems.add_with_hint(
            &key,
            wanted,
            "a slash in the name of a virtual host is written %2F",
        );
    }
    url.set_path(&format!("/api/queues/{vhost}"));
    let password = match (&config.rabbitmq_password, url.password()) {
        (Some(password), _) => password.clone(),
        (None, Some(password)) => match decoded(password) {
            Some(password) => Secret::new(&password),
            None => {
                problems.add(&key, AddressError::Percent.to_string());
                return None;
            }
        },
        (None, None) => Secret::new("guest"),
    };
    let user = match &config.rabbitmq_user {
        Some(user) => user.replace('%', "%25"),
        None if url.username().is_empty() => "guest".to_string(),
        None => url.username().to_string(),
    };
    // Both fail only for URLs without a host, which http does not have.
    let _ = url.set_username(&user);
    let _ = url.set_password(None);
    if config.ca_file.is_some() {
        needs_tls(url.scheme() == "https", "rabbitmq_url` as https://", at, problems);
    }
    let options = Options {
        timeout: TIMEOUT,
        body_cap: BODY,
        ca_file: config.ca_file.clone(),
        ..Options::default()
    };
    let client = Client::new(&options)
        .map_err(|error| problems.add(at("ca_file"), error.to_string()))
        .ok()?;
    Some(Api {
        client,
        url,
        password,
        path: at("").trim_end_matches('.').to_string(),
    })
}

/// The secret itself, from its file where it is in one.
fn said(secret: &Secret, key: &str, problems: &mut Problems) -> Option<Arc<str>> {
    secret
        .expose()
        .map_err(|error| problems.add(key, error.to_string()))
        .ok()
}

/// A file of certificates is for one's own TLS only.
fn needs_tls(tls: bool, url: &str, at: &impl Fn(&str) -> String, problems: &mut Problems) {
    if !tls {
        problems.add_with_hint(at("ca_file"), "has no effect", format!("write `{url}"));
    }
}
