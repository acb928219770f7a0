//! The key and the way to an account of Datadog's, as both of its outputs have them in their settings, checked.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::component::entry::Context;
use crate::component::output::{SendError, Sent};
use crate::component::settings::{Problems, Section, did_you_mean};
use crate::outputs::datadog::answer;
use crate::support::http::{Answer, Client, ClientError, HttpError, Options, header};
use crate::support::proxy::Proxies;
use crate::support::quantity::Span;
use crate::support::secret::Secret;
use crate::support::url::{Shown, Url, is_loopback};

/// The sites that Datadog runs.
pub const SITES: [&str; 9] = [
    "datadoghq.com",
    "us3.datadoghq.com",
    "us5.datadoghq.com",
    "ap1.datadoghq.com",
    "ap2.datadoghq.com",
    "uk1.datadoghq.com",
    "datadoghq.eu",
    "ddog-gov.com",
    "us2.ddog-gov.com",
];

/// What the rest of the settings says for these outputs where their sections say nothing.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Most time for one request; four fifths of `RELEASE_INTERVAL`, as its predecessor had it.
    pub timeout: Duration,
    /// The environment's proxies.
    pub proxies: Proxies,
}

impl Defaults {
    /// Those of this agent.
    pub fn of(cx: &Context<'_>) -> Self {
        Self {
            timeout: cx.release_interval * 4 / 5,
            proxies: Proxies::from_env(cx.variable),
        }
    }
}

/// How old an item may be when it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxAge {
    /// Any age.
    Never,
    /// Up to this.
    Within(Span),
}

impl MaxAge {
    /// The age, if there is a limit.
    pub(super) fn limit(self) -> Option<Duration> {
        match self {
            Self::Never => None,
            Self::Within(span) => Some(span.0),
        }
    }
}

impl Serialize for MaxAge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Never => serializer.serialize_str("never"),
            Self::Within(span) => span.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for MaxAge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) if text.trim() == "never" => Ok(Self::Never),
            other => Span::deserialize(other)
                .map(Self::Within)
                .map_err(serde::de::Error::custom),
        }
    }
}

/// The way to the account, and the key that opens it.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) client: Client,
    pub(super) key: Secret,
}

impl Account {
    /// The key for one request, and the headers that carry it.
    fn signed(&self) -> Result<(Arc<str>, header::HeaderMap), SendError> {
        let key = self.key.expose().map_err(|error| SendError::Unauthorized {
            reason: error.to_string(),
        })?;
        let mut value = header::HeaderValue::from_str(&key).map_err(|_| SendError::Unauthorized {
            reason: "the API key has characters that no header can carry".to_string(),
        })?;
        value.set_sensitive(true);
        let mut headers = header::HeaderMap::new();
        headers.insert("DD-API-KEY", value);
        Ok((key, headers))
    }

    /// Sends a body of this type and encoding, once.
    pub(super) async fn post(
        &self,
        url: &Url,
        (content_type, encoding): (&'static str, &'static str),
        body: Bytes,
    ) -> Result<Sent, SendError> {
        let (key, mut headers) = self.signed()?;
        headers.insert(
            header::CONTENT_TYPE,
            header::HeaderValue::from_static(content_type),
        );
        headers.insert(
            header::CONTENT_ENCODING,
            header::HeaderValue::from_static(encoding),
        );
        let answer = self.client.post(url, headers, body).await.map_err(no_answer)?;
        answer::of_data(&answer, &key, SystemTime::now())
    }

    /// Asks for a page with the key, which is returned so that no text passes it on.
    pub(super) async fn get(&self, url: &Url) -> Result<(Answer, Arc<str>), SendError> {
        let (key, headers) = self.signed()?;
        let answer = self.client.get(url, headers).await.map_err(no_answer)?;
        Ok((answer, key))
    }
}

/// Name, route, TLS and time-outs come and go with the network: all of them are tried again.
fn no_answer(error: HttpError) -> SendError {
    match error.may_have_arrived {
        true => SendError::Unanswered { reason: error.reason },
        false => SendError::Retry {
            after: None,
            reason: error.reason,
        },
    }
}

/// Where a key of a section stands.
pub(super) fn at(section: &Section, key: &str) -> String {
    format!("{}.{key}", section.path)
}

