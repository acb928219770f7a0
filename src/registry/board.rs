//! What the agent knows of itself: written by the scheduler and the pipeline, read by its own metrics and the status
//! page, so that both show the same.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::component::feed::FeedFacts;
use crate::component::journal::{Balance, Depth, JournalStatus};
use crate::model::block::BlockKind;
use crate::model::time::Timestamp;

/// The shared board. Sections are short: take, change, drop.
#[derive(Debug, Default)]
pub struct Board {
    facts: Mutex<Facts>,
}

/// Everything on the board.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Every configured collector, by name.
    pub collectors: BTreeMap<String, CollectorFacts>,
    /// Every feed that runs, by name.
    pub feeds: BTreeMap<String, FeedFacts>,
    /// Every configured output, by name.
    pub outputs: BTreeMap<String, OutputFacts>,
    /// The journal; `None` where nothing is journalled.
    pub journal: Option<JournalStatus>,
    /// Items that left the agent before they reached a journal or window, by reason (`late`, `ahead`, …).
    pub lost: BTreeMap<&'static str, u64>,
    /// Windows closed since the start.
    pub windows_closed: u64,
    /// Points wrapped since the start.
    pub points_wrapped: u64,
    /// Whether the wall clock is believed; why not, otherwise.
    pub clock_doubt: Option<String>,
    /// Why the agent's own parts are not ready, by part; see [`Facts::reasons`].
    pub not_ready: BTreeMap<&'static str, String>,
}

impl Facts {
    /// Why the agent is not ready: its own parts, and every feed that cannot take in. Each with its name; empty when
    /// the agent is ready.
    pub fn reasons(&self) -> Vec<(String, &str)> {
        let parts = self.not_ready.iter();
        let parts = parts.map(|(part, reason)| ((*part).to_string(), reason.as_str()));
        let feeds = self.feeds.iter().filter_map(|(name, feed)| {
            let trouble = feed.trouble.as_deref()?;
            Some((format!("feed {name}"), trouble))
        });
        parts.chain(feeds).collect()
    }
}

/// What is known of one collector.
#[derive(Clone, Debug, Default)]
pub struct CollectorFacts {
    /// How often it runs.
    pub interval: Duration,
    /// Completed runs that succeeded.
    pub succeeded: u64,
    /// Completed runs that failed, timed out or panicked.
    pub failed: u64,
    /// How long the last run took.
    pub last_duration: Option<Duration>,
    /// When the last run ended.
    pub last_run: Option<Timestamp>,
    /// When the last run that succeeded ended.
    pub last_success: Option<Timestamp>,
    /// What the last run failed with; `None` after a success.
    pub last_error: Option<String>,
    /// Samples of the last run.
    pub samples: u64,
}

/// What an output is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OutputState {
    /// It delivers, or waits for something to deliver.
    #[default]
    Active,
    /// The destination is not able; it tries again at the moment given.
    Retrying {
        /// When it tries next.
        next_try: Timestamp,
        /// Why.
        reason: String,
    },
    /// Somebody has to change something (key, address, settings); it probes slowly.
    Parked {
        /// When it probes next.
        next_try: Timestamp,
        /// Why.
        reason: String,
    },
}

impl OutputState {
    /// The word for this state in labels and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retrying { .. } => "retrying",
            Self::Parked { .. } => "parked",
        }
    }
}

/// What is known of one output.
#[derive(Clone, Debug, Default)]
pub struct OutputFacts {
    /// Whether it delivers what an agent that is gone has left, from that one's journal.
    pub of_dead: bool,
    /// Which kind it is sent; `depth` counts items of it.
    pub takes: BlockKind,
    /// What it is doing.
    pub state: OutputState,
    /// Its account by kind, exact across restarts.
    pub balance: BTreeMap<BlockKind, Balance>,
    /// What waits for it.
    pub depth: Depth,
    /// Items that were sent again although an earlier request may have arrived.
    pub resent: u64,
    /// Requests by outcome: `accepted`, `unable`, `unanswered`, `too_large`, `unauthorized`, `misdirected`, `refused`.
    pub requests: BTreeMap<String, u64>,
    /// Bytes of request bodies that were accepted, compressed.
    pub sent_bytes: u64,
    /// Complaints in accepted answers.
    pub complaints: u64,
    /// Log entries of accepted requests that were cut to the longest that the destination takes.
    pub cut: u64,
    /// When a request was last accepted.
    pub last_success: Option<Timestamp>,
    /// The last error, kept after a success too.
    pub last_error: Option<(Timestamp, String)>,
}

impl Board {
    /// The facts, to change or to read; recording threads wait meanwhile.
    pub fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
