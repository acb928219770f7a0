//! The output's section of the settings, checked.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::component::settings::{Problems, Section};
use crate::outputs::datadog::account::{self, Account, Defaults, MaxAge, SITES, below};
use crate::outputs::datadog::series::{Datadog, Version, level};
use crate::support::quantity::Span;
use crate::support::secret::Secret;
use crate::support::url::Shown;

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

/// The section as it takes effect, with every default; `None` where it cannot be used.
pub fn effective(section: &Section) -> Option<Value> {
    serde_json::to_value(section.read::<Config>(&mut Problems::default())?).ok()
}

/// Makes the output from its section; connects to nothing. `None` where a problem was found.
pub fn build(section: &Section, defaults: &Defaults, problems: &mut Problems) -> Option<Datadog> {
    let before = problems.iter().count();
    let config: Config = section.read(problems)?;
    let mut warnings = Vec::new();

    let key = account::api_key(config.api_key.as_ref(), section, problems);
    let of_site = |site: &str| format!("https://api.{site}/api");
    let base = account::base_url(
        config.url.as_deref(),
        &config.site,
        of_site,
        section,
        problems,
        &mut warnings,
    );
    if let Some(base) = base
        .as_ref()
        .filter(|base| base.path().trim_matches('/').is_empty())
    {
        warnings.push(format!(
            "{}: an intake's address ends in /api in most cases",
            Shown(base)
        ));
    }
    let most = if config.api_version == Version::V2 { 22 } else { 9 };
    if config
        .compression_level
        .is_some_and(|level| !(1..=most).contains(&level))
    {
        let version = config.api_version.name();
        problems.add(
            account::at(section, "compression_level"),
            format!("expected a level from 1 to {most} for {version}"),
        );
    }
    let timeout = account::timeout(config.timeout, defaults, section, problems);
    account::max_age(config.max_age, "points", section, problems);
    for (index, _) in config
        .historical
        .iter()
        .enumerate()
        .filter(|(_, name)| name.trim().is_empty())
    {
        problems.add(
            account::at(section, &format!("historical[{index}]")),
            "expected a metric name, or a pattern with `*`",
        );
    }
    let (ca_file, proxy) = (config.ca_file.as_deref(), config.proxy.as_ref());
    let client = account::client(timeout, ca_file, proxy, defaults, section, problems);
    let (base, key, client) = (base?, key?, client?);
    account::warn(&key, &base, &mut warnings);
    (problems.iter().count() == before).then(|| Datadog {
        account: Account { client, key },
        series_url: below(&base, config.api_version.path()),
        validate_url: below(&base, "v1/validate"),
        version: config.api_version,
        level: config.compression_level.map(level),
        max_age: config.max_age.limit(),
        historical: config
            .historical
            .iter()
            .map(|text| text.trim().to_string())
            .collect(),
        warnings,
    })
}