/// The key `api_key`, which is required.
pub(super) fn api_key(given: Option<&Secret>, section: &Section, problems: &mut Problems) -> Option<Secret> {
    let key = given.filter(|key| !key.is_empty()).cloned();
    let path = at(section, "api_key");
    if key.is_none() && !problems.iter().any(|problem| problem.path == path) {
        problems.add_with_hint(
            path,
            "expected the API key of the Datadog account",
            "set it here or in API_KEY, or leave the whole section out",
        );
    }
    key
}

/// The key `timeout`.
pub(super) fn timeout(
    given: Option<Span>,
    defaults: &Defaults,
    section: &Section,
    problems: &mut Problems,
) -> Duration {
    let timeout = given.map_or(defaults.timeout, |span| span.0);
    if timeout.is_zero() {
        problems.add(at(section, "timeout"), "expected more than 0s");
    }
    timeout
}

/// The key `max_age`; `items` is what it is about.
pub(super) fn max_age(given: MaxAge, items: &str, section: &Section, problems: &mut Problems) {
    if given == MaxAge::Within(Span(Duration::ZERO)) {
        problems.add_with_hint(
            at(section, "max_age"),
            "expected more than 0s",
            format!("`never` sends {items} of any age"),
        );
    }
}

/// The keys `ca_file` and `proxy`.
pub(super) fn client(
    timeout: Duration,
    ca_file: Option<&Path>,
    proxy: Option<&Secret>,
    defaults: &Defaults,
    section: &Section,
    problems: &mut Problems,
) -> Option<Client> {
    let proxies = match proxy {
        None => defaults.proxies.clone(),
        Some(proxy) if proxy.is_empty() || proxy == &Secret::new("none") => Proxies::none(),
        Some(proxy) => Proxies::only("proxy", proxy.clone()),
    };
    let options = Options {
        timeout,
        proxies,
        ca_file: ca_file.map(Path::to_path_buf),
        ..Options::default()
    };
    match Client::new(&options) {
        Ok(client) => Some(client),
        Err(error) => {
            let (path, message) = match error {
                ClientError::Trust(error) => (at(section, "ca_file"), error.to_string()),
                ClientError::Proxy(error) if proxy.is_some() => (at(section, error.from), error.reason),
                ClientError::Proxy(error) => (error.from.to_string(), error.reason),
                ClientError::Tls(_) | ClientError::Library(_) => (section.path.clone(), error.to_string()),
            };
            problems.add(path, message);
            None
        }
    }
}

/// The keys `url` and `site`: the base address of the intake. `of_site` gives the one of a site.
pub(super) fn base_url(
    url: Option<&str>,
    site: &str,
    of_site: impl Fn(&str) -> String,
    section: &Section,
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> Option<Url> {
    let (key, text) = match url.map(str::trim).filter(|url| !url.is_empty()) {
        Some(url) => ("url", url.to_string()),
        None => {
            let site = site.trim();
            if !SITES.contains(&site) {
                let hint = did_you_mean(site, SITES)
                    .map(|hint| format!(" ({hint})"))
                    .unwrap_or_default();
                warnings.push(format!(
                    "`{site}` is none of the known Datadog sites{hint}; it is used as it is"
                ));
            }
            ("site", of_site(site))
        }
    };
    let path = at(section, key);
    // The text is not repeated: what is wrong with it may be a password in it.
    let url = match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
        Ok(_) | Err(_) if key == "site" => {
            problems.add_with_hint(path, "expected a host's name", format!("such as {}", SITES[0]));
            return None;
        }
        Ok(_) | Err(_) => {
            problems.add_with_hint(
                path,
                "expected an address that begins with http:// or https://",
                format!("such as {}", of_site(SITES[0])),
            );
            return None;
        }
    };
    if url.query().is_some() || url.fragment().is_some() {
        problems.add_with_hint(
            path,
            "expected an address without `?` and `#`",
            "the key belongs in api_key",
        );
        return None;
    }
    Some(url)
}

/// What a person should know of a key and an address, though they work.
pub(super) fn warn(key: &Secret, base: &Url, warnings: &mut Vec<String>) {
    if let Err(error) = key.expose() {
        warnings.push(format!(
            "{error}; until it can be read, everything waits in the journal"
        ));
    }
    if base.scheme() == "http" && !is_loopback(base) {
        warnings.push(format!(
            "the API key is sent to {} without encryption; use https, or a relay on this machine",
            Shown(base)
        ));
    }
}

/// An address below a base, which may end in a slash.
pub(super) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}
