//! Writing: one script a change, in which block, state, receipt and fence change together.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::component::journal::{Appended, Fence, JournalError, OutputId, Receipt, ReceiptId};
use crate::journal::account::snapshot;
use crate::journal::redis::entry::Head;
use crate::journal::redis::inner::{Failure, Inner, Planned, Turn};
use crate::journal::redis::keys::{Keys, entry_id, medium};
use crate::journal::redis::scripts::{MOST_DELETED, WRITE};
use crate::model::block::Block;
use crate::support::redis::link::LinkError;

/// What a write that was answered came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrote {
    Done,
    /// The stream is no longer ours.
    Lost,
    /// Redis has another write than the last one that is known of.
    Stale,
    Fenced,
    /// A key holds something else.
    Misused,
}

/// What one script is given.
#[derive(Default)]
struct Change<'a> {
    state: &'a [u8],
    block: Option<(u64, &'a [u8])>,
    fence: Option<&'a Fence>,
    delete: &'a [u64],
}

impl Inner {
    async fn send(&self, keys: &Keys, after: u64, change: &Change<'_>) -> Result<Wrote, LinkError> {
        let mut call = WRITE.prepare_invoke();
        call.key(&keys.about)
            .key(&keys.blocks)
            .key(&keys.state)
            .key(&keys.owner);
        let lease = u64::try_from(self.settings.lease.as_millis()).unwrap_or(u64::MAX);
        call.arg(&self.token).arg(lease).arg(change.state);
        match change.block {
            Some((number, value)) => call.arg(entry_id(number)).arg(value),
            None => call.arg("").arg(""),
        };
        match change.fence {
            Some(fence) => {
                call.key(&fence.lease).key(&fence.table);
                call.arg(&fence.token).arg(&fence.entry).arg(&fence.done)
            }
            None => call.arg("").arg("").arg(""),
        };
        call.arg(&after.to_le_bytes());
        for number in change.delete {
            call.arg(entry_id(*number));
        }
        let answer: String = self.settings.link.invoke(&call).await?;
        let bytes = change.state.len() + change.block.map_or(0, |(_, value)| value.len());
        self.known().written += bytes as u64;
        Ok(match answer.as_str() {
            "ok" => Wrote::Done,
            "lost" => Wrote::Lost,
            "stale" => Wrote::Stale,
            "fenced" => Wrote::Fenced,
            _ => Wrote::Misused,
        })
    }

    /// What to say of a write that was answered, but did not do.
    fn refused(&self, turn: &mut Turn, wrote: Wrote) -> JournalError {
        match wrote {
            Wrote::Fenced => JournalError::Fenced,
            Wrote::Done | Wrote::Lost | Wrote::Stale => {
                turn.sure = false;
                JournalError::TakenOver { place: self.place() }
            }
            Wrote::Misused => self.fails(JournalError::Medium {
                place: self.place(),
                action: "write",
                source: std::io::Error::other("one of its keys holds something else"),
            }),
        }
    }

    /// Appends. Whoever calls has the turn, and Redis is known to have what was written last.
    async fn try_append(
        &self,
        turn: &mut Turn,
        block: &Block,
        receipt: Option<&Receipt>,
    ) -> Result<Appended, Failure> {
        let not_stored = Failure::NotStored;
        let Some((keys, born)) = turn.stream.clone() else {
            return Err(not_stored(JournalError::TakenOver { place: self.place() }));
        };
        let planned = Arc::new(self.plan(block, receipt).map_err(not_stored)?);
        turn.attempt += 1;
        let last = (planned.described.id, receipt.map(|receipt| receipt.id));
        let head = Head {
            write: turn.attempt,
            last: last.0,
            receipt: last.1,
        };
        let state = head.write(&planned.snapshot(&mut self.known().state));
        let mut delete: Vec<u64> = planned.evicted.clone();
        delete.extend(turn.unneeded.iter());
        delete.truncate(MOST_DELETED);
        let change = Change {
            state: &state,
            block: Some((planned.described.id, &planned.value)),
            fence: receipt.and_then(|receipt| receipt.fence.as_ref()),
            delete: &delete,
        };
        // In doubt until it is answered: whoever asked may be gone by then, and this ends here.
        let (sure, dirty, doubt) = (turn.sure, turn.dirty, turn.doubt.take());
        turn.doubts(head.write, &planned);
        let sent = self.send(&keys, turn.write, &change).await;
        if !matches!(sent, Err(LinkError::Unanswered { .. })) {
            (turn.sure, turn.dirty, turn.doubt) = (sure, dirty, doubt);
        }
        match sent {
            Ok(Wrote::Done) => {
                let evicted = self.committed(turn, &planned, head, &delete);
                Ok(Appended {
                    id: planned.id(),
                    evicted,
                })
            }
            Ok(wrote) => Err(not_stored(self.refused(turn, wrote))),
            Err(error @ LinkError::Unanswered { .. }) => {
                let name = doubtful(&born, planned.described.id);
                Err(Failure::Unknown(self.fails(medium("write", error)), name))
            }
            Err(error) => Err(not_stored(self.fails(medium("write", error)))),
        }
    }

