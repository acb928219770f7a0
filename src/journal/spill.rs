//! The journal in Redis with one on disk beside it: while Redis is away, blocks go to disk and are delivered from there.
//!
//! One space of numbers: even ones are blocks in Redis, odd ones on disk. Appends go one after the other, and each begins
//! above what the other place has given, so that numbers grow over both.
//!
//! What has a fence never goes to disk, because the fence is in Redis. What has a receipt goes there unless Redis may
//! have it already. A block without either may be on disk and, unknowingly, in Redis: it bears a name on disk by which
//! the one in Redis is taken out again, by the next process at the latest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;

use crate::component::journal::{
    Appended, Balance, Depth, Entry, EntryId, Journal, JournalError, JournalStatus, OutputId, ReadRequest,
    Receipt, ReceiptId, Settlement,
};
use crate::journal::disk::DiskJournal;
use crate::journal::redis::{Failure, RedisJournal};
use crate::model::block::{Block, BlockKind};
use crate::model::time::{ClockStamp, Timestamp};

#[cfg(test)]
mod tests;

/// See the module.
pub struct Spill {
    redis: Arc<RedisJournal>,
    disk: Option<Arc<DiskJournal>>,
    /// Appends go one after the other.
    appending: tokio::sync::Mutex<()>,
    /// Receipts that somebody asked for before it was known what is in Redis. Feeds ask for what an earlier process may
    /// have handed over, so Redis may have them.
    asked: Mutex<BTreeSet<ReceiptId>>,
}

/// The number outside of a block in Redis.
fn of_redis(id: EntryId) -> EntryId {
    EntryId(id.0.saturating_mul(2))
}

/// The number outside of a block on disk.
fn of_disk(id: EntryId) -> EntryId {
    EntryId(id.0.saturating_mul(2).saturating_add(1))
}

/// A request to Redis, and one to the disk, for what has greater numbers outside.
fn split(request: &ReadRequest) -> (ReadRequest, ReadRequest) {
    let after = request.after.map(|after| after.0);
    let of = |after: Option<u64>| ReadRequest {
        after: after.map(EntryId),
        ..request.clone()
    };
    let redis = after.map(|after| after / 2);
    let disk = after.and_then(|after| {
        if after % 2 == 1 {
            Some(after / 2)
        } else {
            (after / 2).checked_sub(1)
        }
    });
    (of(redis), of(disk))
}

impl Spill {
    /// Puts the two together; without a disk, nothing can be appended while Redis is away.
    pub fn new(redis: Arc<RedisJournal>, disk: Option<DiskJournal>) -> Self {
        let disk = disk.map(Arc::new);
        if let Some(disk) = &disk {
            let beside: Weak<DiskJournal> = Arc::downgrade(disk);
            redis.beside(beside);
        }
        Self {
            redis,
            disk,
            appending: tokio::sync::Mutex::default(),
            asked: Mutex::default(),
        }
    }

