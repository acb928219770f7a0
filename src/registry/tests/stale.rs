//! When series leave the page.

use super::*;

static READ: MetricDef = MetricDef::total("container_read_bytes_total", "Bytes read.");
static USED: MetricDef = MetricDef::gauge("container_used_bytes", "Bytes used.");

#[test]
fn gauges_leave_and_counters_stay() {
    let rig = Rig::new();
    rig.given("g", &[], Value::Gauge(1.0), 0).unwrap();
    rig.given("s", &[], Value::Members(&["a"]), 0).unwrap();
    rig.given("d", &[], Value::Delta(1.0), 0).unwrap();
    rig.given("h", &[], Value::Observations(&[100.0]), 0).unwrap();
    rig.given("t", &[], Value::Total(7.0), 0).unwrap();
    rig.closed();
    rig.wait(300);
    rig.registry.sweep();
    assert_eq!(rig.page().len(), 5);
    rig.wait(1);
    rig.registry.sweep();
    assert_eq!(
        rig.page(),
        [
            "d_total{} 1",
            "h{} [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] sum 100",
            "t_total{} 7"
        ]
    );
    rig.wait(36_000);
    rig.registry.sweep();
    rig.given("d", &[], Value::Delta(1.0), 36_301_000).unwrap();
    assert_eq!(rig.page()[0], "d_total{} 2");
}

#[test]
fn a_gauge_is_as_old_as_its_sample() {
    let rig = Rig::new();
    rig.given("g", &[], Value::Gauge(1.0), -200_000).unwrap();
    rig.wait(100);
    rig.registry.sweep();
    assert_eq!(rig.page(), ["g{} 1"]);
    rig.wait(1);
    rig.registry.sweep();
    assert!(rig.page().is_empty());
}

#[test]
fn a_stale_gauge_in_an_open_window_leaves_the_page_and_not_the_push() {
    let rig = Rig::new();
    rig.registry.origin_stale_after(rig.app, Duration::from_secs(3));
    rig.given("g", &[], Value::Gauge(1.0), 0).unwrap();
    rig.wait(4);
    rig.registry.sweep();
    assert!(rig.page().is_empty());
    assert_eq!(rig.counts().series, 1);
    assert_eq!(rig.closed(), ["0 g{} last 1 sum 1 count 1"]);
    rig.registry.sweep();
    assert_eq!(rig.counts().series, 0);
}

#[test]
fn what_a_polled_origin_reads_no_more_leaves_and_comes_back_with_its_growth() {
    let rig = Rig::new();
    rig.registry
        .origin_stale_after(rig.app, Duration::from_millis(29_500));
    rig.defined(&READ, Value::Total(10.0), 0);
    rig.defined(&USED, Value::Gauge(5.0), 0);
    rig.closed();
    rig.wait(30);
    rig.registry.sweep();
    assert_eq!(rig.page().len(), 2);
    rig.wait(1);
    rig.registry.sweep();
    assert!(rig.page().is_empty());
    assert_eq!(rig.counts().series, 1);
    rig.defined(&READ, Value::Total(12.0), 31_000);
    assert_eq!(rig.page(), ["container_read_bytes_total{} 12"]);
    assert_eq!(
        rig.closed(),
        ["30 container_read_bytes_total{} growth 2 in 31 count 1"]
    );
}
