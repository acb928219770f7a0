//! Judges the wall clock: whether times may be trusted enough to expire, re-date and send by them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tracing::{debug, info, warn};

use crate::component::journal::Journal;
use crate::model::time::{BootId, ClockStamp, Timestamp};
use crate::registry::board::Board;
use crate::support::time::Clock;

/// A wall clock that shows less than this is wrong: 2026-11-01 00:00 UTC, set by hand at a release, because a date
/// that the compiler puts in would make no two builds alike.
pub const BUILD_DATE: Timestamp = Timestamp::from_seconds(1_793_491_200);

/// A change of (wall clock less time since boot) beyond this is a step; below it, the clock is being slewed.
const STEP: i64 = 2_000;
/// A step forward beyond this from a clock that was believed is not believed at once.
const LEAP: i64 = 600_000;
/// How long a clock that leapt has to stand unbroken until it is believed.
const STANDING: Duration = Duration::from_secs(600);
/// How long a clock that only journalled times of another boot contradict has to stand until it is believed.
const CONTRADICTED: Duration = Duration::from_secs(3600);

/// What the clocks said at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The wall clock.
    pub(crate) wall: Timestamp,
    /// Time since boot.
    pub(crate) uptime: Duration,
    /// Which boot.
    pub(crate) boot: BootId,
}

impl Reading {
    fn base(&self) -> i64 {
        self.wall
            .millis()
            .saturating_sub(i64::try_from(self.uptime.as_millis()).unwrap_or(i64::MAX))
    }
}

/// What is thought of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is right as far as anybody can tell.
    Believed,
    /// It was started or stepped a moment ago, and nobody has asked the journal yet.
    Unexamined,
    /// It leapt forward and has not stood long enough.
    Held,
    /// It shows a time before the build's.
    BeforeBuild,
    /// It shows a time before the newest journalled item's.
    BeforeJournal,
    /// A destination's answer bore another date.
    Refuted,
}

impl Verdict {
    /// Whether times by this clock are taken for right when they are journalled.
    pub(crate) const fn is_plausible(self) -> bool {
        matches!(self, Self::Believed | Self::Unexamined | Self::Held)
    }

    /// Why nothing is sent; `None` where sending is right.
    pub(crate) const fn doubt(self) -> Option<&'static str> {
        match self {
            Self::Believed => None,
            Self::Unexamined => Some("it was not compared with the journal yet"),
            Self::Held => {
                Some("it leapt forward by more than 10 minutes and has not stood for 10 minutes yet")
            }
            Self::BeforeBuild => Some("it shows a time before this program was built"),
            Self::BeforeJournal => Some("it shows a time before that of the newest journalled item"),
            Self::Refuted => Some("the date in a destination's answer is more than 10 minutes away"),
        }
    }
}

/// The judgement itself, without clocks and locks.
#[derive(Debug, Default)]
pub(crate) struct Judge {
    last: Option<Reading>,
    /// The old clock's reading at the moment of a step that nobody has handled yet.
    stepped: Option<ClockStamp>,
    newest: Option<Timestamp>,
    examined: bool,
    /// Time since boot when the clock began to stand as it does.
    since: Duration,
    /// How far it leapt ahead of the clock that was believed, in milliseconds.
    ahead: i64,
    /// Believed whatever the journal says.
    vouched: bool,
    refuted: bool,
    /// Whether the journal knows the base of the clock as it stands.
    dated: bool,
    /// Counts steps and changes of belief.
    epoch: u64,
    was_believed: bool,
}

impl Judge {
    /// Takes a reading and judges it.
    pub(crate) fn observe(&mut self, now: Reading) -> Verdict {
        match self.last {
            Some(last) if last.boot == now.boot => {
                let change = now.base().saturating_sub(last.base());
                if change.saturating_abs() > STEP {
                    self.step(last, now, change);
                }
            }
            _ => {
                *self = Self {
                    since: now.uptime,
                    epoch: self.epoch + 1,
                    ..Self::default()
                }
            }
        }
        self.last = Some(now);
        let stood = now.uptime.saturating_sub(self.since);
        if stood >= STANDING && !self.refuted {
            self.ahead = 0;
        }
        if stood >= CONTRADICTED && self.verdict(now.wall) == Verdict::BeforeJournal {
            self.vouched = true;
        }
        let verdict = self.verdict(now.wall);
        let believed = verdict == Verdict::Believed;
        if believed != self.was_believed {
            self.was_believed = believed;
            self.epoch += 1;
        }
        verdict
    }

    fn step(&mut self, last: Reading, now: Reading, change: i64) {
        let before = self.verdict(last.wall);
        // Of two steps between two turns of the closer, the windows that are open belong to the first clock.
        self.stepped.get_or_insert(ClockStamp {
            wall: now.wall.shifted(change.saturating_neg()),
            boot: now.boot,
            uptime: now.uptime,
            plausible: before.is_plausible(),
        });
        // From an implausible clock every plausible one is a way out, however far it lies.
        let trusted = before.is_plausible() || before == Verdict::Refuted;
        self.ahead = if trusted {
            self.ahead.saturating_add(change).max(0)
        } else {
            0
        };
        self.since = now.uptime;
        self.newest = None;
        self.examined = false;
        self.vouched = false;
        self.refuted = false;
        self.dated = false;
        self.epoch += 1;
    }

