//! Random records in random order come to what a plain computation over all of them gives.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::model::client::record::parse;
use crate::model::client::tests::tally::tallier;
use crate::model::client::{log, wrapped};
use crate::model::tally::Shown;
use crate::model::time::Timestamp;
use crate::model::window::Aggregate;

#[derive(Clone, Debug)]
struct Sent {
    series: (u8, u8),
    kind: &'static str,
    value: f64,
    members: Vec<u8>,
    /// Microseconds since 1970, each once.
    time: u32,
}

impl Sent {
    fn seconds(&self) -> f64 {
        f64::from(self.time) / 1e6
    }

    fn json(&self) -> String {
        let value = match self.kind {
            "set" => format!("{:?}", self.members),
            _ => self.value.to_string(),
        };
        let (metric, tag) = self.series;
        let seconds = self.seconds();
        format!(
            r#"{{"metric": "m{metric}", "type": "{}", "value": {value}, "timestamp": {seconds}, "tags": {{"t": {tag}}}}}"#,
            self.kind
        )
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let kinds = prop::sample::select(vec!["count", "gauge", "rate", "set", "histogram"]);
    let members = prop::collection::vec(0_u8..20, 0..6);
    let time = prop_oneof![0_u32..60_000_000, 1_000_000_u32..1_000_100];
    ((0_u8..3, 0_u8..3), kinds, -1e6..1e6_f64, members, time).prop_map(
        |(series, kind, value, members, time)| Sent {
            series,
            kind,
            value,
            members,
            time,
        },
    )
}

fn close(left: f64, right: f64, size: f64) -> bool {
    (left - right).abs() <= 1e-9 * size.max(1.0)
}

/// Linear interpolation between the closest ranks.
fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (sorted.len() - 1) as f64 * share;
    let (below, above) = (sorted[index.floor() as usize], sorted[index.ceil() as usize]);
    below + (above - below) * index.fract()
}

proptest! {
    #[test]
    fn records_in_any_order_come_to_a_plain_recomputation(
        all in prop::collection::vec(sent(), 0..300),
        closed in 0_i64..8,
    ) {
        let mut times = BTreeSet::new();
        let all: Vec<Sent> = all.into_iter().filter(|sent| times.insert(sent.time)).collect();
        let mut tallier = tallier();
        for sent in &all {
            let json = sent.json();
            let record = parse(json.as_bytes()).unwrap();
            tallier.add(&record, record.time);
        }
        let mut plain: BTreeMap<_, Vec<&Sent>> = BTreeMap::new();
        for sent in &all {
            let window = i64::from(sent.time / 10_000_000) * 10;
            plain.entry((window, sent.series, sent.kind)).or_default().push(sent);
        }
        let mut windows = tallier.take_closed(Timestamp::from_seconds(closed * 10));
        windows.extend(tallier.take());
        prop_assert!(windows.is_sorted_by(|left, right| left.start < right.start));
        for window in windows {
            for tally in window.series {
                let series = &tally.series;
                let kind = match series.aggregate {
                    Aggregate::Delta { .. } => "count",
                    Aggregate::Gauge { .. } => "gauge",
                    Aggregate::Rate { .. } => "rate",
                    Aggregate::Members { .. } => "set",
                    _ => "histogram",
                };
                let number = |text: &str| text.parse::<u8>().unwrap();
                let identity = (number(&series.names.name[1..]), number(&series.labels.get("t").unwrap()));
                let sent = plain.remove(&(window.start.seconds(), identity, kind)).unwrap();
                let values: Vec<f64> = sent.iter().map(|sent| sent.value).collect();
                let (truth, n) = (values.iter().sum::<f64>(), sent.len() as u64);
                let size = values.iter().map(|value| value.abs()).sum::<f64>();
                let ups = values.iter().filter(|value| **value >= 0.0).sum::<f64>();
                let latest = sent.iter().max_by_key(|sent| sent.time).unwrap();
                let distinct = sent.iter().flat_map(|sent| &sent.members).collect::<BTreeSet<_>>().len() as u64;
                match (&series.aggregate, &tally.shown) {
                    (Aggregate::Delta { sum, count } | Aggregate::Rate { sum, count }, Shown::Counter { up, down }) => {
                        prop_assert_eq!(*count, n);
                        prop_assert!(close(*sum, truth, size) && close(*up, ups, size) && close(up - down, truth, size));
                    }
                    (Aggregate::Gauge { last, sum, count }, Shown::Gauge { value, time }) => {
                        prop_assert_eq!((*count, *last, *value), (n, latest.value, latest.value));
                        // Seconds as a double can lie a hair below their millisecond.
                        prop_assert_eq!(Some(*time), Timestamp::from_seconds_f64(latest.seconds()));
                        prop_assert!(close(*sum, truth, size));
                    }
                    (Aggregate::Members { distinct: pushed, count }, Shown::Members { distinct: shown }) => {
                        prop_assert_eq!((*pushed, *shown, *count), (distinct, distinct, n));
                    }
                    (Aggregate::Observations(distribution), Shown::Histogram { counts, sum }) => {
                        prop_assert_eq!((distribution.count(), counts.iter().sum::<u64>()), (n, n));
                        prop_assert!(close(*sum, truth, size) && close(distribution.sum(), truth, size));
                        for share in [0.0, 0.5, 0.95, 1.0] {
                            let got = distribution.quantiles(&[share])[0];
                            prop_assert!(close(got, percentile(&values, share), size));
                        }
                        let below = values.iter().filter(|value| **value <= 1.0).count() as u64;
                        prop_assert_eq!(counts[0], below);
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
        prop_assert!(plain.is_empty(), "{plain:?}");
    }

    #[test]
    fn no_input_makes_a_reader_fall(text in "\\PC{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        for json in [text.as_bytes(), &bytes] {
            let _ = parse(json);
            let _ = wrapped::parse(json, 10);
            let _ = log::parse(json, 1.0);
        }
        let dated = serde_json::json!({ "date": text }).to_string();
        prop_assert!(log::parse(dated.as_bytes(), 1.0).is_ok());
    }
}
