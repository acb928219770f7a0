//! Both faces of each kind of value.

use super::*;
use crate::model::sample::Samples;

static TOTAL: MetricDef = MetricDef::total("disk_read_bytes_total", "Bytes read.");
static AS_GAUGE: MetricDef = MetricDef::total("net_sent_bytes_total", "Bytes sent.").push_as_gauge();
static BY_DEVICE: MetricDef = MetricDef::gauge("disk_used_bytes", "Bytes used.").labels(&["device", "mode"]);

#[test]
fn an_older_gauge_never_replaces_a_newer_one() {
    let rig = Rig::new();
    for (value, after) in [(1.0, 2_000), (2.0, 5_000), (3.0, 1_000), (4.0, 5_000)] {
        rig.given("g", &[], Value::Gauge(value), after).unwrap();
    }
    assert_eq!(rig.page(), ["g{} 4"]);
    assert_eq!(rig.closed(), ["0 g{} last 4 sum 10 count 4"]);
}

#[test]
fn zero_is_a_value() {
    let rig = Rig::new();
    rig.given("g", &[], Value::Gauge(0.0), 0).unwrap();
    rig.given("d", &[], Value::Delta(0.0), 0).unwrap();
    rig.given("s", &[], Value::Members(&[]), 0).unwrap();
    assert_eq!(rig.page(), ["g{} 0", "d_total{} 0"]);
    assert_eq!(
        rig.closed(),
        [
            "0 g{} last 0 sum 0 count 1",
            "0 d{} delta 0 count 1",
            "0 s{} distinct 0 count 1"
        ]
    );
    assert_eq!(rig.page(), ["g{} 0", "d_total{} 0", "s{} 0"]);
}

#[test]
fn a_total_grows_from_reading_to_reading_across_windows() {
    let rig = Rig::new();
    rig.defined(&TOTAL, Value::Total(100.0), -30_000);
    assert!(rig.closed().is_empty());
    rig.defined(&TOTAL, Value::Total(130.0), 0);
    rig.defined(&TOTAL, Value::Total(131.0), 5_000);
    rig.defined(&TOTAL, Value::Total(131.0), 12_500);
    assert_eq!(rig.page(), ["disk_read_bytes_total{} 131"]);
    assert_eq!(
        rig.closed(),
        [
            "0 disk_read_bytes_total{} growth 31 in 35 count 2",
            "10 disk_read_bytes_total{} growth 0 in 7.5 count 1",
        ]
    );
}

#[test]
fn a_fall_of_a_total_is_a_restart() {
    let rig = Rig::new();
    let created = || {
        let mut created = None;
        let id = rig.registry.families()[0].id;
        rig.registry.walk(id, &mut Position::default(), 1, &mut |series| {
            created = series.created;
        });
        created
    };
    for (value, after) in [(100.0, 0), (110.0, 1_000)] {
        rig.defined(&TOTAL, Value::Total(value), after);
    }
    assert_eq!(created(), None, "it began before it was read first");
    for (value, after) in [(4.0, 2_000), (6.0, 3_000)] {
        rig.defined(&TOTAL, Value::Total(value), after);
    }
    assert_eq!(rig.page(), ["disk_read_bytes_total{} 6"]);
    assert_eq!(created(), Some(Timestamp::from_seconds(NOW + 2)));
    assert_eq!(rig.closed(), ["0 disk_read_bytes_total{} growth 16 in 3 count 3"]);
}

#[test]
fn an_older_reading_of_a_total_is_no_restart() {
    let rig = Rig::new();
    for (value, after) in [(100.0, 0), (110.0, 2_000), (105.0, 1_000), (120.0, 3_000)] {
        rig.defined(&TOTAL, Value::Total(value), after);
    }
    assert_eq!(rig.page(), ["disk_read_bytes_total{} 120"]);
    assert_eq!(rig.closed(), ["0 disk_read_bytes_total{} growth 20 in 3 count 2"]);
}

#[test]
fn a_total_is_pushed_as_a_gauge_where_its_definition_says_so() {
    let rig = Rig::new();
    rig.defined(&AS_GAUGE, Value::Total(100.0), 0);
    rig.defined(&AS_GAUGE, Value::Total(110.0), 1_000);
    assert_eq!(rig.page(), ["net_sent_bytes_total{} 110"]);
    assert_eq!(
        rig.closed(),
        ["0 net_sent_bytes_total{} last 110 sum 210 count 2"]
    );
}

#[test]
fn decrements_are_a_counter_of_their_own_once_there_are_any() {
    let rig = Rig::new();
    rig.given("jobs", &[("q", "a")], Value::Delta(5.0), 0).unwrap();
    rig.given("jobs", &[("q", "b")], Value::Delta(1.0), 0).unwrap();
    assert_eq!(rig.page(), ["jobs_total{q=\"a\"} 5", "jobs_total{q=\"b\"} 1"]);
    rig.given("jobs", &[("q", "b")], Value::Delta(-3.0), 0).unwrap();
    rig.given("jobs", &[("q", "b")], Value::Delta(-0.5), 11_000)
        .unwrap();
    assert_eq!(
        rig.page(),
        [
            "jobs_total{q=\"a\"} 5",
            "jobs_total{q=\"b\"} 1",
            "jobs_decrements_total{q=\"b\"} 3.5",
        ]
    );
    assert_eq!(
        rig.closed(),
        [
            "0 jobs{q=\"a\"} delta 5 count 1",
            "0 jobs{q=\"b\"} delta -2 count 2",
            "10 jobs{q=\"b\"} delta -0.5 count 1",
        ]
    );
}

