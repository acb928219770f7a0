//! What a page shows of windows that a feed tallied.

use std::sync::Arc;

use super::*;
use crate::model::distribution::Distribution;
use crate::model::labels::Labels;
use crate::model::metric::Names;
use crate::model::tally::{Shown, TalliedWindow, Tally};
use crate::model::window::WindowSeries;
use crate::registry::Buckets;

fn tally(name: &str, labels: &[(&str, &str)], aggregate: Aggregate, shown: Shown) -> Tally {
    Tally {
        series: WindowSeries {
            names: Arc::new(Names::given(name)),
            labels: Labels::from_sorted(labels),
            aggregate,
        },
        shown,
    }
}

fn gauge(value: f64, after: i64) -> Tally {
    let time = Timestamp::from_millis(NOW * 1000 + after);
    let aggregate = Aggregate::Gauge {
        last: value,
        sum: value,
        count: 1,
    };
    tally("g", &[], aggregate, Shown::Gauge { value, time })
}

fn delta(name: &str, up: f64, down: f64) -> Tally {
    let aggregate = Aggregate::Delta {
        sum: up - down,
        count: 2,
    };
    tally(name, &[("q", "a\"b")], aggregate, Shown::Counter { up, down })
}

fn observed(values: &[f64], counts: &[u64]) -> Tally {
    let mut seen = Distribution::default();
    values.iter().for_each(|value| seen.add(*value));
    let shown = Shown::Histogram {
        counts: counts.into(),
        sum: seen.sum(),
    };
    tally("h", &[], Aggregate::Observations(seen), shown)
}

fn members(distinct: u64) -> Tally {
    let aggregate = Aggregate::Members { distinct, count: 1 };
    tally("s", &[], aggregate, Shown::Members { distinct })
}

impl Rig {
    fn show(&self, after: i64, series: Vec<Tally>) {
        let window = TalliedWindow {
            start: Timestamp::from_seconds(NOW + after),
            interval: Duration::from_secs(10),
            series,
        };
        let series = window.series.iter().map(|tally| (&tally.series, &tally.shown));
        self.registry
            .show(self.app, window.start, window.interval, series);
    }
}

#[test]
fn every_kind_reaches_its_running_value_and_no_window() {
    let rig = Rig::with(RegistrySettings {
        buckets: Buckets::new(&[1.0, 2.0]),
        ..RegistrySettings::default()
    });
    rig.show(-20, vec![gauge(1.5, -12_000), delta("d", 5.0, 0.0)]);
    rig.show(
        -10,
        vec![
            gauge(9.0, -13_000),
            delta("d", 1.0, 4.0),
            observed(&[1.0, 5.0], &[1, 0, 1]),
            members(3),
        ],
    );
    rig.show(-20, vec![observed(&[1.5], &[0, 1, 0]), members(8)]);
    assert_eq!(
        rig.page(),
        [
            "g{} 1.5",
            "d_total{q=\"a\\\"b\"} 6",
            "d_decrements_total{q=\"a\\\"b\"} 4",
            "h{} [1, 1, 1] sum 7.5",
            "s{} 3",
        ]
    );
    assert!(rig.closed().is_empty());
    assert_eq!((rig.counts().series, rig.counts().samples()), (4, 11));
}

#[test]
fn what_is_recorded_and_what_is_shown_are_one_series() {
    let rig = Rig::new();
    rig.given("d", &[("q", "a\"b")], Value::Delta(1.0), 0).unwrap();
    rig.show(-10, vec![delta("d", 2.0, 0.0)]);
    assert_eq!(rig.page(), ["d_total{q=\"a\\\"b\"} 3"]);
    assert_eq!(rig.counts().series, 1);
}

#[test]
fn a_window_older_than_the_staleness_reaches_the_push_only() {
    let rig = Rig::new();
    rig.show(-310, vec![delta("d", 1.0, 0.0)]);
    assert_eq!(rig.page(), ["d_total{q=\"a\\\"b\"} 1"]);
    rig.show(-320, vec![delta("d", 1.0, 0.0), delta("e", 1.0, 0.0)]);
    assert_eq!(rig.page(), ["d_total{q=\"a\\\"b\"} 1"]);
    let counts = rig.counts();
    assert_eq!((counts.series, counts.samples(), counts.backlog), (1, 6, 4));
}

#[test]
fn what_cannot_be_shown_is_refused_and_makes_no_series() {
    let rig = Rig::with(RegistrySettings {
        buckets: Buckets::new(&[1.0, 2.0]),
        origin_limit: 1,
        ..RegistrySettings::default()
    });
    rig.show(
        0,
        vec![
            observed(&[1.0, 3.0], &[1, 1]),
            delta("d", f64::INFINITY, 0.0),
            gauge(1.0, 0),
            delta("e", 1.0, 0.0),
        ],
    );
    assert_eq!(rig.page(), ["g{} 1"]);
    let refused = rig.counts().origins[0].refused;
    assert_eq!(
        refused.map(|(_, samples)| samples),
        [0, 1, 2, 0, 2],
        "{refused:?}"
    );
}

#[test]
fn a_shown_gauge_leaves_when_it_is_stale() {
    let rig = Rig::new();
    rig.show(-10, vec![gauge(1.0, -5_000), delta("d", 1.0, 0.0)]);
    rig.wait(295);
    rig.registry.sweep();
    assert_eq!(rig.page().len(), 2);
    rig.wait(1);
    rig.registry.sweep();
    assert_eq!(rig.page(), ["d_total{q=\"a\\\"b\"} 1"]);
}

#[test]
fn many_series_are_shown_in_batches() {
    let rig = Rig::new();
    let series = (0..200).map(|number| delta(&format!("d{number:03}"), 1.0, 0.0));
    rig.show(-10, series.collect());
    assert_eq!((rig.counts().series, rig.page().len()), (200, 200));
}
