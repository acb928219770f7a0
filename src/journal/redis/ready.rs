//! Making sure of the stream: taking one, and finding out after a broken connection what Redis has.
//!
//! Each write leaves its number in the state, and changes everything at once. So one look tells whether Redis has what
//! was written last, or what is in doubt; only where it has neither (it was restarted from an older copy of its memory)
//! are its blocks compared with the ones that should be there.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use tracing::{debug, error, warn};

use crate::component::journal::{DropReason, Journal, JournalError};
use crate::journal::account::state::State;
use crate::journal::redis::acquire::Listed;
use crate::journal::redis::entry::{HEAD, Head};
use crate::journal::redis::inner::{Inner, Turn};
use crate::journal::redis::keys::{Keys, medium};
use crate::journal::redis::scripts::KEEP;

/// How often a connection may break while one makes sure.
const ATTEMPTS: usize = 3;

impl Inner {
    /// Makes sure that a stream is held and that Redis has what was written last.
    pub(super) async fn ready(&self, turn: &mut Turn) -> Result<(), JournalError> {
        for _ in 0..ATTEMPTS {
            let epoch = self.settings.link.epoch();
            if turn.sure && turn.epoch == epoch && turn.stream.is_some() {
                return Ok(());
            }
            turn.sure = false;
            let held = match turn.stream.clone() {
                Some((keys, born)) => self.reconcile(turn, &keys, &born).await?,
                None => false,
            };
            if !held {
                self.acquire(turn).await?;
            }
            (turn.sure, turn.epoch) = (true, epoch);
            match self.flush(turn).await {
                // Now nothing is in doubt.
                Ok(()) => {
                    self.works();
                    self.forget_elsewhere(turn).await;
                }
                Err(error) if turn.sure => {
                    // Redis is full, say. It can be read, and what is settled makes room.
                    debug!(%error, "The journal's state cannot be written to Redis.");
                    return Ok(());
                }
                Err(JournalError::TakenOver { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Looks whether the stream is still ours and what Redis has of it; `false`: it is not.
    async fn reconcile(&self, turn: &mut Turn, keys: &Keys, born: &str) -> Result<bool, JournalError> {
        let mut call = KEEP.prepare_invoke();
        call.key(&keys.about).key(&keys.owner).key(&keys.state);
        call.arg(&self.token).arg(self.lease()).arg(HEAD);
        let answer: Result<(String, Vec<u8>), _> = self.settings.link.invoke(&call).await;
        let (word, told) = answer.map_err(|error| self.fails(medium("read", error)))?;
        match word.as_str() {
            "kept" => {
                let head = Head::read(&told).map(|(head, _)| head);
                self.catch_up(turn, keys, head).await?;
                Ok(true)
            }
            "other" => {
                if told == born.as_bytes() {
                    warn!(
                        stream = keys.name,
                        "Another agent has taken this one's journal over, because its lease had expired; it delivers what is in it."
                    );
                } else {
                    self.lose_all(turn, keys);
                }
                self.let_go(turn);
                if self.adopted {
                    return Err(self.fails(JournalError::TakenOver { place: self.place() }));
                }
                Ok(false)
            }
            // Redis came back without it.
            _ if self.adopted => {
                self.lose_all(turn, keys);
                self.let_go(turn);
                Err(self.fails(JournalError::TakenOver { place: self.place() }))
            }
            _ => match self.take(keys, "free").await? {
                Some((born, _)) => {
                    turn.stream = Some((keys.clone(), born));
                    turn.write = 0;
                    self.compare(turn, keys).await?;
                    Ok(true)
                }
                // Somebody was faster.
                None => Err(self.fails(JournalError::TakenOver { place: self.place() })),
            },
        }
    }

    fn lose_all(&self, turn: &mut Turn, keys: &Keys) {
        let ids: Vec<u64> = self.known().state.held.keys().copied().collect();
        self.lose(turn, keys, &ids);
    }

    /// Forgets a stream that is no longer ours.
    fn let_go(&self, turn: &mut Turn) {
        let mut known = self.known();
        turn.floor = turn.floor.max(known.state.next);
        known.state = State::default();
        known.generation += 1;
        known.begun = false;
        *turn = Turn {
            attempt: turn.attempt,
            dated: turn.dated,
            floor: turn.floor,
            doubtful: std::mem::take(&mut turn.doubtful),
            ..Turn::default()
        };
    }

    /// Brings memory and Redis together. Memory is right, but for an append in doubt.
    async fn catch_up(&self, turn: &mut Turn, keys: &Keys, head: Option<Head>) -> Result<(), JournalError> {
        let in_doubt = turn.doubt.as_ref().map(|doubt| doubt.write);
        match head {
            Some(head) if Some(head.write) == in_doubt => {
                let Some(doubt) = turn.doubt.take() else {
                    return Ok(());
                };
                self.committed(turn, &doubt.planned, head, &[]);
                if doubt.planned.described.receipt.is_none() {
                    // Its append was said to have failed: it is stored elsewhere, or will be appended again.
                    doubt.planned.take_back(&mut self.known().state);
                    turn.unneeded.insert(doubt.planned.described.id);
                } else {
                    self.known().generation += 1;
                }
                turn.dirty = true;
            }
            Some(head) if head.write == turn.write => {}
            // A write that changed the state alone and was not answered; what it wrote is known here, and written anew.
            Some(head) if head.write > turn.write && head.write <= turn.attempt => turn.write = head.write,
            _ => {
                turn.write = head.map_or(0, |head| head.write);
                self.compare(turn, keys).await?;
            }
        }
        Ok(())
    }

    /// Compares what Redis has with what it should have.
    async fn compare(&self, turn: &mut Turn, keys: &Keys) -> Result<(), JournalError> {
        let listed = self.list(keys).await?;
        let present: BTreeMap<u64, &Listed> = listed
            .iter()
            .filter_map(|listed| Some((listed.number?, listed)))
            .collect();
        let missing: Vec<u64> = {
            let known = self.known();
            let held = known.state.held.keys();
            held.filter(|id| !present.contains_key(id)).copied().collect()
        };
        self.lose(turn, keys, &missing);
        let mut known = self.known();
        // Settled since that copy was made, or never known to be stored.
        turn.unneeded
            .extend(present.keys().filter(|id| !known.state.held.contains_key(id)));
        let newest = present.keys().next_back().map_or(0, |id| id + 1);
        known.state.next = known.state.next.max(newest);
        known.generation += 1;
        turn.dirty = true;
        Ok(())
    }

    /// Counts blocks as lost that Redis no longer has.
    pub(super) fn lose(&self, turn: &mut Turn, keys: &Keys, ids: &[u64]) {
        if ids.is_empty() {
            return;
        }
        let mut known = self.known();
        known.damaged += ids.len() as u64;
        let (lost, changes) = known.state.given_up(ids, DropReason::Damaged);
        for change in changes {
            known.state.apply(change);
        }
        turn.dirty = true;
        turn.unneeded.extend(ids);
        error!(
            stream = keys.name,
            blocks = ids.len(),
            ?lost,
            "Redis lost blocks of the journal; their items are lost. See that it keeps what it has (appendonly yes)."
        );
    }

    pub(super) fn lease(&self) -> u64 {
        u64::try_from(self.settings.lease.as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn elsewhere(&self) -> Option<Arc<dyn Journal>> {
        let place = self.elsewhere.lock();
        place.unwrap_or_else(PoisonError::into_inner).as_ref()?.upgrade()
    }

    /// Nothing is in doubt: names that were given to doubtful blocks are no longer asked for.
    async fn forget_elsewhere(&self, turn: &mut Turn) {
        let names = std::mem::take(&mut turn.doubtful);
        if let (Some(elsewhere), false) = (self.elsewhere(), names.is_empty())
            && elsewhere.forget(&names).await.is_err()
        {
            turn.doubtful = names;
        }
    }
}
