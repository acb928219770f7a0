//! Which window a sample belongs to, and when a window closes.

use super::*;

fn delta(rig: &Rig, name: &str, value: f64, after: i64) {
    rig.given(name, &[], Value::Delta(value), after).unwrap();
}

#[test]
fn a_sample_belongs_to_the_window_of_its_own_time() {
    let rig = Rig::new();
    for (value, after) in [(1.0, -1), (2.0, 0), (4.0, 9_999), (8.0, 10_000), (16.0, -10_000)] {
        delta(&rig, "d", value, after);
    }
    assert_eq!(
        rig.closed(),
        [
            "-10 d{} delta 17 count 2",
            "0 d{} delta 6 count 2",
            "10 d{} delta 8 count 1"
        ]
    );
}

#[test]
fn a_window_closes_at_its_end_and_opens_anew_for_what_is_late() {
    let rig = Rig::new();
    delta(&rig, "d", 1.0, 0);
    delta(&rig, "d", 2.0, 10_000);
    let take = |millis: i64| {
        let windows = rig
            .registry
            .take_closed(Timestamp::from_millis(NOW * 1000 + millis));
        windows.iter().flat_map(told).collect::<Vec<_>>()
    };
    assert!(take(9_999).is_empty());
    assert_eq!(take(10_000), ["0 d{} delta 1 count 1"]);
    delta(&rig, "d", 4.0, 5_000);
    assert_eq!(take(10_000), ["0 d{} delta 4 count 1"]);
    assert!(take(10_000).is_empty());
    assert_eq!(take(20_000), ["10 d{} delta 2 count 1"]);
}

#[test]
fn windows_before_a_moment_can_be_taken() {
    let rig = Rig::new();
    delta(&rig, "d", 1.0, 0);
    delta(&rig, "d", 2.0, 10_000);
    let windows = rig
        .registry
        .take_starting_before(Timestamp::from_seconds(NOW + 10));
    assert_eq!(told(&windows[0]), ["0 d{} delta 1 count 1"]);
    assert_eq!((windows.len(), rig.counts().open_windows), (1, 1));
}

#[test]
fn many_windows_at_once_keep_every_sample() {
    let rig = Rig::new();
    let mut expected = Vec::new();
    for round in 0..3 {
        for window in 0..50 {
            delta(&rig, "d", 1.0, window * 10_000 - 300_000);
            rig.given(
                "g",
                &[],
                Value::Gauge(f64::from(round)),
                window * 10_000 - 300_000 - i64::from(round),
            )
            .unwrap();
            rig.given(
                "s",
                &[],
                Value::Members(&["a", if round == 1 { "b" } else { "c" }]),
                window * 10_000 - 300_000,
            )
            .unwrap();
            rig.given(
                "h",
                &[],
                Value::Observations(&[1.0, 2.0]),
                window * 10_000 - 300_000,
            )
            .unwrap();
        }
    }
    for window in 0..50 {
        let start = window * 10 - 300;
        expected.push(format!("{start} d{{}} delta 3 count 3"));
        let gauge = if window == 49 {
            "last 0 sum 0 count 1"
        } else {
            "last 1 sum 3 count 3"
        };
        expected.push(format!("{start} g{{}} {gauge}"));
        expected.push(format!("{start} s{{}} distinct 3 count 3"));
        expected.push(format!("{start} h{{}} observed 6 sum 9"));
    }
    expected.insert(0, "-310 g{} last 1 sum 3 count 2".to_string());
    assert_eq!(rig.closed(), expected);
}

#[test]
fn cells_made_twice_are_merged_before_they_take_much_room() {
    let rig = Rig::new();
    for round in 0..10_000 {
        for window in 0..4 {
            delta(&rig, "d", 1.0, window * 10_000);
            if round % 10 == 0 {
                let members = [if window == 0 { "a" } else { "b" }];
                rig.given("s", &[], Value::Members(&members), window * 10_000)
                    .unwrap();
            }
        }
    }
    assert!(rig.registry.table().windows.count_of(0) < 10_000);
    let lines = rig.closed();
    assert_eq!(lines.len(), 8);
    assert_eq!(
        lines[..2],
        ["0 d{} delta 10000 count 10000", "0 s{} distinct 1 count 1000"]
    );
    assert_eq!(rig.counts().window_bytes, 0);
    rig.registry
        .table()
        .series
        .iter()
        .flatten()
        .for_each(|series| assert_eq!(series.pins, 0));
}

#[test]
fn a_sample_far_ahead_is_stamped_with_now() {
    let rig = Rig::new();
    delta(&rig, "d", 1.0, 600_000);
    delta(&rig, "d", 2.0, 600_001);
    assert_eq!(rig.counts().ahead, 1);
    assert_eq!(rig.closed(), ["0 d{} delta 2 count 1", "600 d{} delta 1 count 1"]);
}

