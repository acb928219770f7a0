//! Numbers the windows that feeds hand over.
//!
//! They are numbered apart from the registry's: what applications write and what the agent collects are never one
//! series, and else each window of a feed would be an amendment of the registry's of the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::component::journal::ReceiptId;
use crate::pipeline::amendments::{Amendments, REMEMBERED};

/// How many hand-overs that did not succeed keep their numbers.
const MOST_RESERVED: usize = 1_000;
/// How far back a window is sought that has a second left.
const BACK: i64 = 3_600;

/// What is to be numbered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// When the window starts, seconds since 1970-01-01 UTC.
    pub(crate) start: i64,
    /// Its length in seconds.
    pub(crate) interval: u32,
}

/// What clocks and settings say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// When the last closed window ended, seconds since 1970-01-01 UTC.
    pub(crate) closed_before: i64,
    /// The windows' length in seconds.
    pub(crate) interval: u32,
    /// Whether the wall clock is believed.
    pub(crate) plausible: bool,
    /// Time since boot.
    pub(crate) uptime: Duration,
}

/// The numbers of one hand-over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// One for each window, in order; `None` where no second of it is left.
    pub(crate) numbers: Vec<Option<u32>>,
    /// The window, by start and number, that takes the counts of those; `None` where it is not needed, or there is
    /// none.
    pub(crate) room: Option<(i64, u32)>,
}

/// The numbers that were given, and to whom.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    amendments: Amendments,
    /// Nobody knows whether a hand-over that failed was journalled. It keeps its numbers: nobody else gets them, and
    /// when it is handed over again it bears the same ones.
    reserved: BTreeMap<ReceiptId, Reserved>,
}

#[derive(Debug)]
struct Reserved {
    numbers: Vec<(i64, u32)>,
    at: Duration,
}

impl Numbers {
    /// Takes what the journal knows.
    pub(crate) fn learn(&mut self, known: &BTreeMap<i64, u32>, uptime: Duration) {
        self.amendments.learn(known, uptime);
    }

    /// Gives numbers to the windows of a hand-over.
    pub(crate) fn give(&mut self, receipt: ReceiptId, asked: &[Asked], moment: Moment) -> Given {
        let before = self.reserved.remove(&receipt);
        let mut had = before.map(|reserved| reserved.numbers).unwrap_or_default();
        let mut has = Vec::with_capacity(asked.len());
        let mut numbers = Vec::with_capacity(asked.len());
        for window in asked {
            let known = had.iter().position(|(start, _)| *start == window.start);
            let number = match known {
                Some(known) => Some(had.swap_remove(known).1),
                None => self.next(*window, moment),
            };
            has.extend(number.map(|number| (window.start, number)));
            numbers.push(number);
        }
        let room = match numbers.contains(&None) {
            true => had.pop().or_else(|| self.find_room(asked, moment)),
            false => None,
        };
        has.extend(room);
        has.append(&mut had);
        let reserved = Reserved {
            numbers: has,
            at: moment.uptime,
        };
        self.reserved.insert(receipt, reserved);
        Given { numbers, room }
    }

    fn next(&mut self, window: Asked, moment: Moment) -> Option<u32> {
        let number = self
            .amendments
            .next(window.start, window.interval, moment.plausible)?;
        self.amendments.closed(window.start, number, moment.uptime);
        Some(number)
    }

    /// The most recent window that has a second left: one of the hand-over's own, or one of the last hour, rather one
    /// that was closed before than one whose samples are still to come.
    fn find_room(&mut self, asked: &[Asked], moment: Moment) -> Option<(i64, u32)> {
        let step = i64::from(moment.interval.max(1));
        let hour = (1..=BACK / step).map(|back| Asked {
            start: moment.closed_before.saturating_sub(back * step),
            interval: moment.interval,
        });
        let known = |window: &Asked| self.amendments.knows(window.start);
        let (known, unknown): (Vec<Asked>, Vec<Asked>) = hour.partition(known);
        let own = asked.iter().rev().copied();
        own.chain(known)
            .chain(unknown)
            .find_map(|window| Some((window.start, self.next(window, moment)?)))
    }

    /// The hand-over is journalled.
    pub(crate) fn settle(&mut self, receipt: ReceiptId) {
        self.reserved.remove(&receipt);
    }

