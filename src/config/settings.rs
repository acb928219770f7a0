//! The settings: one typed tree, as the rest of the program reads it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::component::output::Speaker;
use crate::component::settings::Section;
use crate::config::kinds::{JournalKind, Level, Listen, LogFormat, Sync, WrapperKind};
use crate::support::quantity::{Size, Span};
use crate::wrappers::Aggregation;

pub use crate::config::docker::DockerSettings;
pub use crate::config::redis::{RedisSettings, SentinelSettings};
pub use crate::config::sections::{CollectorSettings, FeedSettings, OutputSettings};

/// Everything that can be set. In a file the keys are the fields' names.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where the metrics page is served; default `0.0.0.0:9103`. `:9103` means every address. Port 0 lets the system
    /// choose one, which the log names.
    pub listen: Listen,
    /// The name under which this device speaks; default: `host:` among the global tags, else the machine's name.
    /// Devices of one name overwrite each other, so set it where machines are cloned.
    pub host: String,
    /// The name of this machine on the series of its containers, their label `machine`; default: `host`.
    pub machine: String,
    /// Tags as `key:value` on everything that is sent; default none. They are added when it is sent, so a correction
    /// also corrects what still waits.
    pub global_tags: Vec<String>,
    /// The length of a window, in whole seconds; default `10s`, from `1s` to `1h`. Longer ones cost less to send.
    pub interval: Span,
    /// How long a window waits for late samples after its end; default `2s`, `0s` is allowed.
    pub grace: Span,
    /// How often a collector runs that has no interval of its own; default `30s`, at least `1s`.
    pub collect_interval: Span,
    /// How often live points are sent; default `60s`, at least `1s`. A backlog is not held to it.
    pub release_interval: Span,
    /// The most points in one request, below the destination's own limits; default 10000, at least 1.
    pub bulk_size: u32,
    /// How long a gauge stays on the page without a new value; default `5m`, at least `1s`.
    pub stale_after: Span,
    /// How long stopping may take, the last send included; default `10s`, at least `1s`. Keep it below what the
    /// orchestrator grants.
    pub shutdown_timeout: Span,
    /// Whether the original's metrics about itself (`chouette.queued.metrics`, …) are also sent; default true. The
    /// agent's own stand on `/metrics` always.
    pub send_self_metrics: bool,
    /// How many series there may be.
    pub limits: Limits,
    /// Which points a window becomes.
    pub wrapper: WrapperSettings,
    /// The buckets that pages show of histograms, by the metric's name; the first rule that matches counts. Default
    /// none: the bounds that Prometheus' libraries share, 5 ms to 10 s.
    pub histograms: Vec<HistogramSettings>,
    /// The store-and-forward log.
    pub journal: JournalSettings,
    /// What is collected, by name. Without this key and without Chouette-IoT's variables: `host`, and whatever else of
    /// this device is found and can be read. With it, exactly what it names.
    #[serde(deserialize_with = "read_apart")]
    pub collectors: BTreeMap<String, CollectorSettings>,
    /// What applications hand in, by name. Without this key: `redis` where a Redis is set; with it, exactly what it
    /// names and does not switch off with `enabled: false`. `resp` and `container_logs` are also there where
    /// TAWNY_RESP_LISTEN or LOGS_DIR is set.
    #[serde(deserialize_with = "read_apart")]
    pub feeds: BTreeMap<String, FeedSettings>,
    /// Where points go, by name. None: nothing is journalled.
    #[serde(deserialize_with = "read_apart")]
    pub outputs: BTreeMap<String, OutputSettings>,
    /// What the agent says of itself.
    pub log: LogSettings,
    /// The metrics page.
    pub web: WebSettings,
    /// Where the device's own files are seen; a container that reports on its host mounts them elsewhere.
    pub roots: RootSettings,
    /// The Redis of the applications and of the journal; default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisSettings>,
    /// The container engine.
    pub docker: DockerSettings,
}

impl Settings {
    /// Who is speaking.
    pub fn speaker(&self) -> Speaker {
        let host_tag = format!("host:{}", self.host);
        let tags = self.global_tags.iter().filter(|tag| **tag != host_tag);
        Speaker {
            host: self.host.clone(),
            tags: tags.cloned().collect(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: Listen::default(),
            host: String::new(),
            machine: String::new(),
            global_tags: Vec::new(),
            interval: Span::seconds(10),
            grace: Span::seconds(2),
            collect_interval: Span::seconds(30),
            release_interval: Span::seconds(60),
            bulk_size: 10_000,
            stale_after: Span::seconds(300),
            shutdown_timeout: Span::seconds(10),
            send_self_metrics: true,
            limits: Limits::default(),
            wrapper: WrapperSettings::default(),
            journal: JournalSettings::default(),
            histograms: Vec::new(),
            collectors: BTreeMap::new(),
            feeds: BTreeMap::new(),
            outputs: BTreeMap::new(),
            log: LogSettings::default(),
            web: WebSettings::default(),
            roots: RootSettings::default(),
            redis: None,
            docker: DockerSettings::default(),
        }
    }
}

/// How many series the registry takes. What is refused is counted, and the log names who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Series in total; default 100000, at least 1.
    pub series: u32,
    /// Series from one collector or feed; default 90000, so that one that explodes leaves room for others;
    /// at least 1. More than `series` has no effect.
    pub series_per_origin: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            series: 100_000,
            series_per_origin: 90_000,
        }
    }
}