    /// The journal in Redis.
    pub fn redis(&self) -> &Arc<RedisJournal> {
        &self.redis
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, BTreeSet<ReceiptId>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn spill(
        &self,
        block: Block,
        receipt: Option<ReceiptId>,
        error: JournalError,
    ) -> Result<Appended, JournalError> {
        let Some(disk) = &self.disk else {
            return Err(error);
        };
        disk.raise(self.redis.next());
        let appended = match receipt {
            Some(id) => disk.append_with(block, &Receipt { id, fence: None }).await?,
            None => disk.append(block).await?,
        };
        Ok(Appended {
            id: of_disk(appended.id),
            ..appended
        })
    }

    async fn add(&self, block: Block, receipt: Option<&Receipt>) -> Result<Appended, JournalError> {
        let _one = self.appending.lock().await;
        let floor = self.disk.as_ref().map_or(0, |disk| disk.next());
        let own = receipt.map(|receipt| receipt.id);
        let uncertain = match own {
            Some(id) => self.redis.doubts(id).await || !self.redis.has_begun() && self.asked().contains(&id),
            None => false,
        };
        match self.redis.attempt(&block, receipt, floor).await {
            Ok(appended) => Ok(Appended {
                id: of_redis(appended.id),
                ..appended
            }),
            Err(Failure::NotStored(error @ (JournalError::TooLarge { .. } | JournalError::Fenced))) => {
                Err(error)
            }
            // Whether it is in Redis already, from before, cannot be told now: its feed keeps it.
            Err(Failure::NotStored(error))
                if receipt.is_some_and(|receipt| receipt.fence.is_some()) || uncertain =>
            {
                Err(error)
            }
            Err(Failure::NotStored(error)) => self.spill(block, own, error).await,
            Err(Failure::Unknown(error, _)) if receipt.is_some() => Err(error),
            Err(Failure::Unknown(error, name)) => {
                let appended = self.spill(block, Some(name), error).await?;
                self.redis.kept_elsewhere(name).await;
                Ok(appended)
            }
        }
    }

    /// What both say, if there are both; an error only where neither succeeds.
    fn either<T>(
        redis: Result<T, JournalError>,
        disk: Option<Result<T, JournalError>>,
        both: impl FnOnce(T, T) -> T,
    ) -> Result<T, JournalError> {
        match (redis, disk) {
            (Ok(redis), Some(Ok(disk))) => Ok(both(redis, disk)),
            (Ok(one), _) | (Err(_), Some(Ok(one))) => Ok(one),
            (Err(error), _) => Err(error),
        }
    }
}

#[async_trait]
impl Journal for Spill {
    async fn append(&self, block: Block) -> Result<Appended, JournalError> {
        self.add(block, None).await
    }

    async fn append_with(&self, block: Block, receipt: &Receipt) -> Result<Appended, JournalError> {
        if let Some(disk) = &self.disk
            && disk.remembers(receipt.id).await
        {
            let last = EntryId(disk.next().saturating_sub(1));
            return Ok(Appended {
                id: of_disk(last),
                evicted: BTreeMap::new(),
            });
        }
        self.add(block, Some(receipt)).await
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), JournalError> {
        self.redis.acknowledge(receipt).await
    }

    fn takes_fences(&self) -> bool {
        true
    }

    async fn remembers(&self, receipt: ReceiptId) -> bool {
        if let Some(disk) = &self.disk
            && disk.remembers(receipt).await
        {
            return true;
        }
        let known = self.redis.remembers(receipt).await;
        if !self.redis.has_begun() {
            self.asked().insert(receipt);
        }
        known
    }

    async fn forget(&self, receipts: &[ReceiptId]) -> Result<(), JournalError> {
        if let Some(disk) = &self.disk {
            disk.forget(receipts).await?;
        }
        self.redis.forget(receipts).await
    }

    fn generation(&self) -> u64 {
        let disk = self.disk.as_ref().map_or(0, |disk| disk.generation());
        self.redis.generation().wrapping_add(disk)
    }

    fn is_whole(&self) -> bool {
        self.redis.is_whole()
    }

    async fn read(&self, output: &OutputId, request: &ReadRequest) -> Result<Vec<Entry>, JournalError> {
        let (to_redis, to_disk) = split(request);
        let redis = self
            .redis
            .read(output, &to_redis)
            .await
            .map(|entries| numbered(entries, of_redis));
        let disk = match &self.disk {
            Some(disk) => Some(
                disk.read(output, &to_disk)
                    .await
                    .map(|entries| numbered(entries, of_disk)),
            ),
            None => None,
        };
        let both = |mut redis: Vec<Entry>, disk: Vec<Entry>| {
            redis.extend(disk);
            redis
        };
        let mut entries = Self::either(redis, disk, both)?;
        entries.sort_by_key(|entry| entry.id);
        Ok(within(entries, request))
    }

    async fn settle(&self, output: &OutputId, settlements: &[Settlement]) -> Result<(), JournalError> {
        let (mut redis, mut disk) = (Vec::new(), Vec::new());
        for settlement in settlements {
            let place = if settlement.id.0.is_multiple_of(2) {
                &mut redis
            } else {
                &mut disk
            };
            place.push(Settlement {
                id: EntryId(settlement.id.0 / 2),
                ..settlement.clone()
            });
        }
        // The disk first: Redis keeps in memory what it cannot take, and does not fail.
        if let (Some(on_disk), false) = (&self.disk, disk.is_empty()) {
            on_disk.settle(output, &disk).await?;
        }
        if redis.is_empty() {
            return Ok(());
        }
        self.redis.settle(output, &redis).await
    }

