//! Looking into a journal without opening it: beside a running agent, or without one. Nothing is locked or written;
//! what is being appended meanwhile may be missing.

use std::io;
use std::path::Path;

use crate::component::journal::{Balance, Depth, JournalError, OutputId};
use crate::journal::disk::looking;
use crate::journal::points;
use crate::model::block::BlockKind;
use crate::model::point::Point;
use crate::model::time::{ClockStamp, Timestamp};

/// One output, for one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputSummary {
    /// Its name.
    pub output: OutputId,
    /// What waits for it.
    pub depth: Depth,
    /// Its account.
    pub balance: Balance,
}

/// What a journal holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Segment files.
    pub segments: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Blocks of points that are still there, settled or not.
    pub blocks: u64,
    /// Points in them.
    pub points: u64,
    /// Bytes of their compressed points.
    pub payload_bytes: u64,
    /// The time of the oldest of these points, as it was stamped.
    pub oldest: Option<Timestamp>,
    /// The time of the newest of them.
    pub newest: Option<Timestamp>,
    /// Every output that the journal knows.
    pub outputs: Vec<OutputSummary>,
}

impl Summary {
    /// Compressed bytes of a point; `None` without points.
    pub fn bytes_a_point(&self) -> Option<f64> {
        (self.points > 0).then(|| self.payload_bytes as f64 / self.points as f64)
    }
}

/// Sums up the points in the journal in `directory`. `now` serves for re-dating.
///
/// # Errors
/// The folder cannot be listed.
pub fn summary(directory: &Path, now: ClockStamp) -> Result<Summary, JournalError> {
    looking::summary(directory, &now).map_err(|source| fails(directory, source))
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
    /// Blocks of points whose record is good, but which cannot be decoded.
    pub undecodable: u64,
    /// Points that can be read.
    pub points: u64,
}

/// Checks every record and decodes every block. `progress` is told the bytes done and in all.
///
/// # Errors
/// The folder cannot be listed.
pub fn verify(directory: &Path, progress: impl FnMut(u64, u64)) -> Result<Verified, JournalError> {
    let mut verified = Verified::default();
    let counts = looking::blocks(directory, progress, |_, block| {
        if block.kind == BlockKind::Points {
            match points::decode(&block.payload) {
                Ok(points) => verified.points += points.len() as u64,
                Err(_) => verified.undecodable += 1,
            }
        }
        true
    });
    let counts = counts.map_err(|source| fails(directory, source))?;
    (verified.records, verified.damaged, verified.torn) = counts;
    Ok(verified)
}

/// A point of [`export`].
#[derive(Clone, Debug, PartialEq)]
pub struct Exported<'a> {
    /// The point, with the time that it was stamped with.
    pub point: &'a Point,
    /// What the clocks said when its block was made.
    pub stamp: ClockStamp,
}

/// Hands every point that some output waits for to `each`, oldest block first, until `each` answers `false`. What is
/// settled stays in its file for a while and is passed over. Blocks that cannot be decoded are left out; how many,
/// is the result. `progress` is told the bytes done and in all.
///
/// # Errors
/// The folder cannot be listed.
pub fn export(
    directory: &Path,
    progress: impl FnMut(u64, u64),
    mut each: impl FnMut(Exported<'_>) -> bool,
) -> Result<u64, JournalError> {
    let mut left_out = 0;
    let waiting = looking::waiting(directory).map_err(|source| fails(directory, source))?;
    let done = looking::blocks(directory, progress, |id, block| {
        let waits = |index: &u32| waiting.is_for(id, *index);
        if block.kind != BlockKind::Points || !(0..block.items).any(|index| waits(&index)) {
            return true;
        }
        match points::decode(&block.payload) {
            Ok(points) => (0..)
                .zip(&points)
                .filter(|(index, _)| waits(index))
                .all(|(_, point)| {
                    each(Exported {
                        point,
                        stamp: block.stamp,
                    })
                }),
            Err(_) => {
                left_out += 1;
                true
            }
        }
    });
    done.map_err(|source| fails(directory, source))?;
    Ok(left_out)
}

fn fails(directory: &Path, source: io::Error) -> JournalError {
    JournalError::Medium {
        place: directory.display().to_string(),
        action: "be read",
        source,
    }
}
