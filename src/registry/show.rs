//! Showing: brings a window that a feed tallied to the running values. Its windows are the feed's own, so none is opened.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::model::metric::Kind;
use crate::model::sample::Name;
use crate::model::tally::Shown;
use crate::model::time::Timestamp;
use crate::model::window::{Aggregate, WindowSeries};
use crate::registry::limits::{Origin, RecordError};
use crate::registry::table::{Identity, Table};
use crate::registry::{BATCH, Registry};

/// One series of a tallied window, made ready outside the lock.
struct Ready<'a> {
    series: &'a WindowSeries,
    shown: &'a Shown,
    kind: Kind,
    /// How many samples there were.
    count: u64,
    labels: SmallVec<[(Cow<'a, str>, Cow<'a, str>); 8]>,
    hash: u32,
}

/// When a window was, and whether it is young enough for the page.
#[derive(Clone, Copy)]
struct Place {
    start: Timestamp,
    end: Timestamp,
    now: Timestamp,
}

impl Registry {
    /// Brings the series of a window that was closed elsewhere to their running values, a short batch under one
    /// lock. A window that ended longer ago than [`crate::registry::RegistrySettings::stale_after`] reached the push
    /// only: its samples are counted as backlog, and make no series. What is refused is counted.
    pub fn show<'a>(
        &self,
        origin: Origin,
        start: Timestamp,
        interval: Duration,
        series: impl Iterator<Item = (&'a WindowSeries, &'a Shown)>,
    ) {
        let end = start.after(interval);
        if end < self.clock.coarse_now().before(self.settings.stale_after) {
            let samples: u64 = series.map(|(series, _)| series.aggregate.samples()).sum();
            let mut table = self.table();
            table.origins[usize::from(origin.0)].samples += samples;
            table.backlog += samples;
            return;
        }
        let mut series = series.filter_map(|(series, shown)| self.ready(series, shown));
        loop {
            let batch: SmallVec<[Ready<'a>; BATCH]> = series.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return;
            }
            let now = self.clock.coarse_now();
            let mut table = self.table();
            if !table.watch.covers(now) {
                self.look(&mut table);
            }
            for one in &batch {
                // Refusals are counted where they happen.
                let _ = table.show(origin, one, Place { start, end, now });
            }
        }
    }

    /// The bounds of the histogram that a page shows of the metric of that name.
    pub fn bounds(&self, metric: &str) -> Arc<[f64]> {
        Arc::clone(self.settings.buckets.of(metric))
    }

    /// `None` for what no feed tallies: the growth of a collector's total.
    fn ready<'a>(&self, series: &'a WindowSeries, shown: &'a Shown) -> Option<Ready<'a>> {
        let kind = match &series.aggregate {
            Aggregate::Gauge { .. } => Kind::Gauge,
            Aggregate::Delta { .. } => Kind::Delta,
            Aggregate::Rate { .. } => Kind::Rate,
            Aggregate::Observations(_) => Kind::Observations,
            Aggregate::Members { .. } => Kind::Members,
            Aggregate::Increase { .. } => return None,
        };
        let hash = self.hashes.series(&series.names.name, kind, series.labels.iter());
        Some(Ready {
            labels: series.labels.iter().collect(),
            count: series.aggregate.samples(),
            series,
            shown,
            kind,
            hash,
        })
    }
}

impl Table {
    fn show(&mut self, origin: Origin, one: &Ready<'_>, place: Place) -> Result<(), RecordError> {
        let Place { start, end, now } = place;
        let refuse =
            |table: &mut Self, reason| Err(table.origins[usize::from(origin.0)].refuse(reason, one.count));
        if !is_finite(one.shown) {
            return refuse(self, RecordError::NotFinite);
        }
        let name = &one.series.names.name;
        // Looked at first, so that what is refused makes no series.
        if let Shown::Histogram { counts, .. } = one.shown
            && counts.len() != self.settings.buckets.of(name).len() + 1
        {
            return refuse(self, RecordError::OtherBuckets);
        }
        let labels: SmallVec<[(&str, &str); 8]> =
            one.labels.iter().map(|(key, value)| (&**key, &**value)).collect();
        let of = Identity {
            name: Name::Given(name),
            kind: one.kind,
            labels: &labels,
            hash: one.hash,
        };
        let observed = match one.shown {
            Shown::Gauge { time, .. } => *time,
            _ => end,
        };
        let touched = self.watch.beat(observed.min(now));
        let slot = match self.find(origin, &of) {
            Some(slot) => slot,
            None => self.insert(origin, &of, now, touched)?,
        };
        self.follow(origin, slot);
        self.origins[usize::from(origin.0)].samples += one.count;
        let Some(series) = &mut self.series[slot] else {
            return Ok(());
        };
        let Some(family) = self.families.get_mut(series.family) else {
            return Ok(());
        };
        let had_fallen = series.state.has_fallen();
        if series.state.show(one.shown, start.millis()) {
            series.touched = series.touched.max(touched);
            family.shown += u32::from(!series.shown);
            series.shown = true;
        }
        if !had_fallen && series.state.has_fallen() {
            family.fallen += 1;
            let slot = series.family;
            self.families.split(slot);
        }
        Ok(())
    }
}

fn is_finite(shown: &Shown) -> bool {
    match shown {
        Shown::Gauge { value, .. } => value.is_finite(),
        Shown::Counter { up, down } => up.is_finite() && down.is_finite(),
        Shown::Histogram { sum, .. } => sum.is_finite(),
        Shown::Members { .. } => true,
    }
}
