//! What the clocks of all known boots said, and which windows were wrapped: what re-dating, expiry and amendments
//! rest on when the blocks themselves are long gone.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::component::dating::shift_of;
use crate::journal::wire::{Reader, put_i64, put_len, put_u64};
use crate::model::block::Block;
use crate::model::time::{BootId, ClockStamp, Timestamp};

/// A wall clock that is this far from another one was set meanwhile, as [`shift_of`] has it, in milliseconds.
const TOLERANCE: i64 = 600_000;
/// Readings of one setting of a clock differ by less than this, in milliseconds.
const JITTER: u64 = 1_000;
/// Boots that a segment's head carries on.
const MOST_BOOTS: usize = 64;
/// Settings of the clock that are told apart within one boot.
const MOST_MARKS: usize = 8;
/// Windows whose amendments are kept: a day of 10 s.
const MOST_WINDOWS: usize = 8640;

/// The wall clock less the time since boot, in milliseconds: it stays as long as nobody sets the clock.
fn base(stamp: &ClockStamp) -> i64 {
    let uptime = i64::try_from(stamp.uptime.as_millis()).unwrap_or(i64::MAX);
    stamp.wall.millis().saturating_sub(uptime)
}

/// The newest item that was journalled under one setting of a boot's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    base: i64,
    newest: i64,
    plausible: bool,
}

/// One boot of the device.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Boot {
    id: BootId,
    /// The right wall clock less the time since boot, in milliseconds.
    offset: Option<i64>,
    marks: Vec<Mark>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(in crate::journal) struct Times {
    boots: Vec<Boot>,
    /// The highest amendment by window start, and which block told it.
    windows: BTreeMap<i64, (u32, u64)>,
}

impl Times {
    /// The number of a boot, for as long as this process lives.
    pub(in crate::journal) fn boot(&mut self, id: BootId) -> u16 {
        let known = self.boots.iter().rposition(|boot| boot.id == id);
        let number = known.unwrap_or_else(|| {
            self.boots.push(Boot {
                id,
                offset: None,
                marks: Vec::new(),
            });
            self.boots.len() - 1
        });
        u16::try_from(number).unwrap_or(u16::MAX)
    }

    pub(in crate::journal) fn boot_id(&self, number: u16) -> BootId {
        self.boots
            .get(usize::from(number))
            .map_or(BootId::default(), |boot| boot.id)
    }

    fn offset(&self, id: BootId) -> Option<i64> {
        self.boots.iter().rfind(|boot| boot.id == id)?.offset
    }

    /// Notes what a new block says.
    pub(in crate::journal) fn see(&mut self, block: &Block, id: u64) -> u16 {
        let number = self.boot(block.stamp.boot);
        let mark = Mark {
            base: base(&block.stamp),
            newest: block.newest,
            plausible: block.stamp.plausible,
        };
        if let Some(boot) = self.boots.get_mut(usize::from(number)) {
            boot.see(mark);
        }
        for (start, amendment) in &block.windows {
            let window = self.windows.entry(*start).or_insert((*amendment, id));
            *window = (window.0.max(*amendment), id);
        }
        if self.windows.len() > MOST_WINDOWS + MOST_WINDOWS / 4 {
            // The ones that were told longest ago, not the earliest: a wrong clock does not push out the right one's.
            let mut told: Vec<u64> = self.windows.values().map(|(_, id)| *id).collect();
            told.sort_unstable();
            let from = told[told.len() - MOST_WINDOWS];
            self.windows.retain(|_, (_, id)| *id >= from);
        }
        number
    }

    /// Notes the right wall clock of a boot; whether that is news.
    pub(in crate::journal) fn date(&mut self, right: ClockStamp) -> bool {
        let number = self.boot(right.boot);
        let offset = base(&right);
        let Some(boot) = self.boots.get_mut(usize::from(number)) else {
            return false;
        };
        // Clocks that are disciplined move by less than this all the time.
        let news = boot.offset.is_none_or(|known| known.abs_diff(offset) >= 1000);
        if news {
            boot.offset = Some(offset);
        }
        news
    }

    /// How far a block's clock was off, see [`shift_of`].
    pub(in crate::journal) fn shift(&self, stamp: &ClockStamp, newest: i64, now: &ClockStamp) -> Option<i64> {
        shift_of(&self.steady(stamp), newest, now, self.offset(stamp.boot))
    }

    /// The stamp as the first block under the same setting of the clock would have it. The two clocks are read one
    /// after the other, so their difference jitters by a millisecond: windows that are moved by one more or less could
    /// come to lie in one interval, and one would overwrite the other.
    fn steady(&self, stamp: &ClockStamp) -> ClockStamp {
        let here = base(stamp);
        let boot = self.boots.iter().rfind(|boot| boot.id == stamp.boot);
        let mut marks = boot.into_iter().flat_map(|boot| &boot.marks);
        let mark = marks.find(|mark| mark.plausible == stamp.plausible && mark.base.abs_diff(here) < JITTER);
        ClockStamp {
            wall: stamp.wall.shifted(mark.map_or(0, |mark| mark.base - here)),
            ..*stamp
        }
    }

