//! An output: one destination, with its own names, limits and wire format. It encodes and sends once; when to try
//! again, what to halve and what to set aside is the pipeline's business.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;

use crate::model::block::BlockKind;
use crate::model::labels::Labels;
use crate::model::log::LogRecord;
use crate::model::point::PointKind;

/// Which of a point's names a destination goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameStyle {
    /// The dotted name, values scaled for it.
    Dotted,
    /// The Prometheus name, values in base units.
    Prometheus,
}

/// What a destination is like; constant over an output's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Which blocks it is sent. Of the methods of [`Output`] only those for that kind are called.
    pub takes: BlockKind,
    /// Which names it goes by.
    pub names: NameStyle,
    /// Whether live data may overtake the backlog, or everything goes oldest first.
    pub fresh_first: bool,
    /// Whether sending an item twice changes nothing there.
    pub repeat_harmless: bool,
    /// Items older than this are forgotten there, though it answers that it took them, unless
    /// [`Output::keeps_historical`] says otherwise for their name. `None`: any age is kept.
    pub max_age: Option<Duration>,
}

/// Who is speaking: added to every item when it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Speaker {
    /// The host's name; empty for none.
    pub host: String,
    /// Global tags as `key:value`.
    pub tags: Vec<String>,
}

/// A series under the name and tags that a destination knows it by. Two of ours can become one there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesName {
    /// The metric.
    pub metric: String,
    /// The tags, in the destination's form, sorted.
    pub tags: Vec<String>,
    /// What its values say.
    pub kind: PointKind,
    /// Seconds that a count or rate covers.
    pub interval: u32,
}

/// A series ready to encode, its points merged: one a second, in order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What the destination knows it by.
    pub name: SeriesName,
    /// Seconds since 1970-01-01 UTC and values; never empty.
    pub points: Vec<(i64, f64)>,
}

/// A log record in the destination's form, ready to stand in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// When it was written, re-dated, seconds since 1970-01-01 UTC.
    pub time: i64,
    /// The entry.
    pub json: Box<str>,
    /// Whether it was longer than the destination takes, so that a part of it is missing.
    pub cut: bool,
}

/// A request's body, encoded up to the destination's limits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoded {
    /// The body, compressed as the destination takes it.
    pub body: Bytes,
    /// How many of the given series, or log entries, it holds completely, from the front.
    pub series: usize,
    /// How many points of the series behind those it holds, from the front; 0 in most cases, and for logs.
    pub points_of_next: usize,
    /// Bytes before compression.
    pub raw_bytes: u64,
}

/// A request that the destination took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sent {
    /// What it complained about all the same (a 202 that lists errors).
    pub complaints: Vec<String>,
    /// The moment that its `Date` header names, if it sent one.
    pub date: Option<SystemTime>,
}

/// Why a request was not taken. Nothing of it counts as delivered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SendError {
    /// The destination, or the way to it, is not able now: network, timeout, 408, 429, 5xx.
    #[error("{reason}")]
    Retry {
        /// What it asked to wait (`Retry-After`), if it did.
        after: Option<Duration>,
        /// What happened, without secrets.
        reason: String,
    },
    /// The request went out and no answer came back (timeout, broken connection): it may have arrived. It is tried
    /// again, and what is sent twice is counted.
    #[error("{reason}")]
    Unanswered {
        /// What happened, without secrets.
        reason: String,
    },
    /// The request is too large for it: 413.
    #[error("{reason}")]
    TooLarge {
        /// What happened.
        reason: String,
    },
    /// It does not know the key, or the key may not: 401, 403, or the key cannot be read.
    #[error("{reason}")]
    Unauthorized {
        /// What happened.
        reason: String,
    },
    /// This is not the place: 3xx, 404, 405, 415. A redirect is never followed: it would carry the key elsewhere.
    #[error("{reason}")]
    Misdirected {
        /// What happened, with the host that a redirect names.
        reason: String,
    },
    /// It understood the request and refuses what is in it: 400, 422.
    #[error("{reason}")]
    Refused {
        /// What it says is wrong, cut to a readable length.
        reason: String,
    },
}

/// One destination.
#[async_trait]
pub trait Output: Send + Sync {
    /// What the destination is like.
    fn traits(&self) -> Traits;

    /// The name and tags that the destination knows a series by, its naming rules applied, the speaker's tags added
    /// and sorted. `metric` is already of the style that [`Traits::names`] asks for, suffix included. `None`: no
    /// spelling of it can be sent (counted as refused).
    fn name(
        &self,
        metric: &str,
        labels: &Labels,
        kind: PointKind,
        interval: u32,
        speaker: &Speaker,
    ) -> Option<SeriesName> {
        let _ = (metric, labels, kind, interval, speaker);
        None
    }

    /// Whether the destination keeps points of this metric whatever their age.
    fn keeps_historical(&self, metric: &str) -> bool {
        let _ = metric;
        false
    }

    /// Encodes as many series from the front as fit the destination's limits divided by `shrink` (1 or more; it
    /// doubles after a 413), but at least one point. `series` is not empty.
    fn encode(&self, series: &[Series], speaker: &Speaker, shrink: u32) -> Encoded {
        let _ = (series, speaker, shrink);
        Encoded::default()
    }

    /// A log record in the destination's form, the speaker's host and tags added, cut to the longest that it takes.
    /// `redated`: the clock that the record was dated by was wrong, and [`LogRecord::time`] was put right since; the
    /// date in its text was not. `None`: no form of it can be sent (counted as refused).
    fn log_entry(&self, record: &LogRecord, redated: bool, speaker: &Speaker) -> Option<LogEntry> {
        let _ = (record, redated, speaker);
        None
    }

    /// Encodes as many log entries from the front as fit the destination's limits divided by `shrink`, but at least
    /// one. `entries` is not empty.
    fn encode_logs(&self, entries: &[LogEntry], shrink: u32) -> Encoded {
        let _ = (entries, shrink);
        Encoded::default()
    }

    /// Sends one encoded request, once, within the output's timeout.
    ///
    /// # Errors
    /// See [`SendError`].
    async fn send(&self, body: Bytes) -> Result<Sent, SendError>;

    /// Asks whether the destination would take data now, without sending any (Datadog: `/api/v1/validate`).
    /// `Ok(None)`: it cannot tell, or there is nothing to ask.
    ///
    /// # Errors
    /// See [`SendError`].
    async fn probe(&self) -> Result<Option<Sent>, SendError>;
}
