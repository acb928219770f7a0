//! Which clock a window was opened under, when the wall clock was stepped a moment ago.

use std::time::Duration;

use crate::model::time::{ClockStamp, Timestamp};

/// How long after a step samples may still bear the old clock's time.
const AFTERMATH: Duration = Duration::from_secs(60);
/// How often the closer looks at the clock: a step is noticed this late.
pub(crate) const TICK: Duration = Duration::from_secs(1);

/// The clock before the last step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Step {
    old: Option<ClockStamp>,
}

impl Step {
    /// Remembers what the old clock showed at the step.
    pub(crate) fn note(&mut self, old: ClockStamp) {
        self.old = Some(old);
    }

    /// Whose windows there may still be, beside those of `now`: `None` where the clock was not stepped of late.
    pub(crate) fn aftermath(&mut self, now: ClockStamp) -> Option<Aftermath> {
        self.old = self
            .old
            .filter(|old| old.boot == now.boot && now.uptime.saturating_sub(old.uptime) <= AFTERMATH);
        let old = self.old?;
        let then = ClockStamp {
            wall: old.wall.after(now.uptime.saturating_sub(old.uptime)),
            uptime: now.uptime,
            ..old
        };
        Some(Aftermath { then, now, old })
    }
}

/// The minute after a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aftermath {
    /// What the clock before the step would show now.
    pub(crate) then: ClockStamp,
    now: ClockStamp,
    old: ClockStamp,
}

impl Aftermath {
    /// Whether a window was opened under the clock before the step: its middle is nearer to what that one shows,
    /// and the new clock has not been where it starts since the step.
    pub(crate) fn owns(&self, start: Timestamp, interval: Duration) -> bool {
        let (then, now) = (self.then.wall, self.now.wall);
        let since_step = self.now.uptime.saturating_sub(self.old.uptime) + 2 * TICK;
        let untouched = if now > then {
            start < now.before(since_step).window_start(interval)
        } else {
            start > now
        };
        let middle = start.after(interval / 2).millis();
        untouched && middle.abs_diff(then.millis()) < middle.abs_diff(now.millis())
    }
}
