//! A journal of two segments is cut at every byte and hit at ten thousand bits.
//!
//! It is opened through the code that opens files, on a medium in memory: only the files themselves are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::memory::Memory;
use super::*;
use crate::component::journal::ItemSet;
use crate::journal::account::state;
use crate::journal::disk::record::{Found, read_block, scan};

const OUTPUTS: [&str; 2] = ["a", "b"];
const LAYOUT: Layout = Layout {
    bound: 128 << 10,
    segment: 16 << 10,
    slack: 4 << 10,
    reserve: 1 << 10,
};

fn open(segments: &BTreeMap<u64, Vec<u8>>, clock: &Clock) -> (Store, Arc<Memory>) {
    let medium = Arc::new(Memory::of(segments.clone()));
    let outputs = OUTPUTS.map(id);
    let store = open_store(
        Arc::clone(&medium) as Arc<dyn Medium>,
        LAYOUT,
        0,
        &outputs,
        clock.clone(),
    )
    .unwrap();
    (store, medium)
}

/// What an output can read: numbers, and how many items of each wait.
fn readable(store: &Store, output: &str, clock: &Clock) -> BTreeMap<u64, u64> {
    let picked = store.state.pick(&id(output), &all(clock)).into_iter();
    let read = picked.filter_map(|picked| {
        let state::Place {
            segment,
            offset,
            length,
        } = picked.place;
        let bytes = store
            .medium
            .read_at(segment, u64::from(offset), length as usize)
            .ok()?;
        let described = read_block(segment, u64::from(offset), &bytes)?;
        assert_eq!(described.id, picked.id);
        Some((picked.id, u64::from(described.block.items - picked.settled.len())))
    });
    read.collect()
}

fn account(store: &Store, output: &str, clock: &Clock) -> Balance {
    let account = store.state.balance(store.state.slot(output).unwrap(), 0);
    let depth = store.depth(&id(output), BlockKind::Points, &clock.stamp(true));
    assert_eq!(
        account.wrapped,
        account.delivered + account.dropped.values().sum::<u64>() + depth.items,
        "{account:?} {depth:?}"
    );
    account
}

/// The same without reading: opening has looked at every byte already.
fn waiting(store: &Store, output: &str) -> BTreeMap<u64, u64> {
    let slot = store.state.slot(output).unwrap();
    let held = store.state.held.iter().filter(|(_, held)| held.waits(slot));
    held.map(|(id, held)| (*id, store.state.waiting(slot, *id, held)))
        .collect()
}

/// A record of the sound journal.
struct Place {
    segment: u64,
    bytes: Range<usize>,
    block: Option<u64>,
}

struct Sound {
    clock: Clock,
    segments: BTreeMap<u64, Vec<u8>>,
    records: Vec<Place>,
    /// By receipt that is remembered, the block whose record tells it.
    remembered: BTreeMap<ReceiptId, u64>,
    forgotten: Vec<ReceiptId>,
    readable: [BTreeMap<u64, u64>; 2],
    accounts: [Balance; 2],
}

fn sound() -> Sound {
    let clock = noon();
    let (mut store, medium) = open(&BTreeMap::new(), &clock);
    let mut random = fastrand::Rng::with_seed(23);
    let (mut remembered, mut forgotten) = (BTreeMap::new(), Vec::new());
    // Until the second segment is as full as the first one.
    while store
        .segments
        .all
        .get(&2)
        .is_none_or(|segment| segment.length < 15 << 10)
    {
        let payload: Vec<u8> = std::iter::once(1)
            .chain((1..random.usize(100..800)).map(|_| random.u8(..)))
            .collect();
        let wrapped = block(&clock, random.u32(1..60), payload);
        let number = store.state.next;
        let receipt = (number % 3 > 0).then_some(ReceiptId(u128::from(number) << 77));
        let _ = store.append(wrapped, receipt).unwrap();
        remembered.extend(receipt.map(|receipt| (receipt, number)));
        if number % 5 == 4
            && let Some((receipt, _)) = remembered.pop_first()
        {
            store.forget(&[receipt]).unwrap();
            forgotten.push(receipt);
        }
        clock.advance(Duration::from_secs(10));
        for output in OUTPUTS {
            let waiting = store.state.pick(&id(output), &all(&clock));
            let Some(picked) = waiting.get(random.usize(..waiting.len() * 3)) else {
                continue;
            };
            let items = store.state.held[&picked.id].items;
            let mut settled = picked.settled.clone();
            (0..items)
                .filter(|_| random.u8(0..4) > 0)
                .for_each(|item| settled.insert(item));
            let settlement = Settlement {
                id: EntryId(picked.id),
                delivered: u64::from(settled.len() - picked.settled.len()),
                dropped: BTreeMap::new(),
                settled: Some(settled),
            };
            store.settle(&id(output), &[settlement]).unwrap();
        }
    }
    let segments = medium.inner().segments.clone();
    assert_eq!(segments.keys().copied().collect::<Vec<_>>(), [1, 2]);
    let mut records = Vec::new();
    for (segment, bytes) in &segments {
        let mut starts = Vec::new();
        scan(*segment, bytes, |offset, found| {
            let block = match found {
                Found::Block { described, .. } => Some(described.id),
                Found::Record { .. } => None,
                other => panic!("{other:?}"),
            };
            starts.push((offset, block));
        });
        let ends = starts[1..]
            .iter()
            .map(|(offset, _)| *offset)
            .chain([bytes.len()])
            .collect::<Vec<_>>();
        records.extend(starts.into_iter().zip(ends).map(|((start, block), end)| Place {
            segment: *segment,
            bytes: start..end,
            block,
        }));
    }
    assert!(records.iter().filter(|record| record.block.is_some()).count() > 50);
    let (reopened, _) = open(&segments, &clock);
    assert_eq!(
        (reopened.damaged, reopened.written),
        (0, 0),
        "opening a sound journal changes nothing"
    );
    let sound = Sound {
        readable: OUTPUTS.map(|output| readable(&store, output, &clock)),
        accounts: OUTPUTS.map(|output| account(&store, output, &clock)),
        clock: clock.clone(),
        segments,
        remembered,
        forgotten,
        records,
    };
    assert_eq!(reopened.state.receipts.len(), sound.remembered.len());
    assert_eq!(
        OUTPUTS.map(|output| readable(&reopened, output, &clock)),
        sound.readable
    );
    assert_eq!(
        OUTPUTS.map(|output| account(&reopened, output, &clock)),
        sound.accounts
    );
    sound
}

