//! What the journal's contract asks for, on the store.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::component::journal::{
    Appended, Depth, DropReason, EntryId, ItemSet, JournalError, JournalStatus, OutputId, ReadRequest,
    Settlement,
};
use crate::journal::disk::change::{Change, Totals};
use crate::journal::disk::record::{BLOCK, Described, FRAME, block_payload};
use crate::journal::disk::state::{State, kind_index, reason_index};
use crate::journal::disk::store::Store;
use crate::model::block::{Block, BlockKind};
use crate::model::time::{ClockStamp, Timestamp};

/// Bytes of a block's record beyond its items, at most: frame, checksums, numbers at their longest.
const MOST_DESCRIPTION: u64 = 160;
/// The same for each of its windows.
const MOST_WINDOW: u64 = 15;

/// A block to be read, outside of the lock.
#[derive(Clone, Debug)]
pub(super) struct Picked {
    pub(super) id: u64,
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) length: usize,
    pub(super) shift: Option<i64>,
    pub(super) settled: ItemSet,
}

impl Store {
    pub(super) fn append(&mut self, block: Block) -> Result<Appended, JournalError> {
        self.retire();
        let need = block.payload.len() as u64 + MOST_DESCRIPTION + MOST_WINDOW * block.windows.len() as u64;
        let bound = self.layout.bound;
        // Half of the bound at most goes into what is not blocks; with more outputs' state than that nothing works.
        if need + self.layout.slack + self.layout.reserve + self.layout.segment / 4 > bound {
            return Err(JournalError::TooLarge { bytes: need, bound });
        }
        let evicted = self.make_room(need)?;
        self.fit(need)?;
        let kind = kind_index(block.kind);
        let described = Described {
            id: self.state.next,
            appended: self.state.appended[kind] + u64::from(block.items),
            foreign: false,
            payload: block.payload.len(),
            block,
        };
        let payload = |segment, offset| block_payload(segment, offset, &described);
        let at = match self.put(BLOCK, payload, false) {
            // Where the medium is full long before the bound, the current segment may be all that could go.
            Err(error) => {
                if self.renew() {
                    self.put(BLOCK, payload, false)?
                } else {
                    return Err(error);
                }
            }
            Ok(at) => at,
        };
        self.state.add_block(&described, at, true);
        // With no output at all nobody waits for it.
        let free = self.state.release(described.id);
        self.freed(free.into_iter().collect());
        Ok(Appended {
            id: EntryId(described.id),
            evicted,
        })
    }

    pub(super) fn pick(&self, output: &OutputId, request: &ReadRequest) -> Vec<Picked> {
        let Some(slot) = self.state.slot(&output.0) else {
            return Vec::new();
        };
        let state = &self.state;
        let cursor = state.account(slot).map_or(0, |account| account.cursor);
        let from = request
            .after
            .map_or(0, |after| after.0.saturating_add(1))
            .max(cursor);
        let kind = kind_index(request.kind);
        let mut picked = Vec::new();
        let (mut items, mut bytes) = (0u64, 0u64);
        for (id, held) in state.held.range(from..) {
            if !held.waits(slot) || usize::from(held.kind) != kind || held.foreign {
                continue;
            }
            let shift = state
                .times
                .shift(&held.stamp(&state.times), held.newest, &request.now);
            let newest = shift.map(|shift| Timestamp::from_seconds(held.newest).shifted(shift));
            // What cannot be dated is not live.
            let fresh_enough = request
                .not_before
                .is_none_or(|from| newest.is_some_and(|newest| newest >= from));
            let old_enough = request
                .before
                .is_none_or(|to| newest.is_none_or(|newest| newest < to));
            if !(fresh_enough && old_enough) {
                continue;
            }
            items += state.waiting(slot, *id, held);
            bytes += u64::from(held.payload);
            if !picked.is_empty() && (items > request.most_items || bytes > request.most_bytes) {
                break;
            }
            picked.push(Picked {
                id: *id,
                segment: held.segment,
                offset: u64::from(held.offset),
                length: held.length as usize,
                shift,
                settled: state.partial.get(&(slot, *id)).cloned().unwrap_or_default(),
            });
        }
        picked
    }

    /// Whether a block is still where it was picked.
    pub(super) fn still_holds(&self, picked: &Picked) -> bool {
        self.state
            .held
            .get(&picked.id)
            .is_some_and(|held| held.segment == picked.segment)
    }

