//! Bytes on the wire for a point of a host and of applications, and how many points a core encodes a second.
//!
//! `cargo bench --bench wire`. The values are made up, but as a small machine shows them: most series stand still or
//! are zero, some move in steps of a page, a tick or half a degree, few are noise.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a bench prints what it measured"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::json;
use tawny::component::output::{Output, Series, SeriesName, Speaker};
use tawny::component::settings::{Problems, Section};
use tawny::model::point::PointKind::{self, Count, Gauge, Rate};
use tawny::outputs::datadog::{Datadog, Defaults, build};
use tawny::support::proxy::Proxies;

/// 2026-08-01 00:00:00 UTC.
const START: i64 = 1_785_542_400;

fn main() {
    println!("| data | output | level | series | points | bytes | bytes a point | points a second |");
    println!("|---|---|---|---|---|---|---|---|");
    for (data, windows) in [("minute", 6), ("hour", 360), ("day", 8640)] {
        let series = host(windows, 17);
        for version in ["v2", "v1"] {
            let levels: &[Option<u32>] = if std::env::var_os("ALL_LEVELS").is_some() {
                &[
                    None,
                    Some(1),
                    Some(3),
                    Some(6),
                    Some(9),
                    Some(12),
                    Some(15),
                    Some(17),
                    Some(19),
                    Some(22),
                ]
            } else {
                &[None]
            };
            for level in levels
                .iter()
                .filter(|level| version == "v2" || level.is_none_or(|level| level <= 9))
            {
                row(data, version, *level, &series);
            }
        }
    }
    row("minute of 12 hosts", "v2", None, &fleet(6));
    row("hour of noise", "v2", None, &noise(360));
    for (data, windows) in [("minute of applications", 6), ("hour of applications", 360)] {
        for level in [None, Some(3), Some(19)] {
            row(data, "v2", level, &applications(windows));
        }
    }
}

fn row(data: &str, version: &str, level: Option<u32>, series: &[Series]) {
    let output = output(version, level);
    let speaker = speaker();
    let points: usize = series.iter().map(|one| one.points.len()).sum();
    let (bytes, bodies) = all(&output, series, &speaker);
    let began = Instant::now();
    let mut rounds = 0_u32;
    while began.elapsed() < Duration::from_millis(500) {
        all(&output, series, &speaker);
        rounds += 1;
    }
    let seconds = began.elapsed().as_secs_f64() / f64::from(rounds);
    println!(
        "| {data} | {version} | {} | {} | {points} | {bytes} in {bodies} | {:.2} | {:.0} |",
        level.map_or("auto".to_string(), |level| level.to_string()),
        series.len(),
        bytes as f64 / points as f64,
        points as f64 / seconds,
    );
}

/// Encodes everything, body after body, as the pipeline does.
fn all(output: &Datadog, series: &[Series], speaker: &Speaker) -> (usize, usize) {
    let (mut bytes, mut bodies) = (0, 0);
    let mut rest = series.to_vec();
    while !rest.is_empty() {
        let encoded = output.encode(&rest, speaker, 1);
        bytes += encoded.body.len();
        bodies += 1;
        rest.drain(..encoded.series);
        if let Some(next) = rest.first_mut() {
            next.points.drain(..encoded.points_of_next);
        }
    }
    (bytes, bodies)
}

fn output(version: &str, level: Option<u32>) -> Datadog {
    let defaults = Defaults {
        timeout: Duration::from_secs(48),
        proxies: Proxies::none(),
    };
    let mut problems = Problems::default();
    let settings = json!({"api_key": "0".repeat(32), "api_version": version, "compression_level": level});
    build(
        &Section::new("outputs.datadog", settings),
        &defaults,
        &mut problems,
    )
    .expect("settings that are right")
}

fn speaker() -> Speaker {
    Speaker {
        host: "edge-0017".to_string(),
        tags: vec!["env:production".to_string(), "site:hamburg-3".to_string()],
    }
}

/// Adds series to a host.
struct Host {
    windows: usize,
    random: fastrand::Rng,
    series: Vec<Series>,
}

impl Host {
    fn add(&mut self, metric: &str, label: &str, kind: PointKind, mut value: impl FnMut(usize) -> f64) {
        let mut tags = speaker().tags;
        if !label.is_empty() {
            tags.push(label.to_string());
        }
        tags.sort();
        let name = SeriesName {
            metric: format!("Chouette.host.{metric}"),
            tags,
            kind,
            interval: 10,
        };
        let points = (0..self.windows)
            .map(|at| (START + 10 * at as i64, value(at)))
            .collect();
        self.series.push(Series { name, points });
    }

    /// A gauge that wanders, in whole `unit`s.
    fn walk(&mut self, start: i64, step: i64, unit: f64) -> impl FnMut(usize) -> f64 + use<> {
        let mut random = self.random.fork();
        let mut at = start;
        move |_| {
            at = (at + random.i64(-step..=step)).max(0);
            at as f64 * unit
        }
    }

