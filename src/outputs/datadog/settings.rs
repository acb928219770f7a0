//! The output's section of the settings, checked.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::component::settings::{Problems, Section, did_you_mean};
use crate::outputs::datadog::names::Pattern;
use crate::outputs::datadog::{Datadog, Version, level};
use crate::support::http::{Client, ClientError, Options};
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

/// What the rest of the settings says for this output where its section says nothing.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Most time for one request; four fifths of `RELEASE_INTERVAL`, as its predecessor had it.
    pub timeout: Duration,
    /// The environment's proxies.
    pub proxies: Proxies,
}

/// The section `outputs.datadog`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The API key, as text or as `file:PATH` (read again when the file changes). Required. It is sent as the header
    /// `DD-API-KEY` and shown nowhere.
    pub api_key: Option<Secret>,
    /// The Datadog site of the account; default `datadoghq.com`. An unknown one is tried, with a warning.
    pub site: String,
    /// Base address of the intake, up to and without `/v1/series`; with or without a slash at its end. It overrides
    /// `site`; for compatible intakes and relays. Default: `https://api.SITE/api`.
    pub url: Option<String>,
    /// `v2` (protobuf, zstd; the default) or `v1` (JSON, deflate), which compatible intakes need.
    pub api_version: Version,
    /// How hard to compress: 1 to 22 for `v2`, 1 to 9 for `v1`. Default: hard for small bodies, moderate for large
    /// ones. Lower it where the processor is short and the network is not.
    pub compression_level: Option<u32>,
    /// Most time for one request, answer included. Default: four fifths of the release interval.
    pub timeout: Option<Span>,
    /// Points older than this wait in the journal instead of being sent, because Datadog answers that it took them
    /// and forgets them; default 55m. `never`: points of any age are sent, for intakes that keep them.
    pub max_age: MaxAge,
    /// Metrics for which historical ingestion is on, so that points of any age are sent; `*` stands for any text.
    /// Default: none.
    pub historical: Vec<String>,
    /// A file of certificates (PEM) to trust besides the system's, for a relay or proxy that breaks up TLS.
    pub ca_file: Option<PathBuf>,
    /// A proxy for this output, `http://USER:PASSWORD@HOST:PORT`, or `none`. Default: `HTTPS_PROXY`, `HTTP_PROXY` and
    /// `NO_PROXY` of the environment.
    pub proxy: Option<Secret>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            api_key: None,
            site: SITES[0].to_string(),
            url: None,
            api_version: Version::V2,
            compression_level: None,
            timeout: None,
            max_age: MaxAge::Within(Span::seconds(55 * 60)),
            historical: Vec::new(),
            ca_file: None,
            proxy: None,
        }
    }
}

/// How old a point may be when it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxAge {
    /// Any age.
    Never,
    /// Up to this.
    Within(Span),
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

/// The section as it takes effect, with every default; `None` where it cannot be used.
pub fn effective(section: &Section) -> Option<Value> {
    serde_json::to_value(section.read::<Config>(&mut Problems::default())?).ok()
}

/// Makes the output from its section; connects to nothing. `None` where a problem was found.
pub fn build(section: &Section, defaults: &Defaults, problems: &mut Problems) -> Option<Datadog> {
    let before = problems.iter().count();
    let config: Config = section.read(problems)?;
    let at = |key: &str| format!("{}.{key}", section.path);
    let mut warnings = Vec::new();

    let key = config.api_key.clone().filter(|key| !key.is_empty());
    if key.is_none() && !problems.iter().any(|problem| problem.path == at("api_key")) {
        problems.add_with_hint(
            at("api_key"),
            "expected the API key of the Datadog account",
            "set it here or in API_KEY, or leave the whole section out",
        );
    }
    let base = base_url(&config, section, problems, &mut warnings);
    let most = if config.api_version == Version::V2 { 22 } else { 9 };
    if config
        .compression_level
        .is_some_and(|level| !(1..=most).contains(&level))
    {
        let version = config.api_version.name();
        problems.add(
            at("compression_level"),
            format!("expected a level from 1 to {most} for {version}"),
        );
    }
    let timeout = config.timeout.map_or(defaults.timeout, |span| span.0);
    if timeout.is_zero() {
        problems.add(at("timeout"), "expected more than 0s");
    }
    if config.max_age == MaxAge::Within(Span(Duration::ZERO)) {
        problems.add_with_hint(
            at("max_age"),
            "expected more than 0s",
            "`never` sends points of any age",
        );
    }
    for (index, _) in config
        .historical
        .iter()
        .enumerate()
        .filter(|(_, name)| name.trim().is_empty())
    {
        problems.add(
            at(&format!("historical[{index}]")),
            "expected a metric name, or a pattern with `*`",
        );
    }
    let proxies = match &config.proxy {
        None => defaults.proxies.clone(),
        Some(proxy) if proxy.is_empty() || proxy == &Secret::new("none") => Proxies::none(),
        Some(proxy) => Proxies::only("proxy", proxy.clone()),
    };
    let options = Options {
        timeout,
        proxies,
        ca_file: config.ca_file.clone(),
        ..Options::default()
    };
    let client = match Client::new(&options) {
        Ok(client) => Some(client),
        Err(error) => {
            let (path, message) = match error {
                ClientError::Trust(error) => (at("ca_file"), error.to_string()),
                ClientError::Proxy(error) if config.proxy.is_some() => (at(error.from), error.reason),
                ClientError::Proxy(error) => (error.from.to_string(), error.reason),
                ClientError::Library(_) => (section.path.clone(), error.to_string()),
            };
            problems.add(path, message);
            None
        }
    };
    let (base, key, client) = (base?, key?, client?);
    if let Err(error) = key.expose() {
        warnings.push(format!(
            "{error}; until it can be read, everything waits in the journal"
        ));
    }
    if base.scheme() == "http" && !is_loopback(&base) {
        warnings.push(format!(
            "the API key is sent to {} without encryption; use https, or a relay on this machine",
            Shown(&base)
        ));
    }
    (problems.iter().count() == before).then(|| Datadog {
        client,
        series_url: below(&base, config.api_version.path()),
        validate_url: below(&base, "v1/validate"),
        key,
        version: config.api_version,
        level: config.compression_level.map(level),
        max_age: match config.max_age {
            MaxAge::Never => None,
            MaxAge::Within(span) => Some(span.0),
        },
        historical: config
            .historical
            .iter()
            .map(|text| Pattern::new(text.trim()))
            .collect(),
        warnings,
    })
}

fn base_url(
    config: &Config,
    section: &Section,
    problems: &mut Problems,
    warnings: &mut Vec<String>,
) -> Option<Url> {
    let (key, text) = match config.url.as_deref().map(str::trim).filter(|url| !url.is_empty()) {
        Some(url) => ("url", url.to_string()),
        None => {
            let site = config.site.trim();
            if !SITES.contains(&site) {
                let hint = did_you_mean(site, SITES)
                    .map(|hint| format!(" ({hint})"))
                    .unwrap_or_default();
                warnings.push(format!(
                    "`{site}` is none of the known Datadog sites{hint}; it is used as it is"
                ));
            }
            ("site", format!("https://api.{site}/api"))
        }
    };
    let path = format!("{}.{key}", section.path);
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
                "such as https://api.datadoghq.com/api",
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
    if url.path().trim_matches('/').is_empty() {
        warnings.push(format!(
            "{}: an intake's address ends in /api in most cases",
            Shown(&url)
        ));
    }
    Some(url)
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}
