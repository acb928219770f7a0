//! What a page sees of families, and that a walk stands on what it walks over.

use std::sync::Arc;

use super::*;
use crate::registry::view::Shape;

static RATIO: MetricDef = MetricDef::gauge("cpu_busy_ratio", "Busy share.")
    .dotted("Old.cpu")
    .scale(100.0);

#[test]
fn a_family_shows_its_name_shape_help_and_unit() {
    let rig = Rig::new();
    rig.defined(&RATIO, Value::Gauge(0.5), 0);
    rig.given("app.jobs", &[], Value::Delta(-1.0), 0).unwrap();
    rig.given("app.time", &[], Value::Observations(&[1.0]), 0)
        .unwrap();
    let families = rig.registry.families();
    let heads: Vec<_> = families
        .iter()
        .map(|family| {
            (
                &*family.name,
                family.shape,
                &*family.help,
                family.unit,
                family.defined,
            )
        })
        .collect();
    assert_eq!(
        heads,
        [
            ("cpu_busy_ratio", Shape::Gauge, "Busy share.", Some("ratio"), true),
            ("app.jobs_total", Shape::Counter, "", None, false),
            ("app.jobs_decrements_total", Shape::Counter, "", None, false),
            ("app.time", Shape::Histogram, "", None, false),
        ]
    );
    let window = rig.registry.take_all().remove(0);
    assert_eq!(window.series[0].names.dotted.as_deref(), Some("Old.cpu"));
    assert_eq!(&*window.series[1].names.name, "app.jobs");
}

#[test]
fn a_series_knows_whether_its_label_names_are_legacy() {
    let rig = Rig::new();
    rig.given("g", &[("a.b", "1")], Value::Gauge(1.0), 0).unwrap();
    rig.given("g", &[("a_b", "back\\slash \"quoted\"")], Value::Gauge(2.0), 0)
        .unwrap();
    rig.given("g", &[("a_b", "back\\slash \"quoted\"")], Value::Gauge(3.0), 0)
        .unwrap();
    rig.given("g", &[("a.b", "1")], Value::Gauge(4.0), 0).unwrap();
    let mut seen = Vec::new();
    let id = rig.registry.families()[0].id;
    rig.registry
        .walk(id, &mut Position::default(), 128, &mut |series| {
            seen.push((series.legacy, format!("{:?}", series.running), series.created));
        });
    let now = Some(Timestamp::from_seconds(NOW));
    assert_eq!(
        seen,
        [
            (false, "Number(4.0)".to_string(), now),
            (true, "Number(3.0)".to_string(), now)
        ]
    );
}

#[test]
fn a_walk_neither_skips_nor_repeats_when_series_come_and_go() {
    let rig = Rig::new();
    let record = |number: i32, after: i64| {
        rig.given("g", &[("n", &number.to_string())], Value::Gauge(1.0), after)
            .unwrap();
    };
    (0..10).for_each(|number| record(number, -200_000));
    rig.closed();
    (0..10)
        .filter(|number| ![1, 3, 4, 7].contains(number))
        .for_each(|number| record(number, 0));
    rig.closed();
    let id = rig.registry.families()[0].id;
    let (mut position, mut seen) = (Position::default(), Vec::new());
    let mut step = |seen: &mut Vec<String>| {
        rig.registry.walk(id, &mut position, 4, &mut |series| {
            seen.push(series.labels.get("n").unwrap().into_owned());
        })
    };
    assert!(step(&mut seen));
    assert_eq!(seen, ["0", "1", "2", "3"]);
    rig.wait(101);
    rig.registry.sweep();
    assert_eq!(rig.counts().series, 6);
    record(10, 100_000);
    record(11, 100_000);
    assert!(step(&mut seen));
    assert!(!step(&mut seen));
    assert!(!step(&mut seen));
    assert_eq!(seen, ["0", "1", "2", "3", "5", "6", "8", "9", "10", "11"]);
}

#[test]
fn clashes_are_counted_a_page() {
    let rig = Rig::new();
    rig.given("x", &[], Value::Gauge(1.0), 0).unwrap();
    let id = rig.registry.families()[0].id;
    rig.registry.clashed(&[(id, Arc::from("x"))]);
    rig.registry.clashed(&[(id, Arc::from("x"))]);
    assert_eq!(rig.counts().clashed, 2);
}
