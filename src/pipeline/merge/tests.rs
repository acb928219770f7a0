use std::sync::Arc;

use super::*;
use crate::component::journal::{EntryId, ItemSet};
use crate::model::metric::Names;
use crate::model::time::BootId;
use crate::pipeline::fakes::{NOW, ScriptedOutput, block_of, point};
use PointKind::{Count, Gauge, Rate};

fn stamp(wall: i64) -> ClockStamp {
    ClockStamp {
        wall: Timestamp::from_seconds(wall),
        boot: BootId(1),
        uptime: Duration::from_secs(u64::try_from(wall - NOW + 10_000_000).unwrap_or(0)),
        plausible: true,
    }
}

fn entry(id: u64, points: &[Point]) -> Entry {
    let newest = points.iter().map(|point| point.time).max().unwrap();
    Entry {
        id: EntryId(id),
        block: block_of(points, stamp(newest)),
        shift: Some(0),
        settled: ItemSet::default(),
    }
}

fn merged(output: &ScriptedOutput, entries: &[Entry], ledger: &mut Ledger) -> Batch<Series> {
    let rules = Rules {
        output,
        speaker: &Speaker::default(),
        now: stamp(NOW),
        time_to_live: Duration::from_secs(14_400),
        interval: 10,
    };
    merge(entries, &rules, ledger)
}

fn shown(batch: &Batch<Series>) -> Vec<(&str, &[(i64, f64)])> {
    let series = batch.units.iter();
    series
        .map(|series| (series.name.metric.as_str(), &series.points[..]))
        .collect()
}

fn by_name(batch: &Batch<Series>) -> Vec<(&str, &[(i64, f64)])> {
    let mut shown = shown(batch);
    shown.sort_by_key(|series| series.0);
    shown
}

fn items(batch: &Batch<Series>, series: usize) -> Vec<Vec<(u64, u32)>> {
    let of = |sources: &Sources| sources.iter().map(|item| (item.entry.0, item.index)).collect();
    batch.sources[series].iter().map(of).collect()
}

#[test]
fn windows_of_one_series_become_one_entry_in_order_of_time() {
    let entries = [
        entry(
            1,
            &[point("a", Gauge, NOW - 20, 1.0), point("b", Count, NOW - 20, 5.0)],
        ),
        entry(2, &[point("a", Gauge, NOW - 30, 2.0)]),
    ];
    let batch = merged(&ScriptedOutput::new(), &entries, &mut Ledger::default());
    assert_eq!(
        shown(&batch),
        [
            ("a", &[(NOW - 30, 2.0), (NOW - 20, 1.0)][..]),
            ("b", &[(NOW - 20, 5.0)][..])
        ]
    );
    assert_eq!(items(&batch, 0), [[(2, 0)], [(1, 0)]]);
    assert_eq!(batch.points(), 3);
}

#[test]
fn series_that_normalise_to_one_add_up_and_of_gauges_the_last_stays() {
    for (kind, expected) in [(Count, 3.0), (Rate, 3.0), (Gauge, 2.0)] {
        let points = [
            point("a-b", kind, NOW - 10, 1.0),
            point("a_b", kind, NOW - 10, 2.0),
        ];
        let batch = merged(
            &ScriptedOutput::new(),
            &[entry(1, &points)],
            &mut Ledger::default(),
        );
        assert_eq!(shown(&batch), [("a_b", &[(NOW - 10, expected)][..])]);
        assert_eq!(items(&batch, 0), [[(1, 0), (1, 1)]]);
    }
}

#[test]
fn names_and_values_are_of_the_destinations_style() {
    let mut percent = point("host_cpu_ratio", Gauge, NOW - 10, 0.25);
    percent.names = Arc::new(Names {
        dotted: Some("host.cpu.percentage".into()),
        scale: 100.0,
        ..Names::given("host_cpu_ratio")
    });
    percent.suffix = Some(".max".into());
    let mut output = ScriptedOutput::new();
    let entries = [entry(1, &[percent])];
    let dotted = merged(&output, &entries, &mut Ledger::default());
    assert_eq!(
        shown(&dotted),
        [("host.cpu.percentage.max", &[(NOW - 10, 25.0)][..])]
    );
    output.traits.names = NameStyle::Prometheus;
    let prometheus = merged(&output, &entries, &mut Ledger::default());
    assert_eq!(
        shown(&prometheus),
        [("host_cpu_ratio.max", &[(NOW - 10, 0.25)][..])]
    );
}

