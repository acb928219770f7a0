//! A feed: runs, and accepts what applications hand in.
//!
//! Feeds keep what they accepted (in Redis, in a write-ahead file) until the journal has it. So they tally closed
//! windows themselves and hand them over with a [`Receipt`], which the journal commits in the same write as the block;
//! then they clean up. The running values that a page shows are updated after that.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::component::journal::{Receipt, ReceiptId};
use crate::model::log::LogRecord;
use crate::model::point::Point;
use crate::model::sample::Samples;
use crate::model::tally::TalliedWindow;
use crate::model::time::Timestamp;
use crate::support::shutdown::Shutdown;

/// Accepts samples from applications for as long as the agent runs.
#[async_trait]
pub trait Feed: Send {
    /// Runs until stop is said: then it takes in nothing more, finishes or gives back what it has begun, and returns.
    /// What passes by itself (a server that is away) is no error: it is noted in [`FeedFacts::trouble`] and tried again.
    ///
    /// # Errors
    /// See [`FeedError`]; the agent ends, so that whoever runs it can start it anew.
    async fn run(self: Box<Self>, into: Arc<dyn Recorder>, stop: Shutdown) -> Result<(), FeedError>;
}

/// Why a feed cannot go on at all.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The address to listen on is taken or not ours.
    #[error("cannot listen on {address}: {source}; choose another address with `{setting}`")]
    Listen {
        /// The address.
        address: String,
        /// Which setting says so.
        setting: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Its files cannot be used.
    #[error("cannot use {place}: {source}")]
    Files {
        /// The folder or file.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What a feed hands over at once. It becomes one block, so a feed keeps it below about 50,000 points or 5 MB of logs.
#[derive(Clone, Debug)]
pub enum Handed {
    /// Closed windows, oldest first, each start once.
    Windows(Vec<TalliedWindow>),
    /// Points that another agent wrapped already.
    Points(Vec<Point>),
    /// Log records.
    Logs(Vec<LogRecord>),
}

/// Why a hand-over did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandOverError {
    /// The receipt's fence does not hold: somebody else has claimed it since. Nothing was journalled.
    #[error("another agent has taken it over")]
    Lost,
    /// The journal could not take it, or did not say whether it did. The feed keeps what it has, finds out
    /// ([`Recorder::remembers`], or what the fence's table says), and hands it over again later.
    #[error("{reason}")]
    Failed {
        /// What happened.
        reason: String,
    },
}

/// Where a feed hands in: the registry and the journal behind it.
#[async_trait]
pub trait Recorder: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Whether the wall clock is believed. While it is not (a device without a battery clock has booted in the past), a
    /// feed that can let its records wait leaves them: they would be taken for records from the future.
    fn is_clock_believed(&self) -> bool {
        true
    }

    /// The windows' length, whole seconds.
    fn interval(&self) -> Duration;

    /// The moment, aligned, up to which windows are closed: the grace has passed since then. Samples from then on wait.
    fn closed_before(&self) -> Timestamp;

    /// The bounds of the classic histogram that a page shows of a metric, ascending and finite.
    fn bounds(&self, metric: &str) -> Arc<[f64]>;

    /// A name for this agent that it keeps across restarts and shares with no other: 32 hexadecimal digits.
    fn agent(&self) -> &str;

    /// Whether the journal commits a receipt's fence in the same write as the block (it lies in the same Redis).
    /// Otherwise the feed makes sure of the fence before it hands over, and gives a receipt without one.
    fn takes_fences(&self) -> bool;

    /// Journals it, and only then brings it to the running values. Once this returns `Ok`, it survives a kill.
    /// Where nothing is journalled at all (no output wants it) it succeeds all the same.
    ///
    /// # Errors
    /// See [`HandOverError`].
    async fn hand_over(&self, handed: Handed, receipt: Receipt) -> Result<(), HandOverError>;

    /// Whether the journal has a block with this receipt, or had one and was not told to forget it.
    async fn remembers(&self, receipt: ReceiptId) -> bool;

    /// Tells the journal that what the receipts stand for is cleaned up: nobody will ask for them again.
    ///
    /// # Errors
    /// The journal cannot be written; it remembers them on, and is told again.
    async fn forget(&self, receipts: &[ReceiptId]) -> Result<(), HandOverError>;

    /// Brings readings of the feed's own metrics (totals, gauges) to the registry, as a collector's, dated now. They
    /// are not tied to a receipt.
    fn record(&self, samples: &Samples);

    /// Changes what is known of this feed, for the agent's own metrics and the status page. Short: a lock is held.
    fn note(&self, change: &mut dyn FnMut(&mut FeedFacts));
}

/// What is known of one feed. Counts are since the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedFacts {
    /// Why it cannot take in now, with what is done about it; `None` when it can. While it is set the agent is not ready.
    pub trouble: Option<String>,
    /// What else a person should know (Redis would evict the queue), by topic.
    pub warnings: BTreeMap<&'static str, String>,
    /// Records taken in and journalled, by kind: `metrics`, `points`, `logs`. The feed counts them.
    pub records: BTreeMap<&'static str, u64>,
    /// Records that were removed because they cannot be read, by reason (`not_json`, `no_metric`, …).
    pub unreadable: BTreeMap<&'static str, u64>,
    /// Records whose time was more than 10 minutes ahead, and was replaced by now.
    pub ahead: u64,
    /// Claims that another agent took because this one slept past their expiry.
    pub lost_claims: u64,
    /// Claims of dead agents that this one took over.
    pub taken_over: u64,
    /// Records that wait at the source, as far as known.
    pub waiting: u64,
    /// Connections of applications that are open now; 0 for a feed that has none.
    pub connections: u64,
    /// Connections and requests that were turned away, by reason.
    pub refused: BTreeMap<&'static str, u64>,
}