    /// Takes the journal's newest time that speaks against the clock as it stands.
    pub(crate) fn examine(&mut self, newest: Option<Timestamp>) {
        self.newest = newest;
        self.examined = true;
    }

    /// Takes the date of a destination's answer. It is asked only while there is doubt: a clock that nothing speaks
    /// against is not put in question by somebody else's.
    pub(crate) fn saw_date(&mut self, now: Reading, date: Timestamp) -> Verdict {
        let verdict = self.observe(now);
        if matches!(verdict, Verdict::Believed | Verdict::Unexamined) {
            return verdict;
        }
        let agrees = date.millis().abs_diff(now.wall.millis()) <= LEAP.unsigned_abs();
        self.refuted = !agrees;
        if agrees {
            self.vouched = true;
            self.ahead = 0;
        }
        self.observe(now)
    }

    fn verdict(&self, wall: Timestamp) -> Verdict {
        if self.refuted {
            Verdict::Refuted
        } else if wall < BUILD_DATE && !self.vouched {
            Verdict::BeforeBuild
        } else if self.newest.is_some_and(|newest| wall < newest) && !self.vouched {
            Verdict::BeforeJournal
        } else if self.ahead > LEAP {
            Verdict::Held
        } else if self.examined {
            Verdict::Believed
        } else {
            Verdict::Unexamined
        }
    }
}

/// The judge with the clocks, shared by the closer and all deliveries.
#[derive(Debug)]
pub struct Timekeeper {
    clock: Clock,
    judge: Mutex<Judge>,
    shown: Mutex<Option<&'static str>>,
}

impl Timekeeper {
    /// A timekeeper over the given clock. Until its first [`Timekeeper::tick`] nothing may be sent.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            judge: Mutex::default(),
            shown: Mutex::default(),
        }
    }

    /// What all clocks say now, with the judgement of the wall clock. Every reading notices a step, so that nobody
    /// acts on a clock that jumped a moment ago.
    pub fn stamp(&self) -> ClockStamp {
        self.look().0
    }

    /// Whether the wall clock is believed: only then anything is re-dated, expired or sent.
    pub fn is_believed(&self) -> bool {
        self.look().1 == Verdict::Believed
    }

    /// Whether the `Date` header of an answer could end the doubt.
    pub fn wants_date(&self) -> bool {
        matches!(
            self.look().1,
            Verdict::Held | Verdict::BeforeJournal | Verdict::Refuted
        )
    }

    /// A number that changes when the clock steps, and when it begins or ceases to be believed.
    pub fn epoch(&self) -> u64 {
        self.look();
        self.judge().epoch
    }

    /// Takes the date of a destination's answer.
    pub fn saw_date(&self, date: SystemTime) {
        let Ok(since) = date.duration_since(UNIX_EPOCH) else {
            return;
        };
        let date = Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        let now = self.read();
        let before = self.judge().observe(now);
        let after = self.judge().saw_date(now, date);
        if before != after {
            info!(?before, ?after, %date, "The date of a destination's answer changed what is thought of the clock.");
        }
    }

    /// Compares the clock with the journal, dates this boot once the clock is right, and puts doubt on the board.
    /// Returns what the old clock would show now if the clock was stepped since the last call.
    pub async fn tick(&self, journal: Option<&dyn Journal>, board: &Board) -> Option<ClockStamp> {
        let (stamp, _) = self.look();
        let (stepped, epoch) = {
            let mut judge = self.judge();
            (judge.stepped.take(), judge.epoch)
        };
        let newest = match journal {
            Some(journal) => journal.newest_time(stamp).await,
            None => None,
        };
        if self.epoch() == epoch {
            self.judge().examine(newest);
        }
        let (stamp, verdict) = self.look();
        let undated = verdict == Verdict::Believed && !self.judge().dated;
        if let (Some(journal), true) = (journal, undated) {
            match journal.date_boot(stamp).await {
                Ok(()) => self.judge().dated = true,
                Err(error) => debug!(%error, "The right time of this boot could not be journalled."),
            }
        }
        self.show(verdict, board);
        stepped
    }

    fn show(&self, verdict: Verdict, board: &Board) {
        let doubt = verdict.doubt();
        board.facts().clock_doubt = doubt.map(ToString::to_string);
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if *shown == doubt {
            return;
        }
        match doubt {
            Some(reason) => warn!(
                reason,
                "The wall clock is not believed; nothing is expired or sent meanwhile."
            ),
            None => info!("The wall clock is believed again."),
        }
        *shown = doubt;
    }

    fn read(&self) -> Reading {
        Reading {
            wall: self.clock.now(),
            uptime: self.clock.uptime(),
            boot: self.clock.boot(),
        }
    }

    fn look(&self) -> (ClockStamp, Verdict) {
        let mut judge = self.judge();
        let now = self.read();
        let verdict = judge.observe(now);
        let stamp = ClockStamp {
            wall: now.wall,
            boot: now.boot,
            uptime: now.uptime,
            plausible: verdict.is_plausible(),
        };
        (stamp, verdict)
    }

    fn judge(&self) -> MutexGuard<'_, Judge> {
        self.judge.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