#[test]
fn a_counters_name_ends_in_total_once_and_stays_as_written_in_the_push() {
    let rig = Rig::new();
    rig.given("a_total", &[], Value::Delta(-1.0), 0).unwrap();
    rig.given("r.x", &[], Value::Rate(2.0), 0).unwrap();
    rig.given("r.x", &[], Value::Rate(0.5), 3).unwrap();
    assert_eq!(
        rig.page(),
        ["a_total{} 0", "a_decrements_total{} 1", "r.x_total{} 2.5"]
    );
    assert_eq!(
        rig.closed(),
        ["0 a_total{} delta -1 count 1", "0 r.x{} rate 2.5 count 2"]
    );
}

#[test]
fn observations_are_a_histogram_and_a_distribution() {
    let rig = Rig::new();
    rig.given("h", &[], Value::Observations(&[0.25, 0.3, 20.0]), 0)
        .unwrap();
    rig.given("h", &[], Value::Observations(&[]), 0).unwrap();
    rig.given("h", &[], Value::Observations(&[f64::NAN, 0.001]), 10_000)
        .unwrap();
    assert_eq!(
        rig.page(),
        ["h{} [1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1] sum 20.551000000000002"]
    );
    assert_eq!(
        rig.closed(),
        ["0 h{} observed 3 sum 20.55", "10 h{} observed 1 sum 0.001"]
    );
}

#[test]
fn members_are_as_many_as_the_last_closed_window_had() {
    let rig = Rig::new();
    rig.given("s", &[], Value::Members(&["a", "b"]), 0).unwrap();
    rig.given("s", &[], Value::Members(&["b", "c"]), 9_999).unwrap();
    rig.given("s", &[], Value::Members(&["a"]), 10_000).unwrap();
    assert!(rig.page().is_empty());
    let first = rig.registry.take_closed(Timestamp::from_seconds(NOW + 10));
    assert_eq!(told(&first[0]), ["0 s{} distinct 3 count 2"]);
    assert_eq!(rig.page(), ["s{} 3"]);
    assert_eq!(rig.closed(), ["10 s{} distinct 1 count 1"]);
    assert_eq!(rig.page(), ["s{} 1"]);
    rig.given("s", &[], Value::Members(&["x", "y", "z"]), 0).unwrap();
    assert_eq!(rig.closed(), ["0 s{} distinct 3 count 1"]);
    assert_eq!(rig.page(), ["s{} 1"], "an amendment is no newer window");
}

#[test]
fn what_is_not_finite_is_refused_and_counted() {
    let rig = Rig::new();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(
            rig.given("g", &[], Value::Gauge(value), 0),
            Err(RecordError::NotFinite)
        );
    }
    let all_bad = Value::Observations(&[f64::NAN, f64::INFINITY]);
    assert_eq!(rig.given("h", &[], all_bad, 0), Err(RecordError::NotFinite));
    assert_eq!((rig.counts().series, rig.counts().samples()), (0, 0));
    assert_eq!(rig.counts().origins[0].refused[2], (RecordError::NotFinite, 5));
}

#[test]
fn two_kinds_under_one_name_are_two_families() {
    let rig = Rig::new();
    rig.given("x", &[], Value::Gauge(1.0), 0).unwrap();
    rig.given("x", &[], Value::Members(&["a"]), 0).unwrap();
    static OURS: MetricDef = MetricDef::gauge("x", "Ours.");
    rig.defined(&OURS, Value::Gauge(2.0), 0);
    assert_eq!(rig.closed().len(), 3);
    let defined: Vec<bool> = rig
        .registry
        .families()
        .iter()
        .map(|family| family.defined)
        .collect();
    assert_eq!(defined, [false, false, true]);
}

#[test]
fn a_collectors_samples_lose_their_empty_labels() {
    let rig = Rig::new();
    let mut samples = Samples::default();
    samples.push(&BY_DEVICE, &["sda", ""], 7.0);
    samples.push(&BY_DEVICE, &["sda", "ro"], 8.0);
    samples.push(&TOTAL, &[], 9.0);
    let host = rig.registry.origin("host");
    rig.registry
        .record_collected(host, Timestamp::from_seconds(NOW), &samples);
    assert_eq!(
        rig.page(),
        [
            "disk_used_bytes{device=\"sda\"} 7",
            "disk_used_bytes{device=\"sda\",mode=\"ro\"} 8",
            "disk_read_bytes_total{} 9",
        ]
    );
    assert_eq!(rig.counts().origins[1].samples, 3);
}

#[test]
fn a_batch_is_recorded_as_its_samples_one_by_one() {
    let rig = Rig::new();
    let values: Vec<String> = (0..200).map(|number| format!("{number:03}")).collect();
    let labels: Vec<[(&str, &str); 1]> = values.iter().map(|value| [("n", value.as_str())]).collect();
    let samples = labels.iter().map(|labels| Sample {
        name: Name::Given("g"),
        labels,
        value: Value::Gauge(1.0),
        time: Timestamp::from_seconds(NOW),
    });
    rig.registry.record_all(rig.app, samples);
    assert_eq!((rig.counts().series, rig.counts().samples()), (200, 200));
    let expected: Vec<String> = values
        .iter()
        .map(|value| format!("g{{n=\"{value}\"}} 1"))
        .collect();
    assert_eq!(rig.page(), expected);
}
