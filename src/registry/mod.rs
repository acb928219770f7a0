//! One entry a series: its running value, which a scrape shows, and its open windows, which are pushed.
//!
//! All of it is one table behind one `std` mutex, with short sections: recording takes one look-up, and everything that
//! takes longer (closing a window, sweeping, walking through a page) takes the lock slice by slice. A sharded table was
//! left out on purpose: recording is bound by memory and not by the lock, and a walk in order of insertion is simple with one.
//!
//! * [`board`]: what the agent knows of itself, for its own metrics and the status page
//! * [`expose`]: the pages of `/metrics`
//! * [`own`]: the agent's own metrics
//! * [`view`]: what a page's encoder sees of the registry
//! * `settings`: window length, limits, staleness
//! * `buckets`: bounds of histograms by metric
//! * `table`, `series`, `family`, `intern`, `chunked`: where series are, and how they are found
//! * `record`, `windows`, `side`: what becomes of a sample
//! * `show`: what becomes of a window that a feed tallied
//! * `close`: what becomes of a window
//! * `limits`, `stale`, `watch`: who may have how many, when they leave, and whose clock is right
//! * `page`: the registry as a page sees it

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smallvec::SmallVec;

use crate::model::metric::Kind;
use crate::model::sample::{Name, Sample, Samples, Value};
use crate::model::time::Timestamp;
use crate::support::time::Clock;

pub mod board;
mod buckets;
mod chunked;
mod close;
pub mod expose;
mod family;
mod intern;
mod limits;
pub mod own;
mod page;
mod record;
mod series;
mod settings;
mod show;
mod side;
mod stale;
mod table;
#[cfg(test)]
mod tests;
pub mod view;
mod watch;
mod windows;

pub use buckets::{Buckets, BucketsError};
pub use limits::{Counts, Origin, OriginCounts, RecordError};
pub use settings::RegistrySettings;

use self::intern::Hashes;
use self::page::Clashes;
use self::table::Table;

/// How many samples of a batch are recorded under one lock.
const BATCH: usize = 64;

/// All series, shared by everybody who records, closes windows or shows a page.
#[derive(Debug)]
pub struct Registry {
    settings: RegistrySettings,
    clock: Clock,
    hashes: Hashes,
    table: Mutex<Table>,
    clashes: Mutex<Clashes>,
}

impl Registry {
    /// An empty registry.
    pub fn new(settings: RegistrySettings, clock: Clock) -> Self {
        let hashes = Hashes::default();
        Self {
            table: Mutex::new(Table::new(settings.clone(), &clock, hashes.clone())),
            clashes: Mutex::default(),
            settings,
            clock,
            hashes,
        }
    }

    /// The origin of that name: a collector's or a feed's. It is the same one whenever it is asked for.
    pub fn origin(&self, name: &str) -> Origin {
        self.table().origin(name)
    }

    /// Sets after how long without a sample the gauges and totals of a polled origin leave the page, instead of
    /// [`RegistrySettings::stale_after`]. Rounded up to whole seconds; at least one.
    pub fn origin_stale_after(&self, origin: Origin, stale: Duration) {
        self.table().origins[usize::from(origin.0)].stale = Some(limits::whole_seconds(stale));
    }

    /// Records one sample, whose labels are sorted, unique and without empty values. Values of observations that are
    /// not finite are left out one by one.
    ///
    /// # Errors
    /// Where nothing of the sample was recorded: its value is not finite, or it would have been a new series beyond a
    /// limit. That is counted, so a caller may ignore it.
    pub fn record(&self, origin: Origin, sample: &Sample<'_>) -> Result<(), RecordError> {
        let hash = self.hash(sample);
        let now = self.clock.coarse_now();
        let mut table = self.table();
        if !table.watch.covers(now) {
            self.look(&mut table);
        }
        table.record(origin, sample, hash, now)
    }

    /// Records many samples, as [`Registry::record`] does each, a short batch under one lock. What is refused is
    /// counted.
    pub fn record_all<'a>(&self, origin: Origin, samples: impl Iterator<Item = Sample<'a>>) {
        let mut samples = samples.map(|sample| (self.hash(&sample), sample));
        loop {
            // Samples are made outside the lock.
            let batch: SmallVec<[(u32, Sample<'a>); BATCH]> = samples.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return;
            }
            let now = self.clock.coarse_now();
            let mut table = self.table();
            if !table.watch.covers(now) {
                self.look(&mut table);
            }
            for (hash, sample) in &batch {
                // Refusals are counted where they happen.
                let _ = table.record(origin, sample, *hash, now);
            }
        }
    }

    /// Records what a run of a collector found, all at one moment. Empty label values are absent labels.
    pub fn record_collected(&self, origin: Origin, time: Timestamp, samples: &Samples) {
        for item in samples.iter() {
            let pairs = item.def.labels.iter().zip(&item.labels);
            let labels: SmallVec<[(&str, &str); 8]> = pairs
                .map(|(key, value)| (*key, value.as_str()))
                .filter(|(_, value)| !value.is_empty())
                .collect();
            let value = match item.def.kind {
                Kind::Total => Value::Total(item.value),
                Kind::Delta => Value::Delta(item.value),
                Kind::Rate => Value::Rate(item.value),
                Kind::Gauge | Kind::Observations | Kind::Members => Value::Gauge(item.value),
            };
            let sample = Sample {
                name: Name::Defined(item.def),
                labels: &labels,
                value,
                time,
            };
            // Refusals are counted where they happen.
            let _ = self.record(origin, &sample);
        }
    }

    /// How many series, samples and refusals there are.
    pub fn counts(&self) -> Counts {
        let clashed = self
            .clashes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .left_out;
        let table = self.table();
        Counts {
            series: table.len() as u64,
            families: table.families.len() as u64,
            open_windows: table.windows.len() as u64,
            window_bytes: table.windows.bytes() as u64,
            origins: table.origins.iter().map(limits::OriginState::counts).collect(),
            ahead: table.ahead,
            backlog: table.backlog,
            evicted: table.evicted,
            clashed,
        }
    }

    fn hash(&self, sample: &Sample<'_>) -> u32 {
        let labels = sample.labels.iter().copied();
        self.hashes
            .series(sample.name.text(), sample.value.kind(), labels)
    }

    fn look(&self, table: &mut Table) {
        table.look_at(&self.clock);
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
