//! Keeps account of what became of every item of the blocks in hand, so that each is settled once, exactly.

use std::collections::BTreeMap;

use crate::component::journal::{DropReason, Entry, EntryId, ItemSet, Settlement};

/// An item of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Item {
    /// The block.
    pub(crate) entry: EntryId,
    /// Which of its items.
    pub(crate) index: u32,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The destination took it.
    Delivered,
    /// It was given up.
    Dropped(DropReason),
}

/// The accounts of the blocks in hand.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accounts: BTreeMap<EntryId, Account>,
}

#[derive(Debug, Default)]
struct Account {
    items: u32,
    settled: ItemSet,
    delivered: u64,
    dropped: BTreeMap<DropReason, u64>,
}

impl Account {
    fn is_written(&self) -> bool {
        self.delivered == 0 && self.dropped.is_empty()
    }
}

impl Ledger {
    /// Opens a block's account. What was settled here and could not be written yet stays.
    pub(crate) fn open(&mut self, entry: &Entry) {
        let account = self.accounts.entry(entry.id).or_default();
        if account.is_written() {
            account.items = entry.block.items;
            account.settled = entry.settled.clone();
        }
    }

    /// Whether the item's fate is known.
    pub(crate) fn is_settled(&self, item: Item) -> bool {
        self.accounts
            .get(&item.entry)
            .is_some_and(|account| account.settled.contains(item.index))
    }

    /// Whether the fates of all items of a block are known.
    pub(crate) fn is_complete(&self, entry: EntryId) -> bool {
        self.accounts
            .get(&entry)
            .is_none_or(|account| account.settled.len() >= account.items)
    }

    /// Enters an item's fate; the first one counts.
    pub(crate) fn settle(&mut self, item: Item, fate: Fate) {
        let Some(account) = self.accounts.get_mut(&item.entry) else {
            return;
        };
        if account.settled.contains(item.index) {
            return;
        }
        account.settled.insert(item.index);
        match fate {
            Fate::Delivered => account.delivered += 1,
            Fate::Dropped(reason) => *account.dropped.entry(reason).or_default() += 1,
        }
    }

    /// What is to be written to the journal; empty where nothing changed.
    pub(crate) fn unwritten(&self) -> Vec<Settlement> {
        let changed = self.accounts.iter().filter(|(_, account)| !account.is_written());
        changed
            .map(|(id, account)| Settlement {
                id: *id,
                settled: (account.settled.len() < account.items).then(|| account.settled.clone()),
                delivered: account.delivered,
                dropped: account.dropped.clone(),
            })
            .collect()
    }

    /// Everything in [`Ledger::unwritten`] was written.
    pub(crate) fn written(&mut self) {
        for account in self.accounts.values_mut() {
            account.delivered = 0;
            account.dropped.clear();
        }
    }

    /// Closes the accounts that are written and that `keep` does not name.
    pub(crate) fn close(&mut self, keep: impl Fn(EntryId) -> bool) {
        self.accounts
            .retain(|id, account| keep(*id) || !account.is_written());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::{BootId, ClockStamp, Timestamp};
    use crate::pipeline::fakes::{block_of, point};

    fn entry(items: usize) -> Entry {
        let stamp = ClockStamp {
            wall: Timestamp::from_seconds(100),
            boot: BootId(1),
            uptime: std::time::Duration::ZERO,
            plausible: true,
        };
        let points = vec![point("a", crate::model::point::PointKind::Gauge, 90, 1.0); items];
        Entry {
            id: EntryId(7),
            block: block_of(&points, stamp),
            shift: Some(0),
            settled: ItemSet::default(),
        }
    }

    fn item(index: u32) -> Item {
        Item {
            entry: EntryId(7),
            index,
        }
    }

    #[test]
    fn every_item_is_counted_once_whatever_is_said_twice() {
        let mut ledger = Ledger::default();
        ledger.open(&entry(3));
        ledger.settle(item(0), Fate::Delivered);
        ledger.settle(item(0), Fate::Dropped(DropReason::Refused));
        ledger.settle(item(2), Fate::Dropped(DropReason::TooOld));
        let written = ledger.unwritten();
        let set = written[0].settled.as_ref().unwrap();
        assert_eq!((set.len(), set.contains(0), set.contains(1)), (2, true, false));
        assert_eq!(written[0].delivered, 1);
        assert_eq!(written[0].dropped, BTreeMap::from([(DropReason::TooOld, 1)]));

        ledger.written();
        assert_eq!(ledger.unwritten(), []);
        ledger.settle(item(1), Fate::Delivered);
        let rest = ledger.unwritten();
        assert_eq!((rest[0].settled.clone(), rest[0].delivered), (None, 1));
    }

    #[test]
    fn what_could_not_be_written_outlives_a_second_reading() {
        let mut ledger = Ledger::default();
        ledger.open(&entry(2));
        ledger.settle(item(1), Fate::Delivered);
        ledger.close(|_| false);
        ledger.open(&entry(2));
        assert!(ledger.is_settled(item(1)));
        ledger.written();
        ledger.close(|_| false);
        ledger.open(&entry(2));
        assert!(!ledger.is_settled(item(1)));
    }
}