    /// How old a block's newest item is; `None` where nobody can tell.
    ///
    /// A block of this boot ages by the time since boot, so that a step of the wall clock expires nothing. For others
    /// the wall clock decides, but not later than the earliest that it was believed to be in this boot, and the time
    /// since: a step forward, right or wrong, makes them older by nothing at once.
    pub(in crate::journal) fn age(
        &self,
        stamp: &ClockStamp,
        newest: i64,
        now: &ClockStamp,
    ) -> Option<Duration> {
        let newest_millis = newest.saturating_mul(1000);
        let millis = if stamp.boot == now.boot {
            base_uptime(now) - base_uptime(stamp) + stamp.wall.millis() - newest_millis
        } else {
            let here = self.boots.iter().rfind(|boot| boot.id == now.boot);
            let believed = here.into_iter().flat_map(|boot| {
                let plausible = boot
                    .marks
                    .iter()
                    .filter(|mark| mark.plausible)
                    .map(|mark| mark.base);
                plausible.chain(boot.offset)
            });
            let base = believed.chain([base(now)]).min()?;
            base + base_uptime(now) - newest_millis.saturating_add(self.shift(stamp, newest, now)?)
        };
        Some(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
    }

    /// See [`Journal::newest_time`](crate::component::journal::Journal::newest_time).
    pub(in crate::journal) fn newest(&self, now: &ClockStamp) -> Option<Timestamp> {
        let of_boot = |boot: &Boot| {
            let limit = if boot.id == now.boot {
                Some(base(now))
            } else {
                boot.offset
            };
            boot.marks
                .iter()
                .filter_map(|mark| match limit {
                    // The clock was put back since.
                    Some(right) if mark.base > right + TOLERANCE && boot.id == now.boot => None,
                    Some(right) if mark.base > right + TOLERANCE || !mark.plausible => {
                        Some(Timestamp::from_seconds(mark.newest).shifted(right - mark.base))
                    }
                    None if !mark.plausible => None,
                    _ => Some(Timestamp::from_seconds(mark.newest)),
                })
                .max()
        };
        self.boots.iter().filter_map(of_boot).max()
    }

    /// See [`Journal::windows`](crate::component::journal::Journal::windows).
    pub(in crate::journal) fn windows(&self, within: Duration, now: &ClockStamp) -> BTreeMap<i64, u32> {
        let from = now.wall.before(within).seconds();
        self.windows
            .range(from..)
            .map(|(start, (amendment, _))| (*start, *amendment))
            .collect()
    }

    pub(in crate::journal) fn write(&self, out: &mut Vec<u8>) {
        let boots = &self.boots[self.boots.len().saturating_sub(MOST_BOOTS)..];
        put_len(out, boots.len());
        for boot in boots {
            out.extend_from_slice(&boot.id.0.to_le_bytes());
            out.push(u8::from(boot.offset.is_some()));
            put_i64(out, boot.offset.unwrap_or(0));
            put_len(out, boot.marks.len());
            for mark in &boot.marks {
                put_i64(out, mark.base);
                put_i64(out, mark.newest);
                out.push(u8::from(mark.plausible));
            }
        }
        // Runs of windows that follow each other at one distance, all with the same amendment, told by later blocks.
        let windows: Vec<(i64, u32, u64)> = self
            .windows
            .iter()
            .map(|(start, (k, id))| (*start, *k, *id))
            .collect();
        let mut runs: Vec<(i64, i64, u64, u32, u64)> = Vec::new();
        for (start, amendment, id) in windows {
            match runs.last_mut() {
                Some((first, step, count, k, last_id))
                    if *k == amendment
                        && (*count == 1 || *first + *step * *count as i64 == start)
                        && start.checked_sub(*first).is_some() =>
                {
                    if *count == 1 {
                        *step = start - *first;
                    }
                    (*count, *last_id) = (*count + 1, id);
                }
                _ => runs.push((start, 0, 1, amendment, id)),
            }
        }
        put_len(out, runs.len());
        let mut before = 0i64;
        for (first, step, count, amendment, id) in runs {
            put_i64(out, first.wrapping_sub(before));
            before = first;
            put_i64(out, step);
            put_u64(out, count);
            put_u64(out, u64::from(amendment));
            put_u64(out, id);
        }
    }

    /// Adds what [`Times::write`] wrote to what is known.
    pub(in crate::journal) fn read(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        for _ in 0..reader.len(MOST_BOOTS)? {
            let number = self.boot(BootId(u128::from_le_bytes(reader.array()?)));
            let dated = reader.byte()? != 0;
            let offset = reader.i64()?;
            let boot = self.boots.get_mut(usize::from(number))?;
            if dated {
                boot.offset = Some(offset);
            }
            for _ in 0..reader.len(MOST_MARKS + 1)? {
                boot.see(Mark {
                    base: reader.i64()?,
                    newest: reader.i64()?,
                    plausible: reader.byte()? != 0,
                });
            }
        }
        let mut first = 0i64;
        for _ in 0..reader.len(2 * MOST_WINDOWS)? {
            first = first.wrapping_add(reader.i64()?);
            let (step, count) = (reader.i64()?, reader.len(2 * MOST_WINDOWS)?);
            let (amendment, id) = (reader.u32()?, reader.u64()?);
            for index in 0..count {
                let start = first.wrapping_add(step.wrapping_mul(index as i64));
                let window = self.windows.entry(start).or_insert((amendment, id));
                *window = (window.0.max(amendment), window.1.max(id));
            }
        }
        Some(())
    }
}

fn base_uptime(stamp: &ClockStamp) -> i64 {
    i64::try_from(stamp.uptime.as_millis()).unwrap_or(i64::MAX)
}

impl Boot {
    fn see(&mut self, mark: Mark) {
        let same = |known: &&mut Mark| {
            known.plausible == mark.plausible && known.base.abs_diff(mark.base) <= TOLERANCE.unsigned_abs()
        };
        match self.marks.iter_mut().find(same) {
            Some(known) => {
                known.newest = known.newest.max(mark.newest);
            }
            None => {
                if self.marks.len() >= MOST_MARKS {
                    self.marks.remove(0);
                }
                self.marks.push(mark);
            }
        }
    }
}
