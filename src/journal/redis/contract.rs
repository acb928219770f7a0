//! What the journal's contract asks for.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::{Pipeline, Value};

use crate::component::journal::{
    Appended, Balance, Depth, DropReason, Entry, EntryId, Journal, JournalError, JournalStatus, OutputId,
    ReadRequest, Receipt, ReceiptId, Settlement,
};
use crate::journal::account::picking::Picked;
use crate::journal::account::state::kind_index;
use crate::journal::redis::RedisJournal;
use crate::journal::redis::entry;
use crate::journal::redis::inner::{Failure, Inner, held_bytes};
use crate::journal::redis::keys::{Keys, entry_id, medium};
use crate::model::block::{Block, BlockKind};
use crate::model::time::{ClockStamp, Timestamp};
use crate::support::redis::link::LinkError;

#[async_trait]
impl Journal for RedisJournal {
    async fn append(&self, block: Block) -> Result<Appended, JournalError> {
        Ok(self.attempt(&block, None, 0).await?)
    }

    async fn append_with(&self, block: Block, receipt: &Receipt) -> Result<Appended, JournalError> {
        Ok(self.attempt(&block, Some(receipt), 0).await?)
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), JournalError> {
        match &receipt.fence {
            Some(fence) => self.inner().acknowledge(fence).await,
            None => Ok(()),
        }
    }

    fn takes_fences(&self) -> bool {
        true
    }

    async fn remembers(&self, receipt: ReceiptId) -> bool {
        let inner = self.inner();
        let mut turn = inner.turn.lock().await;
        // An append in doubt is cleared up, if Redis answers.
        let _ = inner.ready(&mut turn).await;
        inner.known().state.receipts.knows(receipt)
    }

    async fn forget(&self, receipts: &[ReceiptId]) -> Result<(), JournalError> {
        let inner = self.inner();
        let mut turn = inner.turn.lock().await;
        if let Err(error) = inner.ready(&mut turn).await {
            if inner.known().begun {
                return Err(error);
            }
            // This process has handed Redis nothing yet; should it have one of them from before, it is told later.
            turn.forgotten.extend(receipts);
            return Ok(());
        }
        for receipt in receipts {
            turn.dirty |= inner.known().state.receipts.forget(*receipt);
        }
        inner.flush(&mut turn).await
    }

    fn generation(&self) -> u64 {
        self.inner().known().generation
    }

    fn is_whole(&self) -> bool {
        self.inner().known().begun
    }

    async fn read(&self, output: &OutputId, request: &ReadRequest) -> Result<Vec<Entry>, JournalError> {
        self.inner().read(output, request).await
    }

    /// Should Redis be away, it is settled in memory, and written when it is back: what was delivered is not delivered
    /// again by this process.
    async fn settle(&self, output: &OutputId, settlements: &[Settlement]) -> Result<(), JournalError> {
        let inner = self.inner();
        let mut turn = inner.turn.lock().await;
        {
            let state = &mut inner.known().state;
            let Some(change) = state.settlement(output, settlements) else {
                return Ok(());
            };
            let released = state.apply(change);
            turn.unneeded.extend(released.iter().map(|released| released.id));
            turn.dirty = true;
        }
        // A failure is in the status; an error would have it settled again.
        if inner.ready(&mut turn).await.is_ok() {
            let _ = inner.flush(&mut turn).await;
        }
        Ok(())
    }

    async fn expire(
        &self,
        kind: BlockKind,
        time_to_live: Duration,
        now: ClockStamp,
    ) -> Result<BTreeMap<OutputId, u64>, JournalError> {
        let inner = self.inner();
        let mut turn = inner.turn.lock().await;
        inner.ready(&mut turn).await?;
        let lost = {
            let state = &mut inner.known().state;
            turn.dirty |= state.retire_absent(now);
            let old = state.expired(kind, time_to_live, &now);
            let (lost, changes) = state.given_up(&old, DropReason::TooOld);
            turn.dirty |= !changes.is_empty();
            for change in changes {
                turn.unneeded
                    .extend(state.apply(change).iter().map(|released| released.id));
            }
            turn.unneeded
                .extend(state.release_all().iter().map(|released| released.id));
            lost
        };
        // They are dropped here, whether Redis knows already or not.
        let _ = inner.flush(&mut turn).await;
        Ok(lost)
    }

    async fn date_boot(&self, right: ClockStamp) -> Result<(), JournalError> {
        let inner = self.inner();
        let mut turn = inner.turn.lock().await;
        turn.dated = Some(right);
        turn.dirty |= inner.known().state.times.date(right);
        inner.ready(&mut turn).await?;
        inner.flush(&mut turn).await
    }

    async fn newest_time(&self, now: ClockStamp) -> Option<Timestamp> {
        self.begun().await;
        self.inner().known().state.times.newest(&now)
    }

    async fn windows(&self, within: Duration, now: ClockStamp) -> BTreeMap<i64, u32> {
        self.begun().await;
        self.inner().known().state.times.windows(within, &now)
    }

    async fn depth(&self, output: &OutputId, kind: BlockKind, now: ClockStamp) -> Depth {
        self.inner().known().state.depth(output, kind, &now)
    }