#[test]
fn what_is_too_old_for_the_destination_waits_unless_its_name_is_historical() {
    let mut output = ScriptedOutput::new();
    output.traits.max_age = Some(Duration::from_secs(3300));
    let items = [
        point("plain", Gauge, NOW - 3301, 1.0),
        point("historical.x", Gauge, NOW - 3301, 2.0),
        point("young", Gauge, NOW - 3300, 3.0),
        point("unspeakable", Gauge, NOW - 10, 4.0),
        point("dead", Gauge, NOW - 14_401, 5.0),
    ];
    let mut ledger = Ledger::default();
    let batch = merged(&output, &[entry(1, &items)], &mut ledger);
    assert_eq!(
        by_name(&batch),
        [
            ("historical.x", &[(NOW - 3301, 2.0)][..]),
            ("young", &[(NOW - 3300, 3.0)][..])
        ]
    );
    let settlement = &ledger.unwritten()[0];
    assert_eq!(settlement.delivered, 0);
    assert_eq!(
        settlement.dropped.clone().into_iter().collect::<Vec<_>>(),
        [(DropReason::TooOld, 1), (DropReason::Refused, 1)]
    );
    let settled = settlement.settled.clone().unwrap();
    // The format orders the items, and this order is what indexes mean.
    let order = (0..).zip(points::decode(&entry(1, &items).block.payload).unwrap());
    let names: Vec<String> = order
        .filter(|(index, _)| settled.contains(*index))
        .map(|(_, point)| point.names.name.to_string())
        .collect();
    assert_eq!(names.len(), 2);
    assert!(names.contains(&"unspeakable".to_string()) && names.contains(&"dead".to_string()));
}

#[test]
fn settled_items_are_passed_over() {
    let mut half = entry(
        1,
        &[point("a", Gauge, NOW - 10, 1.0), point("b", Gauge, NOW - 10, 2.0)],
    );
    half.settled.insert(0);
    let batch = merged(&ScriptedOutput::new(), &[half], &mut Ledger::default());
    assert_eq!(shown(&batch), [("b", &[(NOW - 10, 2.0)][..])]);
}

#[test]
fn a_redated_point_bears_a_second_that_no_right_clock_uses() {
    assert_eq!(redated(1010, 0, 10), 1010);
    assert_eq!(redated(1010, 1999, 10), 1010, "drift");
    assert_eq!(redated(1010, 5_000_000, 10), 6019);
    assert_eq!(redated(1010, 5_003_000, 10), 6019);
    assert_eq!(redated(1012, 5_003_000, 10), 6017, "its second amendment");
    assert_eq!(redated(6010, -5_003_000, 10), 1009);
    assert_eq!(redated(10, 7_000, 1), 17);
}

#[test]
fn what_cannot_be_dated_waits_and_what_cannot_be_decoded_is_damaged() {
    let mut undated = entry(1, &[point("a", Gauge, 50, 1.0)]);
    undated.shift = None;
    let mut broken = entry(2, &[point("a", Gauge, NOW - 10, 1.0)]);
    broken.block.payload = bytes::Bytes::from_static(b"?");
    let mut ledger = Ledger::default();
    let batch = merged(&ScriptedOutput::new(), &[undated, broken], &mut ledger);
    assert_eq!(batch, Batch::default());
    let settlements = ledger.unwritten();
    assert_eq!(settlements.len(), 1);
    assert_eq!(
        (settlements[0].id, settlements[0].dropped[&DropReason::Damaged]),
        (EntryId(2), 1)
    );
}

#[test]
fn a_leap_of_the_clock_ages_nothing_of_this_boot() {
    let year = 31_536_000;
    let mut rules = Rules {
        output: &ScriptedOutput::new(),
        speaker: &Speaker::default(),
        now: stamp(NOW),
        time_to_live: Duration::from_secs(14_400),
        interval: 10,
    };
    rules.now.wall = Timestamp::from_seconds(NOW + year);
    let mut ledger = Ledger::default();
    let entries = [entry(1, &[point("a", Gauge, NOW - 10, 1.0)])];
    assert_eq!(merge(&entries, &rules, &mut ledger).points(), 1);
    rules.now.boot = BootId(2);
    assert_eq!(merge(&entries, &rules, &mut ledger).points(), 0);
}
