//! A block as the value of an entry, and what stands before the snapshot in the state's value.
//!
//! ```text
//! entry: CRC-32C of the rest u32 │ length of the description u32 │ description │ items
//! state: version u8 │ write u64 │ last block u64 │ its receipt u128 │ snapshot
//! ```
//!
//! Numbers are little-endian. One field an entry, short ids and one description keep what a block costs beside its items
//! small.

use bytes::Bytes;

use crate::component::journal::ReceiptId;
use crate::journal::account::described::{Described, is_newer};
use crate::journal::wire::Reader;

/// Bytes before the description.
const PREFIX: usize = 8;
/// The version of the state's head; a state of a newer one is not understood.
const VERSION: u8 = 1;
/// Bytes of the state's head.
pub(super) const HEAD: usize = 33;

/// The value of a block's entry.
pub(super) fn write(described: &Described) -> Vec<u8> {
    let description = described.write();
    let mut out = Vec::with_capacity(PREFIX + description.len() + described.block.payload.len());
    out.extend_from_slice(&[0; 4]);
    // A description is a few hundred bytes.
    out.extend_from_slice(&(description.len() as u32).to_le_bytes());
    out.extend_from_slice(&description);
    out.extend_from_slice(&described.block.payload);
    let sum = crc32c::crc32c(&out[4..]).to_le_bytes();
    out[..4].copy_from_slice(&sum);
    out
}

/// Reads the front of a value, up to the first byte of the items, which stay behind. `None`: it is damaged.
pub(super) fn read_front(front: &[u8]) -> Option<Described> {
    let mut reader = Reader::new(front);
    reader.bytes(4)?;
    let length = u32::from_le_bytes(reader.array()?) as usize;
    let mut described = Described::read(reader.bytes(length)?)?;
    described.foreign |= is_newer(described.block.kind, reader.rest());
    Some(described)
}

/// Reads a whole value; `None`: it is damaged.
pub(super) fn read(value: &Bytes) -> Option<Described> {
    let sum = u32::from_le_bytes(value.get(..4)?.try_into().ok()?);
    if crc32c::crc32c(value.get(4..)?) != sum {
        return None;
    }
    let mut described = read_front(value)?;
    let from = value.len().checked_sub(described.payload)?;
    described.block.payload = value.slice(from..);
    Some(described)
}

/// What stands before the snapshot. With the holder's token the write's number names what Redis has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The number of the write that wrote it; each attempt has one of its own.
    pub(super) write: u64,
    /// The number of the last block that was appended.
    pub(super) last: u64,
    /// Its receipt, if it had one.
    pub(super) receipt: Option<ReceiptId>,
}

impl Head {
    pub(super) fn write(&self, snapshot: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD + snapshot.len());
        out.push(VERSION);
        out.extend_from_slice(&self.write.to_le_bytes());
        out.extend_from_slice(&self.last.to_le_bytes());
        out.extend_from_slice(&self.receipt.map_or(0, |receipt| receipt.0).to_le_bytes());
        out.extend_from_slice(snapshot);
        out
    }

    /// The number of the write, whatever version wrote it; 0 where there is none.
    pub(super) fn number(value: &[u8]) -> u64 {
        let number = value.get(1..9).and_then(|bytes| bytes.try_into().ok());
        number.map_or(0, u64::from_le_bytes)
    }

    /// The head and what follows it.
    pub(super) fn read(value: &[u8]) -> Option<(Self, &[u8])> {
        let mut reader = Reader::new(value);
        if reader.byte()? != VERSION {
            return None;
        }
        let head = Self {
            write: u64::from_le_bytes(reader.array()?),
            last: u64::from_le_bytes(reader.array()?),
            receipt: Some(u128::from_le_bytes(reader.array()?))
                .filter(|receipt| *receipt != 0)
                .map(ReceiptId),
        };
        Some((head, reader.rest()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::conformance::{NOW, block};
    use crate::model::time::Timestamp;
    use crate::support::time::Clock;

    #[test]
    fn a_block_reads_back_and_a_damaged_one_does_not() {
        let clock = Clock::manual(Timestamp::from_seconds(NOW));
        let block = block(&clock, 7, vec![1, 2, 3]);
        let described = Described {
            id: 5,
            appended: 70,
            foreign: false,
            payload: 3,
            receipt: None,
            block: block.clone(),
        };
        let value = write(&described);
        let back = read(&Bytes::from(value.clone())).unwrap();
        assert_eq!((back.id, back.appended, back.block), (5, 70, block.clone()));
        let front = read_front(&value[..value.len() - 2]).unwrap();
        assert_eq!((front.payload, front.block.items), (3, 7));
        for place in 0..value.len() {
            let mut damaged = value.clone();
            damaged[place] ^= 4;
            assert!(read(&Bytes::from(damaged)).is_none(), "{place}");
            assert!(read(&Bytes::from(value[..place].to_vec())).is_none(), "{place}");
        }
    }

    #[test]
    fn a_states_head_reads_back() {
        let head = Head {
            write: 3,
            last: 9,
            receipt: Some(ReceiptId(77)),
        };
        let value = head.write(b"rest");
        assert_eq!(
            (value.len(), Head::read(&value)),
            (HEAD + 4, Some((head, &b"rest"[..])))
        );
        assert_eq!(Head::read(&[2; 40]), None);
    }
}