    async fn balance(&self, output: &OutputId, kind: BlockKind) -> Balance {
        let known = self.inner().known();
        let slot = known.state.slot(&output.0);
        slot.map_or_else(Balance::default, |slot| {
            known.state.balance(slot, kind_index(kind))
        })
    }

    async fn status(&self) -> JournalStatus {
        let known = self.inner().known();
        let held = || known.state.held.values();
        JournalStatus {
            bytes: held_bytes(&known.state),
            bound: self.inner().settings.bound,
            blocks: held().count() as u64,
            items: held().map(|held| u64::from(held.items)).sum(),
            payload_bytes: held().map(|held| u64::from(held.payload)).sum(),
            bytes_written: known.written,
            damaged_records: known.damaged,
            foreign_blocks: known.state.foreign,
            write_error: known.write_error.clone(),
        }
    }

    async fn flush(&self) -> Result<(), JournalError> {
        let inner = self.inner();
        let mut turn = inner.turn.lock().await;
        inner.ready(&mut turn).await?;
        inner.flush(&mut turn).await
    }
}

/// Reading is refused where the stream is no longer ours: whoever has it delivers what is in it.
enum Fetched {
    Lost,
    /// In the order of what was asked for; `None` for what is not there or damaged.
    Found(Vec<Option<Entry>>),
}

impl Inner {
    async fn read(&self, output: &OutputId, request: &ReadRequest) -> Result<Vec<Entry>, JournalError> {
        // What is not there may have been settled meanwhile, or the stream was lost: looked at once more before it is
        // given up.
        let mut missed = Vec::new();
        loop {
            let (keys, picked) = {
                let mut turn = self.turn.lock().await;
                turn.sure &= missed.is_empty();
                self.ready(&mut turn).await?;
                let Some((keys, _)) = turn.stream.clone() else {
                    return Ok(Vec::new());
                };
                let picked = self.known().state.pick(output, request);
                (keys, picked)
            };
            if picked.is_empty() {
                return Ok(Vec::new());
            }
            let found = match self.fetch(&keys, &picked).await? {
                Fetched::Found(found) => found,
                Fetched::Lost if self.adopted => {
                    return Err(JournalError::TakenOver { place: self.place() });
                }
                Fetched::Lost => {
                    self.turn.lock().await.sure = false;
                    continue;
                }
            };
            let absent = |(picked, entry): (&Picked, &Option<Entry>)| entry.is_none().then_some(picked.id);
            let absent: Vec<u64> = picked.iter().zip(&found).filter_map(absent).collect();
            let entries: Vec<Entry> = found.into_iter().flatten().collect();
            if absent.is_empty() {
                return Ok(entries);
            }
            let twice: Vec<u64> = absent.iter().filter(|id| missed.contains(*id)).copied().collect();
            missed = absent;
            if !twice.is_empty() {
                let mut turn = self.turn.lock().await;
                self.lose(&mut turn, &keys, &twice);
            }
            if !entries.is_empty() {
                // The rest is looked at by the next read.
                self.turn.lock().await.sure = false;
                return Ok(entries);
            }
        }
    }

    async fn fetch(&self, keys: &Keys, picked: &[Picked]) -> Result<Fetched, JournalError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("HGET").arg(&keys.about).arg("holder");
        for picked in picked {
            let id = entry_id(picked.id);
            pipeline
                .cmd("XRANGE")
                .arg(&keys.blocks)
                .arg(&id)
                .arg(&id)
                .arg("COUNT")
                .arg(1);
        }
        let answers: Result<Vec<Value>, LinkError> = self.settings.link.pipeline(&pipeline).await;
        let mut answers = answers
            .map_err(|error| self.fails(medium("read", error)))?
            .into_iter();
        let holder: Option<String> = answers
            .next()
            .and_then(|holder| redis::from_redis_value(holder).ok());
        if holder.as_deref() != Some(&self.token) {
            return Ok(Fetched::Lost);
        }
        let found = picked.iter().map(|picked| {
            let value = value_of(answers.next()?)?;
            let described = entry::read(&value).filter(|described| described.id == picked.id)?;
            Some(Entry {
                id: EntryId(described.id),
                block: described.block,
                shift: picked.shift,
                settled: picked.settled.clone(),
            })
        });
        Ok(Fetched::Found(found.collect()))
    }
}

/// The value in an answer of one entry with one field.
fn value_of(answer: Value) -> Option<Bytes> {
    let entries: Vec<(String, Vec<Bytes>)> = redis::from_redis_value(answer).ok()?;
    let (_, fields) = entries.into_iter().next()?;
    let mut fields = fields.into_iter();
    while let (Some(field), Some(value)) = (fields.next(), fields.next()) {
        if field == "b" {
            return Some(value);
        }
    }
    None
}

impl From<Failure> for JournalError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NotStored(error) | Failure::Unknown(error, _) => error,
        }
    }
}

impl RedisJournal {
    /// Takes a stream if there is none yet and Redis is there.
    async fn begun(&self) {
        let inner = self.inner();
        if !inner.known().begun {
            let mut turn = inner.turn.lock().await;
            let _ = inner.ready(&mut turn).await;
        }
    }
}
