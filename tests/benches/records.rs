//! How fast records of the client library are read and tallied, on one thread, and what the tallies take.
//!
//! `cargo bench --bench records`. 1,000,000 records as the client writes them (1,000 series of all five kinds, two tags,
//! two minutes of timestamps in random order of series) go through the reader into one tallier, which is emptied at the
//! end. Memory is what the kernel says is resident before the tallying and at its end, in the first round.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tawny::model::client::record::parse;
use tawny::model::client::tally::Tallier;

mod figure;

use figure::{figure, machine};

const RECORDS: usize = 1_000_000;
const SERIES: usize = 1_000;
const WINDOWS: usize = 12;
const ROUNDS: usize = 5;
const START: f64 = 1_588_669_200.0;

fn main() {
    machine();
    let records = records();
    let bytes: usize = records.iter().map(String::len).sum();
    let before = resident();
    let (_, taken, told) = tally(&records);
    let grown = resident().saturating_sub(before);
    let (mut best, mut read) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        best = best.min(tally(&records).0);
        let start = Instant::now();
        for record in &records {
            black_box(parse(black_box(record.as_bytes())).unwrap());
        }
        read = read.min(start.elapsed().as_secs_f64());
    }
    assert_eq!(taken, SERIES * WINDOWS);
    let each = |seconds: f64| seconds * 1e9 / RECORDS as f64;
    figure(
        "bytes of JSON a record",
        bytes as f64 / RECORDS as f64,
        "bytes",
        ..,
    );
    figure(
        "records read and tallied",
        RECORDS as f64 / best,
        "records/s",
        500_000.0..,
    );
    figure("of that, reading", each(read), "ns/record", ..);
    figure("and tallying", each(best - read), "ns/record", ..);
    let mebibytes = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    figure(
        "resident memory for the tallies",
        mebibytes(grown),
        "MiB",
        ..=20.0,
    );
    figure("what the tallier says it takes", mebibytes(told), "MiB", ..);
}

/// Seconds, series taken out, and what the tallier said it took.
fn tally(records: &[String]) -> (f64, usize, usize) {
    let bounds: Arc<[f64]> = Arc::from([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
    let start = Instant::now();
    let mut tallier = Tallier::new(Duration::from_secs(10), Arc::new(move |_| Arc::clone(&bounds)));
    for record in records {
        let record = parse(record.as_bytes()).unwrap();
        tallier.add(&record, record.time);
    }
    let told = tallier.bytes();
    let windows = tallier.take();
    let seconds = start.elapsed().as_secs_f64();
    (
        seconds,
        windows.iter().map(|window| window.series.len()).sum(),
        told,
    )
}

fn records() -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(7);
    let seconds = (WINDOWS * 10) as f64;
    let record = |index: usize| {
        let series = random.usize(..SERIES);
        let (kind, value) = match series % 5 {
            0 => ("count", random.i32(-3..10).to_string()),
            1 => ("gauge", (random.f64() * 1e4).to_string()),
            2 => ("rate", random.u8(1..9).to_string()),
            3 => ("histogram", random.f64().to_string()),
            _ => (
                "set",
                format!("[\"user-{}\", {}]", random.u16(..500), random.u8(..50)),
            ),
        };
        let time = START + seconds * index as f64 / RECORDS as f64;
        format!(
            r#"{{"metric": "shop.application.metric_{}", "type": "{kind}", "value": {value}, "timestamp": {time}, "tags": {{"instance": "web-{:02}", "region": "eu-west-{}"}}}}"#,
            series % 50,
            series / 50,
            series % 3,
        )
    };
    (0..RECORDS).map(record).collect()
}

fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
