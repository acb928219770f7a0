//! Writes down one container's log: from the engine's bytes to the file, the counts and the journal. It blocks.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::component::feed::Handed;
use crate::component::journal::{Receipt, ReceiptId};
use crate::feeds::container_logs::book::{Kept, Position};
use crate::feeds::container_logs::desk::Desk;
use crate::feeds::container_logs::frames::{Malformed, STDERR, STDOUT};
use crate::feeds::container_logs::record::Origin;
use crate::feeds::container_logs::shared::{Failure, Shared};
use crate::logs::lines::Lines;
use crate::logs::rotate::LogFile;
use crate::logs::rotate::place::PlaceError;

/// Bytes of records that are handed over at once.
const HAND_OVER: usize = 2 << 20;
/// A stream that says nothing for this long (nanoseconds) is taken to have nothing older to say: engines keep the two
/// streams' messages in the order in which they come, give or take a moment.
const SETTLED: i64 = 60 * 1_000_000_000;
/// The first wait after the journal took nothing; it doubles.
const RETRY: Duration = Duration::from_millis(500);
/// The longest.
const RETRY_MOST: Duration = Duration::from_secs(30);

/// Why it cannot go on. What is in the book holds; whoever begins anew there loses and repeats nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScribeError {
    #[error(transparent)]
    Stream(#[from] Malformed),
    #[error(transparent)]
    File(#[from] PlaceError),
    #[error("cannot write the state of the container logs: {0}")]
    State(#[from] io::Error),
    #[error("the agent stops")]
    Stopped,
}

/// Whose log it is.
#[derive(Clone, Debug)]
pub(super) struct Whose {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) image: String,
    /// Whether it has a terminal.
    pub(super) tty: bool,
    /// Where to begin where nothing is known of it.
    pub(super) first: Position,
}

/// Writes down the log of one container.
pub(super) struct Scribe {
    shared: Arc<Shared>,
    whose: Whose,
    runtime: Handle,
    lines: Lines<Position>,
    desk: Desk,
    /// What was read before, of each stream; `None` once something newer has come.
    skip: [Option<Position>; 2],
    /// The newest piece of each stream, skipped ones among them.
    newest: [Position; 2],
    /// Where the line began that is held of each stream: everything before was given on.
    start: [Position; 2],
    /// The piece that is being read: its stream, and whether it is skipped.
    stream: usize,
    is_skipped: bool,
    /// Whether something came since it was committed.
    is_dirty: bool,
}

impl Scribe {
    /// Opens the file and goes to where the book says.
    ///
    /// # Errors
    /// See [`ScribeError`].
    pub(super) fn open(shared: &Arc<Shared>, whose: Whose, runtime: Handle) -> Result<Self, ScribeError> {
        let book = &shared.book;
        if let Some(receipt) = book.pending(&whose.name) {
            // The agent died, or stopped, before it heard whether the journal took the lines.
            book.end(&whose.name, runtime.block_on(shared.into.remembers(receipt)));
        }
        let kept = book.kept(&whose.name);
        let plan = &shared.plan;
        let mark = kept.as_ref().and_then(Kept::mark);
        let file = LogFile::open(&plan.directory, &whose.name, plan.limits, mark)?;
        // Another name's position is its own: it was renamed.
        let from = book.position(&whose.id).unwrap_or([whose.first; 2]);
        let origin = plan.forward.then(|| Origin {
            container: whose.name.clone(),
            image: whose.image.clone(),
            machine: plan.machine.clone(),
        });
        let counts = kept.map(|kept| kept.counts).unwrap_or_default();
        shared.set_counts(&whose.name, counts);
        let desk = Desk::new(file, counts, plan.mapping.of(&whose.name), origin);
        let mut scribe = Self {
            lines: Lines::new(from),
            desk,
            skip: from.map(Some),
            newest: [Position::default(); 2],
            start: from,
            stream: STDOUT,
            is_skipped: false,
            is_dirty: false,
            shared: Arc::clone(shared),
            whose,
            runtime,
        };
        // From here on the file's mark counts, also where the file is new.
        scribe.desk.file.sync()?;
        scribe.shared.book.keep(&scribe.whose.name, scribe.kept());
        scribe.shared.book.save()?;
        Ok(scribe)
    }

    /// From which second on the log is wanted; 0 for all of it.
    pub(super) fn since(&self) -> i64 {
        let [out, err] = self.positions();
        let oldest = if self.whose.tty { out } else { out.min(err) };
        oldest.time.div_euclid(1_000_000_000).max(0)
    }

    /// Whether something came since it was committed.
    pub(super) fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// A piece begins.
    ///
    /// # Errors
    /// See [`ScribeError`]; it is then not used any more.
    pub(super) fn begin(&mut self, stream: usize, time: i64) -> Result<(), ScribeError> {
        self.stream = stream;
        let newest = &mut self.newest[stream];
        if newest.time == time {
            newest.count += 1;
        } else {
            *newest = Position { time, count: 1 };
        }
        self.is_skipped = self.skip[stream].is_some_and(|before| *newest <= before);
        if !self.is_skipped {
            // What comes from now on is new, whatever the clock does.
            self.skip[stream] = None;
            if self.lines.is_idle(stream) {
                self.start[stream] = Position {
                    time,
                    count: newest.count - 1,
                };
            }
            self.lines.begin(stream, *newest, time, &mut self.desk)?;
        }
        Ok(())
    }

    /// Bytes of the piece.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub(super) fn content(&mut self, bytes: &[u8], ends: bool) -> Result<(), ScribeError> {
        if self.is_skipped {
            return Ok(());
        }
        self.make_room(bytes.len() + self.lines.held(self.stream))?;
        self.is_dirty = true;
        self.lines.content(self.stream, bytes, ends, &mut self.desk)?;
        if self.desk.outgrows() {
            self.turn_over()?;
        }
        match &self.desk.outgoing {
            Some(outgoing) if outgoing.bytes > HAND_OVER => self.commit(),
            _ => Ok(()),
        }
    }

    /// Shows what came: in the file to its readers, on the page its counts.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub(super) fn show(&mut self) -> Result<(), ScribeError> {
        self.desk.file.flush()?;
        self.shared.set_counts(&self.whose.name, self.desk.counts);
        for _ in 0..std::mem::take(&mut self.desk.cut) {
            self.shared.count_failure(Failure::LineCut);
        }
        Ok(())
    }

    /// The container has ended, and its last line with it.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub(super) fn finish(&mut self) -> Result<(), ScribeError> {
        // Each may get a line break.
        self.make_room(self.lines.held(STDOUT) + self.lines.held(STDERR) + 2)?;
        self.lines.finish(&mut self.desk)?;
        self.is_dirty = true;
        self.show()?;
        self.commit()
    }

    /// Brings what came to the medium, and to the journal; the book then says so, and is saved by whoever does that in
    /// time, unless something hangs on it.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub(super) fn commit(&mut self) -> Result<(), ScribeError> {
        self.desk.file.sync()?;
        let kept = self.kept();
        let outgoing = self.desk.outgoing.as_mut();
        let records = outgoing.map(|outgoing| {
            outgoing.bytes = 0;
            std::mem::take(&mut outgoing.records)
        });
        match records {
            Some(records) if !records.is_empty() => self.hand_over(Handed::Logs(records), kept)?,
            _ => self.shared.book.keep(&self.whose.name, kept),
        }
        self.is_dirty = false;
        Ok(())
    }

    fn make_room(&mut self, bytes: usize) -> Result<(), ScribeError> {
        match self.lines.is_long() || self.desk.file.has_room(bytes) {
            true => Ok(()),
            false => self.turn_over(),
        }
    }

    /// Turns the file over. The book knows the old one's length before, and the new one before anything is written to it.
    fn turn_over(&mut self) -> Result<(), ScribeError> {
        self.commit()?;
        self.shared.book.save()?;
        let removed = self.desk.file.turn_over(self.desk.whole())?;
        self.desk.turned_over();
        self.shared.count_removed(removed);
        self.shared.book.keep(&self.whose.name, self.kept());
        self.shared.book.save()?;
        self.desk.file.compress()?;
        self.shared.enforce_total()?;
        Ok(())
    }

    /// Hands lines over under a receipt that the book knows before, so that after a death the journal can be asked.
    fn hand_over(&mut self, handed: Handed, kept: Kept) -> Result<(), ScribeError> {
        let (shared, name) = (&self.shared, &self.whose.name);
        let id = ReceiptId(fastrand::u128(..));
        shared.book.begin(name, id, kept);
        shared.book.save()?;
        let lines = match &handed {
            Handed::Logs(records) => records.len() as u64,
            _ => 0,
        };
        let mut wait = RETRY;
        loop {
            let receipt = Receipt { id, fence: None };
            let taken = self
                .runtime
                .block_on(shared.into.hand_over(handed.clone(), receipt));
            let Err(error) = taken else {
                break;
            };
            if self.runtime.block_on(shared.into.remembers(id)) {
                break;
            }
            shared.count_failure(Failure::HandOver);
            shared.note("journal", Some(format!("lines wait at the engine: {error}")));
            let mut stop = shared.stop.clone();
            let paused = self.runtime.block_on(async {
                tokio::select! {
                    () = stop.stopped() => false,
                    () = sleep(wait) => true,
                }
            });
            if !paused {
                return Err(ScribeError::Stopped);
            }
            wait = RETRY_MOST.min(wait * 2);
        }
        shared.note("journal", None);
        shared
            .into
            .note(&mut |facts| *facts.records.entry("logs").or_default() += lines);
        shared.book.end(name, true);
        Ok(())
    }

    /// What the book is to keep: everything that was given on, and the file as far as whole lines go.
    fn kept(&self) -> Kept {
        let mark = self.desk.file.mark();
        let mut ids = self.shared.book.kept(&self.whose.name).unwrap_or_default().ids;
        ids.insert(self.whose.id.clone(), self.positions());
        Kept {
            inode: mark.inode,
            length: self.desk.whole(),
            counts: self.desk.counts,
            ids,
        }
    }

    /// How far each stream was given on. One that has been silent moves along with the other, so that nobody reads the
    /// whole log again for its sake.
    fn positions(&self) -> [Position; 2] {
        let settled = Position {
            time: self.newest[STDOUT].time.max(self.newest[STDERR].time) - SETTLED,
            count: 0,
        };
        [STDOUT, STDERR].map(|stream| {
            let given = self.lines.given(stream);
            match self.lines.is_idle(stream) {
                true => given.max(settled),
                false => given.max(self.start[stream]),
            }
        })
    }
}

#[cfg(test)]
mod tests;
