//! The loop over some queues: looks, claims, journals, cleans up, waits.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::Instant;
use tracing::debug;

use crate::feeds::redis::claims::Claims;
use crate::feeds::redis::commit::{clean, commit, while_held};
use crate::feeds::redis::desk::Desk;
use crate::feeds::redis::gather::{Gathered, ahead, gather, ready};
use crate::feeds::redis::keys::Queue;
use crate::feeds::redis::orphans::Search;
use crate::feeds::redis::pace::Pace;
use crate::feeds::redis::standing::Fault;
use crate::model::time::Timestamp;
use crate::support::shutdown::Shutdown;

/// The topic of troubles that concern the whole server.
const SERVER: &str = "Redis";

/// Queues that are read one after the other.
pub(super) struct Lane<'a> {
    desk: &'a Desk,
    stop: Shutdown,
    journal: &'static str,
    /// The topic of troubles with what lies under claims.
    table: &'static str,
    queues: Vec<Line>,
    claims: Claims,
    claims_due: Instant,
    wait: Wait,
}

/// One of them.
struct Line {
    queue: Queue,
    search: Search,
    /// Up to where windows were closed when it was last emptied.
    emptied: Option<Timestamp>,
    /// Where it is left alone: until when, and how long the next time.
    rests: Option<(Instant, Wait)>,
}

/// What is to be read of a queue now.
struct Due {
    keys: u64,
    reads: bool,
    with_ahead: bool,
}

impl<'a> Lane<'a> {
    pub(super) fn new(desk: &'a Desk, queues: &[Queue], stop: Shutdown) -> Self {
        let line = |queue: &Queue| Line {
            queue: *queue,
            search: Search::new(*queue, desk.pace.orphans_first),
            emptied: None,
            rests: None,
        };
        let (journal, table) = if queues.contains(&Queue::Logs) {
            ("the journal of logs", "claims of logs")
        } else {
            ("the journal of metrics", "claims of metrics")
        };
        Self {
            desk,
            stop,
            journal,
            table,
            queues: queues.iter().map(line).collect(),
            claims: Claims::default(),
            claims_due: Instant::now(),
            wait: Wait::new(&desk.pace),
        }
    }

