//! Kinds of values that settings have: each reads text and says what it expected.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::component::settings::did_you_mean;
use crate::journal::disk;
use crate::support::quantity::{Span, text_or_number};

/// An address and port to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

impl Default for Listen {
    fn default() -> Self {
        Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 9103))
    }
}

impl Listen {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let named = match text.rsplit_once(':') {
            Some(("", port)) => format!("0.0.0.0:{port}"),
            Some(("localhost", port)) => format!("127.0.0.1:{port}"),
            _ => text.to_string(),
        };
        named.parse().ok().map(Self)
    }

    /// An address at which the page can be asked for from this machine.
    pub fn reachable(&self) -> SocketAddr {
        let mut at = self.0;
        if at.ip().is_unspecified() {
            at.set_ip(match at {
                SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                SocketAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
            });
        }
        at
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Serialize for Listen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text_or_number(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "expected an address and a port such as `0.0.0.0:9103`, found `{text}`"
            ))
        })
    }
}

/// When the journal reaches the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// After every append batch.
    Batch,
    /// At most so often.
    Every(Duration),
}

impl fmt::Display for Sync {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch => out.write_str("batch"),
            Self::Every(interval) => Span(*interval).fmt(out),
        }
    }
}

impl From<Sync> for disk::Sync {
    fn from(sync: Sync) -> Self {
        match sync {
            Sync::Batch => Self::Batch,
            Sync::Every(interval) => Self::Every(interval),
        }
    }
}

impl Serialize for Sync {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sync {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text_or_number(deserializer)?;
        if text == "batch" {
            return Ok(Self::Batch);
        }
        match Span::parse(&text) {
            Ok(Span(interval)) if !interval.is_zero() => Ok(Self::Every(interval)),
            _ => Err(D::Error::custom(format!(
                "expected `batch`, or a duration above 0 such as `30s` or `5m`, found `{text}`"
            ))),
        }
    }
}

/// Where the journal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalKind {
    /// In the Redis where one is set, on disk otherwise.
    #[default]
    Auto,
    /// In the Redis.
    Redis,
    /// On disk.
    Disk,
}

/// Which wrapper makes points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WrapperKind {
    /// Points as Datadog's dashboards expect them.
    #[default]
    Datadog,
    /// Sums and means.
    Simple,
}

impl WrapperKind {
    /// Its name in the catalog.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Datadog => "datadog",
            Self::Simple => "simple",
        }
    }
}

/// The least that the agent's own log says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Every item.
    Trace,
    /// Every tick.
    Debug,
    /// Start, stop, change.
    #[default]
    Info,
    /// What recovered.
    Warn,
    /// What needs a person.
    Error,
    /// Nothing.
    Off,
}

impl Level {
    const KNOWN: [&'static str; 10] = [
        "trace", "debug", "info", "warn", "error", "off", "warning", "critical", "fatal", "notset",
    ];

    /// Python's names mean what they mean there, `critical` and `fatal` being errors here.
    fn parse(text: &str) -> Option<Self> {
        Some(match text.trim().to_ascii_lowercase().as_str() {
            "trace" | "notset" => Self::Trace,
            "debug" => Self::Debug,
            "info" => Self::Info,
            "warn" | "warning" => Self::Warn,
            "error" | "critical" | "fatal" => Self::Error,
            "off" => Self::Off,
            _ => return None,
        })
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text_or_number(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            let hint = did_you_mean(&text, Self::KNOWN).map_or(String::new(), |hint| format!("; {hint}"));
            D::Error::custom(format!(
                "expected one of trace, debug, info, warn, error, off, found `{text}`{hint}"
            ))
        })
    }
}

/// How the agent's own log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on stderr.
    #[default]
    Text,
    /// JSON lines on stdout.
    Json,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_may_leave_out_the_host() {
        let read = |text: &str| Listen::parse(text).map(|listen| listen.to_string());
        assert_eq!(read(":9103").as_deref(), Some("0.0.0.0:9103"));
        assert_eq!(read("localhost:80").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(read("[::1]:80").as_deref(), Some("[::1]:80"));
        for wrong in ["9103", "0.0.0.0", "0.0.0.0:99999", ""] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(Listen::default().reachable().to_string(), "127.0.0.1:9103");
    }

    #[test]
    fn levels_go_by_python_names_too() {
        for (text, level) in [
            ("INFO", Level::Info),
            ("WARNING", Level::Warn),
            ("warn", Level::Warn),
            ("CRITICAL", Level::Error),
            ("NOTSET", Level::Trace),
        ] {
            assert_eq!(Level::parse(text), Some(level), "{text}");
        }
        let error = serde_json::from_value::<Level>(json!("infoo")).unwrap_err();
        assert!(error.to_string().contains("did you mean `info`?"), "{error}");
    }

    #[test]
    fn the_journal_is_synced_by_batch_or_by_time() {
        let read = |value| serde_json::from_value::<Sync>(value).map_err(|error| error.to_string());
        assert_eq!(read(json!("batch")), Ok(Sync::Batch));
        assert_eq!(read(json!("5m")), Ok(Sync::Every(Duration::from_secs(300))));
        for wrong in [json!("0s"), json!(30), json!("never")] {
            assert!(read(wrong).unwrap_err().starts_with("expected `batch`"));
        }
    }
}
