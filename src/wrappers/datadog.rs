//! The wrapper `datadog`: gauges, counts and rates as Datadog understands them, and percentiles of observations.

use std::sync::Arc;

use serde::Deserialize;

use crate::component::descriptor::{Descriptor, Role};
use crate::component::entry::Entry;
use crate::component::wrapper::Wrapper;
use crate::model::distribution::Distribution;
use crate::model::point::{Point, PointKind};
use crate::model::window::{Aggregate, Window, WindowSeries};
use crate::wrappers::datadog::aggregation::{Aggregation, percentile_name};

pub mod aggregation;

/// What the wrapper says of itself.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "datadog",
    role: Role::Wrapper,
    summary: "Turns each window into the gauges, counts and rates that Datadog expects, with percentiles.",
    sample: SAMPLE,
    metrics: &[],
};

/// How it is made.
pub static ENTRY: Entry<dyn Wrapper> = Entry {
    descriptor: &DESCRIPTOR,
    build: |section, _, findings| {
        let histograms: Histograms = section.read(&mut findings.problems)?;
        Some(Box::new(Datadog::new(
            &histograms.histogram_aggregates,
            &histograms.histogram_percentiles,
        )))
    },
    effective: |_| None,
    find: None,
};

/// What the wrapper `datadog` tells of observations.
#[derive(Deserialize)]
struct Histograms {
    histogram_aggregates: Vec<Aggregation>,
    histogram_percentiles: Vec<f64>,
}

const SAMPLE: &str = "\
# Which points a window becomes: datadog or simple.
type: datadog
# What is told of observed values (histograms): max, min, avg, median, sum, count (a rate).
histogram_aggregates: [max, median, avg, count]
# And which percentiles, above 0 and below 1; 0.95 becomes <name>.95percentile.
histogram_percentiles: [0.95]
";

/// Wraps as Chouette's wrapper of this name did, with its faults mended: one point a series and second, percentiles
/// under their rounded number.
#[derive(Clone, Debug)]
pub struct Datadog {
    tellings: Vec<Telling>,
    shares: Vec<f64>,
}

/// One point of observations. Its name's end is made once and shared by all points.
#[derive(Clone, Debug)]
struct Telling {
    suffix: Arc<str>,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Plain(Aggregation),
    /// The number of the quantile among those asked for.
    Quantile(usize),
}

impl Datadog {
    /// Tells these aggregates and percentiles (each 0 to 1) of observations, in this order; what is named twice is
    /// told once.
    pub fn new(aggregates: &[Aggregation], percentiles: &[f64]) -> Self {
        let mut made = Self {
            tellings: Vec::new(),
            shares: Vec::new(),
        };
        for aggregation in aggregates {
            let what = match aggregation {
                Aggregation::Median => made.quantile(0.5),
                other => What::Plain(*other),
            };
            made.tell(&format!(".{aggregation}"), what);
        }
        for share in percentiles {
            let what = made.quantile(*share);
            made.tell(&format!(".{}", percentile_name(*share)), what);
        }
        made
    }

    fn quantile(&mut self, share: f64) -> What {
        self.shares.push(share);
        What::Quantile(self.shares.len() - 1)
    }

    fn tell(&mut self, suffix: &str, what: What) {
        if !self.tellings.iter().any(|telling| *telling.suffix == *suffix) {
            let suffix = Arc::from(suffix);
            self.tellings.push(Telling { suffix, what });
        }
    }

    fn observations(&self, made: &Maker<'_>, distribution: &Distribution, out: &mut Vec<Point>) {
        let Some(mean) = distribution.mean() else {
            return;
        };
        let quantiles = distribution.quantiles(&self.shares);
        for telling in &self.tellings {
            let (kind, value) = match telling.what {
                What::Plain(Aggregation::Max) => (PointKind::Gauge, distribution.max()),
                What::Plain(Aggregation::Min) => (PointKind::Gauge, distribution.min()),
                What::Plain(Aggregation::Avg | Aggregation::Median) => (PointKind::Gauge, mean),
                What::Plain(Aggregation::Sum) => (PointKind::Gauge, distribution.sum()),
                What::Plain(Aggregation::Count) => {
                    let rate = distribution.count() as f64 / f64::from(made.interval);
                    (PointKind::Rate, rate)
                }
                What::Quantile(index) => (PointKind::Gauge, quantiles[index]),
            };
            let suffix = Some(Arc::clone(&telling.suffix));
            made.point(suffix, kind, made.interval, value, out);
        }
    }
}

impl Wrapper for Datadog {
    fn wrap(&self, window: &Window, out: &mut Vec<Point>) {
        let (time, interval) = (window.point_time(), window.interval_seconds());
        out.reserve(window.series.len());
        for series in &window.series {
            let made = Maker {
                series,
                time,
                interval,
            };
            match &series.aggregate {
                Aggregate::Gauge { last, .. } => made.point(None, PointKind::Gauge, interval, *last, out),
                Aggregate::Increase { sum, seconds, .. } => {
                    made.point(None, PointKind::Count, whole(*seconds), *sum, out);
                }
                Aggregate::Delta { sum, .. } => made.point(None, PointKind::Count, interval, *sum, out),
                Aggregate::Rate { sum, .. } => {
                    let rate = sum / f64::from(interval);
                    made.point(None, PointKind::Rate, interval, rate, out);
                }
                Aggregate::Members { distinct, .. } => {
                    made.point(None, PointKind::Count, interval, *distinct as f64, out);
                }
                Aggregate::Observations(distribution) => self.observations(&made, distribution, out),
            }
        }
    }
}

