//! Closes windows, wraps them and appends their points to the journal.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use crate::component::journal::{Journal, JournalError, OutputId};
use crate::component::wrapper::Wrapper;
use crate::model::block::{Block, BlockKind};
use crate::model::time::{ClockStamp, Timestamp};
use crate::model::window::Window;
use crate::pipeline::account;
use crate::pipeline::amendments::{Amendments, REMEMBERED};
use crate::pipeline::blocks::blocks;
use crate::pipeline::clock::Timekeeper;
use crate::pipeline::eviction::EvictionLog;
use crate::pipeline::hands::Hands;
use crate::pipeline::step::{Step, TICK};
use crate::pipeline::windows::Windows;
use crate::registry::board::Board;
use crate::support::shutdown::Shutdown;

/// How often blocks expire.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// Payload bytes that wait in memory while the journal cannot be written.
const WAITING_BYTES: usize = 4 << 20;
/// From this many series on, wrapping would hold up a runtime thread for too long.
pub(crate) const BLOCKING_SERIES: usize = 2_000;

/// How windows are closed.
#[derive(Clone, Debug)]
pub struct CloserSettings {
    /// The windows' length, whole seconds.
    pub interval: Duration,
    /// How long after its end a window still takes samples.
    pub grace: Duration,
    /// How long items of each kind are kept; kinds that are not named never expire.
    pub time_to_live: BTreeMap<BlockKind, Duration>,
    /// Whether an output takes logs. Those that feeds hand over are dropped where none does, and counted.
    pub takes_logs: bool,
}

/// The task that closes windows.
pub struct Closer {
    windows: Arc<dyn Windows>,
    wrapper: Arc<dyn Wrapper>,
    journal: Option<Arc<dyn Journal>>,
    timekeeper: Arc<Timekeeper>,
    board: Arc<Board>,
    settings: CloserSettings,
    numbers: Amendments,
    /// The journal's generation of which its windows are known: one whose Redis is back may have others.
    learnt: Option<u64>,
    /// The boundary up to which windows were taken. They are taken once an interval, so that what comes late for a
    /// window is gathered into one amendment an interval.
    boundary: Option<Timestamp>,
    step: Step,
    unwritten: VecDeque<Block>,
    kept_house: Option<Duration>,
    evictions: EvictionLog,
    hands: Arc<Hands>,
}

impl Closer {
    /// A closer. Without a journal (no output is configured) windows are closed and thrown away.
    pub fn new(
        windows: Arc<dyn Windows>,
        wrapper: Arc<dyn Wrapper>,
        journal: Option<Arc<dyn Journal>>,
        timekeeper: Arc<Timekeeper>,
        board: Arc<Board>,
        settings: CloserSettings,
    ) -> Self {
        let hands = Hands::new(
            wrapper.clone(),
            journal.clone(),
            timekeeper.clone(),
            board.clone(),
            settings.clone(),
        );
        Self {
            windows,
            wrapper,
            journal,
            timekeeper,
            board,
            settings,
            numbers: Amendments::default(),
            learnt: None,
            boundary: None,
            step: Step::default(),
            unwritten: VecDeque::new(),
            kept_house: None,
            evictions: EvictionLog::default(),
            hands: Arc::new(hands),
        }
    }

    /// Takes what feeds hand over, beside this task: a journal that is slow to take a feed's block delays no tick.
    /// This task tells it of steps of the clock, so it lives as long as this one runs.
    pub fn hands(&self) -> Arc<Hands> {
        self.hands.clone()
    }

