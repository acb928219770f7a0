//! Accepted records: each in the write-ahead file of its window, and tallied in memory.
//!
//! What is in the files is the truth; a tally can be dropped at any time and made again from its file. Calls block.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::component::journal::ReceiptId;
use crate::feeds::resp::bucket::{Bucket, Kind, MOST_HELD, Place};
use crate::feeds::resp::dead::Dead;
use crate::feeds::resp::halves::{Half, Name, Waitings};
use crate::feeds::resp::placed::{Placed, place};
use crate::feeds::resp::seen::{Known, Seen};
use crate::feeds::resp::stage::{Ground, Stage};
use crate::feeds::resp::write::{Refusal, Write};
use crate::model::client::tally::{Bounds, Tallier};
use crate::model::time::Timestamp;

/// Records further ahead of the clock than this count as of now.
pub(super) const AHEAD: Duration = Duration::from_secs(600);

/// Most records that are written at once.
const PIECE: usize = 1000;
/// Bytes above which no further record is written at once.
const PIECE_BYTES: usize = 512 * 1024;

/// What the clock says, and the recorder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The wall clock.
    pub(super) now: Timestamp,
    /// Windows that end at or before this are closed.
    pub(super) closed_before: Timestamp,
}

/// What is to be counted since it was asked for last.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Records that cannot be read, by reason.
    pub(super) unreadable: BTreeMap<&'static str, u64>,
    /// Records whose time was too far ahead.
    pub(super) ahead: u64,
}

/// Accepted records.
pub(super) struct Store {
    pub(super) folder: PathBuf,
    pub(super) interval: Duration,
    pub(super) bounds: Bounds,
    /// Most bytes of all files.
    pub(super) most: u64,
    pub(super) buckets: BTreeMap<ReceiptId, Bucket>,
    /// The buckets that take more, by what they take.
    pub(super) open: HashMap<Place, ReceiptId>,
    /// Talliers that know the series of the last windows, for the next ones.
    pub(super) spare: Vec<Tallier>,
    pub(super) halves: Waitings,
    pub(super) seen: Seen,
    pub(super) dead: Dead,
    pub(super) counts: Counts,
    /// Files were made or renamed since the folder was brought to the medium.
    pub(super) unnamed: bool,
    /// Why the medium takes nothing.
    pub(super) failure: Option<String>,
    /// The bound was reached, and was not since.
    pub(super) full: bool,
    /// Nothing is written any more.
    pub(super) closed: bool,
    /// Keeps a second process out.
    pub(super) _lock: File,
}

/// What a group of records did to the files so far.
#[derive(Default)]
struct Written {
    /// Files with their lengths and records before each piece.
    before: Vec<(ReceiptId, u64, u64)>,
    /// What is known once all of it is written.
    known: Vec<(u128, Known)>,
}

impl Store {
    /// Stores what clients sent, all of each one's or nothing, and says for each command how many halves were new.
    pub(super) fn accept(&mut self, sent: &[&[Write]], at: Moment) -> Vec<Result<Vec<u64>, Refusal>> {
        if self.closed {
            return vec![Err(Refusal::Stopping); sent.len()];
        }
        match self.try_accept(sent, at) {
            Ok(counts) => {
                let mut counts = counts.into_iter();
                sent.iter()
                    .map(|writes| Ok(counts.by_ref().take(writes.len()).collect()))
                    .collect()
            }
            // What does not fit together may fit one by one.
            Err(Refusal::Full | Refusal::Halves) if sent.len() > 1 => {
                sent.iter().map(|writes| self.try_accept(&[writes], at)).collect()
            }
            Err(refusal) => vec![Err(refusal); sent.len()],
        }
    }

