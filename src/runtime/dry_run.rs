//! A dry run's journal: what would be stored and sent is printed instead.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::component::journal::{
    Appended, Balance, Depth, Entry, EntryId, Journal, JournalError, JournalStatus, OutputId, ReadRequest,
    Receipt, ReceiptId, Settlement,
};
use crate::component::output::Speaker;
use crate::journal::points;
use crate::model::block::{Block, BlockKind};
use crate::model::time::{ClockStamp, Timestamp};
use crate::outputs::console::Format;

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
}

#[async_trait]
impl Journal for Printing {
    async fn append(&self, block: Block) -> Result<Appended, JournalError> {
        if block.kind == BlockKind::Points {
            let mut text = Vec::new();
            for point in points::decode(&block.payload)? {
                self.format.point(&point, &self.speaker, &mut text);
            }
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

    async fn append_with(&self, block: Block, receipt: &Receipt) -> Result<Appended, JournalError> {
        let _ = receipt;
        self.append(block).await
    }

    async fn remembers(&self, receipt: ReceiptId) -> bool {
        let _ = receipt;
        false
    }

    async fn forget(&self, receipts: &[ReceiptId]) -> Result<(), JournalError> {
        let _ = receipts;
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;
    use crate::model::labels::Labels;
    use crate::model::metric::{MetricDef, Names};
    use crate::model::point::{Point, PointKind};
    use crate::support::time::Clock;

    static BUSY: MetricDef = MetricDef::gauge("busy_ratio", "Busy.")
        .dotted("busy.percentage")
        .scale(100.0);

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_would_be_sent_is_printed_under_its_dotted_name() {
        let point = Point {
            names: Arc::new(Names::defined(&BUSY)),
            suffix: None,
            labels: Labels::new([("core", "0")]),
            kind: PointKind::Gauge,
            interval: 10,
            time: 1_800_000_000,
            value: 0.5,
        };
        let block = Block {
            kind: BlockKind::Points,
            items: 1,
            oldest: point.time,
            newest: point.time,
            windows: Vec::new(),
            stamp: Clock::manual(Timestamp::from_seconds(1_800_000_012)).stamp(true),
            payload: points::encode(&[point]),
        };
        let paper = Paper::default();
        let speaker = Speaker {
            host: "here".to_string(),
            tags: vec!["site:lab".to_string()],
        };
        let printing = Printing::new(Format::Text, speaker, Box::new(paper.clone()));
        let appended = printing.append(block).await.unwrap();
        assert_eq!(appended.id, EntryId(0));
        let text = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text, "busy.percentage{core:0,site:lab} 50 1800000000 gauge/10s\n");
    }
}
