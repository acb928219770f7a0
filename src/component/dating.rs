//! How far off the clock was under which a block was made.

use crate::model::time::ClockStamp;

/// How far the clock under which a block was made was off, in milliseconds, as far as blocks alone tell:
/// `Some(0)` for a right one, `None` where nobody can tell.
///
/// `offset` is what the block's boot is known to have been off from, by [`crate::component::journal::Journal::date_boot`]: right wall clock less
/// time since boot, in milliseconds.
pub fn shift_of(stamp: &ClockStamp, newest: i64, now: &ClockStamp, offset: Option<i64>) -> Option<i64> {
    const TOLERANCE: i64 = 600_000;
    /// Clocks that are disciplined move by less than this all the time.
    const DISCIPLINE: u64 = 1_000;
    let base = |stamp: &ClockStamp| {
        stamp.wall.millis() - i64::try_from(stamp.uptime.as_millis()).unwrap_or(i64::MAX)
    };
    let here: Option<i64> = (stamp.boot == now.boot && now.plausible).then(|| base(now));
    // What was noted is preferred while it still holds: it does not move between two readings, so what is sent twice
    // bears the same time twice, and two windows are moved alike.
    let here = here.map(|right| {
        offset
            .filter(|noted| noted.abs_diff(right) < DISCIPLINE)
            .unwrap_or(right)
    });
    if !stamp.plausible {
        return here.or(offset).map(|right| right - base(stamp));
    }
    // A block from the future was made under a clock that ran ahead.
    let ahead = now.plausible && newest.saturating_mul(1000) > now.wall.millis() + TOLERANCE;
    match here {
        Some(right) if ahead => Some(right - base(stamp)),
        _ if ahead => offset.map(|right| right - base(stamp)),
        _ => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::time::{BootId, Timestamp};

    fn stamp(wall: i64, uptime: u64, boot: u128, plausible: bool) -> ClockStamp {
        let (wall, uptime) = (Timestamp::from_seconds(wall), Duration::from_secs(uptime));
        ClockStamp {
            wall,
            boot: BootId(boot),
            uptime,
            plausible,
        }
    }

    #[test]
    fn a_block_of_this_boot_from_1970_is_moved_to_the_right_time() {
        let now = stamp(1_800_000_000, 400, 1, true);
        assert_eq!(
            shift_of(&stamp(20, 20, 1, false), 15, &now, None),
            Some(1_799_999_600_000)
        );
        assert_eq!(shift_of(&stamp(20, 20, 2, false), 15, &now, None), None);
        assert_eq!(
            shift_of(&stamp(20, 20, 2, false), 15, &now, Some(1_700_000_000_000)),
            Some(1_700_000_000_000)
        );
        assert_eq!(
            shift_of(&stamp(1_799_999_990, 390, 1, true), 1_799_999_980, &now, None),
            Some(0)
        );
    }

    #[test]
    fn a_clock_that_is_being_disciplined_does_not_move_a_block_about() {
        let block = stamp(20, 20, 1, false);
        let noted = Some(1_799_999_600_000);
        let mut now = stamp(1_800_000_000, 400, 1, true);
        for drift in [0, -3, 3, 900] {
            now.wall = Timestamp::from_millis(1_800_000_000_000 + drift);
            assert_eq!(shift_of(&block, 15, &now, noted), noted, "{drift}");
        }
        now.wall = Timestamp::from_seconds(1_800_000_005);
        assert_eq!(
            shift_of(&block, 15, &now, noted),
            Some(1_799_999_605_000),
            "it was set"
        );
    }

    #[test]
    fn a_block_from_the_future_is_moved_back() {
        let now = stamp(1_800_000_000, 400, 1, true);
        let year = 31_536_000;
        let ahead = stamp(1_799_999_900 + year, 300, 1, true);
        assert_eq!(
            shift_of(&ahead, 1_799_999_890 + year, &now, None),
            Some(-year * 1000)
        );
    }
}
