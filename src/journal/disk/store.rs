//! Writing: records into segments, within the bound, in an order that a kill at any moment leaves readable.
//!
//! All calls block. The journal holds a std mutex around them: they are one write, rarely a new segment.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use crate::component::journal::{JournalError, OutputId, ReceiptId};
use crate::journal::account::outputs::TooManyOutputs;
use crate::journal::account::snapshot;
use crate::journal::account::state::{Place, Released, State};
use crate::journal::disk::medium::Medium;
use crate::journal::disk::record::{STATE, frame, header};
use crate::journal::disk::segments::{Log, Segment, Segments, place};
use crate::support::time::Clock;

/// Sizes in bytes that follow from the bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// All files together.
    pub(crate) bound: u64,
    /// A segment that has grown beyond this is followed by a new one.
    pub(crate) segment: u64,
    /// Kept out of blocks' reach, so that eviction can always write what it did.
    pub(crate) slack: u64,
    /// Occupied on the medium, so that settlements can be written when it is full.
    pub(crate) reserve: u64,
}

impl Layout {
    pub(crate) fn of(bound: u64) -> Self {
        Self {
            bound,
            segment: (bound / 16).clamp(16 << 10, 4 << 20),
            slack: (bound / 64).clamp(4 << 10, 1 << 20),
            reserve: (bound / 64).clamp(1 << 10, 64 << 10),
        }
    }

    /// How many receipts are remembered at most: each segment begins with all of them, twice.
    pub(crate) fn most_receipts(&self) -> usize {
        let bytes = self.segment / 8;
        usize::try_from(bytes).unwrap_or(usize::MAX) / (2 * size_of::<ReceiptId>())
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) medium: Arc<dyn Medium>,
    pub(super) layout: Layout,
    pub(super) clock: Clock,
    pub(super) state: State,
    pub(super) segments: Segments,
    /// The segment that is written to; none before the first write.
    pub(super) current: Option<u64>,
    /// Bytes of the current segment's head.
    pub(super) head: u64,
    /// All segments' bytes.
    segment_bytes: u64,
    /// Bytes of the lock.
    other_bytes: u64,
    has_reserve: bool,
    /// The state must be written before anything else: opening changed it.
    pub(super) unsaved: bool,
    /// Bytes written so far, which also serves as the time by which syncs are ordered.
    pub(super) written: u64,
    pub(super) synced: u64,
    pub(super) last_sync: Duration,
    /// By segment, what had been written when it became free: it is deleted once that is on the medium.
    free: BTreeMap<u64, u64>,
    pub(super) damaged: u64,
    pub(super) write_error: Option<String>,
}

impl Store {
    pub(super) fn new(
        medium: Arc<dyn Medium>,
        layout: Layout,
        clock: Clock,
        other_bytes: u64,
        log: Log,
    ) -> Self {
        let Log { state, segments } = log;
        let segment_bytes = segments.all.values().map(|segment| segment.length).sum();
        let last_sync = clock.uptime();
        Self {
            medium,
            layout,
            clock,
            state,
            segments,
            current: None,
            head: 0,
            segment_bytes,
            other_bytes,
            has_reserve: false,
            unsaved: false,
            written: 0,
            synced: 0,
            last_sync,
            free: BTreeMap::new(),
            damaged: 0,
            write_error: None,
        }
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.segment_bytes + self.other_bytes + if self.has_reserve { self.layout.reserve } else { 0 }
    }

    pub(super) fn fails(&mut self, action: &'static str, source: io::Error) -> JournalError {
        let error = JournalError::Medium {
            place: self.medium.place(),
            action,
            source,
        };
        self.write_error = Some(error.to_string());
        error
    }

    /// Goes on writing behind what a segment holds already.
    pub(super) fn resume(&mut self, segment: u64) {
        self.current = Some(segment);
        self.head = 0;
    }

    pub(super) fn length(&self) -> u64 {
        let current = self.current.and_then(|number| self.segments.all.get(&number));
        current.map_or(0, |segment| segment.length)
    }

    /// Writes bytes at the end of a segment, all or nothing. With `urgent` the reserve is given up for it.
    fn write(&mut self, segment: u64, bytes: &[u8], urgent: bool) -> Result<(), JournalError> {
        let at = self
            .segments
            .all
            .get(&segment)
            .map_or(0, |segment| segment.length);
        let medium = Arc::clone(&self.medium);
        let attempt = || {
            medium.write_at(segment, at, bytes).inspect_err(|_| {
                // Should this fail too, the next record is written over the half of this one.
                let _ = if at == 0 {
                    medium.remove(segment)
                } else {
                    medium.cut(segment, at)
                };
            })
        };
        let mut result = attempt();
        if is_full(&result) && self.free_medium(segment) {
            result = attempt();
        }
        if urgent && self.has_reserve && is_full(&result) && medium.keep_free(0).is_ok() {
            self.has_reserve = false;
            result = attempt();
        }
        result.map_err(|error| self.fails("write", error))?;
        self.segments.all.entry(segment).or_default().length += bytes.len() as u64;
        self.segment_bytes += bytes.len() as u64;
        self.written += bytes.len() as u64;
        self.write_error = None;
        Ok(())
    }

    /// Deletes what nobody needs because the medium is full, though the bound is not reached; whether that freed any.
    fn free_medium(&mut self, writing: u64) -> bool {
        // Less is held back by one slow block if segments are small for what the medium has.
        self.layout.segment = self.layout.segment.min((self.segment_bytes / 16).max(16 << 10));
        let before = self.segments.all.len();
        if let Some(current) = self.current.filter(|current| *current == writing)
            && self.medium.sync(current).is_ok()
        {
            self.reached(self.written);
        }
        self.segments.all.len() < before
    }

