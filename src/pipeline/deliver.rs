//! One output's delivery: when it reads, what it reads, and when it stops.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

use crate::component::journal::{EntryId, ItemSet, Journal, OutputId};
use crate::component::output::{LogEntry, Output, Series, Speaker, Traits};
use crate::model::block::BlockKind;
use crate::model::time::Timestamp;
use crate::pipeline::account;
use crate::pipeline::backoff::Backoff;
use crate::pipeline::clock::Timekeeper;
use crate::pipeline::lanes::{Lanes, Which};
use crate::pipeline::ledger::Ledger;
use crate::pipeline::read::Refill;
use crate::pipeline::standing::{Mode, Standing};
use crate::pipeline::unit::Unit;
use crate::registry::board::{Board, OutputFacts};
use crate::support::shutdown::Shutdown;

/// How often a delivery looks whether something is due.
const TICK: Duration = Duration::from_secs(1);
/// How often the backlog is read from its oldest block.
const SURVEY: Duration = Duration::from_secs(600);

/// How an output is served.
#[derive(Clone, Debug)]
pub struct DeliverySettings {
    /// How often live data is sent, aligned to the wall clock. At least a second.
    pub release_interval: Duration,
    /// How long after the aligned moment, so that the window that ends at it goes along: the closer's grace and
    /// about a second more.
    pub release_delay: Duration,
    /// Most points of a request, at least 1. A request has no more than 1,000 log entries.
    pub bulk_size: usize,
    /// Items of the kind that the output takes are dropped when they are older than this.
    pub time_to_live: Duration,
    /// The windows' length, whole seconds.
    pub interval: Duration,
    /// How long a request may take before it is given up as unanswered. The output has a shorter timeout of its own;
    /// this one guards against an output that forgets it.
    pub request_timeout: Duration,
    /// How long the last sending after the word to stop may take.
    pub stop_timeout: Duration,
}

impl DeliverySettings {
    /// How long data counts as live: two releases, but never less than a window and the next release after it take.
    pub(crate) fn live_for(&self) -> Duration {
        let newest = self.interval + self.release_delay + self.release_interval;
        newest.max(2 * self.release_interval)
    }
}

/// Delivers to one output whatever it takes.
pub struct Delivery(Kind);

enum Kind {
    Points(Box<Task<Series>>),
    Logs(Box<Task<LogEntry>>),
}

impl Delivery {
    /// A delivery; nothing is sent before [`Delivery::run`].
    pub fn new(
        id: OutputId,
        output: Arc<dyn Output>,
        speaker: Speaker,
        journal: Arc<dyn Journal>,
        timekeeper: Arc<Timekeeper>,
        board: Arc<Board>,
        settings: DeliverySettings,
    ) -> Self {
        Self(match output.traits().takes {
            BlockKind::Logs => {
                let task = Task::new(id, output, speaker, journal, timekeeper, board, settings);
                Kind::Logs(Box::new(task))
            }
            // No output takes checks or events yet, and nothing journals them.
            BlockKind::Points | BlockKind::Checks | BlockKind::Events => {
                let task = Task::new(id, output, speaker, journal, timekeeper, board, settings);
                Kind::Points(Box::new(task))
            }
        })
    }

    /// The same, out of the journal of an agent that is gone, beside this agent's own to the same destination. On the
    /// board and in logs it bears both names: `datadog@edge-7`.
    pub fn for_dead(mut self) -> Self {
        match &mut self.0 {
            Kind::Points(task) => task.show_for_dead(),
            Kind::Logs(task) => task.show_for_dead(),
        }
        self
    }

    /// The name under which [`Delivery::for_dead`] stands on the board.
    pub fn shown_for_dead(id: &OutputId, speaker: &Speaker) -> OutputId {
        OutputId::new(&format!("{id}@{}", speaker.host))
    }

    /// Delivers until stop is said. Then it waits until `closed` says that all windows are journalled, sends live
    /// data once more, and ends, at the latest [`DeliverySettings::stop_timeout`] after the word to stop.
    pub async fn run(self, stop: Shutdown, closed: Shutdown) {
        match self.0 {
            Kind::Points(task) => task.run(stop, closed).await,
            Kind::Logs(task) => task.run(stop, closed).await,
        }
    }
}

