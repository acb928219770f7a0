//! What every journal does, whatever it is kept in: one suite for all kinds of them.
//!
//! A case gets a [`Place`], opens a journal there, drops it, opens it again. [`conformance!`] makes tests of all cases.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::component::journal::{
    Balance, DropReason, Entry, EntryId, ItemSet, Journal, OutputId, ReadRequest, Settlement,
};
use crate::model::block::{Block, BlockKind};
use crate::model::time::Timestamp;
use crate::support::time::Clock;

mod clocks;
mod receipts;
mod room;

pub(crate) use clocks::*;
pub(crate) use receipts::*;
pub(crate) use room::*;

/// Somewhere to keep one journal.
#[async_trait]
pub(crate) trait Place: Send + Sync {
    /// Opens it, new or as the last one left it.
    async fn open(&self, outputs: &[&str], bound: u64, clock: &Clock) -> Box<dyn Journal>;
}

/// Makes a test of each case, with a place that `$place` makes anew.
macro_rules! conformance {
    // For a journal where an output takes one kind only.
    (one kind: $place:expr) => {
        $crate::journal::conformance::conformance!($place;
            blocks_come_back_as_they_were_appended, lanes_part_fresh_blocks_from_old_ones, budgets_are_kept_by_whole_blocks,
            items_are_settled_one_by_one_and_totals_with_them, the_oldest_blocks_make_room_and_are_counted,
            blocks_of_this_boot_age_by_the_time_since_boot, blocks_of_other_boots_age_by_the_wall_clock,
            blocks_from_1970_are_re_dated, blocks_of_one_wrong_clock_are_all_moved_alike,
            a_clock_that_ran_ahead_does_not_speak_against_the_right_one,
            amendments_are_remembered_when_their_blocks_are_gone,
            a_block_larger_than_the_bound_is_refused, a_receipt_is_remembered_until_it_is_forgotten,
            receipts_outlive_their_blocks, a_receipt_is_remembered_where_nobody_waits_for_its_block,
            many_receipts_are_forgotten_at_once, random_work_is_accounted_for_at_every_step);
    };
    ($place:expr; $($case:ident),* $(,)?) => {
        $(#[tokio::test] async fn $case() { $crate::journal::conformance::$case(&$place).await; })*
    };
    ($place:expr) => {
        $crate::journal::conformance::conformance!($place; an_output_starts_at_now_and_kinds_do_not_mix);
        $crate::journal::conformance::conformance!(one kind: $place);
    };
}
pub(crate) use conformance;

pub(crate) const BOUND: u64 = 1 << 20;
pub(crate) const NOW: i64 = 1_800_000_000;

pub(crate) fn id(name: &str) -> OutputId {
    OutputId::new(name)
}

pub(crate) fn block(clock: &Clock, items: u32, payload: impl Into<Bytes>) -> Block {
    let now = clock.now().seconds();
    Block {
        kind: BlockKind::Points,
        items,
        oldest: now - 20,
        newest: now - 10,
        windows: vec![(now - 20, 0)],
        stamp: clock.stamp(true),
        payload: payload.into(),
    }
}

pub(crate) fn all(clock: &Clock) -> ReadRequest {
    ReadRequest {
        kind: BlockKind::Points,
        after: None,
        not_before: None,
        before: None,
        now: clock.stamp(true),
        most_items: u64::MAX,
        most_bytes: u64::MAX,
    }
}

pub(crate) fn delivered(entry: &Entry) -> Settlement {
    Settlement {
        id: entry.id,
        settled: None,
        delivered: u64::from(entry.block.items - entry.settled.len()),
        dropped: BTreeMap::new(),
    }
}

/// The output's account, which closes.
pub(crate) async fn balance(journal: &dyn Journal, output: &str, clock: &Clock) -> Balance {
    let balance = journal.balance(&id(output), BlockKind::Points).await;
    let depth = journal
        .depth(&id(output), BlockKind::Points, clock.stamp(true))
        .await;
    let accounted = balance.delivered + balance.dropped.values().sum::<u64>() + depth.items;
    assert_eq!(balance.wrapped, accounted, "{balance:?} {depth:?}");
    balance
}

fn ids(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.id.0).collect()
}

fn payloads(entries: &[Entry]) -> Vec<&[u8]> {
    entries.iter().map(|entry| &entry.block.payload[..]).collect()
}

pub(crate) async fn blocks_come_back_as_they_were_appended(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_millis(NOW * 1000 + 123));
    let mut appended = Vec::new();
    for round in 0..3u8 {
        let journal = place.open(&["a"], BOUND, &clock).await;
        let mut block = block(&clock, 7, vec![1, round]);
        block.windows.push((NOW - 30, 4));
        let id = journal.append(block.clone()).await.unwrap();
        assert_eq!(id.evicted, BTreeMap::new());
        appended.push((id.id, block));
        clock.advance(Duration::from_millis(10_001));
        let read = journal
            .read(&super::conformance::id("a"), &all(&clock))
            .await
            .unwrap();
        let read: Vec<_> = read.into_iter().map(|entry| (entry.id, entry.block)).collect();
        assert_eq!(read, appended);
        // After a restart too: the fault was that payloads counted as empty then.
        let now = clock.stamp(true);
        let depth = journal
            .depth(&super::conformance::id("a"), BlockKind::Points, now)
            .await;
        assert_eq!(depth.bytes, 2 * appended.len() as u64);
        assert_eq!(journal.status().await.payload_bytes, depth.bytes);
    }
}