    /// Starts a new segment if that lets the current one go; whether it did.
    pub(super) fn renew(&mut self) -> bool {
        let current = self.current.and_then(|number| self.segments.all.get(&number));
        current.is_some_and(|segment| segment.held == 0 && segment.length > self.head) && self.roll().is_ok()
    }

    /// Writes a record and says where it stands. `payload` is made for its place.
    pub(super) fn put(
        &mut self,
        kind: u8,
        payload: impl Fn(u64, usize) -> Vec<u8>,
        urgent: bool,
    ) -> Result<Place, JournalError> {
        if self.current.is_none() {
            self.roll()?;
        } else if self.unsaved {
            self.save()?;
        }
        let Some(segment) = self.current else {
            return Err(self.fails("write", io::Error::other("there is no segment")));
        };
        let at = usize::try_from(self.length()).unwrap_or(usize::MAX);
        let record = frame(segment, at, kind, &payload(segment, at));
        self.write(segment, &record, urgent)?;
        Ok(place(segment, at, record.len()))
    }

    /// Two copies of the state, for `segment` at `at`.
    fn copies(&self, segment: u64, at: usize) -> Vec<u8> {
        let payload = snapshot::write(&self.state);
        let mut out = frame(segment, at, STATE, &payload);
        let second = frame(segment, at + out.len(), STATE, &payload);
        out.extend_from_slice(&second);
        out
    }

    /// Writes the state.
    pub(super) fn save(&mut self) -> Result<(), JournalError> {
        let Some(segment) = self.current else {
            return self.roll();
        };
        let at = usize::try_from(self.length()).unwrap_or(usize::MAX);
        let copies = self.copies(segment, at);
        self.write(segment, &copies, true)?;
        self.unsaved = false;
        Ok(())
    }

    /// Starts a new segment with the state at its head, and brings both it and the last one to the medium, so that
    /// older ones may go.
    pub(super) fn roll(&mut self) -> Result<(), JournalError> {
        let number = self.segments.all.last_key_value().map_or(1, |(last, _)| last + 1);
        let mut head = header(number);
        let copies = self.copies(number, head.len());
        head.extend_from_slice(&copies);
        self.write(number, &head, true)?;
        let mut reached = true;
        for segment in self.current.into_iter().chain([number]) {
            if let Err(error) = self.medium.sync(segment) {
                reached = false;
                let error = self.fails("be synced", error);
                warn!(%error, "The journal cannot reach its medium; a power failure may lose what is in it.");
            }
        }
        (self.current, self.head, self.unsaved) = (Some(number), head.len() as u64, false);
        if reached {
            self.reached(self.written);
        }
        self.keep_reserve();
        Ok(())
    }

    /// Occupies the reserve again, if there is room for it.
    pub(super) fn keep_reserve(&mut self) {
        if self.has_reserve || self.current.is_none() {
            return;
        }
        let fits = self.bytes() + self.layout.reserve + self.layout.slack <= self.layout.bound;
        self.has_reserve = fits && self.medium.keep_free(self.layout.reserve).is_ok();
        if !self.has_reserve {
            // One that an earlier process left would not be counted.
            let _ = self.medium.keep_free(0);
        }
    }

    /// Follows the current segment by a new one if it has no room for `need` bytes.
    pub(super) fn fit(&mut self, need: u64) -> Result<(), JournalError> {
        if self.current.is_some()
            && (self.length() <= self.head || self.length() + need <= self.layout.segment)
        {
            return Ok(());
        }
        self.roll()
    }

    /// Puts the configured outputs into the state.
    pub(super) fn configure(&mut self, outputs: &[OutputId]) -> Result<(), TooManyOutputs> {
        let now = self.clock.stamp(true);
        self.unsaved |= self.state.configure(outputs, now)?;
        self.release_unneeded();
        Ok(())
    }

    /// Forgets outputs that were not configured for a day.
    pub(super) fn retire(&mut self) {
        let now = self.clock.stamp(true);
        self.unsaved |= self.state.retire_absent(now);
        self.release_unneeded();
    }

    fn release_unneeded(&mut self) {
        if self.unsaved {
            let released = self.state.release_all();
            self.segments.let_go(&released);
        }
    }

    /// Notes blocks that nobody waits for after what was written last.
    pub(super) fn freed(&mut self, released: Vec<Released>) {
        let segments = self.segments.let_go(&released);
        self.free
            .extend(segments.into_iter().map(|segment| (segment, self.written)));
    }

    /// What was written up to `mark` is on the medium.
    pub(super) fn reached(&mut self, mark: u64) {
        self.synced = self.synced.max(mark);
        self.last_sync = self.clock.uptime();
        self.reclaim();
    }

    /// Deletes segments that nobody needs, if what settled them is on the medium. The current one's head carries
    /// everything else on.
    pub(super) fn reclaim(&mut self) {
        let unneeded = |(number, segment): (&u64, &Segment)| {
            let settled = self.free.get(number).copied().unwrap_or(0) <= self.synced;
            (segment.held == 0 && settled && Some(*number) != self.current).then_some(*number)
        };
        let unneeded: Vec<u64> = self.segments.all.iter().filter_map(unneeded).collect();
        for number in unneeded {
            self.delete(number);
        }
    }

    pub(super) fn delete(&mut self, number: u64) {
        if let Err(error) = self.medium.remove(number) {
            let error = self.fails("delete a segment", error);
            warn!(%error, segment = number, "A segment stays that nobody needs.");
            return;
        }
        self.free.remove(&number);
        let gone = self.segments.all.remove(&number).unwrap_or_default();
        self.segment_bytes = self.segment_bytes.saturating_sub(gone.length);
    }
}

fn is_full(result: &io::Result<()>) -> bool {
    matches!(result, Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
}
