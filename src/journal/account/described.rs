//! A block with its number and what it adds up to, as bytes: everything about it but its items.

use bytes::Bytes;

use crate::component::journal::ReceiptId;
use crate::journal::wire::{Reader, put_i64, put_len, put_u64};
use crate::journal::{logs, points};
use crate::model::block::{Block, BlockKind};
use crate::model::time::{BootId, ClockStamp, Timestamp};

/// The version of a block's description. Its fields keep their places in newer ones, which add others behind.
const DESCRIPTION_VERSION: u8 = 1;

/// A block with its number and what it adds up to.
#[derive(Clone, Debug)]
pub(in crate::journal) struct Described {
    pub(in crate::journal) id: u64,
    /// Items of its kind that were ever appended, its own included: shows whether blocks before it are missing.
    pub(in crate::journal) appended: u64,
    /// Made by a newer version; kept, and not read.
    pub(in crate::journal) foreign: bool,
    /// Bytes of its compressed items, also where these were left behind.
    pub(in crate::journal) payload: usize,
    /// What it was made of, to be remembered in the same write.
    pub(in crate::journal) receipt: Option<ReceiptId>,
    pub(in crate::journal) block: Block,
}

impl Described {
    /// The description as bytes, without the items.
    pub(in crate::journal) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        let block = &self.block;
        out.push(DESCRIPTION_VERSION);
        out.push(kind_number(block.kind));
        put_u64(&mut out, self.id);
        put_u64(&mut out, self.appended);
        put_u64(&mut out, u64::from(block.items));
        put_i64(&mut out, block.oldest);
        put_i64(&mut out, block.newest.wrapping_sub(block.oldest));
        out.extend_from_slice(&block.stamp.boot.0.to_le_bytes());
        put_i64(
            &mut out,
            block
                .stamp
                .wall
                .millis()
                .wrapping_sub(block.oldest.wrapping_mul(1000)),
        );
        put_u64(&mut out, block.stamp.uptime.as_secs());
        put_u64(&mut out, u64::from(block.stamp.uptime.subsec_nanos()));
        out.push(u8::from(block.stamp.plausible));
        put_len(&mut out, block.payload.len());
        put_len(&mut out, block.windows.len());
        for (start, amendment) in &block.windows {
            put_i64(&mut out, start.wrapping_sub(block.oldest));
            put_u64(&mut out, u64::from(*amendment));
        }
        // Agents that know nothing of receipts do not read on to here.
        if let Some(receipt) = self.receipt {
            out.push(1);
            out.extend_from_slice(&receipt.0.to_le_bytes());
        }
        out
    }

    /// Reads such bytes; `None` if they are not a description. The items are empty, and `payload` says how long they are.
    pub(in crate::journal) fn read(description: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(description);
        let most = description.len();
        let version = reader.byte()?;
        let kind = *BlockKind::ALL.get(usize::from(reader.byte()?))?;
        let (id, appended, items) = (reader.u64()?, reader.u64()?, reader.u32()?);
        let oldest = reader.i64()?;
        let newest = oldest.wrapping_add(reader.i64()?);
        let boot = BootId(u128::from_le_bytes(reader.array()?));
        let wall = Timestamp::from_millis(oldest.wrapping_mul(1000).wrapping_add(reader.i64()?));
        let uptime = std::time::Duration::new(reader.u64()?, reader.u32()?.min(999_999_999));
        let plausible = reader.byte()? != 0;
        let bytes = usize::try_from(reader.u64()?).ok()?;
        let mut windows = Vec::new();
        for _ in 0..reader.len(most)? {
            windows.push((oldest.wrapping_add(reader.i64()?), reader.u32()?));
        }
        let receipt = match reader.byte() {
            Some(1) => Some(ReceiptId(u128::from_le_bytes(reader.array()?))),
            _ => None,
        };
        let stamp = ClockStamp {
            wall,
            boot,
            uptime,
            plausible,
        };
        let block = Block {
            kind,
            items,
            oldest,
            newest,
            windows,
            stamp,
            payload: Bytes::new(),
        };
        Some(Self {
            id,
            appended,
            foreign: version > DESCRIPTION_VERSION,
            payload: bytes,
            receipt,
            block,
        })
    }
}

/// Whether the items of a block are of a newer format than the ones that are known here.
pub(in crate::journal) fn is_newer(kind: BlockKind, items: &[u8]) -> bool {
    let known = match kind {
        BlockKind::Points => points::VERSION,
        BlockKind::Logs => logs::VERSION,
        BlockKind::Checks | BlockKind::Events => return false,
    };
    items.first().is_some_and(|version| *version > known)
}

fn kind_number(kind: BlockKind) -> u8 {
    match kind {
        BlockKind::Points => 0,
        BlockKind::Logs => 1,
        BlockKind::Checks => 2,
        BlockKind::Events => 3,
    }
}