/// The task that delivers units of one sort to one output.
pub(crate) struct Task<U> {
    pub(crate) id: OutputId,
    /// The name on the board and in logs.
    pub(crate) shown: OutputId,
    pub(crate) output: Arc<dyn Output>,
    pub(crate) traits: Traits,
    pub(crate) speaker: Arc<Speaker>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) timekeeper: Arc<Timekeeper>,
    pub(crate) board: Arc<Board>,
    pub(crate) settings: DeliverySettings,
    pub(crate) lanes: Lanes<U>,
    pub(crate) ledger: Ledger,
    pub(crate) standing: Standing,
    /// What the destination's limits are divided by.
    pub(crate) shrink: u32,
    /// Requests taken since the limits were last divided or eased.
    pub(crate) easy: u32,
    /// When a request was last taken in this turn, by the time since boot.
    pub(crate) taken_at: Option<Duration>,
    /// Items of requests that may have arrived although no answer came.
    pub(crate) doubtful: BTreeMap<EntryId, ItemSet>,
    pub(crate) settling_fails: bool,
    pub(crate) complained: bool,
    epoch: u64,
    generation: u64,
    release: Option<Timestamp>,
    surveyed: Option<Duration>,
    asks: Backoff,
    ask_at: Duration,
}

impl<U: Unit> Task<U> {
    /// See [`Delivery::new`].
    pub(crate) fn new(
        id: OutputId,
        output: Arc<dyn Output>,
        speaker: Speaker,
        journal: Arc<dyn Journal>,
        timekeeper: Arc<Timekeeper>,
        board: Arc<Board>,
        settings: DeliverySettings,
    ) -> Self {
        // Whoever shows accounts learns here which one this output has.
        board.facts().outputs.entry(id.to_string()).or_default().takes = U::KIND;
        Self {
            traits: output.traits(),
            standing: Standing::new(id.clone(), board.clone()),
            shown: id.clone(),
            id,
            output,
            speaker: Arc::new(speaker),
            timekeeper,
            board,
            settings,
            lanes: Lanes::default(),
            ledger: Ledger::default(),
            shrink: 1,
            easy: 0,
            taken_at: None,
            doubtful: BTreeMap::new(),
            settling_fails: false,
            complained: false,
            epoch: 0,
            generation: journal.generation(),
            journal,
            release: None,
            surveyed: None,
            asks: Backoff::new(Duration::from_secs(10), Duration::from_secs(300)),
            ask_at: Duration::ZERO,
        }
    }

    fn show_for_dead(&mut self) {
        self.shown = Delivery::shown_for_dead(&self.id, &self.speaker);
        self.standing = Standing::new(self.shown.clone(), self.board.clone());
        self.note(|facts| (facts.takes, facts.of_dead) = (U::KIND, true));
    }

    /// See [`Delivery::run`].
    pub(crate) async fn run(mut self, stop: Shutdown, closed: Shutdown) {
        let timeout = self.settings.stop_timeout;
        let mut stopping = stop.clone();
        let deadline = async move {
            stopping.stopped().await;
            tokio::time::sleep(timeout).await;
        };
        let id = self.shown.clone();
        tokio::select! {
            () = self.work(stop, closed) => {}
            () = deadline => warn!(output = %id, "The last sending took too long; the journal keeps the rest."),
        }
    }

