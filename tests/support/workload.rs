//! What applications write: records of many series over some time, the same for one seed, and a plain computation of
//! what must come of them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Value, json};

use crate::support::intake::{Kind, PointKey};
use crate::support::redis::Redis;

/// The kinds of records, as the client names them.
const KINDS: [&str; 5] = ["count", "gauge", "rate", "set", "histogram"];

/// One record.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) metric: String,
    pub(crate) kind: &'static str,
    pub(crate) value: Value,
    /// Milliseconds since 1970.
    pub(crate) millis: i64,
    pub(crate) tags: BTreeMap<String, String>,
}

impl Record {
    /// Seconds since 1970, as the client writes them.
    pub(crate) fn timestamp(&self) -> f64 {
        self.millis as f64 / 1000.0
    }

    /// The record's text, in the client's order of keys.
    pub(crate) fn json(&self) -> String {
        let tags = json!(self.tags);
        let (metric, value) = (json!(self.metric), &self.value);
        format!(
            r#"{{"metric": {metric}, "type": "{}", "value": {value}, "timestamp": {}, "tags": {tags}}}"#,
            self.kind,
            self.timestamp()
        )
    }

    fn number(&self) -> f64 {
        self.value.as_f64().expect("a number")
    }
}

/// Records.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    pub(crate) records: Vec<Record>,
}

/// A series: metric, kind, tags as the intake keeps them.
type Series = (String, &'static str, BTreeSet<String>);

impl Workload {
    /// `count` records of `series` series whose times lie, shuffled, in `seconds` seconds from `start` on.
    pub(crate) fn new(seed: u64, count: usize, series: usize, start: i64, seconds: i64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut taken = HashSet::new();
        let records = (0..count).map(|_| {
            let (number, millis) = loop {
                // No two records of a series at one millisecond: nothing says which of two gauges would be the last.
                let drawn = (
                    random.usize(0..series),
                    start * 1000 + random.i64(0..seconds * 1000),
                );
                if taken.insert(drawn) {
                    break drawn;
                }
            };
            let kind = KINDS[number % KINDS.len()];
            let value = match kind {
                "count" => json!(random.i64(-3..12)),
                "set" => json!([format!("user-{}", random.u8(0..40)), random.u8(0..5)]),
                // Sums of such numbers are exact in whatever order they are added.
                _ => json!(f64::from(random.i32(-50_000..500_000)) / 1024.0),
            };
            let tags = [
                ("device", format!("d{}", number % 50)),
                ("unit", format!("u{number}")),
            ];
            Record {
                metric: format!("app.{kind}.m{}", number % 20),
                kind,
                value,
                millis,
                tags: tags.map(|(key, value)| (key.to_owned(), value)).into(),
            }
        });
        Self {
            records: records.collect(),
        }
    }

    /// Only counts of 1, one a record: their sum is the number of records.
    pub(crate) fn ones(count: usize, series: usize, start: i64, seconds: i64) -> Self {
        let mut made = Self::new(7, count, series, start, seconds);
        for record in &mut made.records {
            record.kind = "count";
            record.value = json!(1);
            record.metric = "app.ones".to_owned();
        }
        made
    }

    /// Writes the records into the client's queue, as pipelines of the client's transactions.
    pub(crate) fn write(&self, redis: &Redis) {
        write(redis, &self.records);
    }

    /// What the intake must hold once all is delivered, where each window was complete when it was closed: default
    /// aggregates, windows of `interval` seconds.
    pub(crate) fn truth(&self, interval: i64, host: &str, global: &[&str]) -> BTreeMap<PointKey, f64> {
        let mut groups: BTreeMap<(i64, Series), Vec<&Record>> = BTreeMap::new();
        for record in &self.records {
            let start = record.millis.div_euclid(1000 * interval) * interval;
            let tags = record.tags.iter().map(|(key, value)| format!("{key}:{value}"));
            let tags = tags.chain(global.iter().map(ToString::to_string)).collect();
            let series = (record.metric.clone(), record.kind, tags);
            groups.entry((start, series)).or_default().push(record);
        }
        let mut truth = BTreeMap::new();
        for ((time, (metric, kind, tags)), records) in groups {
            for (suffix, sent, value) in points(kind, &records, interval) {
                let key = PointKey {
                    name: format!("{metric}{suffix}"),
                    host: host.to_owned(),
                    tags: tags.clone(),
                    kind: sent,
                    time,
                };
                truth.insert(key, value);
            }
        }
        truth
    }
}

/// Writes records into the client's queue, as pipelines of the client's transactions.
pub(crate) fn write(redis: &Redis, records: &[Record]) {
    write_below(redis, "chouette", records);
}

/// The same below another prefix than the client's.
pub(crate) fn write_below(redis: &Redis, prefix: &str, records: &[Record]) {
    let records = records.iter().map(|record| (record.timestamp(), record.json()));
    put(redis, &format!("{prefix}:metrics:raw"), records);
}

/// Puts texts with their scores into a queue, as pipelines of the client's transactions.
pub(crate) fn put(redis: &Redis, queue: &str, records: impl Iterator<Item = (f64, String)>) {
    let (keys, values) = (format!("{queue}.keys"), format!("{queue}.values"));
    let records: Vec<(f64, String)> = records.collect();
    let mut random = fastrand::Rng::new();
    let mut connection = redis.connection();
    for batch in records.chunks(1000) {
        let mut pipeline = redis::pipe();
        for (score, text) in batch {
            let id = format!("{:032x}", random.u128(..));
            pipeline.cmd("MULTI").ignore();
            pipeline.cmd("ZADD").arg(&keys).arg(score).arg(&id).ignore();
            pipeline.cmd("HSET").arg(&values).arg(&id).arg(text).ignore();
            pipeline.cmd("EXEC").ignore();
        }
        pipeline.exec(&mut connection).expect("Redis takes records");
    }
}

/// What the wrapper `datadog` makes of one series in one window: suffix, kind, value.
fn points(kind: &str, records: &[&Record], interval: i64) -> Vec<(&'static str, Kind, f64)> {
    let numbers = || records.iter().map(|record| record.number());
    let seconds = interval as f64;
    match kind {
        "count" => vec![("", Kind::Count, numbers().sum())],
        "rate" => vec![("", Kind::Rate, numbers().sum::<f64>() / seconds)],
        "gauge" => {
            let mut last = records[0];
            for record in records {
                if record.millis >= last.millis {
                    last = record;
                }
            }
            vec![("", Kind::Gauge, last.number())]
        }
        "set" => {
            let members = records
                .iter()
                .flat_map(|record| record.value.as_array().expect("a list"));
            let members: BTreeSet<String> = members.map(ToString::to_string).collect();
            vec![("", Kind::Count, members.len() as f64)]
        }
        _ => {
            let mut sorted: Vec<f64> = numbers().collect();
            sorted.sort_by(f64::total_cmp);
            let rank = |share: f64| {
                let at = (sorted.len() - 1) as f64 * share;
                let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
                low + (high - low) * at.fract()
            };
            vec![
                (".max", Kind::Gauge, sorted[sorted.len() - 1]),
                (".median", Kind::Gauge, rank(0.5)),
                (".avg", Kind::Gauge, numbers().sum::<f64>() / sorted.len() as f64),
                (".count", Kind::Rate, sorted.len() as f64 / seconds),
                (".95percentile", Kind::Gauge, rank(0.95)),
            ]
        }
    }
}
