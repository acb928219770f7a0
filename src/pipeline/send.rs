//! One request of a delivery: encoded, sent, judged; and what follows from the answer.

use std::time::Duration;

use bytes::Bytes;
use tracing::{info, warn};

use crate::component::journal::DropReason;
use crate::component::output::{SendError, Sent};
use crate::pipeline::batch::Batch;
use crate::pipeline::bisect::Bisect;
use crate::pipeline::decide::{Action, Attempt, Cause, decide, most_refused, sets_aside};
use crate::pipeline::deliver::Task;
use crate::pipeline::lanes::Which;
use crate::pipeline::ledger::{Fate, Item};
use crate::pipeline::unit::Unit;

/// Requests that have to be taken before the limits that a 413 divided are eased.
const EASING: u32 = 50;
/// The most that the limits are divided by: far less than a point is left of any limit then.
const MOST_SHRINK: u32 = 1 << 16;
/// How long a request that was taken speaks for the destination when another one is refused.
const WITNESS: Duration = Duration::from_secs(60);
/// Most blocks of which it is remembered that they may have arrived.
const MOST_DOUBTFUL: usize = 10_000;

impl<U: Unit> Task<U> {
    /// Sends the front of a lane's queue. Returns whether delivery goes on.
    pub(crate) async fn send_next(&mut self, which: Which) -> bool {
        let most = self.bulk_size();
        let queue = &mut self.lanes.lane(which).queue;
        let encoded = U::encode(
            self.output.as_ref(),
            queue.front(most),
            &self.speaker,
            self.shrink,
        );
        let request = queue.take(encoded.series, encoded.points_of_next);
        let attempt = Attempt {
            units: request.units.len(),
            points: request.points(),
        };
        if attempt.points == 0 {
            self.park(Cause::Requests, "the output encodes nothing");
            return false;
        }
        let (action, reason) = self.attempt(attempt, encoded.body, request.items()).await;
        match action {
            Action::Acknowledge => {
                self.delivered(&request.units, request.items());
                self.settle().await;
                true
            }
            Action::Shrink if self.shrink >= MOST_SHRINK => {
                // Whatever refuses these sizes does not mean the size; once it is gone, full requests are right again.
                self.shrink = 1;
                self.park(Cause::Requests, &reason);
                false
            }
            Action::Shrink => {
                self.shrink_limits();
                self.lanes.lane(which).queue.put_back(request);
                true
            }
            Action::Bisect => self.bisect(request).await,
            Action::Suspect => self.conclude(&request, &[0], &reason).await,
            Action::Retry { after, arrived } => {
                if arrived {
                    self.doubt(request.items());
                }
                self.retry(after, &reason);
                false
            }
            Action::Park(cause) => {
                self.park(cause, &reason);
                false
            }
        }
    }

    /// Sends once, and tells the board.
    async fn attempt(
        &mut self,
        attempt: Attempt,
        body: Bytes,
        items: impl Iterator<Item = Item>,
    ) -> (Action, String) {
        let bytes = body.len() as u64;
        let timeout = self.settings.request_timeout;
        let answer = match tokio::time::timeout(timeout, self.output.send(body)).await {
            Ok(answer) => answer,
            Err(_) => Err(SendError::Unanswered {
                reason: format!("no answer within {} s", timeout.as_secs()),
            }),
        };
        let now = self.timekeeper.stamp();
        let counts = answer.is_ok() && !self.doubtful.is_empty();
        let again = if counts { self.count_again(items) } else { 0 };
        self.note(|facts| {
            *facts.requests.entry(outcome(&answer).to_string()).or_default() += 1;
            facts.resent += again;
            match &answer {
                Ok(sent) => {
                    facts.sent_bytes += bytes;
                    facts.complaints += sent.complaints.len() as u64;
                    facts.last_success = Some(now.wall);
                }
                Err(error) => facts.last_error = Some((now.wall, error.to_string())),
            }
        });
        if let Ok(sent) = &answer {
            self.taken(sent, now.uptime);
        }
        let reason = answer.as_ref().err().map(ToString::to_string).unwrap_or_default();
        (decide(&answer, attempt), reason)
    }

    fn taken(&mut self, sent: &Sent, uptime: Duration) {
        self.taken_at = Some(uptime);
        self.standing.taken();
        if let Some(date) = sent.date {
            self.timekeeper.saw_date(date);
        }
        let complains = !sent.complaints.is_empty();
        if complains && !self.complained {
            let complaints = sent.complaints.join("; ");
            warn!(output = %self.shown, complaints, "The destination took a request and complains all the same.");
        }
        self.complained = complains;
        self.easy += 1;
        if self.shrink > 1 && self.easy >= EASING {
            self.easy = 0;
            self.shrink /= 2;
        }
    }

    fn shrink_limits(&mut self) {
        self.easy = 0;
        self.shrink = self.shrink.saturating_mul(2);
        info!(output = %self.shown, divided_by = self.shrink, "A request was too large; smaller ones are sent.");
    }