/// Which points a window becomes.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct WrapperSettings {
    /// `datadog` (default) or `simple`.
    #[serde(rename = "type")]
    pub kind: WrapperKind,
    /// What `datadog` makes of a histogram; default `max`, `median`, `avg`, `count`. An empty list makes none.
    pub histogram_aggregates: Vec<Aggregation>,
    /// Which percentiles `datadog` makes of a histogram, each above 0 and below 1; default 0.95.
    pub histogram_percentiles: Vec<f64>,
}

impl Default for WrapperSettings {
    fn default() -> Self {
        Self {
            kind: WrapperKind::default(),
            histogram_aggregates: Aggregation::DEFAULT.to_vec(),
            histogram_percentiles: vec![0.95],
        }
    }
}

impl WrapperSettings {
    /// What the chosen wrapper reads itself; only `datadog` has settings.
    pub(super) fn section(&self) -> Section {
        let value = match self.kind {
            WrapperKind::Datadog => json!({
                "histogram_aggregates": self.histogram_aggregates,
                "histogram_percentiles": self.histogram_percentiles,
            }),
            WrapperKind::Simple => Value::Null,
        };
        Section::new("wrapper", value)
    }
}

/// The buckets of some histograms on the metrics page. What is pushed does not depend on them.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HistogramSettings {
    /// The metric's name as applications write it, `*` standing for any text: `api.*.duration`.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Upper bounds, ascending, in the metric's unit; 1 to 100 of them. The bucket for the rest is always there.
    pub buckets: Vec<f64>,
}

/// The store-and-forward log.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournalSettings {
    /// Where it is: `redis`, `disk`, or `auto` (default): in the Redis where one is set, on disk otherwise. While Redis
    /// is away, blocks go to the disk.
    #[serde(rename = "type")]
    pub kind: JournalKind,
    /// Its folder; default: `$STATE_DIRECTORY`, else `$XDG_STATE_HOME/tawny`, else `/var/lib/tawny` where that can be
    /// written, else `~/.local/state/tawny`. One process only may use it. With the journal in Redis it takes what comes
    /// while Redis is away; the files of the feed `resp` and this agent's own name lie in it, too.
    pub directory: PathBuf,
    /// The most bytes on the medium, all files; default `64MiB`, at least `1MiB`. Then the oldest blocks go. In Redis
    /// the most bytes of blocks that wait, and as much again on disk. Half of it is for logs where an output takes them.
    pub bound: Size,
    /// When it reaches the disk: after every `batch` (default), or at most so often (`30s`, `5m`), which spares
    /// flash and risks that much at a power failure. A kill of the process loses nothing either way. In
    /// Redis, Redis decides.
    pub sync: Sync,
    /// How long things wait for an output at most.
    pub time_to_live: TimeToLive,
    /// How long the journal of an agent in the same Redis is without a sign of life when another one takes it over;
    /// default `10m`, at least `1s`. Longer where agents sleep: who wakes up too late goes on with a journal of its own.
    pub take_over_after: Span,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            kind: JournalKind::Auto,
            directory: PathBuf::new(),
            bound: Size::mebibytes(64),
            sync: Sync::Batch,
            time_to_live: TimeToLive::default(),
            take_over_after: Span::seconds(600),
        }
    }
}

/// How long things wait for an output before they are dropped, and counted, as too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TimeToLive {
    /// Of points; default `4h`, longer than a window and its grace.
    pub points: Span,
    /// Of log records; default `18h`, at least `1s`.
    pub logs: Span,
}

impl Default for TimeToLive {
    fn default() -> Self {
        Self {
            points: Span::seconds(14_400),
            logs: Span::seconds(64_800),
        }
    }
}

/// What the agent says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    /// The least that is said: `trace`, `debug`, `info` (default), `warn`, `error`, `off`; Python's names work too.
    pub level: Level,
    /// `text` on stderr (default), or `json`: one object a line on stdout.
    pub format: LogFormat,
}

/// The metrics page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebSettings {
    /// Whether OpenMetrics pages carry `_created` lines; default false, as they nearly double the page.
    pub created_lines: bool,
}

/// Where the device's own files are seen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RootSettings {
    /// Where `/proc` of the device is; default `/proc` (HOST_PROC).
    pub proc: PathBuf,
    /// Where `/sys` of the device is; default `/sys` (HOST_SYS).
    pub sys: PathBuf,
    /// Where `/` of the device is; default `/` (HOST_ROOT).
    pub root: PathBuf,
}

impl Default for RootSettings {
    fn default() -> Self {
        Self {
            proc: "/proc".into(),
            sys: "/sys".into(),
            root: "/".into(),
        }
    }
}

/// The key is known, and its content is read on its own: it depends on what the catalog holds.
fn read_apart<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default,
{
    serde::de::IgnoredAny::deserialize(deserializer)?;
    Ok(T::default())
}
