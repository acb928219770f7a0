//! The output's section of the settings, checked.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::component::settings::{Problems, Section};
use crate::outputs::datadog::account::{self, Account, Defaults, MaxAge, SITES, below};
use crate::outputs::datadog::logs::{DatadogLogs, Version};
use crate::support::quantity::Span;
use crate::support::secret::Secret;

/// How hard to compress where the settings do not say.
const LEVEL: u32 = 6;
/// The intake takes logs of 18 hours; a request and a clock may be minutes off.
const MAX_AGE: u64 = 18 * 3600 - 300;

/// The section `outputs.datadog_logs`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The API key, as text or as `file:PATH` (read again when the file changes). Required. It is sent as the header
    /// `DD-API-KEY` and shown nowhere.
    pub api_key: Option<Secret>,
    /// The Datadog site of the account; default `datadoghq.com`. An unknown one is tried, with a warning.
    pub site: String,
    /// Base address of the intake, up to and without `/api/v2/logs` or `/v1/input`; with or without a slash at its
    /// end. It overrides `site`; for compatible intakes and relays. Default: `https://http-intake.logs.SITE`.
    pub url: Option<String>,
    /// `v2` (the default) or `v1`, the predecessor's, for intakes that know only that.
    pub api_version: Version,
    /// How hard to compress (gzip): 1 to 9; default 6. Lower it where the processor is short and the network is not.
    pub compression_level: Option<u32>,
    /// Most time for one request, answer included. Default: four fifths of the release interval.
    pub timeout: Option<Span>,
    /// Logs older than this wait in the journal instead of being sent, because Datadog answers that it took them and
    /// forgets them; default 17h55m. `never`: logs of any age are sent, for intakes that keep them.
    pub max_age: MaxAge,
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
            max_age: MaxAge::Within(Span::seconds(MAX_AGE)),
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
pub fn build(section: &Section, defaults: &Defaults, problems: &mut Problems) -> Option<DatadogLogs> {
    let before = problems.iter().count();
    let config: Config = section.read(problems)?;
    let mut warnings = Vec::new();

    let key = account::api_key(config.api_key.as_ref(), section, problems);
    let base = account::base_url(
        config.url.as_deref(),
        &config.site,
        |site| format!("https://http-intake.logs.{site}"),
        section,
        problems,
        &mut warnings,
    );
    let level = config.compression_level.unwrap_or(LEVEL);
    if !(1..=9).contains(&level) {
        problems.add(
            account::at(section, "compression_level"),
            "expected a level from 1 to 9",
        );
    }
    let timeout = account::timeout(config.timeout, defaults, section, problems);
    account::max_age(config.max_age, "logs", section, problems);
    let (ca_file, proxy) = (config.ca_file.as_deref(), config.proxy.as_ref());
    let client = account::client(timeout, ca_file, proxy, defaults, section, problems);
    let (base, key, client) = (base?, key?, client?);
    account::warn(&key, &base, &mut warnings);
    (problems.iter().count() == before).then(|| DatadogLogs {
        account: Account { client, key },
        url: below(&base, config.api_version.path()),
        version: config.api_version,
        level,
        max_age: config.max_age.limit(),
        warnings,
    })
}
