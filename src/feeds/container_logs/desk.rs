//! What is done with each line of one container: its level is counted, it goes into the file, and perhaps to the journal.

use std::sync::Arc;

use crate::feeds::container_logs::record::Origin;
use crate::logs::classify::{Classifier, Level};
use crate::logs::lines::{MOST_HELD, Target};
use crate::logs::rotate::LogFile;
use crate::logs::rotate::place::PlaceError;
use crate::model::log::LogRecord;

/// What one line adds to a record: its keys and tags.
const OVERHEAD: usize = 300;

/// Lines that wait to be handed over.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) origin: Origin,
    pub(super) records: Vec<LogRecord>,
    /// About how many bytes they have.
    pub(super) bytes: usize,
}

/// A line that does not end yet.
#[derive(Debug)]
struct Long {
    /// The file's length before it.
    start: u64,
    level: Level,
    record: Option<LogRecord>,
}

/// Takes a container's lines.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) file: LogFile,
    /// Lines by level.
    pub(super) counts: [u64; 3],
    /// Where lines also go to the journal.
    pub(super) outgoing: Option<Outgoing>,
    /// Lines that were cut since somebody asked.
    pub(super) cut: u64,
    classifier: Arc<Classifier>,
    long: Option<Long>,
}

impl Desk {
    pub(super) fn new(
        file: LogFile,
        counts: [u64; 3],
        classifier: Arc<Classifier>,
        origin: Option<Origin>,
    ) -> Self {
        let outgoing = origin.map(|origin| Outgoing {
            origin,
            records: Vec::new(),
            bytes: 0,
        });
        Self {
            file,
            counts,
            outgoing,
            cut: 0,
            classifier,
            long: None,
        }
    }

    /// The file's length without a line that does not end yet.
    pub(super) fn whole(&self) -> u64 {
        self.long
            .as_ref()
            .map_or_else(|| self.file.mark().length, |long| long.start)
    }

    /// Whether a line that does not end yet has made a file too long which it shares with others.
    pub(super) fn outgrows(&self) -> bool {
        let long = self.long.as_ref();
        long.is_some_and(|long| long.start > 0 && self.file.is_beyond(self.file.mark().length))
    }

    /// The file was turned over, and a line that does not end yet now begins the new one.
    pub(super) fn turned_over(&mut self) {
        if let Some(long) = &mut self.long {
            long.start = 0;
        }
    }

    fn record(&self, line: &[u8], time: i64, level: Level) -> Option<LogRecord> {
        let outgoing = self.outgoing.as_ref()?;
        // The intake takes no more of one line, and a block is bounded too.
        let head = &line[..line.len().min(MOST_HELD)];
        Some(outgoing.origin.record(head, time, level))
    }

    fn count(&mut self, level: Level, record: Option<LogRecord>) {
        self.counts[level.index()] += 1;
        if let (Some(outgoing), Some(record)) = (&mut self.outgoing, record) {
            outgoing.bytes += record.json.len() + OVERHEAD;
            outgoing.records.push(record);
        }
    }
}

impl Target for Desk {
    type Error = PlaceError;

    fn line(&mut self, line: &[u8], time: i64) -> Result<(), PlaceError> {
        let level = self.classifier.level(line);
        self.count(level, self.record(line, time, level));
        self.file.append(line)
    }

    fn begin(&mut self, head: &[u8], time: i64) -> Result<(), PlaceError> {
        let level = self.classifier.level(head);
        self.long = Some(Long {
            start: self.file.mark().length,
            level,
            record: self.record(head, time, level),
        });
        self.file.append(head)
    }

    fn more(&mut self, bytes: &[u8]) -> Result<(), PlaceError> {
        self.file.append(bytes)
    }

    fn end(&mut self, cut: bool) -> Result<(), PlaceError> {
        // Counted only now: until it ends, what is kept is the file without it.
        if let Some(long) = self.long.take() {
            self.count(long.level, long.record);
        }
        if cut {
            self.cut += 1;
            self.file.append(b"\n")?;
        }
        Ok(())
    }
}