#[test]
fn a_backlog_reaches_the_push_only() {
    let rig = Rig::new();
    delta(&rig, "d", 1.0, -300_001);
    rig.given("h", &[], Value::Observations(&[1.0]), -300_001)
        .unwrap();
    rig.given("g", &[], Value::Gauge(5.0), -300_001).unwrap();
    assert!(rig.page().is_empty());
    delta(&rig, "d", 2.0, -300_000);
    assert_eq!(
        (rig.page(), rig.counts().backlog),
        (vec!["d_total{} 2".to_string()], 3)
    );
    let lines = rig.closed();
    assert_eq!(lines[0], "-310 d{} delta 1 count 1");
    assert_eq!(lines.len(), 4);
}

#[test]
fn late_sums_are_folded_into_the_oldest_window_that_goes_on() {
    let rig = Rig::new();
    rig.given("t", &[], Value::Total(10.0), -30_000).unwrap();
    rig.given("t", &[], Value::Total(16.0), -20_000).unwrap();
    for (name, value) in [
        ("d", Value::Delta(1.0)),
        ("r", Value::Rate(2.0)),
        ("g", Value::Gauge(3.0)),
        ("h", Value::Observations(&[1.0])),
        ("s", Value::Members(&["a"])),
    ] {
        rig.given(name, &[], value, -20_000).unwrap();
    }
    let late = rig.registry.take_all().remove(0);
    delta(&rig, "d", 40.0, -20_000);
    delta(&rig, "d", 100.0, 1_000);
    assert_eq!(rig.registry.fold_late(late.clone()), 3);
    assert_eq!(
        rig.closed(),
        [
            "-20 d{} delta 40 count 1",
            "0 t{} growth 6 in 10 count 1",
            "0 d{} delta 101 count 2",
            "0 r{} rate 2 count 1",
        ]
    );
    assert_eq!(
        rig.page()
            .iter()
            .filter(|line| line.starts_with("d_total"))
            .count(),
        1
    );
    assert!(
        rig.page().contains(&"d_total{} 141".to_string()),
        "the page knew it already"
    );
    rig.wait(15);
    assert_eq!(rig.registry.fold_late(late), 3);
    assert_eq!(rig.closed()[1], "10 d{} delta 1 count 1");
}

#[test]
fn memory_for_observations_is_bounded_and_what_is_beyond_is_counted() {
    let rig = Rig::new();
    // 600 series of 4,096 values would be 19 MiB exact.
    let values: Vec<f64> = (1..=4096).map(f64::from).collect();
    for number in 0..600 {
        let number = number.to_string();
        rig.given("h", &[("n", &number)], Value::Observations(&values), 0)
            .unwrap();
        assert!(rig.registry.table().observed <= crate::registry::side::MEMORY);
    }
    assert_eq!(rig.counts().origins[0].refused[3].1, 0);
    let window = rig.registry.take_all().remove(0);
    let mut sketched = 0;
    for series in &window.series {
        let Aggregate::Observations(seen) = &series.aggregate else {
            panic!("{series:?}");
        };
        assert_eq!(
            (seen.count(), seen.sum(), seen.max()),
            (4096, 8_390_656.0, 4096.0)
        );
        let median = seen.quantiles(&[0.5])[0];
        assert!((median / 2048.5 - 1.0).abs() <= 0.01, "{median}");
        sketched += usize::from(!seen.is_exact());
    }
    assert!((90..600).contains(&sketched), "{sketched}");
    assert_eq!(rig.registry.table().observed, 0);
}

#[test]
fn memory_for_members_is_bounded_and_what_is_beyond_is_counted() {
    let rig = Rig::new();
    let long = "x".repeat(1 << 20);
    for number in 0..20 {
        let member = format!("{number:02}{long}");
        rig.given("s", &[], Value::Members(&[&member]), 0).unwrap();
    }
    assert_eq!(rig.closed(), ["0 s{} distinct 16 count 20"]);
    assert_eq!(rig.counts().origins[0].refused[3], (RecordError::WindowMemory, 4));
    rig.given("s", &[], Value::Members(&["a"]), 0).unwrap();
    assert_eq!(rig.closed(), ["0 s{} distinct 1 count 1"]);
}

#[test]
fn a_step_of_the_clock_neither_freezes_gauges_nor_stretches_growth() {
    let rig = Rig::new();
    rig.given("g", &[], Value::Gauge(1.0), 0).unwrap();
    rig.given("t", &[], Value::Total(10.0), 0).unwrap();
    rig.wait(30);
    let year = 31_536_000;
    rig.clock.step_to(Timestamp::from_seconds(NOW + year + 30));
    rig.given("t", &[], Value::Total(13.0), (year + 30) * 1000)
        .unwrap();
    rig.given("g", &[], Value::Gauge(2.0), (year + 30) * 1000)
        .unwrap();
    assert_eq!(
        rig.closed()[2],
        format!("{} t{{}} growth 3 in 30 count 1", year + 30)
    );
    rig.wait(30);
    rig.clock.step_to(Timestamp::from_seconds(NOW + 60));
    rig.given("t", &[], Value::Total(20.0), 60_000).unwrap();
    rig.given("g", &[], Value::Gauge(3.0), 60_000).unwrap();
    assert_eq!(rig.page(), ["g{} 3", "t_total{} 20"]);
    assert_eq!(rig.closed()[0], "60 g{} last 3 sum 3 count 1");
    assert_eq!(rig.counts().ahead, 0);
}