    fn try_accept(&mut self, sent: &[&[Write]], at: Moment) -> Result<Vec<u64>, Refusal> {
        let buckets = &self.buckets;
        let lives = |file| buckets.contains_key(&file);
        let mut stage = Stage::new(Ground {
            halves: &self.halves,
            seen: &self.seen,
            lives: &lives,
        });
        let counts = sent
            .iter()
            .copied()
            .flatten()
            .map(|write| stage.take(write))
            .collect();
        let (whole, changes) = stage.finish();
        let mut unreadable = Vec::new();
        let mut placed = Vec::with_capacity(whole.len());
        let mut ahead = 0;
        for whole in &whole {
            match place(whole, at, self.interval) {
                Ok((record, was_ahead)) => {
                    ahead += u64::from(was_ahead);
                    placed.push(record);
                }
                Err(reason) => unreadable.push((whole, reason)),
            }
        }
        let known = self.write(&placed, &changes, at)?;
        self.halves.apply(changes);
        for (number, known) in known {
            self.seen.insert(number, known);
        }
        self.counts.ahead += ahead;
        for (whole, reason) in unreadable {
            self.bury(&whole.name, reason.name(), &whole.json, at.now);
        }
        self.shrink();
        Ok(counts)
    }

    /// Counts a record that cannot be read, and keeps a sample.
    pub(super) fn bury(&mut self, name: &Name, reason: &'static str, json: &[u8], now: Timestamp) {
        *self.counts.unreadable.entry(reason).or_default() += 1;
        if let Err(error) = self.dead.add(now, name.0, reason, &name.1, json) {
            warn!(%error, "A sample of an unreadable record cannot be kept.");
        }
    }

