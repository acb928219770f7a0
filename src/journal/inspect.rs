//! Looking into a journal without opening it: beside a running agent, or without one. Nothing is locked or written;
//! what is being appended meanwhile may be missing.

use std::io;
use std::path::{Path, PathBuf};

use crate::component::journal::{Balance, Depth, JournalError, OutputId};
use crate::journal::disk::looking;
use crate::journal::kinds::LOGS_FOLDER;
use crate::journal::{logs, points};
use crate::model::block::{Block, BlockKind};
use crate::model::log::LogRecord;
use crate::model::point::Point;
use crate::model::time::{ClockStamp, Timestamp};

/// One output, for one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputSummary {
    /// Its name.
    pub output: OutputId,
    /// Which kind.
    pub kind: BlockKind,
    /// What waits for it.
    pub depth: Depth,
    /// Its account.
    pub balance: Balance,
}

/// The blocks of one kind that are still there, settled or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindSummary {
    /// How many.
    pub blocks: u64,
    /// Items in them.
    pub items: u64,
    /// Bytes of their compressed items.
    pub payload_bytes: u64,
    /// The time of the oldest of these items, as it was stamped.
    pub oldest: Option<Timestamp>,
    /// The time of the newest of them.
    pub newest: Option<Timestamp>,
}

impl KindSummary {
    /// Compressed bytes of an item; `None` without items.
    pub fn bytes_an_item(&self) -> Option<f64> {
        (self.items > 0).then(|| self.payload_bytes as f64 / self.items as f64)
    }

    /// Adds a block.
    pub(in crate::journal) fn add(&mut self, block: &Block) {
        self.blocks += 1;
        self.items += u64::from(block.items);
        self.payload_bytes += block.payload.len() as u64;
        let (oldest, newest) = (
            Timestamp::from_seconds(block.oldest),
            Timestamp::from_seconds(block.newest),
        );
        self.oldest = Some(self.oldest.map_or(oldest, |known| known.min(oldest)));
        self.newest = self.newest.max(Some(newest));
    }
}

/// What a journal holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Segment files.
    pub segments: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Points.
    pub points: KindSummary,
    /// Log records.
    pub logs: KindSummary,
    /// Every output that the journal knows, for each kind that it was ever given.
    pub outputs: Vec<OutputSummary>,
}

/// The folders of a journal: its own, and that of its logs if there is one.
fn folders(directory: &Path) -> Vec<PathBuf> {
    let logs = directory.join(LOGS_FOLDER);
    let mut folders = vec![directory.to_path_buf()];
    folders.extend(logs.is_dir().then_some(logs));
    folders
}

/// Sums up the points and log records in the journal in `directory`. `now` serves for re-dating.
///
/// # Errors
/// The folder cannot be listed.
pub fn summary(directory: &Path, now: ClockStamp) -> Result<Summary, JournalError> {
    let mut summary = Summary::default();
    for folder in folders(directory) {
        looking::summary(&folder, &now, &mut summary).map_err(|source| fails(&folder, source))?;
    }
    Ok(summary)
}

/// What [`verify`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Good records.
    pub records: u64,
    /// Places where records are damaged.
    pub damaged: u64,
    /// Segments whose end is no record: one is normal while an agent writes, or after it was killed.
    pub torn: u64,
    /// Blocks of points or logs whose record is good, but which cannot be decoded.
    pub undecodable: u64,
    /// Points that can be read.
    pub points: u64,
    /// Log records that can be read.
    pub logs: u64,
}

/// Checks every record and decodes every block. `progress` is told the bytes done and in all.
///
/// # Errors
/// The folder cannot be listed.
pub fn verify(directory: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Verified, JournalError> {
    let mut verified = Verified::default();
    for folder in folders(directory) {
        let counts = looking::blocks(&folder, &mut progress, |_, block| {
            let readable = match block.kind {
                BlockKind::Points => {
                    points::decode(&block.payload).map(|points| verified.points += points.len() as u64)
                }
                BlockKind::Logs => {
                    logs::decode(&block.payload).map(|records| verified.logs += records.len() as u64)
                }
                BlockKind::Checks | BlockKind::Events => Ok(()),
            };
            verified.undecodable += u64::from(readable.is_err());
            true
        });
        let (records, damaged, torn) = counts.map_err(|source| fails(&folder, source))?;
        verified.records += records;
        verified.damaged += damaged;
        verified.torn += torn;
    }
    Ok(verified)
}

/// An item of [`export`], with the time that it was stamped with.
#[derive(Clone, Debug, PartialEq)]
pub enum Exported<'a> {
    /// A point.
    Point(&'a Point),
    /// A log record.
    Log(&'a LogRecord),
}

/// Hands every point and log record that some output waits for to `each`, oldest block first, until `each` answers
/// `false`. What is settled stays in its file for a while and is passed over. Blocks that cannot be decoded are left
/// out; how many, is the result. `progress` is told the bytes done and in all.
///
/// # Errors
/// The folder cannot be listed.
pub fn export(
    directory: &Path,
    mut progress: impl FnMut(u64, u64),
    mut each: impl FnMut(Exported<'_>) -> bool,
) -> Result<u64, JournalError> {
    let (mut left_out, mut go_on) = (0, true);
    for folder in folders(directory) {
        let waiting = looking::waiting(&folder).map_err(|source| fails(&folder, source))?;
        let done = looking::blocks(&folder, &mut progress, |id, block| {
            let waits = |index: u32| waiting.is_for(id, index);
            if !(0..block.items).any(waits) {
                return true;
            }
            let exported = match block.kind {
                BlockKind::Points => points::decode(&block.payload).map(|points| {
                    let mut items = (0..).zip(&points).filter(|(index, _)| waits(*index));
                    items.all(|(_, point)| each(Exported::Point(point)))
                }),
                BlockKind::Logs => logs::decode(&block.payload).map(|records| {
                    let mut items = (0..).zip(&records).filter(|(index, _)| waits(*index));
                    items.all(|(_, record)| each(Exported::Log(record)))
                }),
                BlockKind::Checks | BlockKind::Events => Ok(true),
            };
            left_out += u64::from(exported.is_err());
            go_on = exported.unwrap_or(true);
            go_on
        });
        done.map_err(|source| fails(&folder, source))?;
        if !go_on {
            break;
        }
    }
    Ok(left_out)
}

fn fails(directory: &Path, source: io::Error) -> JournalError {
    JournalError::Medium {
        place: directory.display().to_string(),
        action: "be read",
        source,
    }
}
