//! A journal in memory, for one output.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use crate::component::dating::shift_of;
use crate::component::journal::{
    Appended, Balance, Depth, DropReason, Entry, EntryId, ItemSet, Journal, JournalError, JournalStatus,
    OutputId, ReadRequest, Receipt, ReceiptId, Settlement,
};
use crate::model::block::{Block, BlockKind};
use crate::model::time::{BootId, ClockStamp, Timestamp};

#[derive(Default)]
struct Kept {
    next: u64,
    entries: BTreeMap<u64, (Block, ItemSet)>,
    balance: Balance,
    offsets: BTreeMap<BootId, i64>,
    windows: BTreeMap<i64, u32>,
    appended: Vec<Block>,
    failing: bool,
    reads: u64,
    generation: u64,
    fence: Option<String>,
    receipts: BTreeSet<ReceiptId>,
    acknowledged: Vec<ReceiptId>,
    mute: bool,
    hidden: Option<Block>,
}

/// A journal for one output.
#[derive(Default)]
pub(crate) struct MemoryJournal {
    kept: Mutex<Kept>,
}

impl MemoryJournal {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    /// Whether writes fail from now on.
    pub(crate) fn fail(&self, failing: bool) {
        self.kept().failing = failing;
    }

    /// From now on fences are taken; those hold that have this token.
    pub(crate) fn fence(&self, token: &str) {
        self.kept().fence = Some(token.to_string());
    }

    /// Whether appends with a receipt succeed from now on, and say that they failed.
    pub(crate) fn mute(&self, mute: bool) {
        self.kept().mute = mute;
    }

    /// Receipts whose fence was marked without a block.
    pub(crate) fn acknowledged(&self) -> Vec<ReceiptId> {
        self.kept().acknowledged.clone()
    }

    /// Every block that was ever appended.
    pub(crate) fn appended(&self) -> Vec<Block> {
        self.kept().appended.clone()
    }

    pub(crate) fn account(&self) -> Balance {
        self.kept().balance.clone()
    }

    /// How often blocks were read.
    pub(crate) fn reads(&self) -> u64 {
        self.kept().reads
    }

    /// A block comes to light behind all that was read.
    pub(crate) fn reveal(&self, block: Block) {
        let mut kept = self.kept();
        kept.balance.wrapped += u64::from(block.items);
        kept.generation += 1;
        kept.windows.extend(block.windows.iter().copied());
        kept.entries.insert(0, (block, ItemSet::default()));
    }

    /// A part of it is away until its windows are asked for the next time.
    pub(crate) fn hide(&self, block: Block) {
        self.kept().hidden = Some(block);
    }

    /// (wrapped, delivered, pending, too old, refused)
    pub(crate) fn totals(&self) -> (u64, u64, u64, u64, u64) {
        let balance = self.account();
        let dropped = |reason| balance.dropped.get(&reason).copied().unwrap_or(0);
        let (old, refused) = (dropped(DropReason::TooOld), dropped(DropReason::Refused));
        (
            balance.wrapped,
            balance.delivered,
            balance.pending(),
            old,
            refused,
        )
    }
}

fn failed() -> JournalError {
    JournalError::Medium {
        place: "memory".to_string(),
        action: "write",
        source: std::io::Error::other("full"),
    }
}

fn shift(kept: &Kept, block: &Block, now: &ClockStamp) -> Option<i64> {
    let offset = kept.offsets.get(&block.stamp.boot).copied();
    shift_of(&block.stamp, block.newest, now, offset)
}