    /// The hand-over was certainly not journalled, and will not be: its numbers are free again.
    pub(crate) fn take_back(&mut self, receipt: ReceiptId) {
        if let Some(reserved) = self.reserved.remove(&receipt) {
            for (start, number) in reserved.numbers.into_iter().rev() {
                self.amendments.take_back(start, number);
            }
        }
    }

    /// Forgets what was given long ago.
    pub(crate) fn forget(&mut self, uptime: Duration) {
        self.amendments.forget(uptime);
        self.reserved
            .retain(|_, reserved| uptime.saturating_sub(reserved.at) <= REMEMBERED);
        while self.reserved.len() > MOST_RESERVED
            && let Some(oldest) = self.reserved.iter().min_by_key(|(_, reserved)| reserved.at)
        {
            let oldest = *oldest.0;
            self.reserved.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Moment = Moment {
        closed_before: 10_000,
        interval: 10,
        plausible: true,
        uptime: Duration::from_secs(100),
    };

    fn ask(numbers: &mut Numbers, receipt: u128, starts: &[i64]) -> Given {
        let asked: Vec<Asked> = starts
            .iter()
            .map(|start| Asked {
                start: *start,
                interval: 10,
            })
            .collect();
        numbers.give(ReceiptId(receipt), &asked, MOMENT)
    }

    fn given(numbers: &[u32]) -> Given {
        Given {
            numbers: numbers.iter().copied().map(Some).collect(),
            room: None,
        }
    }

    #[test]
    fn a_hand_over_that_failed_keeps_its_numbers() {
        let mut numbers = Numbers::default();
        assert_eq!(ask(&mut numbers, 1, &[50, 60]), given(&[0, 0]));
        assert_eq!(ask(&mut numbers, 2, &[60]), given(&[1]));
        assert_eq!(ask(&mut numbers, 1, &[60, 50, 70]), given(&[0, 0, 0]));
        numbers.settle(ReceiptId(1));
        assert_eq!(ask(&mut numbers, 1, &[50]), given(&[1]));
    }

    #[test]
    fn what_another_agent_took_over_gives_its_numbers_back() {
        let mut numbers = Numbers::default();
        ask(&mut numbers, 1, &[50, 50, 60]);
        numbers.take_back(ReceiptId(1));
        assert_eq!(ask(&mut numbers, 2, &[50, 60]), given(&[0, 0]));
    }

    #[test]
    fn room_is_sought_in_the_hand_over_then_in_the_last_hour() {
        let mut numbers = Numbers::default();
        numbers.learn(
            &BTreeMap::from([(50, 8), (60, 3), (9_980, 8), (9_960, 2)]),
            MOMENT.uptime,
        );
        let found = |given: Given| (given.numbers, given.room);
        assert_eq!(
            found(ask(&mut numbers, 1, &[50, 60])),
            (vec![None, Some(4)], Some((60, 5)))
        );
        assert_eq!(found(ask(&mut numbers, 2, &[50])), (vec![None], Some((9_960, 3))));
        assert_eq!(
            found(ask(&mut numbers, 2, &[50])),
            (vec![None], Some((9_960, 3))),
            "the second try finds the same"
        );
        numbers.learn(&BTreeMap::from([(9_960, 8)]), MOMENT.uptime);
        assert_eq!(found(ask(&mut numbers, 3, &[50])), (vec![None], Some((9_990, 0))));
        let full = (0..=10_000).step_by(10).map(|start| (start, 8)).collect();
        numbers.learn(&full, MOMENT.uptime);
        assert_eq!(found(ask(&mut numbers, 4, &[50])), (vec![None], None));
    }

    #[test]
    fn only_so_many_failures_are_remembered() {
        let mut numbers = Numbers::default();
        for receipt in 0..=MOST_RESERVED as u128 {
            ask(&mut numbers, receipt, &[50]);
        }
        numbers.forget(MOMENT.uptime);
        assert_eq!(numbers.reserved.len(), MOST_RESERVED);
        numbers.forget(MOMENT.uptime + REMEMBERED + Duration::from_secs(1));
        assert_eq!(numbers.reserved.len(), 0);
    }
}
