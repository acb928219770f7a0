//! Takes what feeds hand over: numbers its windows, wraps them, and journals them as one block with the feed's receipt.
//!
//! This happens in the feed's own task, beside the closer's: a journal that is slow to take a feed's block delays no
//! tick, and the feed that waits for the answer is all the queue that is needed. Nothing is kept here for later, and
//! nothing goes into the registry's open windows, which a kill would lose after the receipt is committed: what is not
//! journalled stays with the feed, which hands it over again.
//!
//! For the same reason counts for which no second of their window is left do not go into the oldest open window, as the
//! registry's do: they go into a closed one that has a second left, in the same block.

mod fold;
mod numbers;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tracing::debug;

use crate::component::feed::{HandOverError, Handed};
use crate::component::journal::{Journal, JournalError, Receipt, ReceiptId};
use crate::component::wrapper::Wrapper;
use crate::model::block::Block;
use crate::model::tally::{Shown, TalliedWindow};
use crate::model::time::{ClockStamp, Timestamp};
use crate::model::window::Window;
use crate::pipeline::amendments::REMEMBERED;
use crate::pipeline::blocks::{block, logs_block, one_block};
use crate::pipeline::clock::Timekeeper;
use crate::pipeline::close::{BLOCKING_SERIES, CloserSettings};
use crate::pipeline::eviction::EvictionLog;
use crate::pipeline::hands::fold::Folded;
use crate::pipeline::hands::numbers::{Asked, Given, Moment, Numbers};
use crate::pipeline::step::{Aftermath, Step};
use crate::registry::board::Board;

/// How many hand-overs are under way at once; the others wait in the order of their coming. Each holds its points and
/// its block in memory.
const AT_ONCE: usize = 2;
/// Items that are this far ahead of a clock that is not believed were not made under it.
const AHEAD: Duration = Duration::from_secs(600);

/// Takes what feeds hand over. Made by [`crate::pipeline::close::Closer::hands`].
pub struct Hands {
    wrapper: Arc<dyn Wrapper>,
    journal: Option<Arc<dyn Journal>>,
    timekeeper: Arc<Timekeeper>,
    board: Arc<Board>,
    settings: CloserSettings,
    turns: Semaphore,
    state: Mutex<State>,
}

impl fmt::Debug for Hands {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Hands").finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct State {
    numbers: Numbers,
    /// The journal's generation of which its windows are known.
    learnt: Option<u64>,
    step: Step,
    evictions: EvictionLog,
}

/// A window that was handed over, with what a page shows of each of its series.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) window: Window,
    pub(crate) shown: Vec<Shown>,
}

/// What became of windows.
struct Wrapped {
    block: Option<Block>,
    taken: Vec<Taken>,
    /// Series that are lost because no second is left for them.
    late: u64,
}

impl Hands {
    pub(crate) fn new(
        wrapper: Arc<dyn Wrapper>,
        journal: Option<Arc<dyn Journal>>,
        timekeeper: Arc<Timekeeper>,
        board: Arc<Board>,
        settings: CloserSettings,
    ) -> Self {
        Self {
            wrapper,
            journal,
            timekeeper,
            board,
            settings,
            turns: Semaphore::new(AT_ONCE),
            state: Mutex::default(),
        }
    }

    pub(crate) fn journal(&self) -> Option<&Arc<dyn Journal>> {
        self.journal.as_ref()
    }

    pub(crate) fn timekeeper(&self) -> &Timekeeper {
        &self.timekeeper
    }

    pub(crate) fn interval(&self) -> Duration {
        self.settings.interval
    }

    /// The moment up to which windows are closed.
    pub(crate) fn closed_before(&self, now: Timestamp) -> Timestamp {
        now.before(self.settings.grace)
            .window_start(self.settings.interval)
    }

