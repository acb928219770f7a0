//! Notices steps of the wall clock, and counts seconds that no step touches.

use crate::model::time::Timestamp;
use crate::support::time::Clock;

/// A change of the wall clock against the time since boot that is no drift any more, in milliseconds.
const STEP: i64 = 2_000;

/// How long one look at both clocks is good for, in milliseconds.
const GOOD_FOR: i64 = 5_000;

/// Beats begin this many seconds before the boot, so that a moment shortly before it has one too.
const BEFORE_BOOT: i64 = 1 << 20;

/// Seconds on a clock that never steps.
pub(super) type Beat = u32;

/// What the clocks said when both were read last.
#[derive(Debug)]
pub(super) struct Watch {
    seen: i64,
    zero: i64,
}

impl Watch {
    /// Reads both clocks.
    pub(super) fn new(clock: &Clock) -> Self {
        let (seen, zero) = read(clock);
        Self { seen, zero }
    }

    /// Whether `now` shows no sign of a step, so that reading the second clock can be spared.
    pub(super) fn covers(&self, now: Timestamp) -> bool {
        (self.seen..=self.seen + GOOD_FOR).contains(&now.millis())
    }

    /// Reads both clocks and returns by how many milliseconds the wall clock stepped since the last look; 0 for
    /// none.
    pub(super) fn look(&mut self, clock: &Clock) -> i64 {
        let (seen, zero) = read(clock);
        let step = zero - self.zero;
        *self = Self { seen, zero };
        if step.abs() > STEP { step } else { 0 }
    }

    /// The beat of a moment of the wall clock.
    pub(super) fn beat(&self, time: Timestamp) -> Beat {
        let seconds = time.millis().saturating_sub(self.zero).div_euclid(1000);
        seconds.clamp(0, i64::from(u32::MAX)) as Beat
    }
}

fn read(clock: &Clock) -> (i64, i64) {
    let wall = clock.coarse_now().millis();
    let uptime = i64::try_from(clock.uptime().as_millis()).unwrap_or(i64::MAX);
    (
        wall,
        wall.saturating_sub(uptime).saturating_sub(BEFORE_BOOT * 1000),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn passing_time_is_no_step_and_a_step_moves_no_beat() {
        let clock = Clock::manual(Timestamp::from_seconds(1_000));
        let mut watch = Watch::new(&clock);
        let first = watch.beat(clock.now());
        clock.advance(Duration::from_secs(60));
        assert!(!watch.covers(clock.now()));
        assert_eq!((watch.look(&clock), watch.beat(clock.now())), (0, first + 60));
        clock.step_to(Timestamp::from_seconds(5));
        assert!(!watch.covers(clock.now()));
        assert_eq!(
            (watch.look(&clock), watch.beat(clock.now())),
            (-1_055_000, first + 60)
        );
    }
}