    /// Sends a refused request in halves until the offenders are known. Returns whether delivery goes on.
    async fn bisect(&mut self, request: Batch<U>) -> bool {
        let total = request.units.len();
        let mut bisect = Bisect::new(total);
        let mut said = String::new();
        while let Some(part) = bisect.next() {
            let attempt = Attempt {
                units: part.len(),
                points: request.sources[part.clone()].iter().map(Vec::len).sum(),
            };
            let units = &request.units[part.clone()];
            let encoded = U::encode(self.output.as_ref(), units, &self.speaker, self.shrink);
            if encoded.series < part.len() {
                // A part of a request that was encoded whole fits; if it does not, the output contradicts itself.
                self.park(Cause::Requests, "the output cannot encode a part of a request");
                return false;
            }
            let items = || request.sources[part.clone()].iter().flatten().flatten().copied();
            let (action, reason) = self.attempt(attempt, encoded.body, items()).await;
            match action {
                Action::Acknowledge => {
                    bisect.taken();
                    self.delivered(units, items());
                    self.settle().await;
                }
                Action::Bisect | Action::Suspect => {
                    bisect.refused();
                    said = reason;
                }
                // Nothing is lost by beginning anew: what was taken is settled.
                Action::Shrink => {
                    if self.shrink < MOST_SHRINK {
                        self.shrink_limits();
                    }
                    self.retry(None, &reason);
                    return false;
                }
                Action::Retry { after, arrived } => {
                    if arrived {
                        self.doubt(items());
                    }
                    self.retry(after, &reason);
                    return false;
                }
                Action::Park(cause) => {
                    self.park(cause, &reason);
                    return false;
                }
            }
            if bisect.offenders().len() > most_refused(total) {
                break;
            }
        }
        self.conclude(&request, bisect.offenders(), &said).await
    }

    /// Sets refused series aside, or parks where the fault is not theirs. Returns whether delivery goes on.
    async fn conclude(&mut self, request: &Batch<U>, offenders: &[usize], reason: &str) -> bool {
        let uptime = self.timekeeper.stamp().uptime;
        let witnessed = self
            .taken_at
            .is_some_and(|taken| uptime.saturating_sub(taken) <= WITNESS);
        if offenders.is_empty() {
            return true;
        }
        if !sets_aside(offenders.len(), request.units.len(), witnessed) {
            self.park(Cause::Requests, reason);
            return false;
        }
        let mut points = 0;
        for index in offenders {
            for item in request.sources[*index].iter().flatten() {
                self.ledger.settle(*item, Fate::Dropped(DropReason::Refused));
                points += 1;
            }
        }
        let refused = offenders.iter().map(|index| &request.units[*index]);
        U::tell_refused(&self.shown, refused, points, reason);
        self.settle().await;
        true
    }

    fn delivered(&mut self, units: &[U], items: impl Iterator<Item = Item>) {
        let cut = units.iter().filter(|unit| unit.is_cut()).count() as u64;
        if cut > 0 {
            self.note(|facts| facts.cut += cut);
        }
        items.for_each(|item| self.ledger.settle(item, Fate::Delivered));
    }

    fn retry(&mut self, after: Option<Duration>, reason: &str) {
        self.give_up();
        self.standing.retry(self.timekeeper.stamp(), after, reason);
    }

    fn park(&mut self, cause: Cause, reason: &str) {
        self.give_up();
        self.standing.park(self.timekeeper.stamp(), cause, reason);
    }

    /// Asks a parked destination whether one real request is worth a try.
    pub(crate) async fn probe(&mut self, cause: Cause) -> bool {
        let timeout = self.settings.request_timeout;
        let error = match tokio::time::timeout(timeout, self.output.probe()).await {
            Ok(Ok(sent)) => {
                if let Some(date) = sent.and_then(|sent| sent.date) {
                    self.timekeeper.saw_date(date);
                }
                return true;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", timeout.as_secs()),
        };
        let now = self.timekeeper.stamp();
        self.note(|facts| facts.last_error = Some((now.wall, error.clone())));
        self.standing.park(now, cause, &error);
        false
    }

    /// Remembers items of a request that may have arrived.
    fn doubt(&mut self, items: impl Iterator<Item = Item>) {
        for item in items {
            self.doubtful.entry(item.entry).or_default().insert(item.index);
        }
        while self.doubtful.len() > MOST_DOUBTFUL {
            self.doubtful.pop_first();
        }
    }

    /// How many of the items were sent before and may have arrived then; counted once they are taken, which happens
    /// to an item only once.
    fn count_again(&self, items: impl Iterator<Item = Item>) -> u64 {
        let doubtful = |item: &Item| {
            self.doubtful
                .get(&item.entry)
                .is_some_and(|set| set.contains(item.index))
        };
        items.filter(doubtful).count() as u64
    }
}

/// The word for an answer in the count of requests.
fn outcome(answer: &Result<Sent, SendError>) -> &'static str {
    match answer {
        Ok(_) => "accepted",
        Err(SendError::Retry { .. }) => "unable",
        Err(SendError::Unanswered { .. }) => "unanswered",
        Err(SendError::TooLarge { .. }) => "too_large",
        Err(SendError::Unauthorized { .. }) => "unauthorized",
        Err(SendError::Misdirected { .. }) => "misdirected",
        Err(SendError::Refused { .. }) => "refused",
    }
}