    /// Closes windows until stop is said; then closes all of them early, and returns once they are journalled.
    pub async fn run(mut self, mut stop: Shutdown) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.stopped() => break,
                _ = ticks.tick() => self.tick().await,
            }
        }
        self.finish().await;
    }

    /// One look at the clock, with everything that is due.
    pub(crate) async fn tick(&mut self) {
        let stepped = self.timekeeper.tick(self.journal.as_deref(), &self.board).await;
        let now = self.timekeeper.stamp();
        if stepped.is_some() || self.is_behind() {
            self.learn(now).await;
        }
        if let Some(old) = stepped {
            self.close_old(old, now).await;
        }
        let boundary = now
            .wall
            .before(self.settings.grace)
            .window_start(self.settings.interval);
        if self.boundary != Some(boundary) {
            self.boundary = Some(boundary);
            let taken = self.windows.take_closed(boundary);
            self.close(taken, now).await;
            self.windows.sweep();
            self.show().await;
        } else if !self.unwritten.is_empty() {
            self.write(now).await;
            self.show().await;
        }
        let due = self
            .kept_house
            .is_none_or(|last| now.uptime.saturating_sub(last) >= HOUSEKEEPING);
        if due {
            self.kept_house = Some(now.uptime);
            self.keep_house(now).await;
        }
    }

    /// Closes everything early and brings it to the medium.
    pub(crate) async fn finish(&mut self) {
        let stepped = self.timekeeper.tick(self.journal.as_deref(), &self.board).await;
        let now = self.timekeeper.stamp();
        if stepped.is_some() || self.is_behind() {
            self.learn(now).await;
        }
        if let Some(old) = stepped {
            self.note_step(old);
        }
        let taken = self.windows.take_all();
        self.close(taken, now).await;
        let lost: u64 = self.unwritten.drain(..).map(|block| u64::from(block.items)).sum();
        if lost > 0 {
            self.lose("journal_failed", lost);
            error!(
                points = lost,
                "Points are lost: the journal could not be written before the end."
            );
        }
        if let Some(journal) = &self.journal
            && let Err(error) = journal.flush().await
        {
            error!(%error, "The journal could not be brought to its medium.");
        }
        self.show().await;
    }

    async fn learn(&mut self, now: ClockStamp) {
        if let Some(journal) = &self.journal {
            let generation = journal.generation();
            let known = journal.windows(REMEMBERED, now).await;
            self.hands.learn(&known, generation, now.uptime);
            self.numbers.learn(&known, now.uptime);
            self.learnt = Some(generation);
        }
    }

    fn is_behind(&self) -> bool {
        let generation = self.journal.as_ref().map(|journal| journal.generation());
        self.learnt != generation
    }

    fn note_step(&mut self, old: ClockStamp) {
        self.step.note(old);
        self.hands.note_step(old);
    }

    /// After a step: closes what was opened under the old clock.
    async fn close_old(&mut self, old: ClockStamp, now: ClockStamp) {
        info!(from = %old.wall, to = %now.wall, "The wall clock was stepped.");
        self.note_step(old);
        self.boundary = None;
        let taken = if now.wall > old.wall {
            // Nothing that was opened since the last tick starts before this.
            let recent = now.wall.before(2 * TICK).window_start(self.settings.interval);
            self.windows.take_starting_before(recent)
        } else {
            self.windows.take_all()
        };
        self.close(taken, now).await;
    }

    /// Wraps and journals windows: those of the clock before a step under its stamp, the others under today's.
    async fn close(&mut self, taken: Vec<Window>, now: ClockStamp) {
        let (before, after) = match self.step.aftermath(now) {
            Some(aftermath) => {
                let (before, after) = taken
                    .into_iter()
                    .partition(|window| aftermath.owns(window.start, window.interval));
                (Some((before, aftermath.then)), after)
            }
            None => (None, taken),
        };
        for (windows, stamp) in before.into_iter().chain([(after, now)]) {
            self.wrap(windows, stamp).await;
        }
        self.write(now).await;
    }

    async fn wrap(&mut self, windows: Vec<Window>, stamp: ClockStamp) {
        if windows.is_empty() {
            return;
        }
        self.board.facts().windows_closed += windows.len() as u64;
        if self.journal.is_none() {
            return;
        }
        let mut numbered = Vec::with_capacity(windows.len());
        for mut window in windows {
            let start = window.start.seconds();
            match self
                .numbers
                .next(start, window.interval_seconds(), stamp.plausible)
            {
                Some(number) => {
                    window.amendment = number;
                    numbered.push(window);
                }
                None => {
                    let dropped = self.windows.fold_late(window);
                    self.lose("late", dropped);
                }
            }
        }
        let wrapper = self.wrapper.clone();
        let series: usize = numbered.iter().map(|window| window.series.len()).sum();
        let work = move || blocks(&numbered, wrapper.as_ref(), stamp);
        let made = if series < BLOCKING_SERIES {
            work()
        } else {
            match tokio::task::spawn_blocking(work).await {
                Ok(made) => made,
                // A wrapper that panics is a fault that a restart may heal, as in the short case.
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            }
        };
        for block in made {
            for (start, number) in &block.windows {
                self.numbers.closed(*start, *number, stamp.uptime);
            }
            self.board.facts().points_wrapped += u64::from(block.items);
            self.unwritten.push_back(block);
        }
    }

    /// Appends what waits, oldest first; keeps what the journal does not take, up to a bound.
    async fn write(&mut self, now: ClockStamp) {
        let Some(journal) = self.journal.clone() else {
            return;
        };
        let mut failure = None;
        while let Some(block) = self.unwritten.front() {
            match journal.append(block.clone()).await {
                Ok(appended) => {
                    self.unwritten.pop_front();
                    self.evictions.hear(&appended.evicted, now.uptime);
                }
                Err(error @ JournalError::TooLarge { .. }) => {
                    let items = u64::from(block.items);
                    error!(%error, points = items, "A block is lost: the journal is too small for it.");
                    self.unwritten.pop_front();
                    self.lose("journal_failed", items);
                }
                Err(error) => {
                    failure = Some(error.to_string());
                    break;
                }
            }
        }
        let mut waiting: usize = self.unwritten.iter().map(|block| block.payload.len()).sum();
        while waiting > WAITING_BYTES
            && let Some(oldest) = self.unwritten.pop_front()
        {
            waiting -= oldest.payload.len();
            self.lose("journal_failed", u64::from(oldest.items));
        }
        let was = {
            let mut facts = self.board.facts();
            match &failure {
                Some(error) => facts.not_ready.insert("journal", error.clone()),
                None => facts.not_ready.remove("journal"),
            }
        };
        match (was, failure) {
            (None, Some(error)) => error!(%error, "The journal cannot be written; points wait in memory."),
            (Some(_), None) => info!("The journal can be written again."),
            _ => {}
        }
    }

    async fn keep_house(&mut self, now: ClockStamp) {
        self.numbers.forget(now.uptime);
        self.hands.keep_house(now.uptime);
        let Some(journal) = &self.journal else {
            return;
        };
        if !self.timekeeper.is_believed() {
            return;
        }
        for (kind, time_to_live) in &self.settings.time_to_live {
            match journal.expire(*kind, *time_to_live, now).await {
                Ok(expired) => {
                    for (output, items) in expired.iter().filter(|(_, items)| **items > 0) {
                        warn!(%output, items, kind = kind.name(), "Items were dropped: older than their time-to-live.");
                    }
                }
                Err(error) => warn!(%error, kind = kind.name(), "Old items could not be dropped."),
            }
        }
    }

    async fn show(&self) {
        if let Some(journal) = &self.journal {
            let status = journal.status().await;
            self.board.facts().journal = Some(status);
            let outputs: Vec<OutputId> = {
                let facts = self.board.facts();
                let own = facts.outputs.iter().filter(|(_, output)| !output.of_dead);
                own.map(|(name, _)| OutputId::new(name)).collect()
            };
            for output in &outputs {
                let now = self.timekeeper.stamp();
                account::show(journal.as_ref(), output, output, now, &self.board).await;
            }
        }
    }

    fn lose(&self, reason: &'static str, items: u64) {
        if items > 0 {
            *self.board.facts().lost.entry(reason).or_default() += items;
        }
    }
}

#[cfg(test)]
mod tests;
