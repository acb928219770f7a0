//! What is known of a journal while it is open: accounts, held blocks, times. It changes by records only, the same way
//! when they are written and when they are read back.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::component::journal::{Balance, DropReason, ItemSet};
use crate::journal::disk::change::{Change, ReadChange, Totals};
use crate::journal::disk::record::Described;
use crate::journal::disk::times::Times;
use crate::model::block::BlockKind;
use crate::model::time::{ClockStamp, Timestamp};

/// Outputs that one journal can tell apart: as many as a mask has bits.
pub(super) const MOST_OUTPUTS: usize = 64;

/// The number of a kind in arrays.
pub(super) fn kind_index(kind: BlockKind) -> usize {
    BlockKind::ALL
        .iter()
        .position(|known| *known == kind)
        .unwrap_or(0)
}

/// The number of a reason in arrays.
pub(super) fn reason_index(reason: DropReason) -> usize {
    DropReason::ALL
        .iter()
        .position(|known| *known == reason)
        .unwrap_or(0)
}

/// One output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: Arc<str>,
    /// Items by kind that had been appended before the output was known.
    pub(super) baseline: [u64; 4],
    /// By kind.
    pub(super) totals: [Totals; 4],
    /// No block below this number waits for it.
    pub(super) cursor: u64,
    /// Since when it is not configured.
    pub(super) absent: Option<ClockStamp>,
}

/// A block that some output waits for. Its items stay on the medium.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) segment: u64,
    /// Of the record.
    pub(super) offset: u32,
    /// Of the record, frame and description included.
    pub(super) length: u32,
    pub(super) payload: u32,
    pub(super) items: u32,
    /// A bit for each slot whose output waits for it.
    pub(super) pending: u64,
    pub(super) newest: i64,
    /// `newest` less the time of the oldest item.
    pub(super) span: u32,
    wall: i64,
    /// Milliseconds.
    uptime: u64,
    boot: u16,
    pub(super) kind: u8,
    plausible: bool,
    pub(super) foreign: bool,
}

impl Held {
    pub(super) fn waits(&self, slot: usize) -> bool {
        self.pending & (1 << slot) != 0
    }

    pub(super) fn stamp(&self, times: &Times) -> ClockStamp {
        ClockStamp {
            wall: Timestamp::from_millis(self.wall),
            boot: times.boot_id(self.boot),
            uptime: std::time::Duration::from_millis(self.uptime),
            plausible: self.plausible,
        }
    }
}

/// One file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Segment {
    pub(super) length: u64,
    /// Blocks in it that are held, and records that are kept for a newer version.
    pub(super) held: u32,
    /// Of these, the records.
    pub(super) foreign: u32,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// The number of the next block.
    pub(super) next: u64,
    /// Items by kind that were ever appended.
    pub(super) appended: [u64; 4],
    /// By slot.
    pub(super) accounts: Vec<Option<Account>>,
    pub(super) times: Times,
    pub(super) held: BTreeMap<u64, Held>,
    /// What is settled of blocks that wait all the same, by slot and block.
    pub(super) partial: BTreeMap<(usize, u64), ItemSet>,
    pub(super) segments: BTreeMap<u64, Segment>,
    /// Held blocks of a newer format, and records and segments that nobody here understands.
    pub(super) foreign: u64,
}

impl State {
    pub(super) fn slot(&self, name: &str) -> Option<usize> {
        self.accounts
            .iter()
            .position(|account| account.as_ref().is_some_and(|account| *account.name == *name))
    }

    pub(super) fn account(&self, slot: usize) -> Option<&Account> {
        self.accounts.get(slot)?.as_ref()
    }