    /// Journals what is handed over as one block, with its receipt. Returns its windows, for whoever shows them.
    ///
    /// # Errors
    /// [`HandOverError::Lost`] where the receipt's fence does not hold, [`HandOverError::Failed`] for the rest.
    pub(crate) async fn take(&self, handed: Handed, receipt: &Receipt) -> Result<Vec<Taken>, HandOverError> {
        // It is never closed, so there is always a turn.
        let _turn = self.turns.acquire().await;
        let now = self.timekeeper.stamp();
        let Some(journal) = &self.journal else {
            return Ok(match handed {
                Handed::Windows(windows) => {
                    self.board.facts().windows_closed += windows.len() as u64;
                    windows.into_iter().map(apart).collect()
                }
                Handed::Points(_) | Handed::Logs(_) => Vec::new(),
            });
        };
        let windows = match handed {
            Handed::Windows(windows) => windows,
            Handed::Points(points) => {
                let stamp = righted(now, points.iter().map(|point| point.time));
                let work = move || block(&points, Vec::new(), stamp);
                let made = off_thread(true, work).await;
                self.append(journal, made, receipt, now).await?;
                return Ok(Vec::new());
            }
            Handed::Logs(records) if !self.settings.takes_logs => {
                let mut facts = self.board.facts();
                *facts.lost.entry("no_output").or_default() += records.len() as u64;
                return Ok(Vec::new());
            }
            Handed::Logs(records) => {
                let stamp = righted(now, records.iter().map(|record| record.time));
                let made = off_thread(true, move || logs_block(&records, stamp)).await;
                self.append(journal, made, receipt, now).await?;
                return Ok(Vec::new());
            }
        };
        let wrapped = self.wrap(journal, windows, receipt.id, now).await;
        let points = wrapped.block.as_ref().map_or(0, |block| u64::from(block.items));
        let appended = self.append(journal, wrapped.block, receipt, now).await;
        match &appended {
            Ok(()) => self.state().numbers.settle(receipt.id),
            Err(HandOverError::Lost) => self.state().numbers.take_back(receipt.id),
            Err(HandOverError::Failed { .. }) => {}
        }
        appended?;
        let mut facts = self.board.facts();
        facts.windows_closed += wrapped.taken.len() as u64;
        facts.points_wrapped += points;
        if wrapped.late > 0 {
            *facts.lost.entry("late").or_default() += wrapped.late;
        }
        Ok(wrapped.taken)
    }

    /// Numbers windows and makes them a block. Counts that no second is left for go into a window that has one.
    async fn wrap(
        &self,
        journal: &Arc<dyn Journal>,
        windows: Vec<TalliedWindow>,
        receipt: ReceiptId,
        now: ClockStamp,
    ) -> Wrapped {
        // Redis may be back without anybody having looked: a fenced block goes there, under numbers that hold there.
        let generation = journal.generation();
        if self.state().learnt != Some(generation) || !journal.is_whole() {
            let known = journal.windows(REMEMBERED, now).await;
            self.learn(&known, generation, now.uptime);
        }
        let mut taken: Vec<Taken> = windows.into_iter().map(apart).collect();
        let stamp = self.stamp_of(&taken, now);
        let Given { numbers, room } = self.number(&taken, receipt, stamp);
        let interval = self.settings.interval;
        let wrapper = self.wrapper.clone();
        let series: usize = taken.iter().map(|taken| taken.shown.len()).sum();
        let work = move || {
            let (mut whole, mut folded) = (Vec::with_capacity(taken.len()), Folded::default());
            // The wrapper wants windows in one piece; they are lent to it.
            for (taken, number) in taken.iter_mut().zip(&numbers) {
                let window = &mut taken.window;
                match number {
                    Some(number) => {
                        window.amendment = *number;
                        whole.push(lend(window));
                    }
                    None => folded.add(&window.series),
                }
            }
            let mut late = folded.lost;
            match room {
                Some((start, amendment)) => whole.push(Window {
                    start: Timestamp::from_seconds(start),
                    interval,
                    amendment,
                    series: folded.series(),
                }),
                None => late += folded.len() as u64,
            }
            let block = one_block(&whole, wrapper.as_ref(), stamp);
            let numbered = taken
                .iter_mut()
                .zip(&numbers)
                .filter(|(_, number)| number.is_some());
            for ((taken, _), lent) in numbered.zip(whole) {
                taken.window.series = lent.series;
            }
            Wrapped { block, taken, late }
        };
        off_thread(series >= BLOCKING_SERIES, work).await
    }

