//! What a command stores.

use bytes::Bytes;

/// Which queue of the client library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Queue {
    /// Metric records.
    Metrics,
    /// Log records.
    Logs,
}

/// One command's halves of records.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Write {
    /// Where they go.
    pub(super) queue: Queue,
    /// What they are.
    pub(super) halves: Halves,
    /// Whether the answer is `OK` instead of how many were new.
    pub(super) says_ok: bool,
}

/// Halves of records. A record is whole when both are there.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Halves {
    /// Keys with their times in seconds.
    Times(Vec<(Bytes, f64)>),
    /// Keys with their contents.
    Values(Vec<(Bytes, Bytes)>),
}

/// Why nothing of what a client sent was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The bound is reached.
    Full,
    /// Too many halves wait for their other halves.
    Halves,
    /// The medium fails.
    Disk,
    /// The agent stops.
    Stopping,
}

impl Refusal {
    /// The word for this reason in the facts.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Full => "bound",
            Self::Halves => "halves",
            Self::Disk => "disk",
            Self::Stopping => "stopping",
        }
    }

    /// What the client is told, in the words that its library knows from Redis.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Full => {
                "OOM command not allowed: the records that wait for the journal have reached feeds.resp.bound"
            }
            Self::Halves => "OOM command not allowed: too many keys and values wait for each other",
            Self::Disk => {
                "MISCONF the agent cannot write to its disk, so commands that may modify the data are disabled"
            }
            Self::Stopping => "LOADING the agent is stopping",
        }
    }
}