    fn account_mut(&mut self, slot: usize) -> Option<&mut Account> {
        self.accounts.get_mut(slot)?.as_mut()
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = usize> {
        self.accounts
            .iter()
            .enumerate()
            .filter_map(|(slot, account)| account.is_some().then_some(slot))
    }

    /// A bit for each output.
    pub(super) fn everyone(&self) -> u64 {
        self.slots().fold(0, |mask, slot| mask | 1 << slot)
    }

    pub(super) fn balance(&self, slot: usize, kind: usize) -> Balance {
        let Some(account) = self.account(slot) else {
            return Balance::default();
        };
        let totals = account.totals[kind];
        let dropped = DropReason::ALL
            .iter()
            .zip(totals.dropped)
            .filter(|(_, count)| *count > 0);
        Balance {
            wrapped: self.appended[kind].saturating_sub(account.baseline[kind]),
            delivered: totals.delivered,
            dropped: dropped.map(|(reason, count)| (*reason, count)).collect(),
        }
    }

    /// Items of a held block that wait for an output.
    pub(super) fn waiting(&self, slot: usize, id: u64, held: &Held) -> u64 {
        if !held.waits(slot) {
            return 0;
        }
        let settled = self.partial.get(&(slot, id)).map_or(0, ItemSet::len);
        u64::from(held.items.saturating_sub(settled))
    }

    /// A block was appended. `good` says whether its items can be read.
    pub(super) fn add_block(&mut self, described: &Described, at: (u64, usize, usize), good: bool) {
        let (segment, offset, length) = at;
        let block = &described.block;
        let kind = kind_index(block.kind);
        self.next = self.next.max(described.id + 1);
        self.appended[kind] = described.appended;
        let boot = self.times.see(block, described.id);
        if !good {
            return;
        }
        let held = Held {
            segment,
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
            length: u32::try_from(length).unwrap_or(u32::MAX),
            payload: u32::try_from(described.payload).unwrap_or(u32::MAX),
            items: block.items,
            pending: self.everyone(),
            newest: block.newest,
            span: u32::try_from(block.newest.saturating_sub(block.oldest)).unwrap_or(u32::MAX),
            wall: block.stamp.wall.millis(),
            uptime: u64::try_from(block.stamp.uptime.as_millis()).unwrap_or(u64::MAX),
            boot,
            kind: kind as u8,
            plausible: block.stamp.plausible,
            foreign: described.foreign,
        };
        self.foreign += u64::from(held.foreign);
        self.segments.entry(segment).or_default().held += 1;
        self.held.insert(described.id, held);
    }

    /// The output no longer waits for a block. While records are read back, blocks that nobody waits for are kept
    /// until [`State::release_all`], because a later record may know better.
    fn settle(&mut self, slot: usize, id: u64) {
        if let Some(held) = self.held.get_mut(&id) {
            held.pending &= !(1 << slot);
        }
        self.partial.remove(&(slot, id));
    }

    /// Forgets a block that nobody waits for. Its segment's number, if that was the last one in it.
    pub(super) fn release(&mut self, id: u64) -> Option<u64> {
        let held = self.held.get(&id).filter(|held| held.pending == 0)?;
        let number = held.segment;
        self.foreign -= u64::from(held.foreign);
        self.held.remove(&id);
        let segment = self.segments.get_mut(&number)?;
        segment.held -= 1;
        (segment.held == 0).then_some(number)
    }

    pub(super) fn release_all(&mut self) {
        let free: Vec<u64> = self
            .held
            .iter()
            .filter(|(_, held)| held.pending == 0)
            .map(|(id, _)| *id)
            .collect();
        for id in free {
            self.release(id);
        }
        let Self { partial, held, .. } = self;
        partial.retain(|(slot, id), _| held.get(id).is_some_and(|held| held.waits(*slot)));
    }

    /// Applies a change that was just written; the segments that nobody needs any longer.
    pub(super) fn apply(&mut self, change: Change) -> Vec<u64> {
        let slot = change.slot;
        let mut free = Vec::new();
        for id in change.whole {
            self.settle(slot, id);
            free.extend(self.release(id));
        }
        self.note(slot, change.cursor, change.partial, change.totals);
        free
    }

    /// Applies a change that was read back.
    pub(super) fn replay(&mut self, change: ReadChange) {
        let slot = change.slot;
        let Some(before) = self.account(slot).map(|account| account.cursor) else {
            return;
        };
        for (first, last) in change.whole {
            let ids: Vec<u64> = self.held.range(first..=last).map(|(id, _)| *id).collect();
            ids.into_iter().for_each(|id| self.settle(slot, id));
        }
        if before < change.cursor {
            // Settled by a record that was lost.
            let ids: Vec<u64> = self
                .held
                .range(before..change.cursor)
                .map(|(id, _)| *id)
                .collect();
            ids.into_iter().for_each(|id| self.settle(slot, id));
        }
        let known = |(id, _): &(u64, ItemSet)| self.held.get(id).is_some_and(|held| held.waits(slot));
        let partial = change.partial.into_iter().filter(known).collect();
        let mut totals = Vec::new();
        for (kind, appended, of_kind) in change.totals {
            self.appended[kind] = self.appended[kind].max(appended);
            totals.push((kind, of_kind));
        }
        self.note(slot, change.cursor, partial, totals);
    }

    fn note(&mut self, slot: usize, cursor: u64, partial: Vec<(u64, ItemSet)>, totals: Vec<(usize, Totals)>) {
        self.partial
            .extend(partial.into_iter().map(|(id, set)| ((slot, id), set)));
        if let Some(account) = self.account_mut(slot) {
            account.cursor = account.cursor.max(cursor);
            for (kind, totals) in totals {
                account.totals[kind] = totals;
            }
        }
    }

    /// The least number of a block that waits for an output, given that all in `settled` (ascending) no longer do.
    pub(super) fn cursor_after(&self, slot: usize, settled: &[u64]) -> u64 {
        let from = self.account(slot).map_or(0, |account| account.cursor);
        self.held
            .range(from..)
            .find(|(id, held)| held.waits(slot) && settled.binary_search(id).is_err())
            .map_or(self.next, |(id, _)| *id)
    }

    /// Adds an output that starts now. Its slot, or none if there are too many.
    pub(super) fn register(&mut self, name: &Arc<str>, baseline: [u64; 4]) -> Option<usize> {
        let slot = self
            .accounts
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.accounts.len());
        if slot >= MOST_OUTPUTS {
            return None;
        }
        if slot == self.accounts.len() {
            self.accounts.push(None);
        }
        self.accounts[slot] = Some(Account {
            name: Arc::clone(name),
            baseline,
            totals: [Totals::default(); 4],
            cursor: self.next,
            absent: None,
        });
        Some(slot)
    }