    /// The increase of a reading that grows by about `mean` units of 1/`parts` each window, as two readings give it:
    /// with the noise of their difference.
    fn growth(&mut self, mean: i64, spread: i64, parts: f64) -> impl FnMut(usize) -> f64 + use<> {
        let mut random = self.random.fork();
        let mut at = 8640 * mean + 77;
        move |_| {
            let before = at;
            at += random.i64(mean - spread..=mean + spread);
            at as f64 / parts - before as f64 / parts
        }
    }
}

/// A small machine's series as the collector `host` names them, quietly at work: four cores, three filesystems, a
/// card and an idle disk, one interface in use and two that are not.
fn host(windows: usize, seed: u64) -> Vec<Series> {
    let mut host = Host {
        windows,
        random: fastrand::Rng::with_seed(seed),
        series: Vec::new(),
    };
    // Busy ticks of four cores in ten seconds.
    let mut busy = host.walk(110, 20, 1.0);
    host.add("cpu.percentage", "", Gauge, |at| busy(at) / 4000.0 * 100.0);
    host.add("cpus", "", Gauge, |_| 4.0);
    for (mode, mean, spread) in [
        ("idle", 3930, 15),
        ("iowait", 1, 1),
        ("irq", 0, 0),
        ("nice", 0, 0),
    ] {
        let growth = host.growth(mean, spread, 100.0);
        host.add("cpu.seconds", &format!("mode:{mode}"), Count, growth);
    }
    for (mode, mean, spread) in [
        ("softirq", 2, 1),
        ("steal", 0, 0),
        ("system", 25, 5),
        ("user", 40, 10),
    ] {
        let growth = host.growth(mean, spread, 100.0);
        host.add("cpu.seconds", &format!("mode:{mode}"), Count, growth);
    }
    for (period, step) in [("1m", 4), ("5m", 1), ("15m", 1)] {
        let mut load = host.walk(12, step, 1.0);
        host.add("la", &format!("period:{period}"), Gauge, |at| load(at) / 100.0);
    }
    for (name, pages) in [("used", 240_000), ("available", 690_000)] {
        let walk = host.walk(pages, 60, 4096.0);
        host.add(&format!("memory.{name}"), "", Gauge, walk);
    }
    host.add("memory.total", "", Gauge, |_| 3_977_658_368.0);
    host.add("swap.used", "", Gauge, |_| 0.0);
    host.add("swap.total", "", Gauge, |_| 104_853_504.0);
    for (device, pages, grows) in [
        ("mmcblk0p1", 65_000, 0),
        ("mmcblk0p2", 15_000_000, 3),
        ("sda1", 30_000_000, 0),
    ] {
        let label = format!("device:/dev/{device}");
        let size = f64::from(pages) * 4096.0;
        let mut random = host.random.fork();
        let mut taken = 0;
        let used: Vec<f64> = (0..windows)
            .map(|at| {
                taken += if at % 3 == 0 { random.i64(0..=grows) } else { 0 };
                (i64::from(pages) / 3 + taken) as f64 * 4096.0
            })
            .collect();
        host.add("fs.used", &label, Gauge, |at| used[at]);
        host.add("fs.free", &label, Gauge, |at| size - used[at]);
        host.add("fs.total", &label, Gauge, |_| size);
        host.add("fs.inodes.total", &label, Gauge, |_| f64::from(pages) / 4.0);
        host.add("fs.inodes.free", &label, Gauge, |_| f64::from(pages) / 5.0);
        host.add("fs.read_only", &label, Gauge, |_| 0.0);
    }
    for (interface, packets) in [("eth0", 40), ("wlan0", 0), ("docker0", 0)] {
        let label = format!("iface:{interface}");
        for way in ["recv", "sent"] {
            let mut growth = host.growth(packets * 310, packets * 90, 1.0);
            let mut total = 0.0;
            host.add(&format!("network.bytes.{way}"), &label, Gauge, |at| {
                total += growth(at);
                total
            });
            let growth = host.growth(packets, packets / 4, 1.0);
            host.add(&format!("network.packets.{way}"), &label, Count, growth);
            host.add(&format!("network.errors.{way}"), &label, Count, |_| 0.0);
            host.add(&format!("network.drops.{way}"), &label, Count, |_| 0.0);
        }
    }
    for (disk, writes) in [("mmcblk0", true), ("sda", false)] {
        let label = format!("device:{disk}");
        for name in ["bytes.read", "reads", "seconds.read"] {
            host.add(&format!("disk.{name}"), &label, Count, |_| 0.0);
        }
        // What is dirty is written every 30 seconds.
        for (name, mean, parts) in [("bytes.written", 12, 1.0 / 4096.0), ("writes", 6, 1.0)] {
            let mut growth = host.growth(mean, mean / 3, parts);
            host.add(&format!("disk.{name}"), &label, Count, |at| {
                if writes && at % 3 == 0 { growth(at) } else { 0.0 }
            });
        }
        for name in ["seconds.write", "seconds.io"] {
            let mut growth = host.growth(60, 20, 1000.0);
            host.add(&format!("disk.{name}"), &label, Count, |at| {
                if writes && at % 3 == 0 { growth(at) } else { 0.0 }
            });
        }
    }
    for (resource, waits) in [("cpu", 40_000), ("io", 1_500), ("memory", 0)] {
        let label = format!("resource:{resource}");
        let growth = host.growth(waits, waits / 3, 1e6);
        host.add("pressure.waiting", &label, Count, growth);
        host.add("pressure.stalled", &label, Count, |_| 0.0);
    }
    for zone in ["cpu", "gpu"] {
        let mut half_degrees = host.walk(92, 1, 0.5);
        let mut last = 46.0;
        host.add("temperature", &format!("zone:{zone}"), Gauge, |at| {
            last = if at % 3 == 0 { half_degrees(at) } else { last };
            last
        });
    }
    host.add("uptime", "", Gauge, |at| 86_400.0 + 10.0 * at as f64);
    let mut series = host.series;
    series.sort_by(|left, right| left.name.cmp(&right.name));
    series
}

