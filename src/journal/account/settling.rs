//! What settling, dropping and expiring change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::component::journal::{DropReason, ItemSet, OutputId, Settlement};
use crate::journal::account::change::{Change, Totals};
use crate::journal::account::state::{State, kind_index, reason_index};
use crate::model::block::BlockKind;
use crate::model::time::ClockStamp;

impl State {
    /// What settling items of blocks changes; `None`: nothing. It is applied once it is written.
    pub(in crate::journal) fn settlement(
        &self,
        output: &OutputId,
        settlements: &[Settlement],
    ) -> Option<Change> {
        let slot = self.slot(&output.0)?;
        let account = self.account(slot)?;
        let mut totals = account.totals;
        let mut news: BTreeMap<u64, Option<ItemSet>> = BTreeMap::new();
        for settlement in settlements {
            let id = settlement.id.0;
            let Some(held) = self.held.get(&id).filter(|held| held.waits(slot)) else {
                continue;
            };
            let before = match news.get(&id) {
                Some(None) => continue,
                Some(Some(set)) => Some(set),
                None => self.partial.get(&(slot, id)),
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
            return None;
        }
        let whole: Vec<u64> = news
            .iter()
            .filter(|(_, set)| set.is_none())
            .map(|(id, _)| *id)
            .collect();
        Some(Change {
            slot,
            cursor: self.cursor_after(slot, &whole),
            whole,
            appended: self.appended,
            partial: news
                .into_iter()
                .filter_map(|(id, set)| Some((id, set?)))
                .collect(),
            totals: totals
                .into_iter()
                .enumerate()
                .filter(|(kind, totals)| *totals != account.totals[*kind])
                .collect(),
        })
    }

    /// What dropping whole blocks at all outputs changes, and how many items each loses. It is applied once it is written.
    pub(in crate::journal) fn given_up(
        &self,
        ids: &[u64],
        reason: DropReason,
    ) -> (BTreeMap<OutputId, u64>, Vec<Change>) {
        let mut lost = BTreeMap::new();
        let mut changes = Vec::new();
        for slot in self.slots() {
            let Some(account) = self.account(slot) else {
                continue;
            };
            let (name, mut totals) = (OutputId(Arc::clone(&account.name)), account.totals);
            let mut whole = Vec::new();
            let mut items = 0;
            for id in ids {
                let Some(held) = self.held.get(id).filter(|held| held.waits(slot)) else {
                    continue;
                };
                let waiting = self.waiting(slot, *id, held);
                totals[usize::from(held.kind)].dropped[reason_index(reason)] += waiting;
                items += waiting;
                whole.push(*id);
            }
            if whole.is_empty() {
                continue;
            }
            lost.insert(name, items);
            changes.push(Change {
                slot,
                cursor: self.cursor_after(slot, &whole),
                whole,
                partial: Vec::new(),
                appended: self.appended,
                totals: totals.into_iter().enumerate().collect(),
            });
        }
        (lost, changes)
    }

    /// The blocks whose newest item is older than that.
    pub(in crate::journal) fn expired(
        &self,
        kind: BlockKind,
        time_to_live: Duration,
        now: &ClockStamp,
    ) -> Vec<u64> {
        if !now.plausible {
            return Vec::new();
        }
        let State { held, times, .. } = self;
        let kind = kind_index(kind);
        held.iter()
            .filter(|(_, held)| usize::from(held.kind) == kind && !held.foreign)
            .filter(|(_, held)| {
                times
                    .age(&held.stamp(times), held.newest, now)
                    .is_some_and(|age| age > time_to_live)
            })
            .map(|(id, _)| *id)
            .collect()
    }
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