    /// Forgets an output; how many items waited for it.
    pub(super) fn retire(&mut self, slot: usize) -> u64 {
        let waiting = self
            .held
            .iter()
            .map(|(id, held)| self.waiting(slot, *id, held))
            .sum();
        for held in self.held.values_mut() {
            held.pending &= !(1 << slot);
        }
        self.partial.retain(|(of, _), _| *of != slot);
        if let Some(account) = self.accounts.get_mut(slot) {
            *account = None;
        }
        waiting
    }

    /// Makes the accounts close after damage. Items that are missing from what is held were lost; items that are held
    /// though they were settled will be delivered, and counted, again. How many of each.
    pub(super) fn close_balances(&mut self) -> (u64, u64) {
        let (mut lost, mut again) = (0, 0);
        let slots: Vec<usize> = self.slots().collect();
        for slot in slots {
            let mut waiting = [0u64; 4];
            for (id, held) in &self.held {
                waiting[usize::from(held.kind)] += self.waiting(slot, *id, held);
            }
            for (kind, waiting) in waiting.into_iter().enumerate() {
                let appended = self.appended[kind];
                let Some(account) = self.account_mut(slot) else {
                    continue;
                };
                let totals = &mut account.totals[kind];
                let wrapped = appended.saturating_sub(account.baseline[kind]);
                let accounted = totals.sum().saturating_add(waiting);
                if accounted < wrapped {
                    totals.dropped[reason_index(DropReason::Damaged)] += wrapped - accounted;
                    lost += wrapped - accounted;
                }
                let mut excess = accounted.saturating_sub(wrapped);
                again += excess;
                for total in std::iter::once(&mut totals.delivered).chain(&mut totals.dropped) {
                    let less = excess.min(*total);
                    *total -= less;
                    excess -= less;
                }
                // More is held than was ever wrapped: the record that said so is lost.
                account.baseline[kind] = account.baseline[kind].saturating_sub(excess);
            }
        }
        (lost, again)
    }
}
