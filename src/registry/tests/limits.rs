//! How many series there may be, and what goes when there is no room.

use super::*;

fn small(series_limit: usize, origin_limit: usize) -> Rig {
    Rig::with(RegistrySettings {
        series_limit,
        origin_limit,
        ..RegistrySettings::default()
    })
}

#[test]
fn new_series_beyond_the_limit_are_refused_and_counted_by_origin() {
    let rig = small(3, 2);
    let other = rig.registry.origin("other");
    assert_eq!(rig.registry.origin("app"), rig.app);
    let record = |origin, name| {
        let sample = Sample {
            name: Name::Given(name),
            labels: &[],
            value: Value::Delta(1.0),
            time: Timestamp::from_seconds(NOW),
        };
        rig.registry.record(origin, &sample)
    };
    assert_eq!([record(rig.app, "a"), record(rig.app, "b")], [Ok(()), Ok(())]);
    assert_eq!(record(rig.app, "c"), Err(RecordError::OriginLimit));
    assert_eq!(record(rig.app, "a"), Ok(()), "known series go on");
    assert_eq!(record(other, "d"), Ok(()));
    assert_eq!(record(other, "e"), Err(RecordError::SeriesLimit));
    assert_eq!(record(other, "e"), Err(RecordError::SeriesLimit));
    let counts = rig.counts();
    assert_eq!(
        (counts.series, counts.origins[0].series, counts.origins[1].series),
        (3, 2, 1)
    );
    assert_eq!((counts.origins[0].samples, counts.origins[1].samples), (3, 1));
    assert_eq!(counts.origins[0].refused[1], (RecordError::OriginLimit, 1));
    assert_eq!(counts.origins[1].refused[0], (RecordError::SeriesLimit, 2));
    assert_eq!(rig.closed().len(), 3);
}

#[test]
fn the_oldest_idle_series_makes_room() {
    let rig = small(3, 3);
    for (name, after) in [("a", -2_000), ("b", -4_000), ("c", 0)] {
        rig.given(name, &[], Value::Delta(1.0), after).unwrap();
    }
    rig.wait(299);
    assert_eq!(
        rig.given("d", &[], Value::Delta(1.0), 299_000),
        Err(RecordError::OriginLimit)
    );
    rig.wait(4);
    assert_eq!(
        rig.given("d", &[], Value::Delta(1.0), 303_000),
        Err(RecordError::OriginLimit),
        "open windows still name them"
    );
    rig.closed();
    rig.wait(1);
    rig.given("d", &[], Value::Delta(1.0), 304_000).unwrap();
    assert_eq!(rig.page(), ["a_total{} 1", "c_total{} 1", "d_total{} 1"]);
    assert_eq!(
        (rig.counts().evicted, rig.counts().series, rig.counts().families),
        (1, 3, 3)
    );
    rig.given("b", &[], Value::Delta(5.0), 304_000).unwrap();
    assert_eq!(rig.page(), ["c_total{} 1", "d_total{} 1", "b_total{} 5"]);
}

#[test]
fn label_sets_and_families_go_with_their_last_series() {
    let rig = Rig::new();
    for name in ["a", "b"] {
        rig.given(name, &[("k", "v")], Value::Gauge(1.0), 0).unwrap();
    }
    assert_eq!((label_sets(&rig), rig.counts().families), (1, 2));
    rig.closed();
    rig.wait(200);
    rig.given("b", &[("k", "v")], Value::Gauge(2.0), 200_000).unwrap();
    rig.closed();
    rig.wait(150);
    rig.registry.sweep();
    assert_eq!(rig.page(), ["b{k=\"v\"} 2"]);
    assert_eq!((label_sets(&rig), rig.counts().families), (1, 1));
    rig.wait(200);
    rig.registry.sweep();
    assert_eq!((label_sets(&rig), rig.counts().families), (0, 0));
    assert_eq!((rig.counts().series, rig.counts().origins[0].series), (0, 0));
    rig.given("c", &[("k", "v")], Value::Gauge(3.0), 550_000).unwrap();
    assert_eq!(rig.page(), ["c{k=\"v\"} 3"]);
}

#[test]
fn the_label_that_exploded_is_named() {
    let rig = Rig::new();
    for number in 0..20 {
        let (id, half) = (number.to_string(), (number / 10).to_string());
        rig.given("g", &[("half", &half), ("id", &id)], Value::Gauge(1.0), 0)
            .unwrap();
    }
    assert_eq!(rig.registry.exploded(rig.app), ("id".to_string(), 20));
    for number in 0..30 {
        rig.given(&format!("g{number}"), &[("id", "1")], Value::Gauge(1.0), 0)
            .unwrap();
    }
    assert_eq!(rig.registry.exploded(rig.app), ("__name__".to_string(), 31));
}

fn label_sets(rig: &Rig) -> usize {
    rig.registry.table().label_sets()
}
