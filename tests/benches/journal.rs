//! The journal's figures: bytes a point, points a second, bytes written to the medium.
//!
//! # The workloads, and how honest they are
//!
//! * *host*: what host collectors report for 1,000 series, 20 metrics × 50 label sets: shares of CPU ticks as
//!   quotients of ticks (every core counts its own 995 to 1,005 ticks a window), percentages with two decimals, bytes
//!   of memory and disks in pages and sectors, packets and operations, load averages, temperatures in 0.001 °C. All
//!   values are drawn anew, none repeats on purpose. A machine has fewer series, but also more that stand still.
//! * *application*: 200 histograms × `.max .median .avg .95percentile .count`, computed from 2 to 60 log-normal
//!   observations each with all 52 bits of the mantissa at random; nothing about them can be guessed.
//! * *mix*: 6 windows of 100 gauges (a third each: queue lengths that walk, percentages with two decimals, doubles
//!   with full mantissas), 100 counts, 100 sets, 100 histograms (half timed in whole microseconds, half with
//!   full mantissas), so 800 points a window.

//!
//! *Append* wraps windows of *host* that the registry closed into points, encodes these, appends them to a journal on
//! disk with a sync every 30 s, and settles them, a hundred blocks at a time, on one thread. *Idle* is 60 host series, a block each 10 s or 30 s, delivered and settled
//! each time, for a day; bytes are counted as the journal writes them, and again in whole pages of 4 KiB as a file
//! system does at each sync, without its own metadata.
//!
//! *In Redis* appends 500 blocks to a journal in a Redis of the bench's own (`redis-server` in the path, or its place in
//! `TAWNY_TEST_REDIS`); bytes are how much `used_memory` falls when everything is deleted.

// A bench prints its figures, and stops where it cannot measure.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use tawny::component::journal::{Journal, OutputId, ReadRequest, Settlement};
use tawny::component::wrapper::Wrapper;
use tawny::journal::disk::{DiskJournal, DiskSettings, Sync};
use tawny::journal::points;
use tawny::model::block::{Block, BlockKind};
use tawny::model::point::{Point, PointKind};
use tawny::model::sample::{Name, Sample, Value};
use tawny::model::time::Timestamp;
use tawny::model::window::Window;
use tawny::registry::{Registry, RegistrySettings};
use tawny::support::time::Clock;
use tawny::wrappers::datadog::Datadog;

mod figure;
mod journal_workload;
mod queued;
mod redis_server;

use figure::{figure, machine};
use journal_workload::{START, Workload};
use queued::queued;
use redis_server::Server;

fn rate(points: usize, mut work: impl FnMut()) -> f64 {
    let (mut best, started) = (f64::MAX, Instant::now());
    while started.elapsed() < Duration::from_secs(2) {
        let from = Instant::now();
        work();
        best = best.min(from.elapsed().as_secs_f64());
    }
    points as f64 / best
}

/// All of the time counts, that of rare and slow things too.
fn mean_rate(points: usize, mut work: impl FnMut()) -> f64 {
    let (mut rounds, started) = (0, Instant::now());
    while started.elapsed() < Duration::from_secs(4) {
        work();
        rounds += 1;
    }
    (points * rounds) as f64 / started.elapsed().as_secs_f64()
}

fn block_of(points: &[Point], clock: &Clock) -> Block {
    let time = |point: &Point| point.time;
    let (oldest, newest) = (points.iter().map(time).min(), points.iter().map(time).max());
    Block {
        kind: BlockKind::Points,
        items: points.len() as u32,
        oldest: oldest.unwrap_or(0),
        newest: newest.unwrap_or(0),
        windows: vec![(newest.unwrap_or(0), 0)],
        stamp: clock.stamp(true),
        payload: points::encode(points),
    }
}

fn open(directory: &std::path::Path, sync: Sync, clock: &Clock) -> DiskJournal {
    let settings = DiskSettings {
        directory: directory.to_owned(),
        bound: 64 << 20,
        sync,
        outputs: vec![OutputId::new("datadog")],
    };
    DiskJournal::open(settings, clock.clone()).unwrap()
}

async fn deliver(journal: &DiskJournal, clock: &Clock) {
    let output = OutputId::new("datadog");
    let request = ReadRequest {
        kind: BlockKind::Points,
        after: None,
        not_before: None,
        before: None,
        now: clock.stamp(true),
        most_items: u64::MAX,
        most_bytes: u64::MAX,
    };
    let entries = journal.read(&output, &request).await.unwrap();
    let settled: Vec<Settlement> = entries
        .iter()
        .map(|entry| Settlement {
            id: entry.id,
            settled: None,
            delivered: u64::from(entry.block.items),
            dropped: Default::default(),
        })
        .collect();
    journal.settle(&output, &settled).await.unwrap();
}