    /// Brings records and halves into the files, all or nothing, and tallies the records.
    fn write(
        &mut self,
        placed: &[Placed<'_>],
        changes: &[(Name, Option<Half>)],
        at: Moment,
    ) -> Result<Vec<(u128, Known)>, Refusal> {
        let frames = self.halves.frames(changes, at.now);
        let size = placed
            .iter()
            .map(|record| record.frame().size() as u64)
            .sum::<u64>()
            + frames.len() as u64;
        if size == 0 {
            return Ok(Vec::new());
        }
        if self.failure.is_some() {
            return Err(Refusal::Disk);
        }
        if !self.halves.has_room(changes) {
            return Err(Refusal::Halves);
        }
        if self.bytes() + size > self.most {
            if !std::mem::replace(&mut self.full, true) {
                let most = self.most;
                warn!(
                    most,
                    "Applications' records are refused: the write-ahead files have reached their bound."
                );
            }
            return Err(Refusal::Full);
        }
        self.no_longer_full();
        let mut pieces: BTreeMap<Place, Vec<&Placed<'_>>> = BTreeMap::new();
        for record in placed {
            pieces.entry(record.place).or_default().push(record);
        }
        let mut written = Written::default();
        let mut result = pieces
            .into_iter()
            .try_for_each(|(place, records)| self.append_all(place, &records, at, &mut written));
        if result.is_ok() && !frames.is_empty() {
            result = self.halves.log().append(&frames);
        }
        let Err(error) = result else {
            return Ok(written.known);
        };
        for (receipt, length, records) in written.before.into_iter().rev() {
            // What was tallied of it cannot be taken out again: the file is read when it is its turn.
            self.open.retain(|_, open| *open != receipt);
            if let Some(bucket) = self.buckets.get_mut(&receipt) {
                bucket.log.back_to(length);
                bucket.records = records;
                bucket.tallier = None;
            }
        }
        self.fail(&error);
        Err(Refusal::Disk)
    }

    /// Appends in pieces, so that what becomes one block keeps to its limits however much comes at once.
    fn append_all(
        &mut self,
        place: Place,
        mut records: &[&Placed<'_>],
        at: Moment,
        written: &mut Written,
    ) -> io::Result<()> {
        while !records.is_empty() {
            let open = self.open.get(&place).copied();
            let open = open.filter(|open| self.buckets.get(open).is_some_and(|bucket| !bucket.is_full()));
            let receipt = match open {
                Some(receipt) => receipt,
                None => self.begin(place, at)?,
            };
            let Some(bucket) = self.buckets.get_mut(&receipt) else {
                return Err(io::Error::other("a file is missing"));
            };
            let (mut bytes, mut count) = (Vec::new(), 0);
            for record in records.iter().take(PIECE) {
                record.frame().put(receipt, &mut bytes);
                count += 1;
                if bytes.len() >= PIECE_BYTES {
                    break;
                }
            }
            written
                .before
                .push((receipt, bucket.log.length(), bucket.records));
            bucket.log.append(&bytes)?;
            let (piece, rest) = records.split_at(count);
            records = rest;
            bucket.records += count as u64;
            for record in piece {
                let known = Known {
                    file: receipt,
                    content: record.whole.content,
                    score: record.whole.score,
                };
                written.known.push((record.whole.number, known));
                if let (Some(tallier), Some(metric)) = (&mut bucket.tallier, &record.metric) {
                    tallier.add(metric, record.time);
                }
            }
        }
        Ok(())
    }

    /// Makes the file for a place.
    fn begin(&mut self, place: Place, at: Moment) -> io::Result<ReceiptId> {
        let receipt = ReceiptId(fastrand::u128(1..));
        let mut bucket = Bucket::create(&self.folder, place, receipt, at, self.interval)?;
        if bucket.kind == Kind::Metrics {
            let new = || Tallier::new(self.interval, self.bounds.clone());
            bucket.tallier = Some(self.spare.pop().unwrap_or_else(new));
        }
        self.unnamed = true;
        self.buckets.insert(receipt, bucket);
        self.open.insert(place, receipt);
        Ok(receipt)
    }

    /// Closes what is full, and drops tallies where memory is short: their files have all of it.
    fn shrink(&mut self) {
        let buckets = &self.buckets;
        let is_full = |receipt: &ReceiptId| buckets.get(receipt).is_none_or(Bucket::is_full);
        self.open.retain(|_, receipt| !is_full(receipt));
        loop {
            let held = |bucket: &Bucket| bucket.tallier.as_ref().map_or(0, Tallier::bytes);
            if self.buckets.values().map(held).sum::<usize>() <= MOST_HELD {
                return;
            }
            let largest = self.buckets.iter().max_by_key(|(_, bucket)| held(bucket));
            let Some(largest) = largest.map(|(receipt, _)| *receipt) else {
                return;
            };
            self.open.retain(|_, receipt| *receipt != largest);
            if let Some(bucket) = self.buckets.get_mut(&largest) {
                bucket.tallier = None;
            }
        }
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        let files = self
            .buckets
            .values()
            .map(|bucket| bucket.log.length())
            .sum::<u64>();
        files + self.halves.file_bytes()
    }

    /// Whether the bound stands against new records: it was reached, and a tenth of it has not been freed since.
    pub(super) fn is_full(&mut self) -> bool {
        if self.full && self.bytes() < self.most / 10 * 9 {
            self.no_longer_full();
        }
        self.full
    }

    fn no_longer_full(&mut self) {
        if std::mem::take(&mut self.full) {
            info!("Applications' records are accepted again.");
        }
    }

    /// Records that wait for the journal, halves included.
    pub(super) fn waiting(&self) -> u64 {
        self.buckets.values().map(|bucket| bucket.records).sum::<u64>() + self.halves.len() as u64
    }

    /// Notes that the medium fails. Nothing is accepted until it was written to once.
    pub(super) fn fail(&mut self, error: &io::Error) {
        if self.failure.is_none() {
            let place = self.folder.display().to_string();
            warn!(%error, place, "Applications' records are refused: they cannot be written.");
        }
        self.failure = Some(format!("cannot write to {}: {error}", self.folder.display()));
    }

    /// The files that must be brought to the medium.
    pub(super) fn take_dirty(&mut self) -> (Vec<Arc<File>>, bool) {
        let mut files: Vec<Arc<File>> = self
            .buckets
            .values_mut()
            .filter_map(|bucket| bucket.log.take_dirty())
            .collect();
        files.extend(self.halves.log().take_dirty());
        (files, std::mem::take(&mut self.unnamed))
    }

    /// What was taken could not be brought to the medium.
    pub(super) fn set_dirty(&mut self) {
        for bucket in self.buckets.values_mut() {
            bucket.log.set_dirty();
        }
        self.halves.log().set_dirty();
        self.unnamed = true;
    }

    /// From now on nothing is written.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Where the files are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}
