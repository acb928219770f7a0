//! What is known of a journal while it is open: accounts, held blocks, times. It changes by records only, the same way
//! when they are written and when they are read back.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::component::journal::{Balance, DropReason, ItemSet};
use crate::journal::account::change::{Change, ReadChange, Totals};
use crate::journal::account::described::Described;
use crate::journal::account::receipts::Receipts;
use crate::journal::account::times::Times;
use crate::model::block::BlockKind;
use crate::model::time::{ClockStamp, Timestamp};

/// Outputs that one journal can tell apart: as many as a mask has bits.
pub(in crate::journal) const MOST_OUTPUTS: usize = 64;

/// The number of a kind in arrays.
pub(in crate::journal) fn kind_index(kind: BlockKind) -> usize {
    BlockKind::ALL
        .iter()
        .position(|known| *known == kind)
        .unwrap_or(0)
}

/// The number of a reason in arrays.
pub(in crate::journal) fn reason_index(reason: DropReason) -> usize {
    DropReason::ALL
        .iter()
        .position(|known| *known == reason)
        .unwrap_or(0)
}

/// One output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::journal) struct Account {
    pub(in crate::journal) name: Arc<str>,
    /// Items by kind that had been appended before the output was known.
    pub(in crate::journal) baseline: [u64; 4],
    /// By kind.
    pub(in crate::journal) totals: [Totals; 4],
    /// No block below this number waits for it.
    pub(in crate::journal) cursor: u64,
    /// Since when it is not configured.
    pub(in crate::journal) absent: Option<ClockStamp>,
}

/// Where a block lies, in numbers of its medium; all zeros where its own number tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::journal) struct Place {
    /// Of the segment.
    pub(in crate::journal) segment: u64,
    /// Of the record.
    pub(in crate::journal) offset: u32,
    /// Of the record, frame and description included.
    pub(in crate::journal) length: u32,
}

/// A block that nobody waits for any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::journal) struct Released {
    /// Its number.
    pub(in crate::journal) id: u64,
    /// Where it lies.
    pub(in crate::journal) place: Place,
}

/// A block that some output waits for. Its items stay on the medium.
#[derive(Clone, Debug)]
pub(in crate::journal) struct Held {
    pub(in crate::journal) place: Place,
    pub(in crate::journal) payload: u32,
    pub(in crate::journal) items: u32,
    /// A bit for each slot whose output waits for it.
    pub(in crate::journal) pending: u64,
    pub(in crate::journal) newest: i64,
    /// `newest` less the time of the oldest item.
    pub(in crate::journal) span: u32,
    wall: i64,
    /// Milliseconds.
    uptime: u64,
    boot: u16,
    pub(in crate::journal) kind: u8,
    plausible: bool,
    pub(in crate::journal) foreign: bool,
}

impl Held {
    pub(in crate::journal) fn waits(&self, slot: usize) -> bool {
        self.pending & (1 << slot) != 0
    }

    pub(in crate::journal) fn stamp(&self, times: &Times) -> ClockStamp {
        ClockStamp {
            wall: Timestamp::from_millis(self.wall),
            boot: times.boot_id(self.boot),
            uptime: std::time::Duration::from_millis(self.uptime),
            plausible: self.plausible,
        }
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(in crate::journal) struct State {
    /// The number of the next block.
    pub(in crate::journal) next: u64,
    /// Items by kind that were ever appended.
    pub(in crate::journal) appended: [u64; 4],
    /// By slot.
    pub(in crate::journal) accounts: Vec<Option<Account>>,
    pub(in crate::journal) times: Times,
    pub(in crate::journal) held: BTreeMap<u64, Held>,
    /// What is settled of blocks that wait all the same, by slot and block.
    pub(in crate::journal) partial: BTreeMap<(usize, u64), ItemSet>,
    pub(in crate::journal) receipts: Receipts,
    /// Held blocks of a newer format.
    pub(in crate::journal) foreign: u64,
}

impl State {
    pub(in crate::journal) fn slot(&self, name: &str) -> Option<usize> {
        self.accounts
            .iter()
            .position(|account| account.as_ref().is_some_and(|account| *account.name == *name))
    }

    pub(in crate::journal) fn account(&self, slot: usize) -> Option<&Account> {
        self.accounts.get(slot)?.as_ref()
    }

    pub(super) fn account_mut(&mut self, slot: usize) -> Option<&mut Account> {
        self.accounts.get_mut(slot)?.as_mut()
    }

    pub(in crate::journal) fn slots(&self) -> impl Iterator<Item = usize> {
        self.accounts
            .iter()
            .enumerate()
            .filter_map(|(slot, account)| account.is_some().then_some(slot))
    }

    /// A bit for each output.
    pub(in crate::journal) fn everyone(&self) -> u64 {
        self.slots().fold(0, |mask, slot| mask | 1 << slot)
    }

    pub(in crate::journal) fn balance(&self, slot: usize, kind: usize) -> Balance {
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
    pub(in crate::journal) fn waiting(&self, slot: usize, id: u64, held: &Held) -> u64 {
        if !held.waits(slot) {
            return 0;
        }
        let settled = self.partial.get(&(slot, id)).map_or(0, ItemSet::len);
        u64::from(held.items.saturating_sub(settled))
    }

    /// A block was appended. Without a place its items cannot be read, and nobody waits for it.
    pub(in crate::journal) fn add_block(&mut self, described: &Described, place: Option<Place>) {
        let block = &described.block;
        let kind = kind_index(block.kind);
        self.next = self.next.max(described.id + 1);
        self.appended[kind] = described.appended;
        let boot = self.times.see(block, described.id);
        if let Some(receipt) = described.receipt {
            self.receipts.remember(receipt);
        }
        let Some(place) = place else {
            return;
        };
        let held = Held {
            place,
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

    /// Forgets a block, if nobody waits for it.
    pub(in crate::journal) fn release(&mut self, id: u64) -> Option<Released> {
        self.held.get(&id).filter(|held| held.pending == 0)?;
        let held = self.held.remove(&id)?;
        self.foreign -= u64::from(held.foreign);
        Some(Released {
            id,
            place: held.place,
        })
    }

    /// Forgets all blocks that nobody waits for.
    pub(in crate::journal) fn release_all(&mut self) -> Vec<Released> {
        let free: Vec<u64> = self
            .held
            .iter()
            .filter(|(_, held)| held.pending == 0)
            .map(|(id, _)| *id)
            .collect();
        let released = free.into_iter().filter_map(|id| self.release(id)).collect();
        let Self { partial, held, .. } = self;
        partial.retain(|(slot, id), _| held.get(id).is_some_and(|held| held.waits(*slot)));
        released
    }

    /// Applies a change that was just written; the blocks that nobody waits for after it.
    pub(in crate::journal) fn apply(&mut self, change: Change) -> Vec<Released> {
        let slot = change.slot;
        let mut released = Vec::new();
        for id in change.whole {
            self.settle(slot, id);
            released.extend(self.release(id));
        }
        self.note(slot, change.cursor, change.partial, change.totals);
        released
    }

    /// Applies a change that was read back.
    pub(in crate::journal) fn replay(&mut self, change: ReadChange) {
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
    pub(in crate::journal) fn cursor_after(&self, slot: usize, settled: &[u64]) -> u64 {
        let from = self.account(slot).map_or(0, |account| account.cursor);
        self.held
            .range(from..)
            .find(|(id, held)| held.waits(slot) && settled.binary_search(id).is_err())
            .map_or(self.next, |(id, _)| *id)
    }
}
