//! What the journal's contract asks for, on the store.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::component::journal::{
    Appended, Depth, DropReason, EntryId, JournalError, JournalStatus, OutputId, ReceiptId, Settlement,
};
use crate::journal::account::change::write_forgotten;
use crate::journal::account::described::Described;
use crate::journal::account::picking::Picked;
use crate::journal::account::state::kind_index;
use crate::journal::disk::record::{BLOCK, CHANGE, FRAME, block_payload};
use crate::journal::disk::store::Store;
use crate::model::block::{Block, BlockKind};
use crate::model::time::ClockStamp;

/// Bytes of a block's record beyond its items, at most: frame, checksums, numbers at their longest.
const MOST_DESCRIPTION: u64 = 160;
/// The same for each of its windows.
const MOST_WINDOW: u64 = 15;
/// Receipts in one record: 4 KiB.
const FORGOTTEN_AT_ONCE: usize = 256;

impl Store {
    pub(super) fn append(
        &mut self,
        block: Block,
        receipt: Option<ReceiptId>,
    ) -> Result<Appended, JournalError> {
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
            receipt,
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
        self.segments.hold(at.segment);
        self.state.add_block(&described, Some(at));
        // With no output at all nobody waits for it.
        let released = self.state.release(described.id);
        self.freed(released.into_iter().collect());
        Ok(Appended {
            id: EntryId(described.id),
            evicted,
        })
    }

    /// Whether a block is still where it was picked.
    pub(super) fn still_holds(&self, picked: &Picked) -> bool {
        self.state
            .held
            .get(&picked.id)
            .is_some_and(|held| held.place.segment == picked.place.segment)
    }

    pub(super) fn settle(
        &mut self,
        output: &OutputId,
        settlements: &[Settlement],
    ) -> Result<(), JournalError> {
        let Some(change) = self.state.settlement(output, settlements) else {
            return Ok(());
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
        let old = self.state.expired(kind, time_to_live, now);
        let lost = self.give_up(&old, DropReason::TooOld)?;
        let _ = self.tidy();
        Ok(lost)
    }

    /// Forgets receipts, some at a time: a record is small beside a segment.
    pub(super) fn forget(&mut self, receipts: &[ReceiptId]) -> Result<(), JournalError> {
        let known: Vec<ReceiptId> = receipts
            .iter()
            .copied()
            .filter(|receipt| self.state.receipts.knows(*receipt))
            .collect();
        for some in known.chunks(FORGOTTEN_AT_ONCE) {
            let payload = write_forgotten(some);
            self.put(CHANGE, |_, _| payload.clone(), true)?;
            for receipt in some {
                self.state.receipts.forget(*receipt);
            }
            let _ = self.tidy();
        }
        Ok(())
    }

    pub(super) fn date_boot(&mut self, right: ClockStamp) -> Result<(), JournalError> {
        if self.state.times.date(right) {
            self.unsaved = true;
            self.fit(FRAME as u64)?;
        }
        if self.unsaved { self.save() } else { Ok(()) }
    }

    pub(super) fn depth(&self, output: &OutputId, kind: BlockKind, now: &ClockStamp) -> Depth {
        self.state.depth(output, kind, now)
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
            foreign_blocks: self.state.foreign + self.segments.foreign(),
            write_error: self.write_error.clone(),
        }
    }
}
