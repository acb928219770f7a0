//! Closing: the buffer of a window is taken out under the lock, put in order outside it, and named in short slices.

use std::sync::Arc;

use crate::model::metric::Kind;
use crate::model::time::Timestamp;
use crate::model::window::{Aggregate, Window, WindowSeries};
use crate::registry::Registry;
use crate::registry::series::State;
use crate::registry::side::Side;
use crate::registry::table::Table;
use crate::registry::windows::{Cell, OpenWindow, Way};

/// How many series are named under one lock.
const SLICE: usize = 512;

impl Registry {
    /// Takes the open windows that ended by `before` (now less the grace) out, oldest first. Each has amendment 0:
    /// whoever takes them knows which were closed before, and numbers them.
    pub fn take_closed(&self, before: Timestamp) -> Vec<Window> {
        self.close(|_, end| end <= before.millis())
    }

    /// Takes all open windows out, as [`Registry::take_closed`] does: at the stop, and when the clock stepped.
    pub fn take_all(&self) -> Vec<Window> {
        self.close(|_, _| true)
    }

    /// Takes the open windows out that start before `start`, as [`Registry::take_closed`] does.
    pub fn take_starting_before(&self, start: Timestamp) -> Vec<Window> {
        self.close(|begin, _| begin < start.millis())
    }

    /// Takes an amendment that no second is left for: sums of deltas, rates and increases go into the oldest window
    /// that has not ended, or else into that of now. Returns how many series could not be saved so (other kinds, and
    /// series that are gone) and are lost as `late`.
    pub fn fold_late(&self, window: Window) -> u64 {
        let mut lost = 0;
        for series in window.series {
            let hash = |kind| self.hashes.series(&series.names.name, kind, series.labels.iter());
            let (kind, way, last, sum, count) = match series.aggregate {
                Aggregate::Delta { sum, count } => (Kind::Delta, Way::Sum, 0.0, sum, count),
                Aggregate::Rate { sum, count } => (Kind::Rate, Way::Sum, 0.0, sum, count),
                Aggregate::Increase { sum, seconds, count } => {
                    (Kind::Total, Way::Increase, seconds, sum, count)
                }
                _ => {
                    lost += 1;
                    continue;
                }
            };
            let hash = hash(kind);
            let mut table = self.table();
            let named = |slot| {
                let family = table.families.get(slot);
                family.is_some_and(|family| {
                    family.kind == kind
                        && (Arc::ptr_eq(&family.names, &series.names) || family.names == series.names)
                })
            };
            let Some(slot) = table.find_with(hash, &series.labels, named) else {
                lost += 1;
                continue;
            };
            let now = self.clock.now();
            let open = table.windows.oldest_after(now);
            let time = open.map_or(now.millis(), |index| table.windows.start(index));
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            table.put(slot, time, way, last, sum, count);
        }
        lost
    }

    fn close(&self, wanted: impl Fn(i64, i64) -> bool) -> Vec<Window> {
        let taken = {
            let mut table = self.table();
            self.look(&mut table);
            let taken = table.windows.take(wanted);
            if !taken.is_empty() {
                table.count_sides();
                table.spent = false;
            }
            taken
        };
        taken.into_iter().filter_map(|open| self.name(open)).collect()
    }

    /// Puts a window in order. `None` where no sample is in it.
    fn name(&self, mut open: OpenWindow) -> Option<Window> {
        let mut absorbed = Vec::new();
        let cells = open.merged(|slot| absorbed.push(slot));
        if !absorbed.is_empty() {
            let mut table = self.table();
            absorbed.into_iter().for_each(|slot| table.unpin(slot));
        }
        let start = Timestamp::from_millis(open.start);
        let mut series = Vec::with_capacity(cells.len());
        for slice in cells.chunks(SLICE) {
            let mut table = self.table();
            let fresh =
                start.after(self.settings.interval) >= self.clock.now().before(self.settings.stale_after);
            for cell in slice {
                series.extend(table.close(cell, &mut open.side, start, fresh));
            }
        }
        (!series.is_empty()).then_some(Window {
            start,
            interval: self.settings.interval,
            amendment: 0,
            series,
        })
    }
}

impl Table {
    fn unpin(&mut self, slot: u32) {
        if let Some(series) = &mut self.series[slot] {
            series.pins -= 1;
        }
    }

    /// What the samples of one series come to.
    fn close(&mut self, cell: &Cell, side: &mut Side, start: Timestamp, fresh: bool) -> Option<WindowSeries> {
        self.unpin(cell.series);
        let series = self.series[cell.series].as_mut()?;
        let family = self.families.get_mut(series.family)?;
        let (sum, count) = (cell.sum, u64::from(cell.count));
        let aggregate = match cell.way {
            Way::Last => Aggregate::Gauge {
                last: cell.last,
                sum,
                count,
            },
            Way::Increase => Aggregate::Increase {
                sum,
                seconds: cell.last,
                count,
            },
            Way::Sum if family.kind == Kind::Rate => Aggregate::Rate { sum, count },
            Way::Sum => Aggregate::Delta { sum, count },
            Way::Observations => Aggregate::Observations(side.take_distribution(cell.count)),
            Way::Members => {
                let distinct = side.distinct(cell.count);
                // An amendment knows the late members only: the page keeps the size of the window itself.
                if let State::Members { size, start: held } = &mut series.state
                    && fresh
                    && start.millis() > *held
                {
                    (*size, *held) = (distinct as f64, start.millis());
                    family.shown += u32::from(!series.shown);
                    series.shown = true;
                }
                Aggregate::Members {
                    distinct,
                    count: sum as u64,
                }
            }
        };
        Some(WindowSeries {
            names: Arc::clone(&family.names),
            labels: series.labels.clone(),
            aggregate,
        })
    }
}
