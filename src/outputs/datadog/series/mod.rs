//! Delivers series to Datadog, and to intakes that speak its protocol.
//!
//! * `settings`: the section of the settings, checked
//! * `names`: Datadog's rules for names and tags
//! * `body`: packs series up to the limits; `v2` and `v1`: the wire formats

mod body;
pub mod names;
mod settings;
mod v1;
mod v2;

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use settings::{Config, build, effective};

use crate::component::descriptor::{Descriptor, Role};
use crate::component::entry::Entry;
use crate::component::output::{
    Encoded, NameStyle, Output, SendError, Sent, Series, SeriesName, Speaker, Traits,
};
use crate::model::block::BlockKind;
use crate::model::labels::Labels;
use crate::model::point::PointKind;
use crate::outputs::datadog::account::{Account, Defaults};
use crate::outputs::datadog::answer;
use crate::outputs::datadog::series::body::{Limits, Method, pack};
use crate::support::pattern::matches;
use crate::support::url::{Shown, Url};

/// What the output says of itself.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "datadog",
    role: Role::Output,
    summary: "Delivers points to Datadog, or to an intake that speaks its protocol.",
    sample: SAMPLE,
    metrics: &[],
};

/// How it is made.
pub static ENTRY: Entry<dyn Output> = Entry {
    descriptor: &DESCRIPTOR,
    build: |section, cx, findings| {
        let made = build(section, &Defaults::of(cx), &mut findings.problems)?;
        findings.warn(section, made.warnings());
        Some(Box::new(made))
    },
    effective,
    find: None,
};

const SAMPLE: &str = "\
# The API key: text, ${VARIABLE}, or file:PATH, which is read again when it changes. Required.
api_key: ${API_KEY}
# The account's site: datadoghq.com, us3.datadoghq.com, us5.datadoghq.com, ap1.datadoghq.com, ap2.datadoghq.com,
# uk1.datadoghq.com, datadoghq.eu, ddog-gov.com, us2.ddog-gov.com.
site: datadoghq.com
# Base address of another intake, without /v2/series; overrides the site.
url: null
# v2 (protobuf, zstd), or v1 (JSON, deflate) for compatible intakes that know only that.
api_version: v2
# 1 to 22 (v1: 1 to 9); null: hard for small bodies, moderate for large ones.
compression_level: null
# Most time for one request; null: four fifths of the release interval.
timeout: null
# Older points wait in the journal: Datadog would forget them. `never` sends points of any age.
max_age: 55m
# Metrics with historical ingestion, sent whatever their age; `*` stands for any text.
historical: []
# Certificates (PEM) to trust besides the system's.
ca_file: null
# http://USER:PASSWORD@HOST:PORT, or none; null: HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment.
proxy: null
";

/// Which protocol an intake speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// JSON, deflate.
    V1,
    /// Protobuf, zstd.
    V2,
}

impl Version {
    /// The word for it in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::V1 => "v1/series",
            Self::V2 => "v2/series",
        }
    }

    /// The documented limits of a request.
    const fn limits(self) -> Limits {
        match self {
            Self::V1 => Limits {
                compressed: 3_200_000,
                raw: 62_914_560,
            },
            Self::V2 => Limits {
                compressed: 512_000,
                raw: 5_242_880,
            },
        }
    }

    const fn content(self) -> (&'static str, &'static str) {
        match self {
            Self::V1 => ("application/json", "deflate"),
            Self::V2 => ("application/x-protobuf", "zstd"),
        }
    }
}

/// The output.
#[derive(Debug)]
pub struct Datadog {
    account: Account,
    series_url: Url,
    validate_url: Url,
    version: Version,
    level: Option<i32>,
    max_age: Option<Duration>,
    historical: Vec<String>,
    warnings: Vec<String>,
}

impl Datadog {
    /// What a person should know of these settings, though they work: for the log, once.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Where series go, without user info.
    pub fn shown_url(&self) -> String {
        Shown(&self.series_url).to_string()
    }

    fn method(&self, series: &[Series]) -> Method {
        // Close enough: a point takes 18 bytes, an entry's frame a few tags.
        let raw: usize = series.iter().map(|one| 200 + 18 * one.points.len()).sum();
        let raw = raw.min(self.version.limits().raw);
        match self.version {
            Version::V2 => Method::Zstd {
                level: self.level.unwrap_or(if raw <= LARGE_BODY { 18 } else { 16 }),
                window_log: raw.next_power_of_two().ilog2().clamp(15, 20),
            },
            Version::V1 => Method::Zlib {
                level: self.level.map_or(6, i32::unsigned_abs),
            },
        }
    }
}

/// From this many bytes before compression on, a level lower saves a third of the time for a twentieth more bytes.
const LARGE_BODY: usize = 1024 * 1024;

fn level(level: u32) -> i32 {
    i32::try_from(level).unwrap_or(i32::MAX)
}

#[async_trait]
impl Output for Datadog {
    fn traits(&self) -> Traits {
        Traits {
            takes: BlockKind::Points,
            names: NameStyle::Dotted,
            fresh_first: true,
            repeat_harmless: true,
            max_age: self.max_age,
        }
    }

    fn name(
        &self,
        metric: &str,
        labels: &Labels,
        kind: PointKind,
        interval: u32,
        speaker: &Speaker,
    ) -> Option<SeriesName> {
        Some(SeriesName {
            metric: names::metric(metric)?,
            tags: names::tags(labels.iter(), &speaker.tags),
            kind,
            interval,
        })
    }

    fn keeps_historical(&self, metric: &str) -> bool {
        self.historical.iter().any(|pattern| matches(pattern, metric))
    }

    fn encode(&self, series: &[Series], speaker: &Speaker, shrink: u32) -> Encoded {
        let limits = self.version.limits().shrunk(shrink);
        let method = self.method(series);
        match self.version {
            Version::V1 => pack(&v1::V1::new(&speaker.host), series, method, limits),
            Version::V2 => pack(&v2::V2::new(speaker), series, method, limits),
        }
    }

    async fn send(&self, body: Bytes) -> Result<Sent, SendError> {
        self.account
            .post(&self.series_url, self.version.content(), body)
            .await
    }

    async fn probe(&self) -> Result<Option<Sent>, SendError> {
        let (answer, key) = self.account.get(&self.validate_url).await?;
        answer::of_validation(&answer, &key, SystemTime::now())
    }
}

#[cfg(test)]
mod encoding_tests;
#[cfg(test)]
mod tests;