    async fn expire(
        &self,
        kind: BlockKind,
        time_to_live: Duration,
        now: ClockStamp,
    ) -> Result<BTreeMap<OutputId, u64>, JournalError> {
        let redis = self.redis.expire(kind, time_to_live, now).await;
        let disk = match &self.disk {
            Some(disk) => Some(disk.expire(kind, time_to_live, now).await),
            None => None,
        };
        Self::either(redis, disk, |mut redis, disk| {
            for (output, items) in disk {
                *redis.entry(output).or_default() += items;
            }
            redis
        })
    }

    async fn date_boot(&self, right: ClockStamp) -> Result<(), JournalError> {
        // Redis that is away is told when it is back.
        let redis = self.redis.date_boot(right).await;
        match &self.disk {
            Some(disk) => disk.date_boot(right).await,
            None => redis,
        }
    }

    async fn newest_time(&self, now: ClockStamp) -> Option<Timestamp> {
        let redis = self.redis.newest_time(now).await;
        let disk = match &self.disk {
            Some(disk) => disk.newest_time(now).await,
            None => None,
        };
        redis.max(disk)
    }

    async fn windows(&self, within: Duration, now: ClockStamp) -> BTreeMap<i64, u32> {
        let mut windows = self.redis.windows(within, now).await;
        if let Some(disk) = &self.disk {
            for (start, amendment) in disk.windows(within, now).await {
                let known = windows.entry(start).or_insert(amendment);
                *known = amendment.max(*known);
            }
        }
        windows
    }

    async fn depth(&self, output: &OutputId, kind: BlockKind, now: ClockStamp) -> Depth {
        let redis = self.redis.depth(output, kind, now).await;
        let Some(disk) = &self.disk else {
            return redis;
        };
        let disk = disk.depth(output, kind, now).await;
        Depth {
            blocks: redis.blocks + disk.blocks,
            items: redis.items + disk.items,
            bytes: redis.bytes + disk.bytes,
            oldest: [redis.oldest, disk.oldest].into_iter().flatten().min(),
        }
    }

    async fn balance(&self, output: &OutputId, kind: BlockKind) -> Balance {
        let mut sum = self.redis.balance(output, kind).await;
        if let Some(disk) = &self.disk {
            let disk = disk.balance(output, kind).await;
            sum.wrapped += disk.wrapped;
            sum.delivered += disk.delivered;
            for (reason, items) in disk.dropped {
                *sum.dropped.entry(reason).or_default() += items;
            }
        }
        sum
    }

    async fn status(&self) -> JournalStatus {
        let redis = self.redis.status().await;
        let Some(disk) = &self.disk else {
            return redis;
        };
        // What Redis does not take is written all the same; that it is away is in the log.
        let redis = JournalStatus {
            write_error: None,
            ..redis
        };
        redis.and(disk.status().await)
    }

    async fn flush(&self) -> Result<(), JournalError> {
        let redis = self.redis.flush().await;
        match &self.disk {
            // All blocks are in the one or the other. What Redis was not told is what was delivered out of it, at worst
            // once more; that it is away is in the log.
            Some(disk) => disk.flush().await,
            None => redis,
        }
    }
}

fn numbered(mut entries: Vec<Entry>, number: fn(EntryId) -> EntryId) -> Vec<Entry> {
    for entry in &mut entries {
        entry.id = number(entry.id);
    }
    entries
}

/// The entries from the front that a request's budget has room for, at least one.
fn within(mut entries: Vec<Entry>, request: &ReadRequest) -> Vec<Entry> {
    let (mut items, mut bytes) = (0u64, 0u64);
    let kept = entries.iter().enumerate().take_while(|(index, entry)| {
        items += u64::from(entry.block.items.saturating_sub(entry.settled.len()));
        bytes += entry.block.payload.len() as u64;
        *index == 0 || items <= request.most_items && bytes <= request.most_bytes
    });
    let kept = kept.count();
    entries.truncate(kept);
    entries
}
