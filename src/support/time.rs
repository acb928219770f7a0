//! The clocks: wall, since boot, and for waiting; the device's, or a test's.

use std::fs;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::model::time::{BootId, ClockStamp, Timestamp};

/// Reads wall clock and time since boot. Cheap to clone; clones of a manual clock share its hands.
///
/// Waiting is not its business: tasks wait with `tokio::time`, which tests pause.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { boot: BootId },
    Manual(Arc<Mutex<Hands>>),
}

#[derive(Debug)]
struct Hands {
    wall: Timestamp,
    uptime: Duration,
    boot: BootId,
}

impl Clock {
    /// The device's clocks. Where the kernel gives no boot id (no `/proc`), each start of the process counts as
    /// a boot of its own.
    pub fn system() -> Self {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .ok()
            .and_then(|text| u128::from_str_radix(&text.trim().replace('-', ""), 16).ok())
            .unwrap_or_else(|| fastrand::u128(..));
        Self(Source::System { boot: BootId(boot) })
    }

    /// A clock that stands at `wall`, 100 s after a boot, until a test moves it.
    pub fn manual(wall: Timestamp) -> Self {
        let hands = Hands {
            wall,
            uptime: Duration::from_secs(100),
            boot: BootId(1),
        };
        Self(Source::Manual(Arc::new(Mutex::new(hands))))
    }

    /// The wall clock.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System { .. } => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
                Err(before) => {
                    Timestamp::from_millis(-i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX))
                }
            },
            Source::Manual(hands) => hands.lock().unwrap_or_else(PoisonError::into_inner).wall,
        }
    }

    /// The wall clock to a few milliseconds, never ahead of [`Clock::now`]: for paths so hot that the exact reading
    /// would be a large part of them. Where the system has no such clock it is the exact one.
    pub fn coarse_now(&self) -> Timestamp {
        match &self.0 {
            #[cfg(target_os = "linux")]
            Source::System { .. } => {
                let time = clock_gettime(ClockId::RealtimeCoarse);
                let part = i64::from(u32::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000);
                Timestamp::from_millis(time.tv_sec.saturating_mul(1000).saturating_add(part))
            }
            _ => self.now(),
        }
    }

    /// Time since boot, suspended time included. It never steps.
    pub fn uptime(&self) -> Duration {
        match &self.0 {
            Source::System { .. } => {
                let since = clock_gettime(ClockId::Boottime);
                Duration::new(
                    u64::try_from(since.tv_sec).unwrap_or(0),
                    u32::try_from(since.tv_nsec).unwrap_or(0),
                )
            }
            Source::Manual(hands) => hands.lock().unwrap_or_else(PoisonError::into_inner).uptime,
        }
    }

    /// The boot that is running.
    pub fn boot(&self) -> BootId {
        match &self.0 {
            Source::System { boot } => *boot,
            Source::Manual(hands) => hands.lock().unwrap_or_else(PoisonError::into_inner).boot,
        }
    }

    /// All clocks at one moment, with the caller's judgement of the wall clock.
    pub fn stamp(&self, plausible: bool) -> ClockStamp {
        ClockStamp {
            wall: self.now(),
            boot: self.boot(),
            uptime: self.uptime(),
            plausible,
        }
    }

    /// Lets time pass on a manual clock; a system clock is not moved.
    pub fn advance(&self, by: Duration) {
        self.change(|hands| {
            hands.wall = hands.wall.after(by);
            hands.uptime += by;
        });
    }

    /// Sets a manual clock's wall clock, as `date -s` would; time since boot stays.
    pub fn step_to(&self, wall: Timestamp) {
        self.change(|hands| hands.wall = wall);
    }

    /// Boots a manual clock's device anew, its wall clock at `wall`.
    pub fn reboot_at(&self, wall: Timestamp) {
        self.change(|hands| {
            *hands = Hands {
                wall,
                uptime: Duration::ZERO,
                boot: BootId(hands.boot.0 + 1),
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Hands)) {
        if let Source::Manual(hands) = &self.0 {
            change(&mut hands.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_stands_until_it_is_moved() {
        let clock = Clock::manual(Timestamp::from_seconds(1000));
        let other = clock.clone();
        clock.advance(Duration::from_secs(5));
        assert_eq!(
            (other.now(), other.uptime()),
            (Timestamp::from_seconds(1005), Duration::from_secs(105))
        );
        clock.step_to(Timestamp::from_seconds(9000));
        assert_eq!(
            (other.now(), other.uptime()),
            (Timestamp::from_seconds(9000), Duration::from_secs(105))
        );
        clock.reboot_at(Timestamp::from_seconds(0));
        assert_eq!((other.boot(), other.uptime()), (BootId(2), Duration::ZERO));
    }
}
