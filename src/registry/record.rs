//! Recording: one look-up brings a sample to its series' running value and to its window.

use std::time::Duration;

use crate::model::sample::{Sample, Value};
use crate::model::time::Timestamp;
use crate::registry::limits::{Origin, RecordError};
use crate::registry::series::Share;
use crate::registry::side::{MEMORY, Side, shrink};
use crate::registry::table::{Identity, Table};
use crate::registry::windows::{Cell, Way};

/// How far ahead of the clock a sample may be before it is stamped with now.
const AHEAD: Duration = Duration::from_secs(600);

impl Table {
    /// Records a sample whose identity has this hash.
    pub(super) fn record(
        &mut self,
        origin: Origin,
        sample: &Sample<'_>,
        hash: u32,
        now: Timestamp,
    ) -> Result<(), RecordError> {
        if self.refuse_not_finite(origin, &sample.value)? {
            return Ok(());
        }
        let time = if sample.time > now.after(AHEAD) {
            self.ahead += 1;
            now
        } else {
            sample.time
        };
        let of = Identity {
            name: sample.name,
            kind: sample.value.kind(),
            labels: sample.labels,
            hash,
        };
        let fresh = time.millis() >= now.millis().saturating_sub(self.stale_millis);
        let slot = match self.find(origin, &of) {
            Some(slot) => slot,
            None => {
                let touched = if fresh { time.min(now) } else { now };
                self.insert(origin, &of, now, self.watch.beat(touched))?
            }
        };
        self.follow(origin, slot);
        self.origins[usize::from(origin.0)].samples += 1;
        self.backlog += u64::from(!fresh);
        match self.take(slot, &sample.value, time, fresh, now) {
            Share::Nothing => {}
            Share::Last(value) => self.put(slot, time.millis(), Way::Last, value, value, 1),
            Share::Sum(value) => self.put(slot, time.millis(), Way::Sum, 0.0, value, 1),
            Share::Increase { growth, seconds } => {
                self.put(slot, time.millis(), Way::Increase, seconds, growth, 1);
            }
            Share::Observations(values) => self.observe(slot, time.millis(), values),
            Share::Members(members) => self.join(slot, time.millis(), members),
        }
        if self.windows.is_loose() {
            self.compact();
        }
        Ok(())
    }

    /// Counts what is not finite. Returns whether nothing is left to record.
    fn refuse_not_finite(&mut self, origin: Origin, value: &Value<'_>) -> Result<bool, RecordError> {
        let (bad, all) = match value {
            Value::Gauge(value) | Value::Total(value) | Value::Delta(value) | Value::Rate(value) => {
                (usize::from(!value.is_finite()), 1)
            }
            Value::Observations(values) => (
                values.iter().filter(|value| !value.is_finite()).count(),
                values.len(),
            ),
            Value::Members(_) => return Ok(false),
        };
        if bad == 0 {
            return Ok(all == 0);
        }
        let reason = self.origins[usize::from(origin.0)].refuse(RecordError::NotFinite, bad as u64);
        if bad == all { Err(reason) } else { Ok(false) }
    }

