//! What a feed with windows of its own hands over: a closed window for the push, with what a page shows of it.
//!
//! A feed that keeps its samples elsewhere until their window is closed (Redis, a write-ahead file) tallies them itself.
//! The journal takes the window, and only once it has it, the registry's running values take the rest.

use std::time::Duration;

use crate::model::time::Timestamp;
use crate::model::window::WindowSeries;

/// A closed window that a feed tallied, or a part of one.
#[derive(Clone, Debug)]
pub struct TalliedWindow {
    /// Its aligned start, a whole second.
    pub start: Timestamp,
    /// Its length, whole seconds.
    pub interval: Duration,
    /// Every series that had a sample in it, each once.
    pub series: Vec<Tally>,
}

/// One series in a tallied window.
#[derive(Clone, Debug)]
pub struct Tally {
    /// What the wrapper sees.
    pub series: WindowSeries,
    /// What a page sees.
    pub shown: Shown,
}

/// What one window adds to a running value.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// Of gauges.
    Gauge {
        /// The last by time.
        value: f64,
        /// When it was observed.
        time: Timestamp,
    },
    /// Of deltas and rates.
    Counter {
        /// The sum of what was not negative.
        up: f64,
        /// The sum of the negative ones, as a positive number.
        down: f64,
    },
    /// Of observations.
    Histogram {
        /// How many fell into each bucket, not cumulated, one for each bound and one for the rest.
        counts: Box<[u64]>,
        /// The sum of all.
        sum: f64,
    },
    /// Of set members.
    Members {
        /// How many different ones there were.
        distinct: u64,
    },
}