impl Kept {
    fn check(&self, receipt: &Receipt) -> Result<(), JournalError> {
        let token = receipt.fence.as_ref().map(|fence| &fence.token);
        if token == self.fence.as_ref() {
            Ok(())
        } else {
            Err(JournalError::Fenced)
        }
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(&self, block: Block) -> Result<Appended, JournalError> {
        let mut kept = self.kept();
        if kept.failing {
            return Err(failed());
        }
        kept.next += 1;
        let id = kept.next;
        kept.balance.wrapped += u64::from(block.items);
        for (start, number) in &block.windows {
            let highest = kept.windows.entry(*start).or_default();
            *highest = (*highest).max(*number);
        }
        kept.appended.push(block.clone());
        kept.entries.insert(id, (block, ItemSet::default()));
        Ok(Appended {
            id: EntryId(id),
            evicted: BTreeMap::new(),
        })
    }

    async fn append_with(&self, block: Block, receipt: &Receipt) -> Result<Appended, JournalError> {
        self.kept().check(receipt)?;
        let appended = self.append(block).await?;
        let mut kept = self.kept();
        kept.receipts.insert(receipt.id);
        if kept.mute { Err(failed()) } else { Ok(appended) }
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), JournalError> {
        let mut kept = self.kept();
        kept.check(receipt)?;
        kept.acknowledged.push(receipt.id);
        Ok(())
    }

    fn takes_fences(&self) -> bool {
        self.kept().fence.is_some()
    }

    async fn remembers(&self, receipt: ReceiptId) -> bool {
        self.kept().receipts.contains(&receipt)
    }

    async fn forget(&self, receipts: &[ReceiptId]) -> Result<(), JournalError> {
        let mut kept = self.kept();
        if kept.failing {
            return Err(failed());
        }
        kept.receipts.retain(|known| !receipts.contains(known));
        Ok(())
    }

    fn generation(&self) -> u64 {
        self.kept().generation
    }

    fn is_whole(&self) -> bool {
        self.kept().hidden.is_none()
    }

    async fn read(&self, _: &OutputId, request: &ReadRequest) -> Result<Vec<Entry>, JournalError> {
        let mut kept = self.kept();
        let (mut found, mut items) = (Vec::new(), 0);
        for (id, (block, settled)) in &kept.entries {
            let shift = shift(&kept, block, &request.now);
            let newest = Timestamp::from_seconds(block.newest).shifted(shift.unwrap_or(0));
            let wanted = block.kind == request.kind
                && request.after.is_none_or(|after| EntryId(*id) > after)
                && request.not_before.is_none_or(|from| newest >= from)
                && request.before.is_none_or(|to| newest < to);
            if !wanted {
                continue;
            }
            items += u64::from(block.items);
            if !found.is_empty() && items > request.most_items {
                break;
            }
            found.push(Entry {
                id: EntryId(*id),
                block: block.clone(),
                shift,
                settled: settled.clone(),
            });
        }
        kept.reads += found.len() as u64;
        Ok(found)
    }

    async fn settle(&self, _: &OutputId, settlements: &[Settlement]) -> Result<(), JournalError> {
        let mut kept = self.kept();
        if kept.failing {
            return Err(failed());
        }
        for settlement in settlements {
            let Some((block, settled)) = kept.entries.get_mut(&settlement.id.0) else {
                continue;
            };
            let after = settlement.settled.as_ref().map_or(block.items, ItemSet::len);
            let newly = settlement.delivered + settlement.dropped.values().sum::<u64>();
            assert_eq!(
                u64::from(after - settled.len()),
                newly,
                "every newly settled item is accounted for"
            );
            match &settlement.settled {
                Some(set) => *settled = set.clone(),
                None => {
                    kept.entries.remove(&settlement.id.0);
                }
            }
            kept.balance.delivered += settlement.delivered;
            for (reason, items) in &settlement.dropped {
                *kept.balance.dropped.entry(*reason).or_default() += items;
            }
        }
        Ok(())
    }

    async fn expire(
        &self,
        _: BlockKind,
        time_to_live: Duration,
        now: ClockStamp,
    ) -> Result<BTreeMap<OutputId, u64>, JournalError> {
        let mut kept = self.kept();
        let oldest = now.wall.before(time_to_live);
        let old: Vec<u64> = kept
            .entries
            .iter()
            .filter(|(_, (block, _))| {
                shift(&kept, block, &now)
                    .is_some_and(|shift| Timestamp::from_seconds(block.newest).shifted(shift) < oldest)
            })
            .map(|(id, _)| *id)
            .collect();
        let mut dropped = 0;
        for id in old {
            let (block, settled) = kept.entries.remove(&id).unwrap();
            dropped += u64::from(block.items - settled.len());
        }
        *kept.balance.dropped.entry(DropReason::TooOld).or_default() += dropped;
        Ok(BTreeMap::from([(OutputId::new("test"), dropped)]))
    }

    async fn date_boot(&self, right: ClockStamp) -> Result<(), JournalError> {
        let base = right.wall.millis() - i64::try_from(right.uptime.as_millis()).unwrap();
        self.kept().offsets.insert(right.boot, base);
        Ok(())
    }

    async fn newest_time(&self, now: ClockStamp) -> Option<Timestamp> {
        let base = |stamp: &ClockStamp| stamp.wall.millis() - stamp.uptime.as_millis() as i64;
        self.kept()
            .appended
            .iter()
            .filter(|block| block.stamp.boot != now.boot || base(&block.stamp) <= base(&now) + 1000)
            .map(|block| Timestamp::from_seconds(block.newest))
            .max()
    }

    async fn windows(&self, _: Duration, _: ClockStamp) -> BTreeMap<i64, u32> {
        let hidden = self.kept().hidden.take();
        hidden.into_iter().for_each(|block| self.reveal(block));
        self.kept().windows.clone()
    }

    async fn depth(&self, _: &OutputId, _: BlockKind, _: ClockStamp) -> Depth {
        let kept = self.kept();
        Depth {
            blocks: kept.entries.len() as u64,
            items: kept.balance.pending(),
            bytes: 0,
            oldest: None,
        }
    }

    async fn balance(&self, _: &OutputId, _: BlockKind) -> Balance {
        self.account()
    }

    async fn status(&self) -> JournalStatus {
        JournalStatus::default()
    }

    async fn flush(&self) -> Result<(), JournalError> {
        Ok(())
    }
}
