//! A dry run's journal: what would be stored and sent is printed instead.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::component::journal::{
    Appended, Balance, Depth, Entry, EntryId, Journal, JournalError, JournalStatus, OutputId, ReadRequest,
    Settlement,
};
use crate::component::output::{SeriesName, Speaker};
use crate::journal::points;
use crate::model::block::{Block, BlockKind};
use crate::model::point::Point;
use crate::model::time::{ClockStamp, Timestamp};
use crate::outputs::console::{self, Format};

/// Prints every point that is appended, with the speaker's tags, and keeps nothing.
pub struct Printing {
    format: Format,
    speaker: Speaker,
    writer: Mutex<Box<dyn Write + Send>>,
}

impl Printing {
    /// Prints for this speaker.
    pub fn new(format: Format, speaker: Speaker, writer: Box<dyn Write + Send>) -> Self {
        Self {
            format,
            speaker,
            writer: Mutex::new(writer),
        }
    }

    fn line(&self, point: &Point, out: &mut Vec<u8>) {
        let (metric, value) = point.dotted();
        let (kind, interval) = (point.kind, point.interval);
        let tags = console::tags(&point.labels, &self.speaker);
        self.format.line(
            &SeriesName {
                metric,
                tags,
                kind,
                interval,
            },
            point.time,
            value,
            out,
        );
    }
}

#[async_trait]
impl Journal for Printing {
    async fn append(&self, block: Block) -> Result<Appended, JournalError> {
        if block.kind == BlockKind::Points {
            let mut text = Vec::new();
            points::decode(&block.payload)?
                .iter()
                .for_each(|point| self.line(point, &mut text));
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let written = writer.write_all(&text).and_then(|()| writer.flush());
            written.map_err(|source| JournalError::Medium {
                place: "stdout".to_string(),
                action: "write",
                source,
            })?;
        }
        Ok(Appended {
            id: EntryId(0),
            evicted: BTreeMap::new(),
        })
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
