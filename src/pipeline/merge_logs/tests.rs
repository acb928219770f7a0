use std::time::Duration;

use super::*;
use crate::component::journal::{EntryId, ItemSet};
use crate::component::output::Speaker;
use crate::model::log::LogRecord;
use crate::model::time::{BootId, ClockStamp};
use crate::pipeline::fakes::{NOW, ScriptedOutput, log, log_block_of};

const DAY: u64 = 86_400;

fn stamp(wall: i64) -> ClockStamp {
    ClockStamp {
        wall: Timestamp::from_seconds(wall),
        boot: BootId(1),
        uptime: Duration::from_secs(u64::try_from(wall - NOW + 10_000_000).unwrap_or(0)),
        plausible: true,
    }
}

fn entry(id: u64, records: &[LogRecord]) -> Entry {
    let newest = records.iter().map(|record| record.time).max().unwrap();
    Entry {
        id: EntryId(id),
        block: log_block_of(records, stamp(newest)),
        shift: Some(0),
        settled: ItemSet::default(),
    }
}

/// Names and times of what is to be sent, and what became of the rest.
fn merged(max_age: Option<Duration>, entries: &[Entry]) -> (Vec<(String, i64)>, Ledger) {
    let mut output = ScriptedOutput::new();
    output.traits.max_age = max_age;
    let rules = Rules {
        output: &output,
        speaker: &Speaker::default(),
        now: stamp(NOW),
        time_to_live: Duration::from_secs(DAY),
        interval: 10,
    };
    let mut ledger = Ledger::default();
    let batch = merge_logs(entries, &rules, &mut ledger);
    assert_eq!(batch.points(), batch.units.len());
    let sent = batch.units.iter().map(|unit| (unit.json.to_string(), unit.time));
    (sent.collect(), ledger)
}

fn dropped(ledger: &Ledger) -> Vec<(DropReason, u64)> {
    let unwritten = ledger.unwritten();
    unwritten
        .iter()
        .flat_map(|settlement| settlement.dropped.clone())
        .collect()
}

#[test]
fn equal_logs_stay_apart_in_the_order_of_the_journal() {
    let entries = [
        entry(1, &[log("a", NOW), log("a", NOW), log("b", NOW - 5)]),
        entry(2, &[log("c", NOW - 9)]),
    ];
    let (sent, ledger) = merged(None, &entries);
    let expected = [("a", NOW), ("a", NOW), ("b", NOW - 5), ("c", NOW - 9)];
    assert_eq!(sent, expected.map(|(name, time)| (name.to_string(), time)));
    assert_eq!(ledger.unwritten(), []);
}

#[test]
fn what_is_settled_is_not_sent_again() {
    let mut half = entry(1, &[log("a", NOW), log("b", NOW)]);
    half.settled.insert(0);
    assert_eq!(merged(None, &[half]).0, [("b".to_string(), NOW)]);
}

#[test]
fn a_log_that_the_destination_forgets_waits_for_its_time_to_live() {
    let day = i64::try_from(DAY).unwrap();
    let entries = [entry(
        1,
        &[
            log("new", NOW - 10),
            log("waits", NOW - day + 10),
            log("gone", NOW - day - 10),
        ],
    )];
    let (sent, ledger) = merged(Some(Duration::from_secs(64_500)), &entries);
    assert_eq!(sent, [("new".to_string(), NOW - 10)]);
    assert_eq!(dropped(&ledger), [(DropReason::TooOld, 1)]);
    assert!(!ledger.is_settled(Item {
        entry: EntryId(1),
        index: 1
    }));
}

#[test]
fn a_wrong_clock_is_put_right_and_an_unknown_one_waits() {
    let year = 31_536_000;
    let mut behind = entry(1, &[log("a", NOW - year)]);
    behind.block.stamp.boot = BootId(2);
    behind.shift = Some(year * 1000 - 3_500);
    let mut drifting = entry(2, &[log("b", NOW - 3)]);
    drifting.shift = Some(1_999);
    let mut unknown = entry(3, &[log("c", 5)]);
    unknown.shift = None;
    let (sent, ledger) = merged(None, &[behind, drifting, unknown]);
    assert_eq!(
        sent,
        [("redated-a".to_string(), NOW - 4), ("b".to_string(), NOW - 3)]
    );
    assert!(!ledger.is_complete(EntryId(3)));
    assert_eq!(dropped(&ledger), []);
}

#[test]
fn what_no_form_fits_is_refused_and_a_damaged_block_is_counted_as_a_whole() {
    let mut damaged = entry(2, &[log("x", NOW), log("y", NOW), log("z", NOW)]);
    damaged.block.payload = damaged.block.payload.slice(..damaged.block.payload.len() / 2);
    let entries = [entry(1, &[log("unspeakable", NOW), log("a", NOW)]), damaged];
    let (sent, ledger) = merged(None, &entries);
    assert_eq!(sent, [("a".to_string(), NOW)]);
    assert_eq!(
        dropped(&ledger),
        [(DropReason::Refused, 1), (DropReason::Damaged, 3)]
    );
}