pub(crate) async fn lanes_part_fresh_blocks_from_old_ones(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_seconds(NOW));
    let journal = place.open(&["a"], BOUND, &clock).await;
    for round in 0..4u8 {
        let _ = journal.append(block(&clock, 1, vec![1, round])).await.unwrap();
        clock.advance(Duration::from_secs(10));
    }
    // The newest items are from NOW - 10, NOW, NOW + 10, NOW + 20.
    let limit = Some(Timestamp::from_seconds(NOW + 10));
    let fresh = ReadRequest {
        not_before: limit,
        ..all(&clock)
    };
    let fresh = journal.read(&id("a"), &fresh).await.unwrap();
    assert_eq!(payloads(&fresh), [[1, 2], [1, 3]]);
    let old = ReadRequest {
        before: limit,
        ..all(&clock)
    };
    let old = journal.read(&id("a"), &old).await.unwrap();
    assert_eq!(payloads(&old), [[1, 0], [1, 1]]);
    let after = ReadRequest {
        after: Some(old[0].id),
        before: limit,
        ..all(&clock)
    };
    assert_eq!(payloads(&journal.read(&id("a"), &after).await.unwrap()), [[1, 1]]);
    let depth = journal
        .depth(&id("a"), BlockKind::Points, clock.stamp(true))
        .await;
    assert_eq!((depth.blocks, depth.items, depth.bytes), (4, 4, 8));
    assert_eq!(depth.oldest, Some(Timestamp::from_seconds(NOW - 20)));
}

pub(crate) async fn budgets_are_kept_by_whole_blocks(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_seconds(NOW));
    let journal = place.open(&["a"], BOUND, &clock).await;
    for _ in 0..4 {
        let _ = journal.append(block(&clock, 10, vec![1; 100])).await.unwrap();
    }
    for (most_items, most_bytes, expected) in [
        (20, 1000, 2),
        (29, 1000, 2),
        (1, 1000, 1),
        (100, 300, 3),
        (100, 1, 1),
    ] {
        let request = ReadRequest {
            most_items,
            most_bytes,
            ..all(&clock)
        };
        assert_eq!(journal.read(&id("a"), &request).await.unwrap().len(), expected);
    }
}

pub(crate) async fn items_are_settled_one_by_one_and_totals_with_them(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_seconds(NOW));
    let open = || place.open(&["a", "b"], BOUND, &clock);
    let appended = open()
        .await
        .append(block(&clock, 10, vec![1; 10]))
        .await
        .unwrap()
        .id;
    let _ = open().await.append(block(&clock, 5, vec![1; 20])).await.unwrap();
    let mut settled = ItemSet::default();
    [0, 3, 9].into_iter().for_each(|item| settled.insert(item));
    let first = Settlement {
        id: appended,
        settled: Some(settled.clone()),
        delivered: 2,
        dropped: BTreeMap::from([(DropReason::Refused, 1)]),
    };
    open()
        .await
        .settle(&id("a"), std::slice::from_ref(&first))
        .await
        .unwrap();
    let journal = open().await;
    let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
    assert_eq!((read[0].settled.clone(), read[1].settled.len()), (settled, 0));
    let account = balance(&*journal, "a", &clock).await;
    assert_eq!(
        (account.wrapped, account.delivered, account.pending()),
        (15, 2, 12)
    );
    assert_eq!(account.dropped, BTreeMap::from([(DropReason::Refused, 1)]));
    journal.settle(&id("a"), &[delivered(&read[0])]).await.unwrap();
    drop(journal);
    let journal = open().await;
    let account = balance(&*journal, "a", &clock).await;
    assert_eq!(
        (account.wrapped, account.delivered, account.pending()),
        (15, 9, 5)
    );
    assert_eq!(
        ids(&journal.read(&id("a"), &all(&clock)).await.unwrap()),
        [read[1].id.0]
    );
    assert_eq!(journal.read(&id("b"), &all(&clock)).await.unwrap().len(), 2);
    // What is settled, and what nobody knows, is passed over.
    let unknown = Settlement {
        id: EntryId(999),
        ..delivered(&read[0])
    };
    journal.settle(&id("a"), &[first, unknown]).await.unwrap();
    assert_eq!(balance(&*journal, "a", &clock).await, account);
    assert_eq!(balance(&*journal, "b", &clock).await.pending(), 15);
}

