//! Two journals in one: log records apart from everything else, so that a flood of logs never evicts a point.
//!
//! Each has a bound of its own. An output takes one kind and so sees one of them only; that is why the numbers of
//! blocks, which each journal gives out by itself, never meet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::component::journal::{
    Appended, Balance, Depth, Entry, Journal, JournalError, JournalStatus, OutputId, ReadRequest, Receipt,
    ReceiptId, Settlement,
};
use crate::model::block::{Block, BlockKind};
use crate::model::time::{ClockStamp, Timestamp};

/// The folder of the logs' journal on disk, within that of the journal.
pub const LOGS_FOLDER: &str = "logs";

/// How a bound is shared where there are outputs for logs: that of everything else, and that of logs, which get half
/// of it at most.
pub const fn shares(bound: u64) -> (u64, u64) {
    let logs = bound / 2;
    (bound - logs, logs)
}

/// See the module.
pub struct ByKind {
    points: Arc<dyn Journal>,
    logs: Arc<dyn Journal>,
    kinds: BTreeMap<OutputId, BlockKind>,
}

impl ByKind {
    /// Puts log records into `logs` and everything else into `points`. `kinds` says what each output takes; `logs` must
    /// have been opened with just the outputs that take logs, `points` with the others.
    pub fn new(
        points: Arc<dyn Journal>,
        logs: Arc<dyn Journal>,
        kinds: BTreeMap<OutputId, BlockKind>,
    ) -> Self {
        Self { points, logs, kinds }
    }

    fn keeping(&self, kind: BlockKind) -> &dyn Journal {
        match kind {
            BlockKind::Logs => &*self.logs,
            BlockKind::Points | BlockKind::Checks | BlockKind::Events => &*self.points,
        }
    }

    /// An output that is no longer configured has left blocks where those of `kind` are.
    fn seen_by(&self, output: &OutputId, kind: BlockKind) -> &dyn Journal {
        self.keeping(self.kinds.get(output).copied().unwrap_or(kind))
    }
}

#[async_trait]
impl Journal for ByKind {
    async fn append(&self, block: Block) -> Result<Appended, JournalError> {
        self.keeping(block.kind).append(block).await
    }

    async fn append_with(&self, block: Block, receipt: &Receipt) -> Result<Appended, JournalError> {
        self.keeping(block.kind).append_with(block, receipt).await
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), JournalError> {
        // Fences are all in the one Redis, whatever the claim is of.
        self.points.acknowledge(receipt).await
    }

    fn takes_fences(&self) -> bool {
        self.points.takes_fences() && self.logs.takes_fences()
    }

    async fn remembers(&self, receipt: ReceiptId) -> bool {
        self.points.remembers(receipt).await || self.logs.remembers(receipt).await
    }

    async fn forget(&self, receipts: &[ReceiptId]) -> Result<(), JournalError> {
        // One that fails keeps the other from nothing.
        let points = self.points.forget(receipts).await;
        self.logs.forget(receipts).await.and(points)
    }

    fn generation(&self) -> u64 {
        // Either never falls, so that the sum changes with each.
        self.points.generation().wrapping_add(self.logs.generation())
    }

    fn is_whole(&self) -> bool {
        self.points.is_whole() && self.logs.is_whole()
    }

    async fn read(&self, output: &OutputId, request: &ReadRequest) -> Result<Vec<Entry>, JournalError> {
        self.seen_by(output, request.kind).read(output, request).await
    }

    async fn settle(&self, output: &OutputId, settlements: &[Settlement]) -> Result<(), JournalError> {
        // Nobody settles for an output that is not configured.
        self.seen_by(output, BlockKind::Points)
            .settle(output, settlements)
            .await
    }

    async fn expire(
        &self,
        kind: BlockKind,
        time_to_live: Duration,
        now: ClockStamp,
    ) -> Result<BTreeMap<OutputId, u64>, JournalError> {
        self.keeping(kind).expire(kind, time_to_live, now).await
    }

    async fn date_boot(&self, right: ClockStamp) -> Result<(), JournalError> {
        let points = self.points.date_boot(right).await;
        self.logs.date_boot(right).await.and(points)
    }

    async fn newest_time(&self, now: ClockStamp) -> Option<Timestamp> {
        let points = self.points.newest_time(now).await;
        points.max(self.logs.newest_time(now).await)
    }

    async fn windows(&self, within: Duration, now: ClockStamp) -> BTreeMap<i64, u32> {
        let mut windows = self.points.windows(within, now).await;
        for (start, amendment) in self.logs.windows(within, now).await {
            let highest = windows.entry(start).or_insert(amendment);
            *highest = amendment.max(*highest);
        }
        windows
    }

    async fn depth(&self, output: &OutputId, kind: BlockKind, now: ClockStamp) -> Depth {
        self.seen_by(output, kind).depth(output, kind, now).await
    }

    async fn balance(&self, output: &OutputId, kind: BlockKind) -> Balance {
        self.seen_by(output, kind).balance(output, kind).await
    }

    async fn status(&self) -> JournalStatus {
        self.points.status().await.and(self.logs.status().await)
    }

    async fn flush(&self) -> Result<(), JournalError> {
        let points = self.points.flush().await;
        self.logs.flush().await.and(points)
    }
}

#[cfg(test)]
#[path = "kinds_tests.rs"]
mod tests;