    pub(super) fn settle(
        &mut self,
        output: &OutputId,
        settlements: &[Settlement],
    ) -> Result<(), JournalError> {
        let Some(slot) = self.state.slot(&output.0) else {
            return Ok(());
        };
        let Some(account) = self.state.account(slot) else {
            return Ok(());
        };
        let mut totals = account.totals;
        let mut news: BTreeMap<u64, Option<ItemSet>> = BTreeMap::new();
        for settlement in settlements {
            let id = settlement.id.0;
            let Some(held) = self.state.held.get(&id).filter(|held| held.waits(slot)) else {
                continue;
            };
            let before = match news.get(&id) {
                Some(None) => continue,
                Some(Some(set)) => Some(set),
                None => self.state.partial.get(&(slot, id)),
            };
            let after = settlement
                .settled
                .as_ref()
                .and_then(|set| union(set, before, held.items));
            let count = |set: Option<&ItemSet>| set.map_or(0, ItemSet::len);
            let newly = after.as_ref().map_or(held.items, ItemSet::len) - count(before);
            account_for(&mut totals[usize::from(held.kind)], u64::from(newly), settlement);
            news.insert(id, after);
        }
        if news.is_empty() {
            return Ok(());
        }
        let whole: Vec<u64> = news
            .iter()
            .filter(|(_, set)| set.is_none())
            .map(|(id, _)| *id)
            .collect();
        let change = Change {
            slot,
            cursor: self.state.cursor_after(slot, &whole),
            whole,
            appended: self.state.appended,
            partial: news
                .into_iter()
                .filter_map(|(id, set)| Some((id, set?)))
                .collect(),
            totals: totals
                .into_iter()
                .enumerate()
                .filter(|(kind, totals)| *totals != account.totals[*kind])
                .collect(),
        };
        self.change(vec![change])?;
        // It is settled; a log that cannot be tidied now is tidied at the next append.
        let _ = self.tidy();
        Ok(())
    }

    pub(super) fn expire(
        &mut self,
        kind: BlockKind,
        time_to_live: Duration,
        now: &ClockStamp,
    ) -> Result<BTreeMap<OutputId, u64>, JournalError> {
        self.retire();
        if !now.plausible {
            return Ok(BTreeMap::new());
        }
        let State { held, times, .. } = &self.state;
        let kind = kind_index(kind);
        let old: Vec<u64> = held
            .iter()
            .filter(|(_, held)| usize::from(held.kind) == kind && !held.foreign)
            .filter(|(_, held)| {
                times
                    .age(&held.stamp(times), held.newest, now)
                    .is_some_and(|age| age > time_to_live)
            })
            .map(|(id, _)| *id)
            .collect();
        let lost = self.give_up(&old, DropReason::TooOld)?;
        let _ = self.tidy();
        Ok(lost)
    }

    pub(super) fn date_boot(&mut self, right: ClockStamp) -> Result<(), JournalError> {
        if self.state.times.date(right) {
            self.unsaved = true;
            self.fit(FRAME as u64)?;
        }
        if self.unsaved { self.save() } else { Ok(()) }
    }

    pub(super) fn depth(&self, output: &OutputId, kind: BlockKind, now: &ClockStamp) -> Depth {
        depth(&self.state, output, kind, now)
    }

    pub(super) fn status(&self) -> JournalStatus {
        let held = || self.state.held.values();
        JournalStatus {
            bytes: self.bytes(),
            bound: self.layout.bound,
            blocks: held().count() as u64,
            items: held().map(|held| u64::from(held.items)).sum(),
            payload_bytes: held().map(|held| u64::from(held.payload)).sum(),
            bytes_written: self.written,
            damaged_records: self.damaged,
            foreign_blocks: self.state.foreign,
            write_error: self.write_error.clone(),
        }
    }
}

/// How much waits for an output.
pub(super) fn depth(state: &State, output: &OutputId, kind: BlockKind, now: &ClockStamp) -> Depth {
    let mut depth = Depth::default();
    let Some(slot) = state.slot(&output.0) else {
        return depth;
    };
    for (id, held) in &state.held {
        if !held.waits(slot) || usize::from(held.kind) != kind_index(kind) {
            continue;
        }
        depth.blocks += 1;
        depth.items += state.waiting(slot, *id, held);
        depth.bytes += u64::from(held.payload);
        let shift = state.times.shift(&held.stamp(&state.times), held.newest, now);
        let oldest = shift.map(|shift| {
            Timestamp::from_seconds(held.newest.saturating_sub(i64::from(held.span))).shifted(shift)
        });
        depth.oldest = [depth.oldest, oldest].into_iter().flatten().min();
    }
    depth
}

/// What is settled of a block after this, or `None` if that is all of it. Indexes beyond its items do not count.
fn union(set: &ItemSet, before: Option<&ItemSet>, items: u32) -> Option<ItemSet> {
    let mut bytes = set.as_bytes().to_vec();
    let before = before.map_or(&[][..], ItemSet::as_bytes);
    bytes.resize(bytes.len().max(before.len()), 0);
    for (byte, before) in bytes.iter_mut().zip(before) {
        *byte |= before;
    }
    bytes.truncate(items.div_ceil(8) as usize);
    if !items.is_multiple_of(8)
        && let Some(last) = bytes.get_mut(items as usize / 8)
    {
        *last &= (1 << (items % 8)) - 1;
    }
    let after = ItemSet::from_bytes(&bytes);
    (after.len() < items).then_some(after)
}

/// Adds to the totals what a settlement says of `newly` settled items. Should it say more or less than that, items
/// without a fate count as delivered: the balance closes.
fn account_for(totals: &mut Totals, newly: u64, settlement: &Settlement) {
    let mut rest = newly;
    for (reason, count) in &settlement.dropped {
        let count = rest.min(*count);
        totals.dropped[reason_index(*reason)] += count;
        rest -= count;
    }
    totals.delivered += rest;
    debug_assert_eq!(
        settlement.delivered + settlement.dropped.values().sum::<u64>(),
        newly,
        "a settlement accounts for every newly settled item"
    );
}