/// Opens a damaged copy, and checks what must hold whatever was damaged: the balance closes, nothing but `lost` blocks is
/// missing of what waited, and no receipt but theirs is forgotten; then that this is still so after an append and when it is opened again.
fn check(
    sound: &Sound,
    damaged: &BTreeMap<u64, Vec<u8>>,
    lost: &BTreeSet<u64>,
    again: bool,
) -> (Store, u64, [Balance; 2]) {
    let (mut store, medium) = open(damaged, &sound.clock);
    for (output, sound_readable) in OUTPUTS.iter().zip(&sound.readable) {
        let now = if again {
            readable(&store, output, &sound.clock)
        } else {
            waiting(&store, output)
        };
        let account = account(&store, output, &sound.clock);
        assert_eq!(
            account.pending(),
            now.values().sum::<u64>(),
            "what waits can be read"
        );
        for (id, items) in sound_readable {
            let found = now.get(id).copied();
            assert!(
                lost.contains(id) || found >= Some(*items),
                "{output} misses block {id}: {found:?} of {items}"
            );
        }
    }
    for (receipt, block) in &sound.remembered {
        let knows = store.state.receipts.knows(*receipt);
        assert!(knows || lost.contains(block), "{receipt} of {block} is lost");
    }
    let before = OUTPUTS.map(|output| account(&store, output, &sound.clock));
    let (found, accounts) = (store.damaged, before.clone());
    if again {
        let _ = store.append(block(&sound.clock, 3, vec![1; 50]), None).unwrap();
        let segments = medium.inner().segments.clone();
        let (reopened, _) = open(&segments, &sound.clock);
        for (output, before) in OUTPUTS.iter().zip(before) {
            let after = account(&reopened, output, &sound.clock);
            assert_eq!(
                (after.wrapped, after.pending()),
                (before.wrapped + 3, before.pending() + 3)
            );
            assert_eq!(
                (after.delivered, after.dropped),
                (before.delivered, before.dropped)
            );
        }
    }
    (store, found, accounts)
}

/// Cuts `segment` at every byte whose place is even, or odd: two tests run at the same time.
fn cut_everywhere(segment: u64, first: usize) {
    let sound = sound();
    for cut in (first..sound.segments[&segment].len()).step_by(2) {
        let mut damaged = sound.segments.clone();
        damaged.get_mut(&segment).unwrap().truncate(cut);
        let behind = |place: &&Place| place.segment == segment && place.bytes.end > cut;
        let lost = sound
            .records
            .iter()
            .filter(behind)
            .filter_map(|place| place.block)
            .collect();
        let (store, torn, accounts) = check(&sound, &damaged, &lost, cut % 19 == 0);
        if segment == 1 {
            // The next segment knows how many there were.
            assert_eq!(
                accounts.map(|account| account.wrapped),
                sound.accounts.clone().map(|account| account.wrapped)
            );
            assert!(!sound.forgotten.iter().any(|id| store.state.receipts.knows(*id)));
        }
        let whole = |place: &Place| place.segment == segment && place.bytes.end == cut;
        let is_clean = cut == 0 || cut == record::HEADER || sound.records.iter().any(whole);
        assert_eq!(torn, u64::from(!is_clean), "{segment} {cut}");
    }
}

