//! All samples of one aligned interval, aggregated a series: what a wrapper turns into points.

use std::sync::Arc;
use std::time::Duration;

use crate::model::distribution::Distribution;
use crate::model::labels::Labels;
use crate::model::metric::Names;
use crate::model::time::Timestamp;

/// A closed window.
#[derive(Clone, Debug)]
pub struct Window {
    /// Its aligned start, a whole second.
    pub start: Timestamp,
    /// Its length, whole seconds.
    pub interval: Duration,
    /// 0 for the window itself; k for its k-th amendment by samples that came after it was closed.
    pub amendment: u32,
    /// Every series that had a sample in it, each once.
    pub series: Vec<WindowSeries>,
}

impl Window {
    /// The second that the points of this window bear: its start, one later for each amendment, so that none
    /// overwrites what was sent before.
    pub fn point_time(&self) -> i64 {
        self.start.seconds().saturating_add(i64::from(self.amendment))
    }

    /// The window's length in whole seconds, at least 1.
    pub fn interval_seconds(&self) -> u32 {
        u32::try_from(self.interval.as_secs()).unwrap_or(u32::MAX).max(1)
    }
}

/// One series in a closed window.
#[derive(Clone, Debug)]
pub struct WindowSeries {
    /// What it is called.
    pub names: Arc<Names>,
    /// Its labels.
    pub labels: Labels,
    /// What its samples come to.
    pub aggregate: Aggregate,
}

/// What the samples of one series in one window come to.
#[derive(Clone, Debug)]
pub enum Aggregate {
    /// Of gauges, and of totals that are pushed as gauges.
    Gauge {
        /// The last by time.
        last: f64,
        /// The sum over all samples.
        sum: f64,
        /// How many samples there were, at least 1.
        count: u64,
    },
    /// Of totals: how much the readings grew since the reading before this window.
    Increase {
        /// The growth, never negative.
        sum: f64,
        /// Seconds between the reading before the window and the last one in it; more than 0.
        seconds: f64,
        /// How many readings contributed, at least 1.
        count: u64,
    },
    /// Of deltas.
    Delta {
        /// Their signed sum.
        sum: f64,
        /// How many there were, at least 1.
        count: u64,
    },
    /// Of rates.
    Rate {
        /// Their sum; the rate is this over the window's seconds.
        sum: f64,
        /// How many there were, at least 1.
        count: u64,
    },
    /// Of observations.
    Observations(Distribution),
    /// Of set members.
    Members {
        /// How many different ones there were.
        distinct: u64,
        /// How many samples there were, at least 1.
        count: u64,
    },
}

impl Aggregate {
    /// How many samples it comes of.
    pub fn samples(&self) -> u64 {
        match self {
            Self::Gauge { count, .. }
            | Self::Increase { count, .. }
            | Self::Delta { count, .. }
            | Self::Rate { count, .. }
            | Self::Members { count, .. } => *count,
            Self::Observations(seen) => seen.count(),
        }
    }
}