    /// Brings a value to the running one. Returns what the window gets.
    fn take<'a>(
        &mut self,
        slot: u32,
        value: &Value<'a>,
        time: Timestamp,
        fresh: bool,
        now: Timestamp,
    ) -> Share<'a> {
        let Some(series) = &mut self.series[slot] else {
            return Share::Nothing;
        };
        let Some(family) = self.families.get_mut(series.family) else {
            return Share::Nothing;
        };
        let had_fallen = series.state.has_fallen();
        let share = series
            .state
            .take(value, time.millis(), fresh, &family.bounds, &mut series.created);
        if fresh {
            series.touched = series.touched.max(self.watch.beat(time.min(now)));
            // A set's size is not known before its window closes.
            if !series.shown && !matches!(value, Value::Members(_)) {
                series.shown = true;
                family.shown += 1;
            }
        }
        let share = match value {
            Value::Total(reading) if family.pushed_as_gauge() => Share::Last(*reading),
            _ => share,
        };
        if !had_fallen && series.state.has_fallen() {
            family.fallen += 1;
            self.families.split(series.family);
        }
        share
    }

    /// Brings plain numbers to a series' cell in the window of `time`.
    pub(super) fn put(&mut self, slot: u32, time: i64, way: Way, last: f64, sum: f64, count: u32) {
        let index = self.windows.at(time);
        let offset = u32::try_from(time.saturating_sub(self.windows.start(index))).unwrap_or(u32::MAX);
        let Some(series) = &mut self.series[slot] else {
            return;
        };
        let Some(number) = self.windows.known(&series.places, index) else {
            let cell = Cell {
                series: slot,
                count,
                offset,
                way,
                last,
                sum,
            };
            self.windows.add(index, cell, &mut series.places);
            series.pins += 1;
            return;
        };
        let cell = &mut self.windows.window_mut(index).cells[number];
        cell.count = cell.count.saturating_add(count);
        cell.sum += sum;
        match way {
            Way::Last if offset >= cell.offset => (cell.last, cell.offset) = (last, offset),
            Way::Increase => cell.last += last,
            _ => {}
        }
    }

    /// The number of a series' cell whose values are at the side; a new one where there is none, unless the memory
    /// is `spent`.
    fn side_cell(&mut self, slot: u32, index: usize, way: Way, spent: bool) -> Option<u32> {
        let series = self.series[slot].as_mut()?;
        let known = self.windows.known(&series.places, index);
        if known.is_some() || spent {
            return known;
        }
        let side = &mut self.windows.window_mut(index).side;
        let place = match way {
            Way::Members => side.new_members(),
            _ => side.new_distribution(),
        };
        let cell = Cell {
            series: slot,
            count: place,
            offset: 0,
            way,
            last: 0.0,
            sum: 0.0,
        };
        series.pins += 1;
        Some(self.windows.add(index, cell, &mut series.places))
    }

    fn observe(&mut self, slot: u32, time: i64, values: &[f64]) {
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let mut refused = 0;
        let index = self.windows.at(time);
        match self.side_cell(slot, index, Way::Observations, self.spent) {
            None => refused = finite().count(),
            Some(number) => {
                for value in finite() {
                    let window = self.windows.window_mut(index);
                    let place = window.cells[number].count;
                    match window.side.observe(place, value, self.spent) {
                        Some(grown) => self.observed += grown,
                        None => refused += 1,
                    }
                    if self.observed > MEMORY && !self.spent {
                        self.shrink();
                    }
                }
            }
        }
        self.refuse_for_memory(slot, refused);
    }

    fn join(&mut self, slot: u32, time: i64, members: &[&str]) {
        let mut refused = 0;
        let index = self.windows.at(time);
        match self.side_cell(slot, index, Way::Members, self.joined >= MEMORY) {
            None => refused = members.len(),
            Some(number) => {
                let window = self.windows.window_mut(index);
                window.cells[number].sum += 1.0;
                let place = window.cells[number].count;
                for member in members {
                    match window.side.join(place, member, self.joined >= MEMORY) {
                        Some(grown) => self.joined += grown,
                        None => refused += 1,
                    }
                }
            }
        }
        self.refuse_for_memory(slot, refused);
    }

    fn refuse_for_memory(&mut self, slot: u32, refused: usize) {
        if refused > 0
            && let Some(series) = &self.series[slot]
        {
            let origin = &mut self.origins[usize::from(series.origin.0)];
            origin.refuse(RecordError::WindowMemory, refused as u64);
        }
    }

    /// Makes sketches until a quarter of the memory is free again, so that not every observation has to look.
    fn shrink(&mut self) {
        let sides = self.windows.iter_mut().map(|window| &mut window.side);
        self.observed = shrink(sides, MEMORY / 4 * 3);
        self.spent = self.observed > MEMORY;
    }

    fn compact(&mut self) {
        let all = &mut self.series;
        self.windows.compact(|slot| {
            if let Some(series) = &mut all[slot] {
                series.pins -= 1;
            }
        });
        self.count_sides();
    }

    /// Sums up what the sides of all open windows take.
    pub(super) fn count_sides(&mut self) {
        let mut sums = (0, 0);
        for Side { observed, joined, .. } in self.windows.iter_mut().map(|window| &window.side) {
            sums = (sums.0 + observed, sums.1 + joined);
        }
        (self.observed, self.joined) = sums;
        self.spent = self.spent && self.observed > MEMORY;
    }
}