pub(crate) async fn amendments_are_remembered_when_their_blocks_are_gone(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_seconds(NOW));
    let mut expected = BTreeMap::new();
    for round in 0..30u32 {
        let journal = place.open(&["a"], BOUND, &clock).await;
        let mut wrapped = block(&clock, 1, vec![1]);
        let start = NOW + i64::from(round) * 10;
        wrapped.windows = vec![(start, 0), (start - 40, round)];
        expected.extend([(start, 0), (start - 40, round)]);
        let _ = journal.append(wrapped).await.unwrap();
        let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
        journal.settle(&id("a"), &[delivered(&read[0])]).await.unwrap();
        assert_eq!(
            journal
                .windows(Duration::from_secs(3600), clock.stamp(true))
                .await,
            expected
        );
        clock.advance(Duration::from_secs(10));
    }
    let journal = place.open(&["a"], BOUND, &clock).await;
    let recent = journal.windows(Duration::from_secs(20), clock.stamp(true)).await;
    assert_eq!(recent, BTreeMap::from([(NOW + 280, 0), (NOW + 290, 0)]));
}

pub(crate) async fn an_output_starts_at_now_and_kinds_do_not_mix(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_seconds(NOW));
    let journal = place.open(&["a"], BOUND, &clock).await;
    let _ = journal.append(block(&clock, 4, vec![1])).await.unwrap();
    drop(journal);
    let journal = place.open(&["a", "late"], BOUND, &clock).await;
    assert_eq!(balance(&*journal, "late", &clock).await, Balance::default());
    let logs = Block {
        kind: BlockKind::Logs,
        ..block(&clock, 9, vec![1])
    };
    let _ = journal.append(logs).await.unwrap();
    let _ = journal.append(block(&clock, 2, vec![1])).await.unwrap();
    assert_eq!(balance(&*journal, "late", &clock).await.wrapped, 2);
    assert_eq!(balance(&*journal, "a", &clock).await.wrapped, 6);
    assert_eq!(journal.balance(&id("a"), BlockKind::Logs).await.pending(), 9);
    let request = ReadRequest {
        kind: BlockKind::Logs,
        ..all(&clock)
    };
    assert_eq!(ids(&journal.read(&id("late"), &request).await.unwrap()).len(), 1);
    assert_eq!(
        ids(&journal.read(&id("late"), &all(&clock)).await.unwrap()).len(),
        1
    );
    assert_eq!(journal.read(&id("nobody"), &all(&clock)).await.unwrap(), []);
}

pub(crate) async fn random_work_is_accounted_for_at_every_step(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_seconds(NOW));
    let mut random = fastrand::Rng::with_seed(17);
    let outputs = ["a", "b"];
    let mut journal: Arc<dyn Journal> = place.open(&outputs, BOUND, &clock).await.into();
    let mut wrapped = 0;
    for _ in 0..400 {
        match random.u8(0..10) {
            0..4 => {
                let items = random.u32(1..50);
                let payload: Vec<u8> = std::iter::once(1)
                    .chain((0..random.usize(0..20_000)).map(|_| random.u8(..)))
                    .collect();
                let _ = journal.append(block(&clock, items, payload)).await.unwrap();
                wrapped += u64::from(items);
            }
            4..8 => {
                let output = id(outputs[random.usize(0..2)]);
                let request = ReadRequest {
                    most_items: 200,
                    ..all(&clock)
                };
                let read = journal.read(&output, &request).await.unwrap();
                let mut settlements = Vec::new();
                for entry in &read {
                    if random.bool() {
                        continue;
                    }
                    let mut settled = entry.settled.clone();
                    (0..entry.block.items)
                        .filter(|_| random.u8(0..3) > 0)
                        .for_each(|item| settled.insert(item));
                    let newly = u64::from(settled.len() - entry.settled.len());
                    let refused = newly.min(1);
                    settlements.push(Settlement {
                        id: entry.id,
                        settled: Some(settled),
                        delivered: newly - refused,
                        dropped: BTreeMap::from([(DropReason::Refused, refused)]),
                    });
                }
                journal.settle(&output, &settlements).await.unwrap();
            }
            8 => {
                drop(journal);
                journal = place.open(&outputs, BOUND, &clock).await.into();
            }
            _ => {
                let day = Duration::from_secs(300);
                let _ = journal
                    .expire(BlockKind::Points, day, clock.stamp(true))
                    .await
                    .unwrap();
            }
        }
        clock.advance(Duration::from_secs(5));
        for output in outputs {
            let account = balance(&*journal, output, &clock).await;
            assert_eq!(account.wrapped, wrapped);
            let read = journal.read(&id(output), &all(&clock)).await.unwrap();
            let waiting: u64 = read
                .iter()
                .map(|entry| u64::from(entry.block.items - entry.settled.len()))
                .sum();
            assert_eq!(waiting, account.pending());
        }
        let status = journal.status().await;
        assert_eq!(
            (status.damaged_records, status.foreign_blocks, status.write_error),
            (0, 0, None)
        );
        assert!(status.bytes <= status.bound);
    }
}
