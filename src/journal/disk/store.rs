//! Writing: records into segments, within the bound, in an order that a kill at any moment leaves readable.
//!
//! All calls block. The journal holds a std mutex around them: they are one write, rarely a new segment.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::component::journal::{DropReason, JournalError, OutputId};
use crate::journal::disk::change::{Change, write_changes};
use crate::journal::disk::medium::Medium;
use crate::journal::disk::record::{CHANGE, FRAME, STATE, frame, header};
use crate::journal::disk::snapshot;
use crate::journal::disk::state::{Segment, State, reason_index};
use crate::support::time::Clock;

/// How an output's blocks are kept after it is no longer configured.
const RETIRE_AFTER: Duration = Duration::from_secs(24 * 3600);

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
}

/// See the module.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) medium: Arc<dyn Medium>,
    pub(super) layout: Layout,
    pub(super) clock: Clock,
    pub(super) state: State,
    /// The segment that is written to; none before the first write.
    pub(super) current: Option<u64>,
    /// Bytes of the current segment's head.
    head: u64,
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
        state: State,
    ) -> Self {
        let segment_bytes = state.segments.values().map(|segment| segment.length).sum();
        let last_sync = clock.uptime();
        Self {
            medium,
            layout,
            clock,
            state,
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

    fn length(&self) -> u64 {
        let current = self.current.and_then(|number| self.state.segments.get(&number));
        current.map_or(0, |segment| segment.length)
    }

    /// Writes bytes at the end of a segment, all or nothing. With `urgent` the reserve is given up for it.
    fn write(&mut self, segment: u64, bytes: &[u8], urgent: bool) -> Result<(), JournalError> {
        let at = self
            .state
            .segments
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
        self.state.segments.entry(segment).or_default().length += bytes.len() as u64;
        self.segment_bytes += bytes.len() as u64;
        self.written += bytes.len() as u64;
        self.write_error = None;
        Ok(())
    }

    /// Deletes what nobody needs because the medium is full, though the bound is not reached; whether that freed any.
    fn free_medium(&mut self, writing: u64) -> bool {
        // Less is held back by one slow block if segments are small for what the medium has.
        self.layout.segment = self.layout.segment.min((self.segment_bytes / 16).max(16 << 10));
        let before = self.state.segments.len();
        if let Some(current) = self.current.filter(|current| *current == writing)
            && self.medium.sync(current).is_ok()
        {
            self.reached(self.written);
        }
        self.state.segments.len() < before
    }

    /// Starts a new segment if that lets the current one go; whether it did.
    pub(super) fn renew(&mut self) -> bool {
        let current = self.current.and_then(|number| self.state.segments.get(&number));
        current.is_some_and(|segment| segment.held == 0 && segment.length > self.head) && self.roll().is_ok()
    }

    /// Writes a record and says where it stands: segment, offset, length. `payload` is made for its place.
    pub(super) fn put(
        &mut self,
        kind: u8,
        payload: impl Fn(u64, usize) -> Vec<u8>,
        urgent: bool,
    ) -> Result<(u64, usize, usize), JournalError> {
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
        Ok((segment, at, record.len()))
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
        let number = self
            .state
            .segments
            .last_key_value()
            .map_or(1, |(last, _)| last + 1);
        let mut head = header(number);
        let copies = self.copies(number, head.len());
        head.extend_from_slice(&copies);
        self.write(number, &head, true)?;
        for segment in self.current.into_iter().chain([number]) {
            if let Err(error) = self.medium.sync(segment) {
                let error = self.fails("be synced", error);
                warn!(%error, "The journal cannot reach its medium; a power failure may lose what is in it.");
            }
        }
        (self.current, self.head, self.unsaved) = (Some(number), head.len() as u64, false);
        self.synced = self.written;
        self.last_sync = self.clock.uptime();
        self.reclaim();
        if !self.has_reserve
            && self.bytes() + self.layout.reserve + self.layout.slack <= self.layout.bound
            && self.medium.keep_free(self.layout.reserve).is_ok()
        {
            self.has_reserve = true;
        }
        Ok(())
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

    /// Notes segments that nobody needs after what was written last.
    pub(super) fn freed(&mut self, segments: Vec<u64>) {
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
    fn reclaim(&mut self) {
        let unneeded = |(number, segment): (&u64, &Segment)| {
            let settled = self.free.get(number).copied().unwrap_or(0) <= self.synced;
            (segment.held == 0 && settled && Some(*number) != self.current).then_some(*number)
        };
        let unneeded: Vec<u64> = self.state.segments.iter().filter_map(unneeded).collect();
        for number in unneeded {
            self.delete(number);
        }
    }

    fn delete(&mut self, number: u64) {
        if let Err(error) = self.medium.remove(number) {
            let error = self.fails("delete a segment", error);
            warn!(%error, segment = number, "A segment stays that nobody needs.");
            return;
        }
        self.free.remove(&number);
        let gone = self.state.segments.remove(&number).unwrap_or_default();
        self.segment_bytes = self.segment_bytes.saturating_sub(gone.length);
        self.state.foreign = self.state.foreign.saturating_sub(u64::from(gone.foreign));
    }

    /// Makes room for `need` bytes of blocks: first by deleting what nobody needs, then by evicting the oldest segment.
    /// How many items each output lost.
    pub(super) fn make_room(&mut self, need: u64) -> Result<BTreeMap<OutputId, u64>, JournalError> {
        let mut evicted = BTreeMap::new();
        let limit = self.layout.bound - self.layout.slack;
        while self.bytes() + need > limit {
            let before = self.state.segments.len();
            if self.written > self.synced
                && let Some(current) = self.current
                && self.medium.sync(current).is_ok()
            {
                self.reached(self.written);
            } else {
                self.reclaim();
            }
            if self.state.segments.len() < before {
                continue;
            }
            let Some((oldest, segment)) = self.state.segments.first_key_value() else {
                break;
            };
            let (oldest, segment) = (*oldest, *segment);
            if Some(oldest) == self.current {
                if segment.length <= self.head && segment.held == 0 {
                    break;
                }
                self.roll()?;
                continue;
            }
            if let Some((current, _)) = self.state.segments.last_key_value()
                && self.current != Some(*current)
            {
                self.roll()?;
            }
            let ids: Vec<u64> = self
                .state
                .held
                .iter()
                .take_while(|(_, held)| held.segment <= oldest)
                .map(|(id, _)| *id)
                .collect();
            for (output, lost) in self.give_up(&ids, DropReason::Evicted)? {
                *evicted.entry(output).or_default() += lost;
            }
            // Else a power failure would leave neither the blocks nor the record of what became of them.
            if let Some(current) = self.current
                && self.medium.sync(current).is_ok()
            {
                self.synced = self.written;
            }
            self.delete(oldest);
            if self.state.segments.contains_key(&oldest) {
                // It cannot be deleted; more would not help.
                break;
            }
        }
        if self.bytes() + need > limit {
            return Err(self.fails("make room", io::Error::other("its segments cannot be deleted")));
        }
        Ok(evicted)
    }

    /// Drops whole blocks at all outputs; how many items each lost.
    pub(super) fn give_up(
        &mut self,
        ids: &[u64],
        reason: DropReason,
    ) -> Result<BTreeMap<OutputId, u64>, JournalError> {
        let mut lost = BTreeMap::new();
        let mut changes = Vec::new();
        for slot in self.state.slots().collect::<Vec<_>>() {
            let Some(account) = self.state.account(slot) else {
                continue;
            };
            let (name, mut totals) = (OutputId(Arc::clone(&account.name)), account.totals);
            let mut whole = Vec::new();
            let mut items = 0;
            for id in ids {
                let Some(held) = self.state.held.get(id).filter(|held| held.waits(slot)) else {
                    continue;
                };
                let waiting = self.state.waiting(slot, *id, held);
                totals[usize::from(held.kind)].dropped[reason_index(reason)] += waiting;
                items += waiting;
                whole.push(*id);
            }
            if whole.is_empty() {
                continue;
            }
            lost.insert(name, items);
            changes.push(Change {
                slot,
                cursor: self.state.cursor_after(slot, &whole),
                whole,
                partial: Vec::new(),
                appended: self.state.appended,
                totals: totals.into_iter().enumerate().collect(),
            });
        }
        self.change(changes)?;
        Ok(lost)
    }

    /// Writes changes and applies them.
    pub(super) fn change(&mut self, changes: Vec<Change>) -> Result<(), JournalError> {
        if changes.is_empty() {
            return Ok(());
        }
        let payload = write_changes(&changes);
        self.put(CHANGE, |_, _| payload.clone(), true)?;
        for change in changes {
            let free = self.state.apply(change);
            self.freed(free);
        }
        Ok(())
    }

    /// Rolls or makes room after changes alone made the log grow.
    pub(super) fn tidy(&mut self) -> Result<(), JournalError> {
        let room = self.layout.slack / 2;
        if self.length() > self.layout.segment || self.bytes() + room > self.layout.bound {
            self.make_room(self.head)?;
            self.fit(FRAME as u64)?;
        }
        Ok(())
    }

    /// Puts the configured outputs into the state; what it knows of others is kept for a day.
    pub(super) fn configure(&mut self, outputs: &[OutputId]) -> io::Result<()> {
        let now = self.clock.stamp(true);
        for output in outputs {
            match self.state.slot(&output.0) {
                None => {
                    let appended = self.state.appended;
                    if self.state.register(&output.0, appended).is_none() {
                        return Err(io::Error::new(ErrorKind::InvalidInput, "more than 64 outputs"));
                    }
                    self.unsaved = true;
                }
                Some(slot) => {
                    if let Some(Some(account)) = self.state.accounts.get_mut(slot)
                        && account.absent.take().is_some()
                    {
                        self.unsaved = true;
                    }
                }
            }
        }
        for account in self.state.accounts.iter_mut().flatten() {
            if account.absent.is_none() && !outputs.iter().any(|output| output.0 == account.name) {
                account.absent = Some(now);
                self.unsaved = true;
            }
        }
        self.retire();
        Ok(())
    }

    /// Forgets outputs that were not configured for a day.
    pub(super) fn retire(&mut self) {
        let now = self.clock.stamp(true);
        for slot in self.state.slots().collect::<Vec<_>>() {
            let Some((name, since)) = self
                .state
                .account(slot)
                .and_then(|a| Some((Arc::clone(&a.name), a.absent?)))
            else {
                continue;
            };
            let absent = if since.boot == now.boot {
                now.uptime.saturating_sub(since.uptime)
            } else {
                now.wall.since(since.wall)
            };
            if absent < RETIRE_AFTER {
                continue;
            }
            let items = self.state.retire(slot);
            self.unsaved = true;
            if items > 0 {
                warn!(output = %name, items, "An output was not configured for a day; what waited for it is dropped.");
            } else {
                info!(output = %name, "An output was not configured for a day; it is forgotten.");
            }
        }
        if self.unsaved {
            self.state.release_all();
        }
    }
}

fn is_full(result: &io::Result<()>) -> bool {
    matches!(result, Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded))
}
