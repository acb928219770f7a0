//! What recording a sample costs, what a series takes, and how fast windows become points: one line each.
//!
//! Memory is what the kernel says is resident (`/proc/self/statm`) before and after, in a child process, so that the
//! allocator's rounding and everything freed meanwhile but not given back is counted. It is taken while each series has
//! a cell in one open window.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fs;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use tawny::component::wrapper::Wrapper;
use tawny::model::labels::Labels;
use tawny::model::sample::{Name, Sample, Value};
use tawny::registry::{Registry, RegistrySettings};
use tawny::support::time::Clock;
use tawny::wrappers::datadog::Datadog;

const SERIES: usize = 100_000;
const NAMES: usize = 100;
const ROUNDS: usize = 40;

fn main() {
    if std::env::args().any(|argument| argument == "--memory") {
        memory();
        return;
    }
    println!("{SERIES} series, {NAMES} names, gauges, labels borrowed and sorted, one thread");
    for labels in [3, 5] {
        let texts = Texts::new(labels);
        for (order, count) in [
            // Where everything lies in the cache, for comparison.
            (Order::Series, 1_000),
            (Order::Series, SERIES),
            (Order::Random, SERIES),
        ] {
            let (one, all) = speed(&texts, order, count);
            println!(
                "record, {labels} labels, {count} in {order:?} order: {one:.0} ns a sample; in batches {all:.0} ns"
            );
        }
    }
    let this = std::env::current_exe().unwrap();
    let child = Command::new(this).arg("--memory").output().unwrap();
    print!("{}", String::from_utf8_lossy(&child.stdout));
    wrap();
}

/// The texts of all series, in the order of their registration.
struct Texts {
    names: Vec<String>,
    values: Vec<[String; 5]>,
    labels: usize,
}

const KEYS: [&str; 5] = ["app", "device", "instance", "path", "zone"];

impl Texts {
    fn new(labels: usize) -> Self {
        let values = |index: usize| {
            [
                format!("app-{}", index % 7),
                format!("device-{:06}", index / NAMES),
                format!("10.0.{}.{}:9103", index % 200, index % 250),
                format!("/api/v1/{}", index % 50),
                format!("eu-{}", index % 3),
            ]
        };
        Self {
            names: (0..NAMES)
                .map(|name| format!("application_metric_{name}_seconds"))
                .collect(),
            values: (0..SERIES).map(values).collect(),
            labels,
        }
    }

    fn pairs(&self) -> Vec<[(&str, &str); 5]> {
        self.values
            .iter()
            .map(|values| std::array::from_fn(|at| (KEYS[at], values[at].as_str())))
            .collect()
    }

    fn sample<'a>(&'a self, pairs: &'a [[(&'a str, &'a str); 5]], index: usize, clock: &Clock) -> Sample<'a> {
        Sample {
            name: Name::Given(&self.names[index % NAMES]),
            labels: &pairs[index][..self.labels],
            value: Value::Gauge(index as f64),
            time: clock.now(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    /// That in which the series were registered, each time.
    Series,
    /// Another one each time.
    Random,
}

fn registry() -> (Registry, Clock) {
    let settings = RegistrySettings {
        interval: Duration::from_secs(3600),
        origin_limit: SERIES,
        ..RegistrySettings::default()
    };
    let clock = Clock::system();
    (Registry::new(settings, clock.clone()), clock)
}

/// Nanoseconds a sample, the best of some rounds: singly, and in batches.
fn speed(texts: &Texts, order: Order, count: usize) -> (f64, f64) {
    let (registry, clock) = registry();
    let origin = registry.origin("bench");
    let pairs = texts.pairs();
    let mut samples: Vec<Sample<'_>> = (0..count)
        .map(|index| texts.sample(&pairs, index, &clock))
        .collect();
    registry.record_all(origin, samples.iter().copied());
    let mut random = fastrand::Rng::with_seed(7);
    let mut best = |work: &dyn Fn(&[Sample<'_>])| {
        let mut best = f64::INFINITY;
        for _ in 0..ROUNDS {
            if order == Order::Random {
                random.shuffle(&mut samples);
            }
            let start = Instant::now();
            work(&samples);
            best = best.min(start.elapsed().as_nanos() as f64 / count as f64);
        }
        best
    };
    let one = best(&|samples| {
        for sample in samples {
            black_box(registry.record(origin, black_box(sample))).unwrap();
        }
    });
    let all = best(&|samples| registry.record_all(origin, samples.iter().copied()));
    assert_eq!(registry.counts().series, count as u64);
    (one, all)
}

fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn memory() {
    let texts = Texts::new(5);
    let pairs = texts.pairs();
    let text: usize = pairs
        .iter()
        .map(|pairs| Labels::from_sorted(pairs).text().len())
        .sum();
    let (registry, clock) = registry();
    let origin = registry.origin("bench");
    let before = resident();
    for index in 0..SERIES {
        registry
            .record(origin, &texts.sample(&pairs, index, &clock))
            .unwrap();
    }
    let after = resident();
    let beyond = (after - before).saturating_sub(text) / SERIES;
    println!(
        "memory: {beyond} bytes a series beyond its text of {} bytes, one open window included",
        text / SERIES
    );
    black_box(registry.counts());
}

fn wrap() {
    let texts = Texts::new(5);
    let pairs = texts.pairs();
    let (registry, clock) = registry();
    let origin = registry.origin("bench");
    for index in 0..SERIES {
        registry
            .record(origin, &texts.sample(&pairs, index, &clock))
            .unwrap();
    }
    let start = Instant::now();
    let windows = registry.take_all();
    let closing = start.elapsed();
    let wrapper = Datadog::new(&[], &[]);
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let mut points = Vec::new();
        let start = Instant::now();
        wrapper.wrap(&windows[0], &mut points);
        best = best.min(start.elapsed().as_secs_f64());
        assert_eq!(points.len(), SERIES);
    }
    println!(
        "close: {:.1} ms for one window of {SERIES} series",
        closing.as_secs_f64() * 1e3
    );
    println!("wrap: {:.1} million points/s", SERIES as f64 / best / 1e6);
}
