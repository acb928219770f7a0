//! Records in windows.

use std::sync::Arc;
use std::time::Duration;

use crate::model::client::record::{Record, RecordValue, parse};
use crate::model::client::tally::{Bounds, Tallier};
use crate::model::tally::{Shown, TalliedWindow, Tally};
use crate::model::time::Timestamp;
use crate::model::window::Aggregate;

pub(super) fn tallier() -> Tallier {
    let bounds: Bounds = Arc::new(|metric| match metric {
        "coarse" => Arc::from([1.0]),
        _ => Arc::from([1.0, 2.0, 5.0]),
    });
    Tallier::new(Duration::from_secs(10), bounds)
}

fn add(tallier: &mut Tallier, json: &str) {
    let record = parse(json.as_bytes()).unwrap();
    tallier.add(&record, record.time);
}

/// Adds a record of one series.
fn one(tallier: &mut Tallier, metric: &str, kind: &str, value: &str, time: &str) {
    add(
        tallier,
        &format!(r#"{{"metric": "{metric}", "type": "{kind}", "value": {value}, "timestamp": {time}}}"#),
    );
}

fn words(window: &TalliedWindow) -> Vec<String> {
    let word = |tally: &Tally| {
        let series = &tally.series;
        format!("{}{:?} {:?}", series.names.name, series.labels, series.aggregate)
    };
    window.series.iter().map(word).collect()
}

#[test]
fn each_kind_comes_to_its_aggregate_and_its_share_of_a_page() {
    let mut tallier = tallier();
    for (kind, values) in [
        ("count", ["2", "-5", "1.5"]),
        ("rate", ["1", "-1", "4"]),
        ("gauge", ["3", "-7", "1"]),
        ("set", [r#"["a", "b"]"#, r#"["b", 1, "1"]"#, "[]"]),
        ("histogram", ["1", "1.5", "9"]),
    ] {
        for (second, value) in values.into_iter().enumerate() {
            one(&mut tallier, "m", kind, value, &format!("100{second}"));
        }
    }
    assert_eq!((tallier.points(), tallier.is_empty()), (10, false));
    let windows = tallier.take();
    assert_eq!(windows.len(), 1);
    assert_eq!(
        (windows[0].start, windows[0].interval),
        (Timestamp::from_seconds(1000), Duration::from_secs(10))
    );
    let got = windows[0]
        .series
        .iter()
        .map(|tally| (format!("{:?}", tally.series.aggregate), tally.shown.clone()));
    let got: Vec<_> = got.collect();
    let histogram = got[4].0.clone();
    assert_eq!(
        got,
        [
            (
                "Delta { sum: -1.5, count: 3 }".to_string(),
                Shown::Counter { up: 3.5, down: 5.0 }
            ),
            (
                "Rate { sum: 4.0, count: 3 }".to_string(),
                Shown::Counter { up: 5.0, down: 1.0 }
            ),
            (
                "Gauge { last: 1.0, sum: -3.0, count: 3 }".to_string(),
                Shown::Gauge {
                    value: 1.0,
                    time: Timestamp::from_seconds(1002)
                }
            ),
            (
                "Members { distinct: 3, count: 3 }".to_string(),
                Shown::Members { distinct: 3 }
            ),
            // A value on a bound belongs below it.
            (
                histogram,
                Shown::Histogram {
                    counts: [1, 1, 0, 1].into(),
                    sum: 11.5
                }
            ),
        ]
    );
    let Aggregate::Observations(distribution) = &windows[0].series[4].series.aggregate else {
        panic!("no distribution");
    };
    assert_eq!((distribution.count(), distribution.sum()), (3, 11.5));
    assert_eq!(distribution.quantiles(&[0.5, 0.95]), [1.5, 8.25]);
    assert_eq!((tallier.points(), tallier.is_empty()), (0, true));
    assert!(tallier.take().is_empty());
}

#[test]
fn the_last_gauge_is_that_of_the_latest_time_and_of_equal_ones_the_later_added() {
    let last = |samples: &[(&str, &str)]| {
        let mut tallier = tallier();
        samples
            .iter()
            .for_each(|(value, time)| one(&mut tallier, "g", "gauge", value, time));
        match tallier.take()[0].series[0].series.aggregate {
            Aggregate::Gauge { last, .. } => last,
            _ => f64::NAN,
        }
    };
    assert_eq!(last(&[("1", "5.5"), ("2", "4"), ("3", "5")]), 1.0);
    assert_eq!(last(&[("1", "5"), ("2", "5")]), 2.0);
    // Within one millisecond.
    assert_eq!(last(&[("1", "5.0009"), ("2", "5.0002")]), 1.0);
    assert_eq!(last(&[("1", "-5"), ("2", "-6")]), 1.0);
}

#[test]
fn the_time_that_stands_in_decides_over_the_records_own() {
    let mut tallier = tallier();
    let mut record = parse(br#"{"metric": "g", "type": "gauge", "value": 1, "timestamp": 1e300}"#).unwrap();
    let now = Timestamp::from_millis(1_000_500);
    tallier.add(&record, now);
    (record.value, record.time, record.seconds) = (
        RecordValue::Gauge(2.0),
        Timestamp::from_millis(1_000_501),
        1000.501,
    );
    tallier.add(&record, record.time);
    let windows = tallier.take();
    assert_eq!(windows[0].start, Timestamp::from_seconds(1000));
    assert_eq!(
        windows[0].series[0].shown,
        Shown::Gauge {
            value: 2.0,
            time: Timestamp::from_millis(1_000_501)
        }
    );
}

#[test]
fn windows_come_oldest_first_and_series_as_they_were_first_seen() {
    let mut tallier = tallier();
    for (metric, time) in [
        ("c", "25"),
        ("a", "-1"),
        ("b", "25"),
        ("c", "-0.5"),
        ("a", "29.9"),
        ("b", "-10"),
    ] {
        one(&mut tallier, metric, "count", "1", time);
    }
    let seen = |windows: Vec<TalliedWindow>| {
        let name = |tally: &Tally| tally.series.names.name.to_string();
        let of = |window: &TalliedWindow| {
            (
                window.start.seconds(),
                window.series.iter().map(name).collect::<String>(),
            )
        };
        windows.iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(
        seen(tallier.take()),
        [(-10, "cab".to_string()), (20, "cab".to_string())]
    );
    for metric in ["d", "b", "c"] {
        one(&mut tallier, metric, "count", "1", "40");
    }
    assert_eq!(seen(tallier.take()), [(40, "cbd".to_string())]);
}

#[test]
fn a_series_is_a_name_a_kind_and_tags() {
    let mut tallier = tallier();
    for (metric, kind, tags) in [
        ("m", "count", r#"{"a": "1"}"#),
        ("m", "rate", r#"{"a": "1"}"#),
        ("m", "count", r#"{"a": "2"}"#),
        ("m", "count", r#"{"a": "1", "b": ""}"#),
        ("ma", "count", r#"{"1": "1"}"#),
        ("m", "count", r#"{"a": "1\",b=\"2"}"#),
        ("m", "count", r#"{"a": "1", "b": "2"}"#),
        ("n", "count", r#"{"a": "1"}"#),
    ] {
        add(
            &mut tallier,
            &format!(
                r#"{{"metric": "{metric}", "type": "{kind}", "value": 1, "timestamp": 1, "tags": {tags}}}"#
            ),
        );
    }
    let window = tallier.take().remove(0);
    assert_eq!(
        words(&window),
        [
            r#"m{a="1"} Delta { sum: 2.0, count: 2 }"#,
            r#"m{a="1"} Rate { sum: 1.0, count: 1 }"#,
            r#"m{a="2"} Delta { sum: 1.0, count: 1 }"#,
            r#"ma{"1"="1"} Delta { sum: 1.0, count: 1 }"#,
            r#"m{a="1\",b=\"2"} Delta { sum: 1.0, count: 1 }"#,
            r#"m{a="1",b="2"} Delta { sum: 1.0, count: 1 }"#,
            r#"n{a="1"} Delta { sum: 1.0, count: 1 }"#,
        ]
    );
    let series: Vec<_> = window.series.iter().map(|tally| &tally.series).collect();
    assert!(
        Arc::ptr_eq(&series[0].names, &series[1].names) && Arc::ptr_eq(&series[0].names, &series[5].names)
    );
    assert_eq!(series[0].labels.address(), series[6].labels.address());
}

#[test]
fn open_windows_stay_and_take_on() {
    let mut tallier = tallier();
    for time in ["5", "15", "25"] {
        one(&mut tallier, "c", "count", "1", time);
        one(&mut tallier, "h", "histogram", "1", time);
    }
    let starts = |windows: &[TalliedWindow]| {
        windows
            .iter()
            .map(|window| window.start.seconds())
            .collect::<Vec<_>>()
    };
    assert!(tallier.take_closed(Timestamp::from_millis(9_999)).is_empty());
    assert_eq!(tallier.points(), 21);
    assert_eq!(starts(&tallier.take_closed(Timestamp::from_seconds(20))), [0, 10]);
    assert_eq!((tallier.points(), tallier.is_empty()), (7, false));
    one(&mut tallier, "c", "count", "4", "20");
    assert_eq!(tallier.points(), 7);
    let rest = tallier.take();
    assert_eq!((starts(&rest), rest[0].series.len()), (vec![20], 2));
    assert_eq!(words(&rest[0])[0], "c{} Delta { sum: 5.0, count: 2 }");
}

#[test]
fn buckets_are_those_of_the_metric() {
    let mut tallier = tallier();
    for metric in ["coarse", "fine"] {
        one(&mut tallier, metric, "histogram", "2", "1");
    }
    let counts = |tally: &Tally| match &tally.shown {
        Shown::Histogram { counts, .. } => counts.to_vec(),
        _ => Vec::new(),
    };
    let window = tallier.take().remove(0);
    assert_eq!(
        window.series.iter().map(counts).collect::<Vec<_>>(),
        [vec![0, 1], vec![0, 1, 0, 0]]
    );
}

#[test]
fn what_it_takes_grows_with_what_is_in_it_and_is_given_back() {
    let mut tallier = tallier();
    one(&mut tallier, "s", "set", "[]", "1");
    one(&mut tallier, "h", "histogram", "1", "1");
    let before = tallier.bytes();
    let members: Vec<_> = (0..10_000).map(|member| member.to_string()).collect();
    one(&mut tallier, "s", "set", &format!("[{}]", members.join(",")), "1");
    let joined = tallier.bytes() - before;
    assert!((160_000..=400_000).contains(&joined), "{joined}");
    for value in 0..4000 {
        one(&mut tallier, "h", "histogram", &value.to_string(), "1");
    }
    let observed = tallier.bytes() - before - joined;
    assert!((32_000..=65_536).contains(&observed), "{observed}");
    one(&mut tallier, "c", "count", "1", "11");
    tallier.take_closed(Timestamp::from_seconds(10));
    assert!(tallier.bytes() < before, "{}", tallier.bytes());
    tallier.take();
    assert!(tallier.bytes() < 1000, "{}", tallier.bytes());
}

#[test]
fn names_are_forgotten_when_they_take_too_much() {
    let mut tallier = tallier();
    let name = |number: usize| format!("{number}{}", "x".repeat(1000));
    for number in 0..5000 {
        one(&mut tallier, &name(number), "count", "1", "1");
    }
    one(&mut tallier, &name(7777), "count", "1", "11");
    assert!(tallier.bytes() > 5_000_000);
    assert_eq!(
        tallier.take_closed(Timestamp::from_seconds(10))[0].series.len(),
        5000
    );
    assert!(tallier.bytes() < 2000, "{}", tallier.bytes());
    one(&mut tallier, &name(3), "count", "1", "12");
    one(&mut tallier, &name(7777), "count", "2", "13");
    let rest = tallier.take();
    let sums: Vec<_> = words(&rest[0]).iter().map(|word| word.replace('x', "")).collect();
    assert_eq!(
        sums,
        [
            "7777{} Delta { sum: 3.0, count: 2 }",
            "3{} Delta { sum: 1.0, count: 1 }"
        ]
    );
}

#[test]
fn beyond_the_memory_for_observations_the_largest_become_sketches() {
    let mut tallier = tallier();
    let mut record = Record {
        metric: "h".into(),
        value: RecordValue::Histogram(0.0),
        time: Timestamp::from_seconds(1),
        seconds: 1.0,
        tags: [].into_iter().collect(),
    };
    // 600 series of 4096 values would take 19 MiB.
    for value in 0..4096 {
        record.value = RecordValue::Histogram(f64::from(value));
        for series in 0..600 {
            record.metric = series.to_string().into();
            tallier.add(&record, record.time);
        }
    }
    assert!(tallier.bytes() < 18 << 20, "{}", tallier.bytes());
    let window = tallier.take().remove(0);
    let mut exact = 0;
    for tally in &window.series {
        let Aggregate::Observations(distribution) = &tally.series.aggregate else {
            panic!("no distribution");
        };
        exact += usize::from(distribution.is_exact());
        assert_eq!(
            (distribution.count(), distribution.sum(), distribution.max()),
            (4096, 8_386_560.0, 4095.0)
        );
    }
    assert!((1..600).contains(&exact), "{exact}");
}