/// What all points of one series in one window share.
struct Maker<'a> {
    series: &'a WindowSeries,
    time: i64,
    interval: u32,
}

impl Maker<'_> {
    fn point(
        &self,
        suffix: Option<Arc<str>>,
        kind: PointKind,
        interval: u32,
        value: f64,
        out: &mut Vec<Point>,
    ) {
        // A sum beyond the range of a double says nothing, and no backend takes it.
        if value.is_finite() {
            out.push(Point {
                names: Arc::clone(&self.series.names),
                suffix,
                labels: self.series.labels.clone(),
                kind,
                interval,
                time: self.time,
                value,
            });
        }
    }
}

/// Seconds as an interval, which is whole and at least 1.
fn whole(seconds: f64) -> u32 {
    seconds.round().clamp(1.0, f64::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::labels::Labels;
    use crate::model::metric::Names;
    use crate::model::time::Timestamp;

    fn wrapped(
        wrapper: &Datadog,
        amendment: u32,
        aggregate: Aggregate,
    ) -> Vec<(String, PointKind, u32, i64, f64)> {
        let window = Window {
            start: Timestamp::from_seconds(1_000),
            interval: Duration::from_secs(10),
            amendment,
            series: vec![WindowSeries {
                names: Arc::new(Names::given("m")),
                labels: Labels::new([("a", "1")]),
                aggregate,
            }],
        };
        let mut points = Vec::new();
        wrapper.wrap(&window, &mut points);
        let told = |point: Point| {
            assert_eq!(point.labels.text(), "a=\"1\"");
            let name = point.prometheus_name();
            (name, point.kind, point.interval, point.time, point.value)
        };
        points.into_iter().map(told).collect()
    }

    fn plain(amendment: u32, aggregate: Aggregate) -> (PointKind, u32, i64, f64) {
        let wrapper = Datadog::new(&[], &[]);
        let points = wrapped(&wrapper, amendment, aggregate);
        let [(name, kind, interval, time, value)] = points.as_slice() else {
            panic!("{points:?}");
        };
        assert_eq!(name, "m");
        (*kind, *interval, *time, *value)
    }

    #[test]
    fn each_kind_becomes_one_point() {
        use PointKind::{Count, Gauge, Rate};
        let (last, sum, count) = (3.0, 25.0, 4);
        assert_eq!(
            plain(0, Aggregate::Gauge { last, sum, count }),
            (Gauge, 10, 1_000, 3.0)
        );
        assert_eq!(
            plain(2, Aggregate::Delta { sum: -5.0, count }),
            (Count, 10, 1_002, -5.0)
        );
        assert_eq!(plain(0, Aggregate::Rate { sum, count }), (Rate, 10, 1_000, 2.5));
        assert_eq!(
            plain(0, Aggregate::Members { distinct: 7, count }),
            (Count, 10, 1_000, 7.0)
        );
        assert_eq!(
            plain(0, Aggregate::Delta { sum: 0.0, count }),
            (Count, 10, 1_000, 0.0)
        );
    }

    #[test]
    fn the_interval_of_an_increase_is_its_rounded_seconds() {
        let of = |seconds| {
            plain(
                0,
                Aggregate::Increase {
                    sum: 6.0,
                    seconds,
                    count: 1,
                },
            )
        };
        assert_eq!(of(29.6), (PointKind::Count, 30, 1_000, 6.0));
        assert_eq!(of(0.2), (PointKind::Count, 1, 1_000, 6.0));
    }

    #[test]
    fn observations_become_what_was_asked_for() {
        use PointKind::{Gauge, Rate};
        let mut distribution = Distribution::default();
        [4.0, 1.0, 3.0, 2.0]
            .iter()
            .for_each(|value| distribution.add(*value));
        let wrapper = Datadog::new(&Aggregation::ALL, &[0.95, 0.999, 0.57, 0.95]);
        let told = wrapped(&wrapper, 0, Aggregate::Observations(distribution));
        let expected = [
            ("m.max", Gauge, 4.0),
            ("m.min", Gauge, 1.0),
            ("m.avg", Gauge, 2.5),
            ("m.median", Gauge, 2.5),
            ("m.sum", Gauge, 10.0),
            ("m.count", Rate, 0.4),
            ("m.95percentile", Gauge, 3.8499999999999996),
            ("m.99.9percentile", Gauge, 3.997),
            ("m.57percentile", Gauge, 2.71),
        ]
        .map(|(name, kind, value)| (name.to_string(), kind, 10, 1_000, value));
        assert_eq!(told, expected);
        assert_eq!(
            wrapped(&wrapper, 0, Aggregate::Observations(Distribution::default())),
            []
        );
    }

    #[test]
    fn what_is_beyond_a_double_is_left_out() {
        let aggregate = Aggregate::Delta {
            sum: f64::INFINITY,
            count: 2,
        };
        assert_eq!(wrapped(&Datadog::new(&[], &[]), 0, aggregate), []);
    }
}
