//! Registry and wrapper `datadog` together give the points that a naive computation gives: every raw value kept in a
//! list, and each window worked out from its lists when it is closed.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tawny::component::wrapper::Wrapper;
use tawny::model::sample::{Name, Sample, Value};
use tawny::model::time::Timestamp;
use tawny::registry::{Registry, RegistrySettings};
use tawny::support::time::Clock;
use tawny::wrappers::Aggregation;
use tawny::wrappers::datadog::Datadog;

/// The start of a window, and of the tests' time.
const NOW: i64 = 1_000_000;

const KINDS: [&str; 6] = ["gauge", "total", "delta", "rate", "observations", "members"];

#[derive(Clone, Debug)]
enum Step {
    Record {
        kind: usize,
        label: usize,
        /// Milliseconds after [`NOW`].
        time: i64,
        number: i32,
        /// How often the same sample comes.
        times: usize,
    },
    /// Windows that ended by this second after [`NOW`] are closed.
    Close(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let record = (0..6usize, 0..3usize, 0..50_000i64, -20..20i32, 1..3usize).prop_map(
        |(kind, label, time, number, times)| Step::Record {
            kind,
            label,
            time,
            number,
            times,
        },
    );
    let close = (0..50i64).prop_map(Step::Close);
    prop::collection::vec(prop_oneof![30 => record, 1 => close], 1..300)
}

/// What a naive aggregator keeps of one series in one window.
#[derive(Clone, Debug, Default)]
struct Raw {
    values: Vec<(i64, f64)>,
    seconds: f64,
    members: BTreeSet<String>,
}

type Key = (usize, usize);

#[derive(Default)]
struct Naive {
    open: BTreeMap<i64, BTreeMap<Key, Raw>>,
    readings: BTreeMap<Key, (i64, f64)>,
    points: Vec<String>,
}

impl Naive {
    fn record(&mut self, key: Key, time: i64, number: f64) {
        let mut value = number;
        let mut seconds = 0.0;
        if KINDS[key.0] == "total" {
            let before = self.readings.get(&key).copied();
            if before.is_some_and(|(held, _)| time <= held) {
                return;
            }
            self.readings.insert(key, (time, number));
            let Some((held, reading)) = before else {
                return;
            };
            value = if number < reading {
                number
            } else {
                number - reading
            };
            seconds = (time - held) as f64 / 1000.0;
        }
        let raw = self
            .open
            .entry(time / 10_000 * 10)
            .or_default()
            .entry(key)
            .or_default();
        raw.seconds += seconds;
        raw.values.push((time, value));
        raw.members.insert(number.to_string());
    }

    fn close(&mut self, until: i64) {
        let later = self.open.split_off(&(until - 9));
        for (start, series) in std::mem::replace(&mut self.open, later) {
            for (key, raw) in series {
                self.points.extend(points(start, key, &raw));
            }
        }
    }
}

fn points(start: i64, (kind, label): Key, raw: &Raw) -> Vec<String> {
    let values: Vec<f64> = raw.values.iter().map(|(_, value)| *value).collect();
    let sum: f64 = values.iter().sum();
    let line = |suffix: &str, kind_of_point: &str, interval: u32, value: f64| {
        line(
            start,
            &format!("{}{suffix}", KINDS[kind]),
            label,
            kind_of_point,
            interval,
            value,
        )
    };
    match KINDS[kind] {
        "gauge" => {
            let mut last = raw.values[0];
            for value in &raw.values {
                if value.0 >= last.0 {
                    last = *value;
                }
            }
            vec![line("", "gauge", 10, last.1)]
        }
        "total" => vec![line("", "count", raw.seconds.round().max(1.0) as u32, sum)],
        "delta" => vec![line("", "count", 10, sum)],
        "rate" => vec![line("", "rate", 10, sum / 10.0)],
        "members" => vec![line("", "count", 10, raw.members.len() as f64)],
        _ => {
            let mut sorted = values;
            sorted.sort_by(f64::total_cmp);
            let n = sorted.len();
            let quantile = |share: f64| {
                let index = (n - 1) as f64 * share;
                let below = sorted[index as usize];
                let above = sorted[(index as usize + 1).min(n - 1)];
                below + (above - below) * index.fract()
            };
            vec![
                line(".max", "gauge", 10, sorted[n - 1]),
                line(".median", "gauge", 10, quantile(0.5)),
                line(".avg", "gauge", 10, sum / n as f64),
                line(".count", "rate", 10, n as f64 / 10.0),
                line(".95percentile", "gauge", 10, quantile(0.95)),
            ]
        }
    }
}

fn line(start: i64, name: &str, label: usize, kind: &str, interval: u32, value: f64) -> String {
    // Sums are the same but for the order of addition.
    let value = (value * 1e9).round() / 1e9 + 0.0;
    format!("{start} {name}{{n=\"{label}\"}} {kind} {interval} {value}")
}

struct Agent {
    registry: Registry,
    wrapper: Datadog,
    points: Vec<String>,
}

impl Agent {
    fn record(&self, (kind, label): Key, time: i64, number: f64) {
        let label = label.to_string();
        let (member, values) = (number.to_string(), [number]);
        let members = [member.as_str()];
        let value = match KINDS[kind] {
            "gauge" => Value::Gauge(number),
            "total" => Value::Total(number),
            "delta" => Value::Delta(number),
            "rate" => Value::Rate(number),
            "observations" => Value::Observations(&values),
            _ => Value::Members(&members),
        };
        let sample = Sample {
            name: Name::Given(KINDS[kind]),
            labels: &[("n", &label)],
            value,
            time: Timestamp::from_millis(NOW * 1000 + time),
        };
        self.registry
            .record(self.registry.origin("app"), &sample)
            .unwrap();
    }

    fn close(&mut self, until: i64) {
        let mut points = Vec::new();
        for window in self.registry.take_closed(Timestamp::from_seconds(NOW + until)) {
            self.wrapper.wrap(&window, &mut points);
        }
        self.points.extend(points.into_iter().map(|point| {
            let name = point.prometheus_name();
            let label = point.labels.get("n").unwrap().parse().unwrap();
            line(
                point.time - NOW,
                &name,
                label,
                point.kind.name(),
                point.interval,
                point.value,
            )
        }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn points_are_those_of_a_naive_computation(steps in steps()) {
        let clock = Clock::manual(Timestamp::from_seconds(NOW + 50));
        let mut agent = Agent {
            registry: Registry::new(RegistrySettings::default(), clock),
            wrapper: Datadog::new(&Aggregation::DEFAULT, &[0.95]),
            points: Vec::new(),
        };
        let mut naive = Naive::default();
        for step in steps.into_iter().chain([Step::Close(100)]) {
            match step {
                Step::Record { kind, label, time, number, times } => {
                    // A total's readings are never negative.
                    let number = f64::from(if KINDS[kind] == "total" { number.abs() } else { number });
                    for _ in 0..times {
                        agent.record((kind, label), time, number);
                        naive.record((kind, label), time, number);
                    }
                }
                Step::Close(until) => {
                    agent.close(until);
                    naive.close(until);
                    agent.points.sort();
                    naive.points.sort();
                    prop_assert_eq!(&agent.points, &naive.points);
                }
            }
        }
    }
}
