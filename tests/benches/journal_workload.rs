//! What the journal is measured with.

use std::sync::Arc;

use tawny::model::labels::Labels;
use tawny::model::metric::Names;
use tawny::model::point::{Point, PointKind};

/// When the first window starts.
pub(crate) const START: i64 = 1_800_000_000;

/// Makes points. What they are like is described at the bench.
pub(crate) struct Workload {
    /// Where all values come from.
    pub(crate) random: fastrand::Rng,
    suffixes: Vec<Arc<str>>,
}

const SUFFIXES: [&str; 5] = [".max", ".median", ".avg", ".95percentile", ".count"];

/// Draws a value for the label set of that number.
pub(crate) type Draw = fn(&mut fastrand::Rng, usize) -> f64;

impl Workload {
    /// The same points every time.
    pub(crate) fn new() -> Self {
        Self {
            random: fastrand::Rng::with_seed(42),
            suffixes: SUFFIXES.iter().map(|suffix| Arc::from(*suffix)).collect(),
        }
    }

    /// A normal deviate, near enough.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.random.f64()).sum::<f64>() - 6.0
    }

    /// 1,000 series as host collectors have them.
    pub(crate) fn host_series(&mut self) -> Vec<(Arc<Names>, Labels, PointKind, Draw)> {
        let pages = |random: &mut fastrand::Rng, _: usize| random.u32(..1 << 22) as f64 * 4096.0;
        let sectors = |random: &mut fastrand::Rng, _: usize| random.u32(..1 << 16) as f64 * 512.0;
        let bytes = |random: &mut fastrand::Rng, _: usize| random.u32(..1 << 22) as f64;
        let counts = |random: &mut fastrand::Rng, _: usize| random.u32(..20_000) as f64;
        let percentage = |random: &mut fastrand::Rng, _: usize| random.u32(..10_001) as f64 / 100.0;
        let share = |random: &mut fastrand::Rng, at: usize| random.u32(..400) as f64 / (995 + at / 5) as f64;
        let load = |random: &mut fastrand::Rng, _: usize| random.u32(..800) as f64 / 100.0;
        let celsius = |random: &mut fastrand::Rng, _: usize| random.u32(25_000..80_000) as f64 / 1000.0;
        let metrics: [(&str, u8, PointKind, Draw); 20] = [
            ("host_cpu_usage_ratio", 0, PointKind::Gauge, share),
            ("host_cpu_frequency_hertz", 0, PointKind::Gauge, |random, _| {
                random.u32(800..4200) as f64 * 1e6
            }),
            ("host_cpu_percentage", 0, PointKind::Gauge, percentage),
            ("host_cpu_interrupts_total", 0, PointKind::Count, counts),
            ("host_load_average", 0, PointKind::Gauge, load),
            ("host_filesystem_used_bytes", 1, PointKind::Gauge, pages),
            ("host_filesystem_available_bytes", 1, PointKind::Gauge, pages),
            ("host_filesystem_percentage", 1, PointKind::Gauge, percentage),
            ("host_filesystem_files", 1, PointKind::Gauge, bytes),
            ("host_memory_used_bytes", 1, PointKind::Gauge, pages),
            ("host_disk_read_bytes_total", 2, PointKind::Count, sectors),
            ("host_disk_written_bytes_total", 2, PointKind::Count, sectors),
            ("host_disk_reads_total", 2, PointKind::Count, counts),
            ("host_disk_writes_total", 2, PointKind::Count, counts),
            ("host_temperature_celsius", 2, PointKind::Gauge, celsius),
            ("host_network_received_bytes_total", 3, PointKind::Count, bytes),
            ("host_network_sent_bytes_total", 3, PointKind::Count, bytes),
            ("host_network_received_packets_total", 3, PointKind::Count, counts),
            ("host_network_sent_packets_total", 3, PointKind::Count, counts),
            ("host_pressure_percentage", 3, PointKind::Gauge, percentage),
        ];
        let modes = ["user", "system", "iowait", "idle", "steal"];
        let sets: Vec<Vec<Labels>> = (0..4)
            .map(|domain| {
                (0..50)
                    .map(|at| match domain {
                        0 => Labels::new([("cpu", (at / 5).to_string()), ("mode", modes[at % 5].to_owned())]),
                        1 => Labels::new([
                            ("device", format!("/dev/mapper/vg0-lv{at}")),
                            ("fstype", "ext4".to_owned()),
                            ("mountpoint", format!("/srv/data/{:04x}", at * 7919)),
                        ]),
                        2 => Labels::new([("device", format!("nvme{}n{}", at / 4, at % 4))]),
                        _ => Labels::new([("interface", format!("veth{:06x}", at * 104_729))]),
                    })
                    .collect()
            })
            .collect();
        let mut series = Vec::new();
        for (name, domain, kind, draw) in metrics {
            let names = Arc::new(Names::given(name));
            for labels in &sets[usize::from(domain)] {
                series.push((Arc::clone(&names), labels.clone(), kind, draw));
            }
        }
        series
    }

    /// Windows of 1,000 host series.
    pub(crate) fn host(&mut self, windows: i64) -> Vec<Point> {
        let series = self.host_series();
        let mut points = Vec::new();
        for window in 0..windows {
            for (index, (names, labels, kind, draw)) in series.iter().enumerate() {
                points.push(Point {
                    names: Arc::clone(names),
                    suffix: None,
                    labels: labels.clone(),
                    kind: *kind,
                    interval: 10,
                    time: START + window * 10,
                    value: draw(&mut self.random, index % 50),
                });
            }
        }
        points
    }

    fn application_sets(&self, prefix: &str, metrics: usize, sets: usize) -> Vec<(Arc<Names>, Labels)> {
        let routes = ["/", "/login", "/api/v1/users", "/api/v1/orders/{id}", "/search"];
        let mut series = Vec::new();
        let labels: Vec<Labels> = (0..sets)
            .map(|at| {
                Labels::new([
                    ("service", format!("shop-{}", at / 10)),
                    ("route", routes[at % 5].to_owned()),
                    ("method", ["GET", "POST"][at / 5 % 2].to_owned()),
                ])
            })
            .collect();
        for metric in 0..metrics {
            let names = Arc::new(Names::given(&format!("{prefix}.number{metric}.duration")));
            series.extend(labels.iter().map(|labels| (Arc::clone(&names), labels.clone())));
        }
        series
    }

    fn histogram(
        &mut self,
        names: &Arc<Names>,
        labels: &Labels,
        time: i64,
        micros: bool,
        out: &mut Vec<Point>,
    ) {
        let count = self.random.usize(2..60);
        let mut seen: Vec<f64> = (0..count)
            .map(|_| {
                let seconds = (self.normal() - 3.0).exp();
                if micros {
                    (seconds * 1e6).round() / 1e6
                } else {
                    seconds
                }
            })
            .collect();
        seen.sort_by(f64::total_cmp);
        let at = |quantile: f64| {
            let rank = quantile * (count - 1) as f64;
            let (low, part) = (rank.floor() as usize, rank.fract());
            let high = (low + 1).min(count - 1);
            seen[low] + (seen[high] - seen[low]) * part
        };
        let values = [
            seen[count - 1],
            at(0.5),
            seen.iter().sum::<f64>() / count as f64,
            at(0.95),
            count as f64 / 10.0,
        ];
        for (index, value) in values.into_iter().enumerate() {
            out.push(Point {
                names: Arc::clone(names),
                suffix: Some(Arc::clone(&self.suffixes[index])),
                labels: labels.clone(),
                kind: if index == 4 {
                    PointKind::Rate
                } else {
                    PointKind::Gauge
                },
                interval: 10,
                time,
                value,
            });
        }
    }

    /// Windows of 200 histograms.
    pub(crate) fn application(&mut self, windows: i64) -> Vec<Point> {
        let series = self.application_sets("shop", 10, 20);
        let mut points = Vec::new();
        for window in 0..windows {
            for (names, labels) in &series {
                self.histogram(names, labels, START + window * 10, false, &mut points);
            }
        }
        points
    }

    /// Windows of gauges, counts, sets and histograms.
    pub(crate) fn mix(&mut self, windows: i64) -> Vec<Point> {
        let series =
            ["gauge", "count", "set", "histogram"].map(|prefix| self.application_sets(prefix, 5, 20));
        let mut queues: Vec<f64> = (0..100).map(|_| self.random.u32(..500) as f64).collect();
        let mut points = Vec::new();
        for window in 0..windows {
            let time = START + window * 10;
            for (sort, series) in series.iter().enumerate() {
                for (index, (names, labels)) in series.iter().enumerate() {
                    if sort == 3 {
                        self.histogram(names, labels, time, index < 50, &mut points);
                        continue;
                    }
                    let value = match (sort, index % 3) {
                        (0, 0) => {
                            queues[index] = (queues[index] + self.random.u32(..21) as f64 - 10.0).max(0.0);
                            queues[index]
                        }
                        (0, 1) => self.random.u32(..10_001) as f64 / 100.0,
                        (0, _) => self.random.f64() * 50.0,
                        (1, _) => self.random.u32(..3_000) as f64,
                        _ => self.random.u32(..200) as f64,
                    };
                    points.push(Point {
                        names: Arc::clone(names),
                        suffix: None,
                        labels: labels.clone(),
                        kind: if sort == 0 {
                            PointKind::Gauge
                        } else {
                            PointKind::Count
                        },
                        interval: 10,
                        time,
                        value,
                    });
                }
            }
        }
        points
    }
}