    /// Takes an append into memory that Redis has.
    pub(super) fn committed(
        &self,
        turn: &mut Turn,
        planned: &Planned,
        head: Head,
        deleted: &[u64],
    ) -> BTreeMap<OutputId, u64> {
        let mut known = self.known();
        let evicted = planned.apply(&mut known.state);
        (turn.write, turn.last, turn.dirty) = (head.write, (head.last, head.receipt), false);
        turn.unneeded.extend(&planned.evicted);
        if !known.state.held.contains_key(&planned.described.id) {
            turn.unneeded.insert(planned.described.id);
        }
        for id in deleted {
            turn.unneeded.remove(id);
        }
        evicted
    }

    /// Appends, after making sure of the stream; once more on another one where this one was taken over. Numbers are at
    /// least `floor`.
    pub(super) async fn append(
        &self,
        block: &Block,
        receipt: Option<&Receipt>,
        floor: u64,
    ) -> Result<Appended, Failure> {
        let mut turn = self.turn.lock().await;
        let mut again = true;
        loop {
            self.ready(&mut turn).await.map_err(Failure::NotStored)?;
            if let Some(receipt) = receipt
                && self.known().state.receipts.knows(receipt.id)
            {
                // It was in doubt, and is in. Its fence was marked then.
                let id = crate::component::journal::EntryId(turn.last.0);
                return Ok(Appended {
                    id,
                    evicted: BTreeMap::new(),
                });
            }
            {
                let state = &mut self.known().state;
                state.next = state.next.max(floor);
            }
            match self.try_append(&mut turn, block, receipt).await {
                Err(Failure::NotStored(JournalError::TakenOver { .. })) if again && !self.adopted => {
                    again = false
                }
                Ok(appended) => {
                    self.works();
                    return Ok(appended);
                }
                other => return other,
            }
        }
    }

    /// Writes the state, and deletes what nobody waits for, until Redis has all of it.
    pub(super) async fn flush(&self, turn: &mut Turn) -> Result<(), JournalError> {
        while turn.dirty || !turn.unneeded.is_empty() {
            let Some((keys, _)) = turn.stream.clone() else {
                return Err(JournalError::TakenOver { place: self.place() });
            };
            turn.attempt += 1;
            let head = Head {
                write: turn.attempt,
                last: turn.last.0,
                receipt: turn.last.1,
            };
            let state = head.write(&snapshot::write(&self.known().state));
            let delete: Vec<u64> = turn.unneeded.iter().take(MOST_DELETED).copied().collect();
            let change = Change {
                state: &state,
                delete: &delete,
                ..Change::default()
            };
            match self.send(&keys, turn.write, &change).await {
                Ok(Wrote::Done) => {}
                Ok(wrote) => return Err(self.refused(turn, wrote)),
                Err(error) => {
                    turn.sure &= !matches!(error, LinkError::Unanswered { .. });
                    return Err(self.fails(medium("write", error)));
                }
            }
            // Whatever is still under way follows an older write, and does nothing any more.
            (turn.write, turn.dirty, turn.doubt) = (head.write, false, None);
            for id in delete {
                turn.unneeded.remove(&id);
            }
            self.works();
        }
        Ok(())
    }

    /// Renews the lease.
    pub(super) async fn renew(&self, turn: &mut Turn) -> Result<(), JournalError> {
        self.touch(turn, &Change::default()).await
    }

    /// Marks a fence without a block.
    pub(super) async fn acknowledge(&self, fence: &Fence) -> Result<(), JournalError> {
        let change = Change {
            fence: Some(fence),
            ..Change::default()
        };
        self.touch(&mut *self.turn.lock().await, &change).await
    }

    /// Writes what changes nothing that is known here.
    async fn touch(&self, turn: &mut Turn, change: &Change<'_>) -> Result<(), JournalError> {
        self.ready(turn).await?;
        let Some((keys, _)) = turn.stream.clone() else {
            return Err(JournalError::TakenOver { place: self.place() });
        };
        match self.send(&keys, turn.write, change).await {
            Ok(Wrote::Done) => Ok(()),
            Ok(wrote) => Err(self.refused(turn, wrote)),
            Err(error) => {
                turn.sure &= !matches!(error, LinkError::Unanswered { .. });
                Err(self.fails(medium("write", error)))
            }
        }
    }
}

/// The name under which a block of a stream that may have been stored is kept elsewhere.
pub(super) fn doubtful(born: &str, number: u64) -> ReceiptId {
    let born = u128::from_str_radix(born, 16).unwrap_or_default();
    ReceiptId(born ^ u128::from(number))
}
