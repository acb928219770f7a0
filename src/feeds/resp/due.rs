//! What leaves the store for the journal, and what is looked after now and then.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing::info;

use crate::component::feed::Handed;
use crate::component::journal::ReceiptId;
use crate::feeds::resp::bucket::{Bucket, DONE, Kind, SUFFIX};
use crate::feeds::resp::file::{remove, sync_folder};
use crate::feeds::resp::frame::{self, What};
use crate::feeds::resp::halves::Name;
use crate::feeds::resp::store::{Moment, Store};
use crate::feeds::resp::write::{Halves, Write};
use crate::model::client::tally::{Bounds, Tallier};
use crate::model::client::{log, record};
use crate::model::tally::TalliedWindow;

/// Talliers that are kept for the next windows.
const SPARE: usize = 2;
/// The file that shows whether the medium can be written to again.
const PROBE: &str = "probe";
/// Bytes of it.
const PROBE_BYTES: usize = 64 * 1024;

/// A bucket that is to be handed over.
pub(super) struct Due {
    /// Its receipt.
    pub(super) receipt: ReceiptId,
    /// What it holds.
    pub(super) kind: Kind,
    /// Its file.
    pub(super) path: PathBuf,
    /// How many records it holds.
    pub(super) records: u64,
    /// Whether the journal may have it.
    pub(super) doubtful: bool,
    /// What it comes to, where it was in memory.
    pub(super) windows: Option<Vec<TalliedWindow>>,
}

impl Store {
    /// The oldest bucket that is due, or, at the end, any.
    pub(super) fn next_due(&mut self, at: Moment, all: bool) -> Option<Due> {
        let wanted = |bucket: &Bucket| bucket.is_due(at) || (all && !bucket.leaving);
        let due = self.buckets.iter().filter(|(_, bucket)| wanted(bucket));
        let (receipt, _) = due.min_by_key(|(_, bucket)| (bucket.until, bucket.since))?;
        let receipt = *receipt;
        self.open.retain(|_, open| *open != receipt);
        let bucket = self.buckets.get_mut(&receipt)?;
        bucket.leaving = true;
        let windows = bucket.tallier.take().map(|mut tallier| {
            let windows = tallier.take();
            if self.spare.len() < SPARE {
                self.spare.push(tallier);
            }
            windows
        });
        Some(Due {
            receipt,
            kind: bucket.kind,
            path: bucket.log.path().to_owned(),
            records: bucket.records,
            doubtful: bucket.doubtful,
            windows,
        })
    }

    /// The journal has it.
    pub(super) fn left(&mut self, receipt: ReceiptId) {
        self.buckets.remove(&receipt);
    }

    /// The journal does not have it, or nobody knows.
    pub(super) fn stayed(&mut self, receipt: ReceiptId) {
        if let Some(bucket) = self.buckets.get_mut(&receipt) {
            bucket.leaving = false;
            bucket.doubtful = true;
        }
    }

    /// Ends the waiting of halves whose other half is not to come.
    pub(super) fn settle_halves(&mut self, at: Moment, now: Instant) {
        let (values, times) = self.halves.overdue(now);
        // For a log record without a date it is the only time there is.
        let score = at.now.millis() as f64 / 1000.0;
        let writes: Vec<Write> = values
            .into_iter()
            .map(|(queue, key)| Write {
                queue,
                halves: Halves::Times(vec![(key, score)]),
                says_ok: false,
            })
            .collect();
        if !writes.is_empty() {
            // What does not succeed is tried again.
            let _ = self.accept(&[&writes], at);
        }
        let changes: Vec<(Name, Option<_>)> = times.into_iter().map(|name| (name, None)).collect();
        let frames = self.halves.frames(&changes, at.now);
        if !changes.is_empty() && self.halves.log().append(&frames).is_ok() {
            for (name, _) in &changes {
                self.bury(name, "no_value", b"", at.now);
            }
            self.halves.apply(changes);
        }
        match self.halves.tidy() {
            Ok(renamed) => self.unnamed |= renamed,
            Err(error) => self.fail(&error),
        }
    }

    /// Looks whether a medium that failed takes something again.
    pub(super) fn probe(&mut self) {
        let path = self.folder().join(PROBE);
        let written = File::create(&path).and_then(|mut file| {
            io::Write::write_all(&mut file, &[0; PROBE_BYTES])?;
            file.sync_data()
        });
        let removed = remove(&path);
        match written.and(removed) {
            Ok(()) => {
                info!("Applications' records can be written again.");
                self.failure = None;
            }
            Err(error) => self.fail(&error),
        }
    }
}

/// Makes from a file what is handed over, and how many records of it cannot be read.
///
/// # Errors
/// The medium fails.
pub(super) fn load(due: &Due, interval: Duration, bounds: Bounds) -> io::Result<(Handed, u64)> {
    let mut tallier = Tallier::new(interval, bounds);
    let mut logs = Vec::new();
    let mut unreadable = 0;
    frame::scan(File::open(&due.path)?, due.receipt, |frame| {
        let taken = match (frame.what, due.kind) {
            (What::Record, Kind::Metrics) => record::parse(frame.json)
                .map(|record| tallier.add(&record, frame.time))
                .is_ok(),
            (What::Record, Kind::Logs) => log::parse(frame.json, frame.score)
                .map(|log| logs.push(log))
                .is_ok(),
            _ => true,
        };
        unreadable += u64::from(!taken);
    })?;
    let handed = match due.kind {
        Kind::Metrics => Handed::Windows(tallier.take()),
        Kind::Logs => Handed::Logs(logs),
    };
    Ok((handed, unreadable))
}

/// Marks a file as one that the journal has: from then on it is not read again, only its receipt is to be forgotten.
///
/// # Errors
/// The medium fails. The file is read again, and the journal remembers that it has it.
pub(super) fn mark_done(path: &Path) -> io::Result<PathBuf> {
    let done = path.with_extension(DONE.trim_start_matches('.'));
    match fs::rename(path, &done) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && done.exists() => {}
        other => other?,
    }
    if let Some(folder) = path.parent() {
        sync_folder(folder)?;
    }
    Ok(done)
}

/// The receipt in a file's name, where it has this suffix.
pub(super) fn receipt_of(path: &Path, suffix: &str) -> Option<ReceiptId> {
    let name = path.file_name()?.to_str()?.strip_suffix(suffix)?;
    let (_, receipt) = name.rsplit_once('-')?;
    let digits = receipt.len() == 32 && receipt.bytes().all(|byte| byte.is_ascii_hexdigit());
    u128::from_str_radix(receipt, 16)
        .ok()
        .filter(|_| digits)
        .map(ReceiptId)
}

/// Whether a file waits for the journal, and its receipt.
pub(super) fn waits(path: &Path) -> Option<ReceiptId> {
    receipt_of(path, SUFFIX)
}