#[test]
fn a_journal_whose_older_segment_is_cut_anywhere_keeps_the_rest() {
    cut_everywhere(1, 0);
}

#[test]
fn a_journal_whose_older_segment_is_cut_at_odd_bytes_keeps_the_rest() {
    cut_everywhere(1, 1);
}

#[test]
fn a_journal_whose_last_segment_is_cut_anywhere_keeps_what_is_before_the_cut() {
    cut_everywhere(2, 0);
}

#[test]
fn a_journal_whose_last_segment_is_cut_at_odd_bytes_keeps_what_is_before_the_cut() {
    cut_everywhere(2, 1);
}

#[test]
fn a_flipped_bit_costs_the_record_that_it_hit_and_no_other() {
    let sound = sound();
    let mut random = fastrand::Rng::with_seed(29);
    let last = sound.records.last().unwrap().bytes.start;
    for round in 0..10_000 {
        let segment = random.u64(1..=2);
        let mut damaged = sound.segments.clone();
        let bytes = damaged.get_mut(&segment).unwrap();
        let at = random.usize(..bytes.len());
        bytes[at] ^= 1 << random.u8(..8);
        let hit = sound
            .records
            .iter()
            .find(|place| place.segment == segment && place.bytes.contains(&at));
        let lost: BTreeSet<u64> = hit.and_then(|place| place.block).into_iter().collect();
        let (store, found, accounts) = check(&sound, &damaged, &lost, round % 19 == 0);
        assert_eq!(found, 1, "{segment} {at}");
        // Only the record that says so can be missed.
        let again = |id: &&ReceiptId| store.state.receipts.knows(**id);
        let again = sound.forgotten.iter().filter(again).count();
        assert!(
            again <= usize::from(segment == 2 && lost.is_empty()),
            "{segment} {at}"
        );
        for ((output, truth), account) in OUTPUTS.iter().zip(&sound.accounts).zip(accounts) {
            // Of the last record nobody tells more than it does itself.
            if segment == 1 || at < last {
                assert_eq!(account.wrapped, truth.wrapped, "{segment} {at}");
            }
            let of_block = account.dropped.get(&DropReason::Damaged).copied().unwrap_or(0);
            let waited = lost
                .iter()
                .filter_map(|id| sound.readable[usize::from(*output == "b")].get(id))
                .sum::<u64>();
            if segment == 1 || at < last {
                assert_eq!(of_block, waited, "{segment} {at} {output}");
            }
            if !lost.is_empty() {
                assert_eq!(account.delivered, truth.delivered);
            }
        }
    }
}

#[test]
fn a_damaged_block_is_noticed_when_it_is_read_too() {
    let sound = sound();
    let (store, medium) = open(&sound.segments, &sound.clock);
    let waiting = sound.readable[0].clone();
    let hit = *waiting.keys().nth(3).unwrap();
    let place = sound
        .records
        .iter()
        .find(|place| place.block == Some(hit))
        .unwrap();
    medium.inner().segments.get_mut(&place.segment).unwrap()[place.bytes.end - 1] ^= 1;
    let journal = DiskJournal::of(store, Sync::Batch, None);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let read = journal.read(&id("a"), &all(&sound.clock)).await.unwrap();
        assert_eq!(read.len(), waiting.len() - 1);
        let account = balance(&journal, "a", &sound.clock).await;
        assert_eq!(
            account.dropped,
            BTreeMap::from([(DropReason::Damaged, waiting[&hit])])
        );
        assert_eq!(journal.status().await.damaged_records, 1);
    });
}

#[test]
fn without_any_state_everything_is_delivered_again() {
    let sound = sound();
    let mut damaged = sound.segments.clone();
    for place in sound.records.iter().filter(|place| place.block.is_none()) {
        let bytes = damaged.get_mut(&place.segment).unwrap();
        bytes[place.bytes.clone()].fill(0);
    }
    let (store, _) = open(&damaged, &sound.clock);
    let blocks = sound.records.iter().filter(|place| place.block.is_some()).count();
    for output in OUTPUTS {
        assert_eq!(readable(&store, output, &sound.clock).len(), blocks);
        assert_eq!(account(&store, output, &sound.clock).delivered, 0);
    }
}

#[test]
fn item_sets_beyond_a_block_do_not_count() {
    let sound = sound();
    let (mut store, _) = open(&sound.segments, &sound.clock);
    let (first, items) = sound.readable[0].first_key_value().unwrap();
    let settlement = Settlement {
        id: EntryId(*first),
        settled: Some(ItemSet::from_bytes(&[0xff; 100])),
        delivered: *items,
        dropped: BTreeMap::new(),
    };
    store.settle(&id("a"), &[settlement]).unwrap();
    let after = account(&store, "a", &sound.clock);
    assert_eq!(after.delivered, sound.accounts[0].delivered + items);
}
