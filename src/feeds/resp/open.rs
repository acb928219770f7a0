//! Opens the store: what the process before left behind.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tracing::warn;

use crate::component::journal::ReceiptId;
use crate::feeds::resp::bucket::{Bucket, DONE, Kind};
use crate::feeds::resp::dead::Dead;
use crate::feeds::resp::due::{receipt_of, waits};
use crate::feeds::resp::file::{Log, remove};
use crate::feeds::resp::frame::{self, HEADER, What};
use crate::feeds::resp::halves::{Half, Name, Waitings};
use crate::feeds::resp::seen::{Known, Seen};
use crate::feeds::resp::store::{Counts, Store};
use crate::feeds::resp::write::Queue;
use crate::model::client::tally::Bounds;
use crate::model::time::Timestamp;

const LOCK: &str = "lock";

/// A file that the journal has, and whose receipt is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Done {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// Its receipt.
    pub(super) receipt: ReceiptId,
}

impl Store {
    /// Opens a folder, or makes it; nothing in it is refused. What was torn or damaged is counted.
    ///
    /// # Errors
    /// The medium fails, or another process has the folder.
    pub(super) fn open(
        folder: &Path,
        interval: Duration,
        bounds: Bounds,
        most: u64,
    ) -> io::Result<(Self, Vec<Done>)> {
        DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
        let lock = lock(folder)?;
        let (mut halves, scanned) = Waitings::read(folder)?;
        let mut found = Found {
            halves: &mut halves,
            seen: Seen::default(),
            buckets: BTreeMap::new(),
            counts: Counts::default(),
            interval,
        };
        found.count(scanned.damaged, scanned.torn);
        let mut done = Vec::new();
        let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if let Some(receipt) = receipt_of(&path, DONE) {
                done.push(Done { path, receipt });
            } else {
                files.push((entry.metadata()?.modified()?, path));
            }
        }
        // The latest last: of what is known, the latest stays.
        files.sort();
        for (_, path) in files {
            if let Some(receipt) = waits(&path) {
                found.read(path, receipt)?;
            }
        }
        let Found {
            seen,
            buckets,
            counts,
            ..
        } = found;
        let store = Self {
            folder: folder.to_owned(),
            interval,
            bounds,
            most,
            buckets,
            open: HashMap::new(),
            spare: Vec::new(),
            halves: Waitings::begin(folder, halves)?,
            seen,
            dead: Dead::open(folder),
            counts,
            unnamed: true,
            failure: None,
            full: false,
            closed: false,
            _lock: lock,
        };
        Ok((store, done))
    }
}

/// What was found so far.
struct Found<'a> {
    halves: &'a mut HashMap<Name, Half>,
    seen: Seen,
    buckets: BTreeMap<ReceiptId, Bucket>,
    counts: Counts,
    interval: Duration,
}

impl Found<'_> {
    fn count(&mut self, damaged: u64, torn: bool) {
        for (reason, count) in [("damaged", damaged), ("torn", u64::from(torn))] {
            if count > 0 {
                *self.counts.unreadable.entry(reason).or_default() += count;
                warn!(
                    reason,
                    count, "A write-ahead file has frames that cannot be read."
                );
            }
        }
    }

    /// Reads a file that waits for the journal. Its records are not tallied before it is its turn.
    fn read(&mut self, path: PathBuf, receipt: ReceiptId) -> io::Result<()> {
        let (mut records, mut kind, mut newest) = (0, Kind::Metrics, Timestamp::from_millis(i64::MIN));
        let (seen, halves) = (&mut self.seen, &mut *self.halves);
        let scanned = frame::scan(File::open(&path)?, receipt, |frame| {
            if frame.what != What::Record {
                return;
            }
            let name = (frame.queue, Bytes::copy_from_slice(frame.key));
            records += 1;
            newest = newest.max(frame.time);
            if frame.queue == Queue::Logs {
                kind = Kind::Logs;
            }
            let known = Known {
                file: receipt,
                content: seen.content(frame.json),
                score: frame.score,
            };
            seen.insert(seen.number(&name), known);
            halves.remove(&name);
        })?;
        let Some(scanned) = scanned else {
            warn!(path = %path.display(), "A write-ahead file of a newer version is left alone.");
            return Ok(());
        };
        self.count(scanned.damaged, scanned.torn);
        if records == 0 && scanned.good <= HEADER as u64 {
            return remove(&path);
        }
        let bucket = Bucket {
            kind,
            log: Log::open(path, scanned.good)?,
            records,
            until: newest.window_start(self.interval).after(self.interval),
            since: Instant::now(),
            tallier: None,
            doubtful: true,
            leaving: false,
        };
        self.buckets.insert(receipt, bucket);
        Ok(())
    }
}

/// Keeps a second process out until the file is dropped, or the process dies.
fn lock(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .mode(0o640)
        .open(folder.join(LOCK))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let text = "another process uses it; give this agent a folder of its own (TAWNY_JOURNAL_DIR)";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
        }
        // Some network file systems have no locks; the feed is of more use than the lock.
        Err(error) => {
            let place = folder.display().to_string();
            warn!(%error, place, "The feed's folder cannot be locked; a second agent must not use it.");
        }
    }
    Ok(file)
}
