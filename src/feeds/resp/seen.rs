//! Which of the latest records are known: a client whose connection broke before the answer sends them again.
//!
//! Redis holds a record once however often it is sent, as long as it has not been read. So a record is known as long as
//! the file that it is in waits for the journal, and it is among the latest.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use crate::component::journal::ReceiptId;
use crate::feeds::resp::halves::Name;

/// How many are known at most; a repeat follows within seconds.
const MOST: usize = 65_536;

/// A known record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Known {
    /// The file that it is in.
    pub(super) file: ReceiptId,
    /// A hash of its content.
    pub(super) content: u64,
    /// Its time in seconds.
    pub(super) score: f64,
}

/// The latest records.
#[derive(Debug, Default)]
pub(super) struct Seen {
    known: HashMap<u128, Known>,
    order: VecDeque<u128>,
    hashers: [RandomState; 2],
}

impl Seen {
    /// A number for a record: 128 bits, so that no two have the same one.
    pub(super) fn number(&self, name: &Name) -> u128 {
        let [high, low] = &self.hashers;
        (u128::from(high.hash_one(name)) << 64) | u128::from(low.hash_one(name))
    }

    /// A hash of a content.
    pub(super) fn content(&self, json: &[u8]) -> u64 {
        self.hashers[0].hash_one(json)
    }

    /// What is known of a record.
    pub(super) fn get(&self, number: u128) -> Option<&Known> {
        self.known.get(&number)
    }

    /// Makes a record known.
    pub(super) fn insert(&mut self, number: u128, known: Known) {
        if self.known.insert(number, known).is_some() {
            return;
        }
        self.order.push_back(number);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::feeds::resp::write::Queue;

    #[test]
    fn the_latest_are_known_and_no_more() {
        let mut seen = Seen::default();
        let number = |seen: &Seen, index: usize| {
            seen.number(&(Queue::Metrics, Bytes::from(index.to_string().into_bytes())))
        };
        for index in 0..MOST + 10 {
            let known = Known {
                file: ReceiptId(1),
                content: index as u64,
                score: 0.0,
            };
            let number = number(&seen, index);
            seen.insert(number, known);
        }
        assert_eq!((seen.known.len(), seen.order.len()), (MOST, MOST));
        assert_eq!(seen.get(number(&seen, 9)), None);
        assert_eq!(seen.get(number(&seen, 10)).map(|known| known.content), Some(10));
    }
}