    async fn work(&mut self, mut stop: Shutdown, mut closed: Shutdown) {
        while !stop.is_stopped() {
            self.turn(&stop).await;
            let wait = self.wait();
            tokio::select! {
                () = stop.stopped() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
        closed.stopped().await;
        self.last_turn().await;
    }

    /// Sends what is due, until nothing is, something fails, or stop is said.
    pub(crate) async fn turn(&mut self, stop: &Shutdown) {
        let due = self.is_release_due();
        self.settle().await;
        if self.is_ready().await {
            if due || self.standing.mode() != Mode::Active {
                self.open();
            }
            self.taken_at = None;
            while !stop.is_stopped() && self.step(false).await {
                if self.is_release_due() {
                    self.open();
                    self.show().await;
                }
            }
        }
        if due {
            self.show().await;
        }
    }

    /// Sends live data once more; of an output that reads oldest first, as much as the deadline allows.
    async fn last_turn(&mut self) {
        self.settle().await;
        let parked = matches!(self.standing.mode(), Mode::Parked { .. });
        if self.timekeeper.is_believed() && !parked {
            self.refresh();
            self.lanes.drop_batches();
            self.open();
            while self.step(self.traits.fresh_first).await {}
        }
        self.show().await;
    }

    /// How long until something can be due.
    fn wait(&self) -> Duration {
        let now = self.timekeeper.stamp();
        let wait = match self.standing.mode() {
            Mode::Active => {
                let (release, delay) = (self.settings.release_interval, self.settings.release_delay);
                let begin = now.wall.before(delay).window_start(release);
                begin.after(release).after(delay).since(now.wall)
            }
            _ => self.standing.wait(now.uptime),
        };
        wait.clamp(Duration::from_millis(10), TICK)
    }

    /// Whether a new aligned moment has come since the last call.
    fn is_release_due(&mut self) -> bool {
        let now = self.timekeeper.stamp();
        let current = now
            .wall
            .before(self.settings.release_delay)
            .window_start(self.settings.release_interval);
        self.release.replace(current) != Some(current)
    }

    /// Whether the clock and the destination allow an attempt.
    async fn is_ready(&mut self) -> bool {
        if !self.timekeeper.is_believed() {
            self.ask_date().await;
            if !self.timekeeper.is_believed() {
                return false;
            }
        }
        self.refresh();
        if !self.standing.wait(self.timekeeper.stamp().uptime).is_zero() {
            return false;
        }
        match self.standing.mode() {
            Mode::Active | Mode::Retrying { .. } => true,
            Mode::Parked { cause, .. } => self.probe(cause).await,
        }
    }

    /// Begins anew where the clock is another one, or is believed again, and where blocks came to light in the journal
    /// behind the ones that were read.
    fn refresh(&mut self) {
        let (epoch, generation) = (self.timekeeper.epoch(), self.journal.generation());
        if epoch != self.epoch || generation != self.generation {
            (self.epoch, self.generation) = (epoch, generation);
            self.asks.reset();
            self.ask_at = Duration::ZERO;
            self.lanes.forget();
            self.open();
        }
    }

    /// While the clock is in doubt: asks the destination, whose answer may bear a date.
    async fn ask_date(&mut self) {
        let uptime = self.timekeeper.stamp().uptime;
        if uptime < self.ask_at || !self.timekeeper.wants_date() {
            return;
        }
        self.ask_at = uptime + self.asks.steady(fastrand::f64());
        let answer = tokio::time::timeout(self.settings.request_timeout, self.output.probe()).await;
        if let Ok(Ok(Some(sent))) = answer
            && let Some(date) = sent.date
        {
            self.timekeeper.saw_date(date);
        }
    }

    fn open(&mut self) {
        let uptime = self.timekeeper.stamp().uptime;
        let due = self
            .surveyed
            .is_none_or(|last| uptime.saturating_sub(last) >= SURVEY);
        if due {
            self.surveyed = Some(uptime);
            self.lanes.survey();
        }
        self.lanes.open(self.traits.fresh_first);
    }

    /// Reads or sends one thing. Returns whether there may be more.
    async fn step(&mut self, fresh_only: bool) -> bool {
        let Some(which) = self.lanes.next() else {
            return false;
        };
        if fresh_only && which == Which::Backlog {
            self.lanes.lane(Which::Backlog).open = false;
            return true;
        }
        if self.lanes.lane(which).queue.is_empty() {
            match self.refill(which).await {
                Refill::Ready => {}
                Refill::Skipped => return true,
                Refill::Exhausted => {
                    self.lanes.lane(which).open = false;
                    return true;
                }
                Refill::Failed => return false,
            }
        }
        if !self.timekeeper.is_believed() || self.timekeeper.epoch() != self.epoch {
            self.give_up();
            return false;
        }
        let more = self.send_next(which).await;
        if more {
            self.lanes.sent(which);
            if self.lanes.lane(which).queue.is_empty() {
                self.complete(which).await;
            }
        }
        more
    }

    /// Changes this output's facts on the board.
    pub(crate) fn note(&self, change: impl FnOnce(&mut OutputFacts)) {
        change(
            self.board
                .facts()
                .outputs
                .entry(self.shown.0.to_string())
                .or_default(),
        );
    }

    async fn show(&self) {
        let now = self.timekeeper.stamp();
        account::show(self.journal.as_ref(), &self.id, &self.shown, now, &self.board).await;
    }
}

#[cfg(test)]
mod tests;