    /// Runs until the word to stop, and a little longer to end what was begun.
    pub(super) async fn run(&mut self) {
        let desk = self.desk;
        while !self.stop.is_stopped() {
            let mut stop = self.stop.clone();
            let late = async {
                stop.stopped().await;
                tokio::time::sleep(desk.pace.stop).await;
            };
            let passed = tokio::select! {
                passed = self.pass() => passed,
                // What is left is found in the table of claims at the next start, or by another agent.
                () = late => return,
            };
            let into = desk.recorder.as_ref();
            let wait = match passed {
                Ok(()) => {
                    self.wait = Wait::new(&desk.pace);
                    desk.standing.well(into, SERVER);
                    desk.standing.well(into, self.journal);
                    desk.pace.look
                }
                Err(fault) => {
                    // What was begun lies in the table.
                    self.claims_due = Instant::now();
                    match fault {
                        Fault::Journal(reason) => desk.standing.trouble(into, self.journal, &reason),
                        Fault::Server(reason) => desk.standing.trouble(into, SERVER, &reason),
                        // Handled in `pass`.
                        Fault::Queue { .. } | Fault::Lost | Fault::Changed => {}
                    }
                    self.wait.next(&desk.pace)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.stopped() => return,
            }
        }
    }

    async fn pass(&mut self) -> Result<(), Fault> {
        let desk = self.desk;
        if !desk.recorder.is_clock_believed() {
            return Ok(());
        }
        desk.forget(None).await;
        if Instant::now() >= self.claims_due {
            let queues: Vec<Queue> = self.queues.iter().map(|line| line.queue).collect();
            match self.claims.look(desk, &queues).await? {
                Some(reason) => desk.standing.trouble(desk.recorder.as_ref(), self.table, &reason),
                None => desk.standing.well(desk.recorder.as_ref(), self.table),
            }
            self.claims_due = Instant::now() + desk.pace.claims;
        }
        for line in &mut self.queues {
            if self.stop.is_stopped() {
                return Ok(());
            }
            if line
                .rests
                .as_ref()
                .is_some_and(|(until, _)| Instant::now() < *until)
            {
                continue;
            }
            let claimed = self.claims.any(line.queue);
            match line.pass(desk, claimed, &self.stop).await {
                Ok(()) => {
                    line.rests = None;
                    desk.standing.well(desk.recorder.as_ref(), line.queue.name());
                }
                Err(Fault::Queue { queue, reason }) => {
                    let (into, topic) = (desk.recorder.as_ref(), queue.name());
                    match queue {
                        Queue::Raw => desk.standing.trouble(into, topic, &reason),
                        Queue::Wrapped | Queue::Logs => desk.standing.warning(into, topic, &reason),
                    }
                    let mut wait = line
                        .rests
                        .take()
                        .map_or_else(|| Wait::new(&desk.pace), |rest| rest.1);
                    line.rests = Some((Instant::now() + wait.next(&desk.pace), wait));
                    self.claims_due = Instant::now();
                }
                Err(fault @ (Fault::Lost | Fault::Changed)) => {
                    debug!(
                        feed = "redis",
                        queue = line.queue.name(),
                        ?fault,
                        "A claim was given up."
                    );
                    if fault == Fault::Lost {
                        desk.recorder.note(&mut |facts| facts.lost_claims += 1);
                    }
                    self.claims_due = Instant::now();
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }
}

impl Line {
    async fn pass(&mut self, desk: &Desk, claimed: bool, stop: &Shutdown) -> Result<(), Fault> {
        let due = self.due(desk).await?;
        if due.reads {
            self.emptied = Some(desk.recorder.closed_before());
            if let Err(fault) = self.empty(desk, due.with_ahead, stop).await {
                self.emptied = None;
                return Err(fault);
            }
        }
        self.search.step(desk, claimed, due.keys).await
    }

    /// Late records and logs wait for the next closed window, unless there are many.
    async fn due(&self, desk: &Desk) -> Result<Due, Fault> {
        let at = |error| Fault::of(self.queue, &error);
        let keys = desk.store.count(self.queue, None).await.map_err(at)?;
        desk.waiting(self.queue, keys);
        let moment = desk.moment();
        let fresh = self.emptied != Some(moment.closed);
        let mut with_ahead = false;
        let reads = keys > 0
            && match self.queue {
                Queue::Wrapped => true,
                Queue::Logs => fresh || keys >= desk.pace.urgent,
                Queue::Raw => {
                    let (ready, ahead) = (ready(self.queue, &moment), ahead(&moment));
                    let (ready, ahead) = tokio::join!(
                        desk.store.count(self.queue, Some(&ready)),
                        desk.store.count(self.queue, Some(&ahead))
                    );
                    let (ready, ahead) = (ready.map_err(at)?, ahead.map_err(at)?);
                    with_ahead = ahead > 0;
                    ready + ahead > 0 && (fresh || ready >= desk.pace.records)
                }
            };
        Ok(Due {
            keys,
            reads,
            with_ahead,
        })
    }

    /// Reads all that is ready. While a claim is gathered, the one before is journalled and cleaned up, so that Redis
    /// always has something to do.
    async fn empty(&self, desk: &Desk, with_ahead: bool, stop: &Shutdown) -> Result<(), Fault> {
        let mut before: Option<Gathered<'_>> = None;
        loop {
            let before_it = before.take();
            let settling = pin!(async {
                match before_it {
                    Some(gathered) => settle(desk, gathered).await,
                    None => Ok(()),
                }
            });
            let gathering = pin!(gather(desk, self.queue, desk.moment(), with_ahead, stop));
            let (settled, gathered) = match select(settling, gathering).await {
                Either::Left((settled, gathering)) => (settled, gathering.await),
                Either::Right((Ok(Some(gathered)), settling)) => {
                    // It waits for its turn.
                    let settled = while_held(desk, &gathered.claim, settling).await;
                    (settled, Ok(Some(gathered)))
                }
                Either::Right((gathered, settling)) => (settling.await, gathered),
            };
            settled?;
            let Some(gathered) = gathered? else {
                return Ok(());
            };
            if !gathered.more || stop.is_stopped() {
                return settle(desk, gathered).await;
            }
            before = Some(gathered);
        }
    }
}

/// Journals a claim and cleans up after it.
async fn settle<'a>(desk: &'a Desk, gathered: Gathered<'a>) -> Result<(), Fault> {
    let done = commit(desk, gathered).await?;
    clean(desk, done).await
}

/// A wait that doubles with each failure, with jitter, so that a fleet does not come back in one moment.
struct Wait(Duration);

impl Wait {
    fn new(pace: &Pace) -> Self {
        Self(pace.first_wait)
    }

    fn next(&mut self, pace: &Pace) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(pace.longest_wait);
        wait.mul_f64(0.5 + 0.5 * fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let pace = Pace::default();
        let mut wait = Wait::new(&pace);
        let waits: Vec<Duration> = (0..10).map(|_| wait.next(&pace)).collect();
        assert!(waits[0] >= pace.first_wait / 2 && waits[0] <= pace.first_wait);
        assert!(waits[9] >= pace.longest_wait / 2 && waits[9] <= pace.longest_wait);
    }
}
