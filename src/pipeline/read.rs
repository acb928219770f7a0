//! What a delivery reads from the journal, and how it settles it there.

use tracing::{debug, warn};

use crate::component::journal::{Entry, ReadRequest};
use crate::model::time::ClockStamp;
use crate::pipeline::batch::Batch;
use crate::pipeline::deliver::Task;
use crate::pipeline::lanes::Which;
use crate::pipeline::merge::Rules;
use crate::pipeline::unit::Unit;

/// Requests' worth of points that are read and merged at once: more windows of a series in one entry, fewer bytes.
const READ_AHEAD: u64 = 2;

/// What reading a lane gave.
pub(crate) enum Refill {
    /// Something to send.
    Ready,
    /// Blocks of which nothing can be sent.
    Skipped,
    /// No more blocks.
    Exhausted,
    /// The journal cannot be read.
    Failed,
}

impl<U: Unit> Task<U> {
    /// Most points of a request.
    pub(crate) fn bulk_size(&self) -> usize {
        self.settings.bulk_size.clamp(1, U::MOST_POINTS)
    }

    /// Reads the next blocks of a lane and merges them.
    pub(crate) async fn refill(&mut self, which: Which) -> Refill {
        let now = self.timekeeper.stamp();
        let edge = now.wall.before(self.settings.live_for());
        let divided = self.traits.fresh_first;
        let request = ReadRequest {
            kind: U::KIND,
            after: self.lanes.lane(which).after,
            not_before: (which == Which::Fresh).then_some(edge),
            before: (which == Which::Backlog && divided).then_some(edge),
            now,
            most_items: READ_AHEAD * self.bulk_size() as u64,
            most_bytes: U::READ_BYTES,
        };
        let mut entries = match self.journal.read(&self.id, &request).await {
            Ok(entries) => entries,
            Err(error) => {
                self.give_up();
                self.standing.retry(now, None, &error.to_string());
                return Refill::Failed;
            }
        };
        let Some(last) = entries.last().map(|entry| entry.id) else {
            return Refill::Exhausted;
        };
        self.lanes.lane(which).read_to = Some(last);
        entries.retain(|entry| !self.lanes.pass_over(entry.id));
        let batch = self.merge(&mut entries, now).await;
        let lane = self.lanes.lane(which);
        lane.held.extend(entries.iter().map(|entry| entry.id));
        lane.queue.extend(batch);
        if lane.queue.is_empty() {
            self.complete(which).await;
            return Refill::Skipped;
        }
        Refill::Ready
    }

    async fn merge(&mut self, entries: &mut Vec<Entry>, now: ClockStamp) -> Batch<U> {
        let interval = i64::try_from(self.settings.interval.as_secs())
            .unwrap_or(i64::MAX)
            .max(1);
        let time_to_live = self.settings.time_to_live;
        let (output, speaker) = (self.output.clone(), self.speaker.clone());
        let (read, mut ledger) = (std::mem::take(entries), std::mem::take(&mut self.ledger));
        let items: u64 = read.iter().map(|entry| u64::from(entry.block.items)).sum();
        let work = move || {
            let rules = Rules {
                output: output.as_ref(),
                speaker: &speaker,
                now,
                time_to_live,
                interval,
            };
            let batch = U::merge(&read, &rules, &mut ledger);
            (batch, read, ledger)
        };
        let done = if items < U::BLOCKING_ITEMS {
            work()
        } else {
            match tokio::task::spawn_blocking(work).await {
                Ok(done) => done,
                // An output that panics is a fault that a restart may heal, as in the short case.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        };
        let batch;
        (batch, *entries, self.ledger) = done;
        batch
    }

    /// What a lane had in hand is sent or given up: what is left of its blocks waits.
    pub(crate) async fn complete(&mut self, which: Which) {
        for entry in self.lanes.lane(which).advance() {
            if self.ledger.is_complete(entry) {
                self.doubtful.remove(&entry);
            } else {
                self.lanes.wait(entry);
            }
        }
        self.settle().await;
        let lanes = &self.lanes;
        self.ledger.close(|entry| lanes.holds(entry));
    }

    /// Puts down what is in hand; it is read again from the journal when the next attempt is due.
    pub(crate) fn give_up(&mut self) {
        self.lanes.drop_batches();
        self.ledger.close(|_| false);
    }

    /// Writes to the journal what became of items. What cannot be written is kept and written later.
    pub(crate) async fn settle(&mut self) {
        let settlements = self.ledger.unwritten();
        if settlements.is_empty() {
            return;
        }
        match self.journal.settle(&self.id, &settlements).await {
            Ok(()) => {
                self.ledger.written();
                self.settling_fails = false;
            }
            Err(error) if self.settling_fails => debug!(%error, "Settling still fails."),
            Err(error) => {
                self.settling_fails = true;
                warn!(output = %self.shown, %error, "What was delivered cannot be journalled; a restart would send it again.");
            }
        }
    }
}