    fn number(&self, taken: &[Taken], receipt: ReceiptId, stamp: ClockStamp) -> Given {
        let asked: Vec<Asked> = taken
            .iter()
            .map(|taken| Asked {
                start: taken.window.start.seconds(),
                interval: taken.window.interval_seconds(),
            })
            .collect();
        let moment = Moment {
            closed_before: self.closed_before(stamp.wall).seconds(),
            interval: u32::try_from(self.settings.interval.as_secs()).unwrap_or(u32::MAX),
            plausible: stamp.plausible,
            uptime: stamp.uptime,
        };
        self.state().numbers.give(receipt, &asked, moment)
    }

    /// The clock that windows were made under: the one before a step, where that is true of all of them.
    fn stamp_of(&self, taken: &[Taken], now: ClockStamp) -> ClockStamp {
        let aftermath = self.state().step.aftermath(now);
        let owns = |aftermath: &Aftermath| {
            let of = |taken: &Taken| aftermath.owns(taken.window.start, taken.window.interval);
            taken.iter().all(of)
        };
        let stamp = aftermath.filter(owns).map_or(now, |aftermath| aftermath.then);
        righted(stamp, taken.iter().map(|taken| taken.window.start.seconds()))
    }

    /// Appends a block with its receipt; without a block only the receipt's fence has to be marked.
    async fn append(
        &self,
        journal: &Arc<dyn Journal>,
        made: Option<Block>,
        receipt: &Receipt,
        now: ClockStamp,
    ) -> Result<(), HandOverError> {
        let result = match made {
            Some(block) => journal.append_with(block, receipt).await.map(|appended| {
                self.state().evictions.hear(&appended.evicted, now.uptime);
            }),
            None if receipt.fence.is_some() => journal.acknowledge(receipt).await,
            None => Ok(()),
        };
        result.map_err(|error| {
            debug!(%error, receipt = %receipt.id, "What a feed handed over was not journalled.");
            match error {
                JournalError::Fenced => HandOverError::Lost,
                other => HandOverError::Failed {
                    reason: other.to_string(),
                },
            }
        })
    }

    /// Takes what the journal, as of a generation, knows of windows.
    pub(crate) fn learn(&self, known: &BTreeMap<i64, u32>, generation: u64, uptime: Duration) {
        let mut state = self.state();
        state.numbers.learn(known, uptime);
        state.learnt = Some(generation);
    }

    /// Hears of a step of the wall clock.
    pub(crate) fn note_step(&self, old: ClockStamp) {
        self.state().step.note(old);
    }

    /// Forgets what is long ago.
    pub(crate) fn keep_house(&self, uptime: Duration) {
        self.state().numbers.forget(uptime);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that is not believed says nothing of items that are far ahead of it: another clock, a right one, made them
/// (before a reboot into 1970, or on another machine). They must not be re-dated with what it made.
fn righted(stamp: ClockStamp, times: impl Iterator<Item = i64>) -> ClockStamp {
    let ahead = stamp.wall.after(AHEAD).seconds();
    ClockStamp {
        plausible: stamp.plausible || times.min().is_some_and(|oldest| oldest > ahead),
        ..stamp
    }
}

/// The window that a wrapper sees, and what a page sees.
fn apart(tallied: TalliedWindow) -> Taken {
    let (series, shown) = tallied
        .series
        .into_iter()
        .map(|tally| (tally.series, tally.shown))
        .unzip();
    Taken {
        window: Window {
            start: tallied.start,
            interval: tallied.interval,
            amendment: 0,
            series,
        },
        shown,
    }
}

fn lend(window: &mut Window) -> Window {
    Window {
        series: std::mem::take(&mut window.series),
        ..*window
    }
}

/// Does work that would hold up a runtime thread on one that may be held up.
async fn off_thread<T: Send + 'static>(large: bool, work: impl FnOnce() -> T + Send + 'static) -> T {
    if !large {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // A wrapper that panics is a fault that a restart may heal, as in the short case.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