/// A thousand series, as an agent beside many containers has them: the same names, one tag apart.
fn fleet(windows: usize) -> Vec<Series> {
    let mut series = Vec::new();
    for seed in 0..12 {
        let mut part = host(windows, seed);
        for one in &mut part {
            one.name.tags.push(format!("container:worker-{seed}"));
            one.name.tags.sort();
        }
        series.append(&mut part);
    }
    series.sort_by(|left, right| left.name.cmp(&right.name));
    series
}

/// The same names with values that nothing compresses: what a body costs at worst.
fn noise(windows: usize) -> Vec<Series> {
    let mut random = fastrand::Rng::with_seed(18);
    let mut series = host(windows, 17);
    for point in series.iter_mut().flat_map(|one| &mut one.points) {
        point.1 = random.f64();
    }
    series
}

/// A thousand series of applications as the wrapper `datadog` tells them by default: 200 each of counts, gauges, rates,
/// sets and histograms, with about eight records in each window. Gauges and observations have all 52 bits of their
/// mantissas at random, so nothing about these and the averages can be guessed.
fn applications(windows: usize) -> Vec<Series> {
    let mut random = fastrand::Rng::with_seed(19);
    let mut all: BTreeMap<SeriesName, Vec<(i64, f64)>> = BTreeMap::new();
    for at in 0..windows {
        let time = START + 10 * at as i64;
        for series in 0..1_000 {
            // 100,000 records of 1,000 series in 120 s.
            let records = (0..100).filter(|_| random.u8(0..12) == 0).count();
            if records == 0 {
                continue;
            }
            let mut tell = |suffix: &str, kind: PointKind, value: f64| {
                let points = all.entry(application(series, suffix, kind)).or_default();
                points.push((time, value));
            };
            match series % 5 {
                0 => tell(
                    "",
                    Count,
                    (0..records).map(|_| random.i32(-3..10)).sum::<i32>().into(),
                ),
                1 => tell("", Gauge, random.f64() * 1e4),
                2 => tell(
                    "",
                    Rate,
                    f64::from((0..records).map(|_| random.i32(1..9)).sum::<i32>()) / 10.0,
                ),
                3 => {
                    let mut seen: Vec<f64> = (0..records).map(|_| random.f64()).collect();
                    seen.sort_by(f64::total_cmp);
                    let rank = |share: f64| {
                        let at = (records - 1) as f64 * share;
                        let (low, high) = (seen[at.floor() as usize], seen[at.ceil() as usize]);
                        low + (high - low) * at.fract()
                    };
                    tell(".max", Gauge, seen[records - 1]);
                    tell(".median", Gauge, rank(0.5));
                    tell(".avg", Gauge, seen.iter().sum::<f64>() / records as f64);
                    tell(".95percentile", Gauge, rank(0.95));
                    tell(".count", Rate, records as f64 / 10.0);
                }
                _ => {
                    let members = (0..2 * records).map(|_| random.u16(0..500));
                    tell("", Count, members.collect::<BTreeSet<_>>().len() as f64);
                }
            }
        }
    }
    let series = all.into_iter();
    series.map(|(name, points)| Series { name, points }).collect()
}

fn application(series: usize, suffix: &str, kind: PointKind) -> SeriesName {
    let mut tags = speaker().tags;
    tags.push(format!("instance:web-{:02}", series / 50));
    tags.push(format!("region:eu-west-{}", series % 3));
    tags.sort();
    SeriesName {
        metric: format!("shop.application.metric_{}{suffix}", series % 50),
        tags,
        kind,
        interval: 10,
    }
}
