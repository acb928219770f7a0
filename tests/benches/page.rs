//! How long a page of 100,000 series takes in each format, whether a ten times larger one takes ten times as long, and
//! what `prometheus-client`'s own encoder takes for the same series.
//!
//! `cargo bench --bench page`; every figure is the median of a few runs on one core.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family as ClientFamily;
use prometheus_client::metrics::gauge::Gauge;
use tawny::model::labels::Labels;
use tawny::model::time::Timestamp;
use tawny::registry::Counts;
use tawny::registry::board::Board;
use tawny::registry::expose::{Escaping, Format, PageRequest, page};
use tawny::registry::own::{OwnMetrics, RegistryCounts};
use tawny::registry::view::{FamilyId, FamilyView, Position, Running, SeriesView, Shape, View};
use tawny::support::time::Clock;

const FAMILIES: usize = 200;

struct Store {
    families: Vec<FamilyView>,
    series: Vec<Vec<(Labels, f64)>>,
}

impl View for Store {
    fn families(&self) -> Vec<FamilyView> {
        self.families.clone()
    }

    fn walk(
        &self,
        family: FamilyId,
        position: &mut Position,
        most: usize,
        show: &mut dyn FnMut(SeriesView<'_>),
    ) -> bool {
        let series = &self.series[family.0 as usize];
        let from = position.0 as usize;
        let to = series.len().min(from + most);
        for (labels, value) in &series[from..to] {
            show(SeriesView {
                labels,
                legacy: true,
                created: Some(Timestamp::from_seconds(1_700_000_000)),
                running: Running::Number(*value),
            });
        }
        position.0 = to as u64;
        to < series.len()
    }

    fn clashed(&self, _: &[(FamilyId, Arc<str>)]) {}
}

struct NoCounts;

impl RegistryCounts for NoCounts {
    fn counts(&self) -> Counts {
        Counts::default()
    }
}

fn name(family: usize) -> String {
    if family.is_multiple_of(2) {
        format!("bench_requests_{family}_total")
    } else {
        format!("bench_temperature_{family}_celsius")
    }
}

fn pairs(number: usize) -> [(&'static str, String); 5] {
    [
        ("code", format!("{}", 200 + number % 7)),
        ("device", format!("device-{number:06}")),
        ("host", "machine-0042.example.net".to_string()),
        ("method", "GET".to_string()),
        ("path", format!("/api/v1/items/{}", number % 1000)),
    ]
}

/// Counters have whole values, gauges full ones.
fn value(family: usize, number: usize) -> f64 {
    if family.is_multiple_of(2) {
        (number * 37) as f64
    } else {
        number as f64 / 7.0
    }
}

fn store(series: usize) -> Store {
    let families = (0..FAMILIES).map(|family| FamilyView {
        id: FamilyId(family as u32),
        name: name(family).into(),
        shape: if family.is_multiple_of(2) {
            Shape::Counter
        } else {
            Shape::Gauge
        },
        help: "What the bench shows.".into(),
        unit: None,
        defined: true,
    });
    let a_family = series / FAMILIES;
    let series = |family: usize| {
        let numbers = family * a_family..(family + 1) * a_family;
        numbers
            .map(|number| (Labels::new(pairs(number)), value(family, number)))
            .collect()
    };
    Store {
        families: families.collect(),
        series: (0..FAMILIES).map(series).collect(),
    }
}

/// Median milliseconds, and what the last run returned.
fn median(runs: usize, mut run: impl FnMut() -> usize) -> (f64, usize) {
    let mut bytes = run();
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            bytes = black_box(run());
            start.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], bytes)
}

fn ours(store: &Arc<Store>, request: &PageRequest, runs: usize) -> (f64, usize) {
    let own = Arc::new(OwnMetrics::new(
        Arc::new(Board::default()),
        Arc::new(NoCounts),
        Clock::system(),
    ));
    median(runs, || {
        let chunks = page(store.clone(), own.clone(), request.clone());
        chunks.map(|chunk| black_box(&chunk).len()).sum()
    })
}

fn clients(series: usize, runs: usize) -> (f64, usize) {
    let mut registry = prometheus_client::registry::Registry::default();
    let a_family = series / FAMILIES;
    for family in 0..FAMILIES {
        let gauges = ClientFamily::<Vec<(String, String)>, Gauge<f64, AtomicU64>>::default();
        for number in family * a_family..(family + 1) * a_family {
            let labels = pairs(number).map(|(key, value)| (key.to_string(), value));
            gauges.get_or_create(&labels.to_vec()).set(value(family, number));
        }
        registry.register(name(family), "What the bench shows", gauges);
    }
    let mut buffer = String::new();
    median(runs, || {
        buffer.clear();
        encode(&mut buffer, &registry).unwrap();
        buffer.len()
    })
}

fn main() {
    let (small, large) = (Arc::new(store(100_000)), Arc::new(store(1_000_000)));
    println!(
        "{:<44} {:>10} {:>10} {:>10} {:>7}",
        "page", "100k ms", "1M ms", "100k MB", "ratio"
    );
    let mut requests: Vec<(String, PageRequest)> = Vec::new();
    for format in Format::ALL {
        let escaping = if format.quotes_names() {
            Escaping::AllowUtf8
        } else {
            Escaping::Underscores
        };
        let request = PageRequest {
            format,
            escaping,
            ..PageRequest::default()
        };
        requests.push((format!("{} {}", format.name(), escaping.name()), request));
    }
    let openmetrics = requests[3].1.clone();
    let created = PageRequest {
        created: Some(true),
        ..openmetrics.clone()
    };
    let dots = PageRequest {
        escaping: Escaping::Dots,
        ..openmetrics.clone()
    };
    let gzip = PageRequest {
        gzip: true,
        ..openmetrics
    };
    for (name, request) in [("created", created), ("dots", dots), ("gzip", gzip)] {
        requests.push((format!("openmetrics_1.0.0 {name}"), request));
    }
    for (name, request) in requests {
        let (short, bytes) = ours(&small, &request, 21);
        let (long, _) = ours(&large, &request, 5);
        println!(
            "{name:<44} {short:>10.2} {long:>10.2} {:>10.2} {:>7.2}",
            bytes as f64 / 1e6,
            long / short
        );
    }
    let (short, bytes) = clients(100_000, 21);
    println!(
        "{:<44} {short:>10.2} {:>10} {:>10.2}",
        "prometheus-client 0.25, openmetrics",
        "",
        bytes as f64 / 1e6
    );
}
