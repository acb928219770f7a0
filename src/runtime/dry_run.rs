//! A dry run's journal: what would be stored and sent is printed instead.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::component::journal::{
    Appended, Balance, Depth, Entry, EntryId, Journal, JournalError, JournalStatus, OutputId, ReadRequest, Settlement,
};
use crate::component::output::Speaker;
use crate::journal::points;
use crate::model::block::{Block, BlockKind};
use crate::model::time::{ClockStamp, Timestamp};
use crate::outputs::console::{Console, Style};

/// Prints every point that is appended, with the speaker's tags, and keeps nothing.
#[derive(Debug)]
pub struct Printing {
    console: Console,
    speaker: Speaker,
}

impl Printing {
    /// Prints to stdout for this speaker.
    pub fn new(speaker: Speaker) -> Self {
        Self { console: Console::to_stdout(Style::Text), speaker }
    }
}

#[async_trait]
impl Journal for Printing {
    async fn append(&self, block: Block) -> Result<Appended, JournalError> {
        if block.kind == BlockKind::Points {
            let points = points::decode(&block.payload)?;
            let failed = |source| JournalError::Medium { place: "stdout".to_string(), action: "write", source };
            self.console.print(&points, &self.speaker).map_err(failed)?;
        }
        Ok(Appended { id: EntryId(0), evicted: BTreeMap::new() })
    }

    async fn read(&self, _: &OutputId, _: &ReadRequest) -> Result<Vec<Entry>, JournalError> {
        Ok(Vec::new())
    }

    async fn settle(&self, _: &OutputId, _: &[Settlement]) -> Result<(), JournalError> {
        Ok(())
    }

    async fn expire(
        &self,
        _: BlockKind,
        _: Duration,
        _: ClockStamp,
    ) -> Result<BTreeMap<OutputId, u64>, JournalError> {
        Ok(BTreeMap::new())
    }

    async fn date_boot(&self, _: ClockStamp) -> Result<(), JournalError> {
        Ok(())
    }

    async fn newest_time(&self, _: ClockStamp) -> Option<Timestamp> {
        None
    }

    async fn windows(&self, _: Duration, _: ClockStamp) -> BTreeMap<i64, u32> {
        BTreeMap::new()
    }

    async fn depth(&self, _: &OutputId, _: BlockKind, _: ClockStamp) -> Depth {
        Depth::default()
    }

    async fn balance(&self, _: &OutputId, _: BlockKind) -> Balance {
        Balance::default()
    }

    async fn status(&self) -> JournalStatus {
        JournalStatus::default()
    }

    async fn flush(&self) -> Result<(), JournalError> {
        Ok(())
    }
}
