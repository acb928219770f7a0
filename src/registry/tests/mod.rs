//! The registry as a whole: what goes in, what a page and a window show.

mod limits;
mod page;
mod show;
mod stale;
mod threads;
mod values;
mod windows;

use std::time::Duration;

use crate::model::metric::MetricDef;
use crate::model::sample::{Name, Sample, Value};
use crate::model::time::Timestamp;
use crate::model::window::{Aggregate, Window};
use crate::registry::view::{Position, Running, View};
use crate::registry::{Counts, Origin, RecordError, Registry, RegistrySettings};
use crate::support::time::Clock;

/// When the tests' clock stands first: the start of a window.
const NOW: i64 = 1_000_000;

struct Rig {
    registry: Registry,
    clock: Clock,
    app: Origin,
}

impl Rig {
    fn new() -> Self {
        Self::with(RegistrySettings::default())
    }

    fn with(settings: RegistrySettings) -> Self {
        let clock = Clock::manual(Timestamp::from_seconds(NOW));
        let registry = Registry::new(settings, clock.clone());
        let app = registry.origin("app");
        Self { registry, clock, app }
    }

    /// Records an application's sample `after` milliseconds after [`NOW`].
    fn given(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        value: Value<'_>,
        after: i64,
    ) -> Result<(), RecordError> {
        self.sample(Name::Given(name), labels, value, after)
    }

    /// Records a sample of ours without labels.
    fn defined(&self, def: &'static MetricDef, value: Value<'_>, after: i64) {
        self.sample(Name::Defined(def), &[], value, after).unwrap();
    }

    fn sample(
        &self,
        name: Name<'_>,
        labels: &[(&str, &str)],
        value: Value<'_>,
        after: i64,
    ) -> Result<(), RecordError> {
        let sample = Sample {
            name,
            labels,
            value,
            time: Timestamp::from_millis(NOW * 1000 + after),
        };
        self.registry.record(self.app, &sample)
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn counts(&self) -> Counts {
        self.registry.counts()
    }

    /// Everything on the page: name, labels and running value.
    fn page(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for family in self.registry.families() {
            let mut position = Position::default();
            let mut more = true;
            while more {
                more = self.registry.walk(family.id, &mut position, 2, &mut |series| {
                    let value = match series.running {
                        Running::Number(number) => number.to_string(),
                        Running::Histogram { counts, sum, .. } => format!("{counts:?} sum {sum}"),
                    };
                    lines.push(format!("{}{{{}}} {value}", family.name, series.labels.text()));
                });
            }
        }
        lines
    }

    /// What all open windows come to.
    fn closed(&self) -> Vec<String> {
        self.registry.take_all().iter().flat_map(told).collect()
    }
}

/// A window, a line a series: its start after [`NOW`], name, labels, aggregate.
fn told(window: &Window) -> Vec<String> {
    let start = window.start.seconds() - NOW;
    let line = |series: &crate::model::window::WindowSeries| {
        let aggregate = match &series.aggregate {
            Aggregate::Gauge { last, sum, count } => format!("last {last} sum {sum} count {count}"),
            Aggregate::Increase { sum, seconds, count } => format!("growth {sum} in {seconds} count {count}"),
            Aggregate::Delta { sum, count } => format!("delta {sum} count {count}"),
            Aggregate::Rate { sum, count } => format!("rate {sum} count {count}"),
            Aggregate::Observations(seen) => format!("observed {} sum {}", seen.count(), seen.sum()),
            Aggregate::Members { distinct, count } => format!("distinct {distinct} count {count}"),
        };
        format!(
            "{start} {}{{{}}} {aggregate}",
            series.names.name,
            series.labels.text()
        )
    };
    window.series.iter().map(line).collect()
}
