//! Receipts that a journal remembers: names of what its blocks were made of.
//!
//! They outlive their blocks, so nothing but [`Receipts::forget`] and the bound takes them out. The bound is there for
//! damage elsewhere only: feeds forget a receipt as soon as they have cleaned up.

use std::collections::{BTreeMap, HashMap};

use tracing::warn;

use crate::component::journal::ReceiptId;
use crate::journal::wire::{Reader, put_len};

/// Receipts that are remembered at most, if nobody says otherwise.
pub(in crate::journal) const MOST_RECEIPTS: usize = 100_000;
/// Least bound that can be set: a few feeds with all they may have begun.
const LEAST_RECEIPTS: usize = 256;

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::journal) struct Receipts {
    /// When they came, in numbers that grow.
    known: HashMap<ReceiptId, u64>,
    by_age: BTreeMap<u64, ReceiptId>,
    next: u64,
    most: usize,
}

impl Default for Receipts {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            by_age: BTreeMap::new(),
            next: 0,
            most: MOST_RECEIPTS,
        }
    }
}

impl Receipts {
    /// Sets how many are remembered at most, within reason.
    pub(in crate::journal) fn bound(&mut self, most: usize) {
        self.most = most.clamp(LEAST_RECEIPTS, MOST_RECEIPTS);
        self.make_room();
    }

    /// Whether it is remembered.
    pub(in crate::journal) fn knows(&self, id: ReceiptId) -> bool {
        self.known.contains_key(&id)
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(in crate::journal) fn len(&self) -> usize {
        self.known.len()
    }

    /// Remembers one.
    pub(in crate::journal) fn remember(&mut self, id: ReceiptId) {
        if self.knows(id) {
            return;
        }
        self.known.insert(id, self.next);
        self.by_age.insert(self.next, id);
        self.next += 1;
        self.make_room();
    }

    /// Forgets one; whether it was known.
    pub(in crate::journal) fn forget(&mut self, id: ReceiptId) -> bool {
        let age = self.known.remove(&id);
        age.is_some_and(|age| self.by_age.remove(&age).is_some())
    }

    /// Forgets the oldest ones beyond the bound, and more of them than one, so that this is rarely said.
    fn make_room(&mut self) {
        if self.known.len() <= self.most {
            return;
        }
        let (keep, before) = (self.most - self.most / 16, self.known.len());
        while self.known.len() > keep
            && let Some((_, id)) = self.by_age.pop_first()
        {
            self.known.remove(&id);
        }
        warn!(
            receipts = before - self.known.len(),
            "The journal forgets the oldest receipts, because feeds did not say that they have cleaned up; what they \
             stand for may be journalled twice."
        );
    }

    /// Writes them, oldest first.
    pub(in crate::journal) fn write(&self, out: &mut Vec<u8>) {
        let oldest_first: Vec<ReceiptId> = self.by_age.values().copied().collect();
        put_receipts(&oldest_first, out);
    }

    /// Puts what [`Receipts::write`] wrote in the place of what is known.
    pub(in crate::journal) fn replace(&mut self, ids: Vec<ReceiptId>) {
        (self.known, self.by_age) = (HashMap::new(), BTreeMap::new());
        ids.into_iter().for_each(|id| self.remember(id));
    }
}

/// Writes receipts, 16 bytes each: they are random, there is nothing to compress.
pub(in crate::journal) fn put_receipts(ids: &[ReceiptId], out: &mut Vec<u8>) {
    put_len(out, ids.len());
    ids.iter()
        .for_each(|id| out.extend_from_slice(&id.0.to_le_bytes()));
}

/// Reads what [`put_receipts`] wrote.
pub(in crate::journal) fn take_receipts(reader: &mut Reader<'_>) -> Option<Vec<ReceiptId>> {
    (0..reader.len(reader.rest().len() / 16)?)
        .map(|_| Some(ReceiptId(u128::from_le_bytes(reader.array()?))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_receipts_make_room_and_the_order_survives_being_written() {
        let mut receipts = Receipts::default();
        receipts.bound(320);
        (0..=320).for_each(|id| receipts.remember(ReceiptId(id)));
        assert_eq!(receipts.len(), 300);
        assert!(!receipts.knows(ReceiptId(20)) && receipts.knows(ReceiptId(21)));
        let mut out = Vec::new();
        receipts.write(&mut out);
        let mut back = Receipts::default();
        back.remember(ReceiptId(999));
        back.replace(take_receipts(&mut Reader::new(&out)).unwrap());
        assert!(!back.knows(ReceiptId(999)));
        back.bound(0);
        assert_eq!(back.len(), 240);
        assert!(!back.knows(ReceiptId(80)) && back.knows(ReceiptId(81)));
    }

    #[test]
    fn a_receipt_that_comes_twice_is_forgotten_at_once() {
        let mut receipts = Receipts::default();
        receipts.remember(ReceiptId(7));
        receipts.remember(ReceiptId(7));
        assert!(receipts.forget(ReceiptId(7)));
        assert!(!receipts.forget(ReceiptId(7)) && !receipts.knows(ReceiptId(7)));
        assert_eq!(receipts.len(), 0);
    }

    #[test]
    fn a_count_beyond_the_bytes_is_refused() {
        assert_eq!(take_receipts(&mut Reader::new(&[2; 20])), None);
    }
}
