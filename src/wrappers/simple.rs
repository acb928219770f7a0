//! The wrapper `simple`: of increments the sum, of everything else the mean and how many samples there were.

use std::sync::Arc;

use crate::component::descriptor::{Descriptor, Role};
use crate::component::entry::Entry;
use crate::component::wrapper::Wrapper;
use crate::model::point::{Point, PointKind};
use crate::model::window::{Aggregate, Window};

/// What the wrapper says of itself.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "simple",
    role: Role::Wrapper,
    summary: "Turns each window into sums of counts, and for everything else a mean and a number of samples.",
    sample: SAMPLE,
    metrics: &[],
};

/// How it is made.
pub static ENTRY: Entry<dyn Wrapper> = Entry {
    descriptor: &DESCRIPTOR,
    build: |_, _, _| Some(Box::new(Simple::new())),
    effective: |_| None,
    find: None,
};

const SAMPLE: &str = "\
# Which points a window becomes: datadog or simple.
type: simple
";

/// Wraps as Chouette's wrapper of this name did.
#[derive(Clone, Debug)]
pub struct Simple {
    count: Arc<str>,
}

impl Default for Simple {
    fn default() -> Self {
        Self::new()
    }
}

impl Simple {
    /// The wrapper; it has nothing to set.
    pub fn new() -> Self {
        Self {
            count: Arc::from(".count"),
        }
    }
}

/// What a series is told as.
enum Told {
    Sum(f64),
    Mean(f64, u64),
}

fn told(aggregate: &Aggregate) -> Option<Told> {
    Some(match aggregate {
        Aggregate::Delta { sum, .. } | Aggregate::Increase { sum, .. } => Told::Sum(*sum),
        Aggregate::Gauge { sum, count, .. } | Aggregate::Rate { sum, count } => {
            Told::Mean(sum / (*count).max(1) as f64, *count)
        }
        Aggregate::Observations(distribution) => Told::Mean(distribution.mean()?, distribution.count()),
        // A set has no mean: its size stands in its place.
        Aggregate::Members { distinct, count } => Told::Mean(*distinct as f64, *count),
    })
}

impl Wrapper for Simple {
    fn wrap(&self, window: &Window, out: &mut Vec<Point>) {
        let (time, whole) = (window.point_time(), window.interval_seconds());
        out.reserve(window.series.len());
        for series in &window.series {
            let mut push = |suffix, kind, interval, value: f64| {
                // A sum beyond the range of a double says nothing, and no backend takes it.
                if value.is_finite() {
                    out.push(Point {
                        names: Arc::clone(&series.names),
                        suffix,
                        labels: series.labels.clone(),
                        kind,
                        interval,
                        time,
                        value,
                    });
                }
            };
            match told(&series.aggregate) {
                None => {}
                Some(Told::Sum(sum)) => {
                    let interval = match &series.aggregate {
                        Aggregate::Increase { seconds, .. } => {
                            seconds.round().clamp(1.0, f64::from(u32::MAX)) as u32
                        }
                        _ => whole,
                    };
                    push(None, PointKind::Count, interval, sum);
                }
                Some(Told::Mean(mean, count)) => {
                    push(None, PointKind::Gauge, whole, mean);
                    let suffix = Some(Arc::clone(&self.count));
                    push(suffix, PointKind::Count, whole, count as f64);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::distribution::Distribution;
    use crate::model::labels::Labels;
    use crate::model::metric::Names;
    use crate::model::time::Timestamp;
    use crate::model::window::WindowSeries;

    fn wrapped(aggregate: Aggregate) -> Vec<(String, PointKind, u32, i64, f64)> {
        let window = Window {
            start: Timestamp::from_seconds(1_000),
            interval: Duration::from_secs(10),
            amendment: 1,
            series: vec![WindowSeries {
                names: Arc::new(Names::given("m")),
                labels: Labels::empty(),
                aggregate,
            }],
        };
        let mut points = Vec::new();
        Simple::new().wrap(&window, &mut points);
        let told = |point: Point| {
            let name = point.prometheus_name();
            (name, point.kind, point.interval, point.time, point.value)
        };
        points.into_iter().map(told).collect()
    }

    fn mean_and_count(mean: f64, count: f64) -> Vec<(String, PointKind, u32, i64, f64)> {
        vec![
            ("m".to_string(), PointKind::Gauge, 10, 1_001, mean),
            ("m.count".to_string(), PointKind::Count, 10, 1_001, count),
        ]
    }

    #[test]
    fn increments_become_their_sum() {
        let of = |interval, value| vec![("m".to_string(), PointKind::Count, interval, 1_001, value)];
        assert_eq!(wrapped(Aggregate::Delta { sum: -5.0, count: 3 }), of(10, -5.0));
        let increase = Aggregate::Increase {
            sum: 8.0,
            seconds: 30.4,
            count: 1,
        };
        assert_eq!(wrapped(increase), of(30, 8.0));
    }

    #[test]
    fn everything_else_becomes_its_mean_and_a_count() {
        let gauge = Aggregate::Gauge {
            last: 9.0,
            sum: 12.0,
            count: 3,
        };
        assert_eq!(wrapped(gauge), mean_and_count(4.0, 3.0));
        assert_eq!(
            wrapped(Aggregate::Rate { sum: 5.0, count: 2 }),
            mean_and_count(2.5, 2.0)
        );
        let mut distribution = Distribution::default();
        [1.0, 2.0].iter().for_each(|value| distribution.add(*value));
        assert_eq!(
            wrapped(Aggregate::Observations(distribution)),
            mean_and_count(1.5, 2.0)
        );
        assert_eq!(
            wrapped(Aggregate::Members {
                distinct: 4,
                count: 2
            }),
            mean_and_count(4.0, 2.0)
        );
    }
}
