//! Moments of the wall clock, aligned intervals, and the stamp that ties a wall clock to a boot.

use std::fmt;
use std::time::Duration;

/// A moment of the wall clock in milliseconds since 1970-01-01 UTC; before 1970 it is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Takes milliseconds since 1970-01-01 UTC.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Takes whole seconds since 1970-01-01 UTC; saturates far beyond any calendar.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Takes fractional seconds since 1970-01-01 UTC; `None` where they are not finite or beyond ±9e15 ms.
    pub fn from_seconds_f64(seconds: f64) -> Option<Self> {
        let millis = (seconds * 1000.0).floor();
        // Beyond 9e15 a double no longer tells milliseconds apart.
        (millis.abs() <= 9e15).then_some(Self(millis as i64))
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01 UTC, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The start of the aligned interval that this moment falls in. `interval` is at least one second.
    pub fn window_start(self, interval: Duration) -> Self {
        let length = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
        Self(self.0.div_euclid(length).saturating_mul(length))
    }

    /// This moment and `duration` more; saturates.
    pub fn after(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// This moment less `duration`; saturates.
    pub fn before(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// How long after `earlier` this moment is; zero where it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// This moment moved by `millis`, either way; saturates.
    pub const fn shifted(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl fmt::Display for Timestamp {
    /// Seconds since 1970 with milliseconds, as Prometheus prints them.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{:03}", self.0.div_euclid(1000), self.0.rem_euclid(1000))
    }
}

/// Which boot of the device a moment belongs to: the kernel's boot id, or a random one where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootId(pub u128);

/// What all clocks said at one moment. A wall clock that was wrong then can be put right later with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStamp {
    /// The wall clock.
    pub wall: Timestamp,
    /// The boot during which it was read.
    pub boot: BootId,
    /// Time since that boot, suspended time included.
    pub uptime: Duration,
    /// Whether the wall clock was believed at that moment.
    pub plausible: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_aligned_before_and_after_1970() {
        let ten = Duration::from_secs(10);
        assert_eq!(
            Timestamp::from_millis(19_999).window_start(ten),
            Timestamp::from_seconds(10)
        );
        assert_eq!(
            Timestamp::from_millis(20_000).window_start(ten),
            Timestamp::from_seconds(20)
        );
        assert_eq!(
            Timestamp::from_millis(-1).window_start(ten),
            Timestamp::from_seconds(-10)
        );
    }

    #[test]
    fn impossible_seconds_are_no_timestamp() {
        assert_eq!(
            Timestamp::from_seconds_f64(1.5),
            Some(Timestamp::from_millis(1500))
        );
        for seconds in [f64::NAN, f64::INFINITY, 1e308, -1e308] {
            assert_eq!(Timestamp::from_seconds_f64(seconds), None);
        }
    }
}
