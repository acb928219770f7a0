//! Records whose other half has not come: clients without MULTI send a key and its content in two commands.
//!
//! They lie in a file of their own until the other half comes. Nobody waits for ever: a content without a key becomes a
//! record by its own timestamp, a key without a content is given up.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::component::journal::ReceiptId;
use crate::feeds::resp::file::{Log, remove};
use crate::feeds::resp::frame::{self, Frame, HEADER, Scan, What};
use crate::feeds::resp::write::Queue;
use crate::model::time::Timestamp;

/// The file's name.
const NAME: &str = "halves.wal";
/// What its next version is called until it is whole.
const NEXT: &str = "halves.next";
/// No journal ever sees this receipt.
const RECEIPT: ReceiptId = ReceiptId(0);
/// Most of them.
const MOST: usize = 10_000;
/// Most bytes of their keys and contents.
const MOST_BYTES: usize = 8 << 20;
/// A file below this size is left as it is.
const SMALL: u64 = 256 * 1024;
/// How long a content waits for its key.
pub(super) const VALUE_WAITS: Duration = Duration::from_secs(60);
/// How long a key waits for its content.
pub(super) const TIME_WAITS: Duration = Duration::from_secs(600);

/// One half of a record.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Half {
    /// The key's time in seconds.
    Time(f64),
    /// The content.
    Value(Bytes),
}

/// Which record.
pub(super) type Name = (Queue, Bytes);

#[derive(Debug)]
struct Waiting {
    half: Half,
    since: Instant,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Waitings {
    waiting: HashMap<Name, Waiting>,
    bytes: usize,
    log: Log,
    place: PathBuf,
}

impl Waitings {
    /// Reads the file. What became whole just before a kill may still be among them.
    ///
    /// # Errors
    /// The medium fails.
    pub(super) fn read(folder: &Path) -> io::Result<(HashMap<Name, Half>, Scan)> {
        let mut halves = HashMap::new();
        let file = match fs::File::open(folder.join(NAME)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((halves, Scan::default())),
            Err(error) => return Err(error),
        };
        let scanned = frame::scan(file, RECEIPT, |frame| {
            let name = (frame.queue, Bytes::copy_from_slice(frame.key));
            match frame.what {
                What::Time => halves.insert(name, Half::Time(frame.score)),
                What::Value => halves.insert(name, Half::Value(Bytes::copy_from_slice(frame.json))),
                What::Gone | What::Record => halves.remove(&name),
            };
        })?;
        Ok((halves, scanned.unwrap_or_default()))
    }

    /// Begins with these, in a file that is written anew.
    ///
    /// # Errors
    /// The medium fails.
    pub(super) fn begin(folder: &Path, halves: HashMap<Name, Half>) -> io::Result<Self> {
        let since = Instant::now();
        let waiting = |(name, half)| (name, Waiting { half, since });
        let waiting: HashMap<Name, Waiting> = halves.into_iter().map(waiting).collect();
        Ok(Self {
            bytes: waiting
                .iter()
                .map(|(name, waiting)| size(name, &waiting.half))
                .sum(),
            log: rewrite(folder, &waiting)?,
            waiting,
            place: folder.to_owned(),
        })
    }

    /// What waits of a record.
    pub(super) fn get(&self, name: &Name) -> Option<&Half> {
        self.waiting.get(name).map(|waiting| &waiting.half)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes of the file.
    pub(super) fn file_bytes(&self) -> u64 {
        self.log.length()
    }

    /// The file.
    pub(super) fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    /// Whether there is room for more.
    pub(super) fn has_room(&self, changes: &[(Name, Option<Half>)]) -> bool {
        let new = |(name, half): &(Name, Option<Half>)| half.as_ref().map_or(0, |half| size(name, half));
        let count = changes.iter().filter(|change| change.1.is_some()).count();
        count == 0
            || (self.waiting.len() + count <= MOST
                && self.bytes + changes.iter().map(new).sum::<usize>() <= MOST_BYTES)
    }

    /// The frames of changes, which are made with [`Waitings::apply`] once they are in the file.
    pub(super) fn frames(&self, changes: &[(Name, Option<Half>)], now: Timestamp) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, half) in changes {
            frame_of(name, half.as_ref(), now).put(RECEIPT, &mut out);
        }
        out
    }

    /// Makes changes that are in the file.
    pub(super) fn apply(&mut self, changes: Vec<(Name, Option<Half>)>) {
        for (name, half) in changes {
            let old = match half {
                Some(half) => {
                    // What came in one piece with a large command would keep all of it.
                    let name = (name.0, Bytes::copy_from_slice(&name.1));
                    let half = match half {
                        Half::Value(json) => Half::Value(Bytes::copy_from_slice(&json)),
                        time => time,
                    };
                    self.bytes += size(&name, &half);
                    let since = Instant::now();
                    self.waiting
                        .insert(name.clone(), Waiting { half, since })
                        .map(|old| size(&name, &old.half))
                }
                None => self.waiting.remove(&name).map(|old| size(&name, &old.half)),
            };
            self.bytes -= old.unwrap_or(0);
        }
        if self.waiting.is_empty() && self.log.length() > SMALL {
            self.log.back_to(HEADER as u64);
        }
    }

    /// Halves that have waited too long: contents first, then keys.
    pub(super) fn overdue(&self, now: Instant) -> (Vec<Name>, Vec<Name>) {
        let since = |waiting: &Waiting| now.saturating_duration_since(waiting.since);
        let (mut values, mut times) = (Vec::new(), Vec::new());
        for (name, waiting) in &self.waiting {
            match waiting.half {
                Half::Value(_) if since(waiting) >= VALUE_WAITS => values.push(name.clone()),
                Half::Time(_) if since(waiting) >= TIME_WAITS => times.push(name.clone()),
                _ => {}
            }
        }
        (values, times)
    }

    /// Writes the file anew where most of it is of no use any more. `true`: the folder changed.
    ///
    /// # Errors
    /// The medium fails; the file is as it was.
    pub(super) fn tidy(&mut self) -> io::Result<bool> {
        if self.log.length() <= SMALL.max(4 * self.bytes as u64) {
            return Ok(false);
        }
        self.log = rewrite(&self.place, &self.waiting)?;
        Ok(true)
    }
}

fn size(name: &Name, half: &Half) -> usize {
    name.1.len()
        + match half {
            Half::Time(_) => 8,
            Half::Value(json) => json.len(),
        }
}

fn frame_of<'a>(name: &'a Name, half: Option<&'a Half>, time: Timestamp) -> Frame<'a> {
    let (what, score, json): (_, _, &[u8]) = match half {
        None => (What::Gone, 0.0, b""),
        Some(Half::Time(score)) => (What::Time, *score, b""),
        Some(Half::Value(json)) => (What::Value, 0.0, json),
    };
    Frame {
        what,
        queue: name.0,
        time,
        score,
        key: &name.1,
        json,
    }
}

fn rewrite(folder: &Path, waiting: &HashMap<Name, Waiting>) -> io::Result<Log> {
    let next = folder.join(NEXT);
    remove(&next)?;
    let mut log = Log::create(next, RECEIPT)?;
    let mut out = Vec::new();
    for (name, waiting) in waiting {
        frame_of(name, Some(&waiting.half), Timestamp::default()).put(RECEIPT, &mut out);
    }
    log.append(&out)?;
    // The old one may go only once the new one is on the medium.
    let written: Option<Arc<fs::File>> = log.take_dirty();
    written.map_or(Ok(()), |file| file.sync_data())?;
    log.rename(folder.join(NAME))?;
    Ok(log)
}