/// Windows of the host's series, as the registry closes them.
fn closed(workload: &mut Workload, count: usize) -> Vec<Window> {
    let series = workload.host_series();
    let clock = Clock::manual(Timestamp::from_seconds(START));
    let registry = Registry::new(RegistrySettings::default(), clock.clone());
    let origin = registry.origin("bench");
    let mut windows = Vec::new();
    for _ in 0..count {
        for (index, (names, labels, kind, draw)) in series.iter().enumerate() {
            let pairs: Vec<_> = labels.iter().collect();
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (&**key, &**value)).collect();
            let value = draw(&mut workload.random, index % 50);
            let sample = Sample {
                name: Name::Given(&names.name),
                labels: &pairs,
                value: match kind {
                    PointKind::Count => Value::Delta(value),
                    _ => Value::Gauge(value),
                },
                time: clock.now(),
            };
            registry.record(origin, &sample).unwrap();
        }
        windows.append(&mut registry.take_all());
        clock.advance(Duration::from_secs(10));
    }
    windows
}

fn append(workload: &mut Workload, runtime: &tokio::runtime::Runtime) {
    let wrapper = Datadog::new(&[], &[]);
    for (name, count) in [("1 window of 1,000 series", 1), ("6 windows of 1,000 series", 6)] {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let journal = open(directory.path(), Sync::Every(Duration::from_secs(30)), &clock);
        let windows = closed(workload, count);
        let (mut points, mut rounds) = (Vec::new(), 0);
        for window in &windows {
            wrapper.wrap(window, &mut points);
        }
        assert_eq!(points.len(), 1_000 * windows.len());
        let rate = mean_rate(points.len(), || {
            points.clear();
            for window in &windows {
                wrapper.wrap(window, &mut points);
            }
            runtime.block_on(async {
                let _ = journal.append(block_of(&points, &clock)).await.unwrap();
                rounds += 1;
                if rounds % 100 == 0 {
                    deliver(&journal, &clock).await;
                }
            });
        });
        let name = format!("wrap, block, append: {name}");
        figure(&name, rate / 1e6, "M points/s", 1.0..);
    }
}

fn redis(workload: &mut Workload, runtime: &tokio::runtime::Runtime) {
    let server = Server::start();
    type Make = fn(&mut Workload, i64) -> Vec<Point>;
    let makes: [(&str, Make); 3] = [
        ("host", Workload::host),
        ("mix", Workload::mix),
        ("application", Workload::application),
    ];
    for (name, make) in makes {
        for (windows, most) in [(1, 8.0), (6, 5.0)] {
            let bytes = queued(&server, runtime, || make(workload, windows));
            let name = format!("in Redis a queued point: {name}, windows a block: {windows}");
            figure(&name, bytes, "bytes", ..=most);
        }
    }
}

fn idle(workload: &mut Workload, runtime: &tokio::runtime::Runtime) {
    let series = workload.host_series();
    let series: Vec<_> = series.iter().step_by(series.len() / 60).take(60).collect();
    for seconds in [10u64, 30] {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp::from_seconds(START));
        // As often as `batch` syncs, but without waiting for this machine's disk.
        let journal = open(
            directory.path(),
            Sync::Every(Duration::from_secs(100_000)),
            &clock,
        );
        let (mut pages, mut before) = (0, 0);
        let blocks = 86_400 / seconds;
        for _ in 0..blocks {
            let time = clock.now().seconds() - 10;
            let mut points = Vec::new();
            for (index, (names, labels, kind, draw)) in series.iter().enumerate() {
                for window in 0..(seconds / 10) as i64 {
                    points.push(Point {
                        names: Arc::clone(names),
                        suffix: None,
                        labels: labels.clone(),
                        kind: *kind,
                        interval: 10,
                        time: time - window * 10,
                        value: draw(&mut workload.random, index % 50),
                    });
                }
            }
            runtime.block_on(async {
                let _ = journal.append(block_of(&points, &clock)).await.unwrap();
                let written = journal.status().await.bytes_written;
                pages += written / 4096 - before / 4096 + u64::from(written % 4096 > 0);
                before = written;
                deliver(&journal, &clock).await;
            });
            clock.advance(Duration::from_secs(seconds));
        }
        let status = runtime.block_on(journal.status());
        println!(
            "idle, 60 series, a block each {seconds} s: {:.2} MB written a day, {:.2} MB in pages, {:.0} bytes a block and its settlement; {:.2} MB on disk in the end",
            status.bytes_written as f64 / 1e6,
            pages as f64 * 4096.0 / 1e6,
            status.bytes_written as f64 / blocks as f64,
            status.bytes as f64 / 1e6,
        );
    }
}

fn main() {
    machine();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut workload = Workload::new();
    for (name, points) in [
        ("host, 1 window", workload.host(1)),
        ("host, 6 windows", workload.host(6)),
        ("application, 1 window", workload.application(1)),
        ("application, 6 windows", workload.application(6)),
        ("mix, 1 window", workload.mix(1)),
        ("mix, 6 windows", workload.mix(6)),
    ] {
        let payload = points::encode(&points);
        let encoded = rate(points.len(), || drop(points::encode(&points)));
        let decoded = rate(points.len(), || drop(points::decode(&payload)));
        println!(
            "{name}: {} points, {:.2} bytes a point, encode {:.2} M points/s, decode {:.2} M points/s",
            points.len(),
            payload.len() as f64 / points.len() as f64,
            encoded / 1e6,
            decoded / 1e6,
        );
    }
    append(&mut workload, &runtime);
    redis(&mut workload, &runtime);
    idle(&mut workload, &runtime);
}
