//! Numbers closed windows: what comes late for a window that was sent bears the next second, and overwrites nothing.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// How long a window's number is remembered; samples that are later than this are too old to be delivered anyway.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// The highest amendment of every window that was closed lately, by start in seconds. It is kept by time since boot,
/// so that a clock that is put back finds the numbers of the windows that it returns to.
#[derive(Debug, Default)]
pub(crate) struct Amendments {
    highest: HashMap<i64, (u32, Duration)>,
}

impl Amendments {
    /// Takes what the journal knows.
    pub(crate) fn learn(&mut self, known: &BTreeMap<i64, u32>, uptime: Duration) {
        for (start, highest) in known {
            let kept = self.highest.entry(*start).or_insert((*highest, uptime));
            kept.0 = kept.0.max(*highest);
        }
    }

    /// The number that the window gets if it is closed now: 0 for the first time; `None` where no second of its
    /// interval is left.
    ///
    /// Its last second is reserved for points that are re-dated into it, so an interval of `interval` seconds has
    /// room for the window and `interval − 2` amendments. Under a clock that is not believed the numbers begin
    /// again instead: its windows bear the same starts after each boot, though they are hours apart.
    pub(crate) fn next(&self, start: i64, interval: u32, plausible: bool) -> Option<u32> {
        let Some((highest, _)) = self.highest.get(&start) else {
            return Some(0);
        };
        let next = highest.saturating_add(1);
        if next <= interval.saturating_sub(2) {
            Some(next)
        } else {
            (!plausible).then_some(0)
        }
    }

    /// Remembers that the window was closed with this number.
    pub(crate) fn closed(&mut self, start: i64, number: u32, uptime: Duration) {
        self.highest.insert(start, (number, uptime));
    }

    /// Takes the last number of a window back: nothing was sent under it. Where another was given since, it stays.
    pub(crate) fn take_back(&mut self, start: i64, number: u32) {
        if let Some((highest, _)) = self.highest.get_mut(&start)
            && *highest == number
        {
            match number.checked_sub(1) {
                Some(before) => *highest = before,
                None => {
                    self.highest.remove(&start);
                }
            }
        }
    }

    /// Whether the window was closed before.
    pub(crate) fn knows(&self, start: i64) -> bool {
        self.highest.contains_key(&start)
    }

    /// Forgets windows that were closed more than [`REMEMBERED`] ago.
    pub(crate) fn forget(&mut self, uptime: Duration) {
        self.highest
            .retain(|_, (_, closed)| uptime.saturating_sub(*closed) <= REMEMBERED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn amendments_leave_the_last_second_free() {
        let mut numbers = Amendments::default();
        let mut given = Vec::new();
        while let Some(number) = numbers.next(50, 10, true) {
            numbers.closed(50, number, NOW);
            given.push(number);
        }
        assert_eq!(given, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        for interval in [1, 2] {
            let start = 60 + i64::from(interval);
            assert_eq!(
                numbers.next(start, interval, true),
                Some(0),
                "a window itself always has room"
            );
            numbers.closed(start, 0, NOW);
            assert_eq!(numbers.next(start, interval, true), None);
        }
    }

    #[test]
    fn the_journal_says_where_to_go_on() {
        let mut numbers = Amendments::default();
        numbers.closed(50, 5, NOW);
        numbers.learn(&BTreeMap::from([(40, 3), (50, 2)]), NOW);
        assert_eq!(
            (numbers.next(40, 10, true), numbers.next(50, 10, true)),
            (Some(4), Some(6))
        );
    }

    #[test]
    fn a_number_that_was_not_used_is_given_again_unless_a_later_one_is_out() {
        let mut numbers = Amendments::default();
        numbers.closed(50, 0, NOW);
        numbers.closed(50, 1, NOW);
        numbers.take_back(50, 0);
        assert_eq!(numbers.next(50, 10, true), Some(2));
        numbers.take_back(50, 1);
        numbers.take_back(50, 0);
        assert!(!numbers.knows(50));
    }

    #[test]
    fn a_day_later_numbers_are_forgotten() {
        let mut numbers = Amendments::default();
        numbers.closed(50, 8, NOW);
        numbers.forget(NOW + REMEMBERED);
        assert_eq!(numbers.next(50, 10, true), None);
        numbers.forget(NOW + REMEMBERED + Duration::from_secs(1));
        assert_eq!(numbers.next(50, 10, true), Some(0));
    }

    #[test]
    fn boots_in_1970_do_not_use_up_each_others_seconds() {
        let mut numbers = Amendments::default();
        numbers.learn(&BTreeMap::from([(50, 8)]), NOW);
        assert_eq!(numbers.next(50, 10, false), Some(0));
    }
}
