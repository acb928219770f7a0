//! Keeping the bound: what nobody needs goes first, then the oldest blocks, which are counted.

use std::collections::BTreeMap;
use std::io;

use crate::component::journal::{DropReason, JournalError, OutputId};
use crate::journal::account::change::{Change, write_changes};
use crate::journal::disk::record::{CHANGE, FRAME};
use crate::journal::disk::store::Store;

impl Store {
    /// Makes room for `need` bytes of blocks: first by deleting what nobody needs, then by evicting the oldest segment.
    /// How many items each output lost.
    pub(super) fn make_room(&mut self, need: u64) -> Result<BTreeMap<OutputId, u64>, JournalError> {
        let mut evicted = BTreeMap::new();
        let limit = self.layout.bound - self.layout.slack;
        while self.bytes() + need > limit {
            let before = self.segments.all.len();
            if self.written > self.synced
                && let Some(current) = self.current
                && self.medium.sync(current).is_ok()
            {
                self.reached(self.written);
            } else {
                self.reclaim();
            }
            if self.segments.all.len() < before {
                continue;
            }
            let Some((oldest, segment)) = self.segments.all.first_key_value() else {
                break;
            };
            let (oldest, segment) = (*oldest, *segment);
            if Some(oldest) == self.current {
                if segment.length <= self.head && segment.held == 0 {
                    break;
                }
                self.roll()?;
                continue;
            }
            if let Some((current, _)) = self.segments.all.last_key_value()
                && self.current != Some(*current)
            {
                self.roll()?;
            }
            let ids: Vec<u64> = self
                .state
                .held
                .iter()
                .take_while(|(_, held)| held.place.segment <= oldest)
                .map(|(id, _)| *id)
                .collect();
            for (output, lost) in self.give_up(&ids, DropReason::Evicted)? {
                *evicted.entry(output).or_default() += lost;
            }
            // Else a power failure would leave neither the blocks nor the record of what became of them.
            if let Some(current) = self.current
                && self.medium.sync(current).is_ok()
            {
                self.synced = self.written;
            }
            self.delete(oldest);
            if self.segments.all.contains_key(&oldest) {
                // It cannot be deleted; more would not help.
                break;
            }
        }
        if self.bytes() + need > limit {
            return Err(self.fails("make room", io::Error::other("its segments cannot be deleted")));
        }
        Ok(evicted)
    }

    /// Drops whole blocks at all outputs; how many items each lost.
    pub(super) fn give_up(
        &mut self,
        ids: &[u64],
        reason: DropReason,
    ) -> Result<BTreeMap<OutputId, u64>, JournalError> {
        let (lost, changes) = self.state.given_up(ids, reason);
        self.change(changes)?;
        Ok(lost)
    }

    /// Writes changes and applies them.
    pub(super) fn change(&mut self, changes: Vec<Change>) -> Result<(), JournalError> {
        if changes.is_empty() {
            return Ok(());
        }
        let payload = write_changes(&changes);
        self.put(CHANGE, |_, _| payload.clone(), true)?;
        for change in changes {
            let released = self.state.apply(change);
            self.freed(released);
        }
        Ok(())
    }

    /// Rolls or makes room after changes alone made the log grow.
    pub(super) fn tidy(&mut self) -> Result<(), JournalError> {
        let room = self.layout.slack / 2;
        if self.length() > self.layout.segment || self.bytes() + room > self.layout.bound {
            self.make_room(self.head)?;
            self.fit(FRAME as u64)?;
        }
        Ok(())
    }
}
