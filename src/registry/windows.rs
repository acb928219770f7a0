//! The open windows: a buffer of small cells each, which every sample finds without hashing again.
//!
//! A series remembers its cells of two windows. A sample that falls into a third gets a second cell there, and cells of
//! one series are merged when the window closes, or earlier when many have been made that way.

use std::time::Duration;

use crate::model::time::Timestamp;
use crate::registry::chunked::Chunked;
use crate::registry::side::Side;

/// Cells that may have been made twice before all windows are looked through.
const SLACK: usize = 4096;

/// What a cell's numbers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `last` is the value that is last by time, `offset` its time in the window.
    Last,
    /// `sum` is the growth of a total, `last` the seconds over which it grew.
    Increase,
    /// `sum` is all there is.
    Sum,
    /// `count` is the place of a distribution at the side.
    Observations,
    /// `count` is the place of a member set at the side, `sum` the number of samples.
    Members,
}

/// The samples of one series in one window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) series: u32,
    pub(super) count: u32,
    pub(super) offset: u32,
    pub(super) way: Way,
    pub(super) last: f64,
    pub(super) sum: f64,
}

impl Cell {
    /// Takes the samples of a later made cell of the same series.
    fn absorb(&mut self, later: &Self, side: &mut Side) {
        match self.way {
            Way::Last => {
                if later.offset >= self.offset {
                    (self.last, self.offset) = (later.last, later.offset);
                }
            }
            Way::Increase => self.last += later.last,
            Way::Sum => {}
            Way::Observations => return side.merge_distributions(self.count, later.count),
            Way::Members => {
                self.sum += later.sum;
                return side.merge_members(self.count, later.count);
            }
        }
        self.sum += later.sum;
        self.count = self.count.saturating_add(later.count);
    }
}

/// Where a series' cell in one window is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    window: u32,
    cell: u32,
}

/// An open window.
#[derive(Debug)]
pub(super) struct OpenWindow {
    pub(super) start: i64,
    end: i64,
    id: u32,
    pub(super) cells: Chunked<Cell>,
    pub(super) side: Side,
}

impl OpenWindow {
    /// The window's cells, one a series, in the order in which the series were first seen; `absorbed` hears of the
    /// series of each cell that was one too many. A steady order makes blocks alike, and so small.
    pub(super) fn merged(&mut self, absorbed: impl FnMut(u32)) -> Vec<Cell> {
        merge(
            std::mem::take(&mut self.cells).into_vec(),
            &mut self.side,
            absorbed,
        )
    }
}

fn merge(mut cells: Vec<Cell>, side: &mut Side, mut absorbed: impl FnMut(u32)) -> Vec<Cell> {
    cells.sort_by_key(|cell| cell.series);
    cells.dedup_by(|later, earlier| {
        let same = later.series == earlier.series;
        if same {
            earlier.absorb(later, side);
            absorbed(later.series);
        }
        same
    });
    cells
}

/// All open windows, oldest first.
#[derive(Debug)]
pub(super) struct Windows {
    open: Vec<OpenWindow>,
    interval: i64,
    recent: usize,
    last_id: u32,
    oldest_id: u32,
    made_twice: usize,
}

impl Windows {
    /// No window yet; `interval` is the length of each.
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            open: Vec::new(),
            interval: i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1000),
            recent: 0,
            last_id: 0,
            oldest_id: 1,
            made_twice: 0,
        }
    }

    /// The place of the window of that moment among the open ones; it is opened where it is not.
    pub(super) fn at(&mut self, time: i64) -> usize {
        if let Some(window) = self.open.get(self.recent)
            && (window.start..window.end).contains(&time)
        {
            return self.recent;
        }
        let start = time.div_euclid(self.interval).saturating_mul(self.interval);
        let index = self.open.partition_point(|window| window.start < start);
        if self.open.get(index).is_none_or(|window| window.start != start) {
            self.last_id += 1;
            let window = OpenWindow {
                start,
                end: start.saturating_add(self.interval),
                id: self.last_id,
                cells: Chunked::default(),
                side: Side::default(),
            };
            self.open.insert(index, window);
        }
        self.recent = index;
        index
    }

    /// The cell that a series with these places has in window `index`, if it is remembered.
    pub(super) fn known(&self, places: &[Place; 2], index: usize) -> Option<u32> {
        let id = self.open[index].id;
        let place = places.iter().find(|place| place.window == id);
        place.map(|place| place.cell)
    }

    /// Adds a cell to window `index` and remembers it among the series' places.
    pub(super) fn add(&mut self, index: usize, cell: Cell, places: &mut [Place; 2]) -> u32 {
        // Ids only grow, so that an old one tells a closed window without a search.
        if places[1].window >= self.oldest_id {
            self.made_twice += 1;
        }
        let window = &mut self.open[index];
        let number = window.cells.push(cell);
        places[1] = places[0];
        places[0] = Place {
            window: window.id,
            cell: number,
        };
        number
    }

    /// A window by its place among the open ones.
    pub(super) fn window_mut(&mut self, index: usize) -> &mut OpenWindow {
        &mut self.open[index]
    }

    /// When window `index` starts.
    pub(super) fn start(&self, index: usize) -> i64 {
        self.open[index].start
    }

    /// The place of the oldest window that has not ended at `now`.
    pub(super) fn oldest_after(&self, now: Timestamp) -> Option<usize> {
        self.open.iter().position(|window| window.end > now.millis())
    }

    /// Takes the windows out for which `wanted` holds, by their start and end, oldest first.
    pub(super) fn take(&mut self, wanted: impl Fn(i64, i64) -> bool) -> Vec<OpenWindow> {
        let taken = self
            .open
            .extract_if(.., |window| wanted(window.start, window.end))
            .collect();
        self.recent = self.open.len().saturating_sub(1);
        self.look_for_oldest_id();
        taken
    }

    fn look_for_oldest_id(&mut self) {
        let ids = self.open.iter().map(|window| window.id);
        self.oldest_id = ids.min().unwrap_or(self.last_id + 1);
    }

    /// Whether so many cells may have been made twice that it is time to [`Windows::compact`].
    pub(super) fn is_loose(&self) -> bool {
        self.made_twice > SLACK && self.made_twice > self.cells() / 2
    }

    /// Merges cells of one series in each window; `absorbed` as in [`OpenWindow::merged`].
    pub(super) fn compact(&mut self, mut absorbed: impl FnMut(u32)) {
        for window in &mut self.open {
            self.last_id += 1;
            // Cells move, so places in the window's old order must not be found again.
            window.id = self.last_id;
            window.cells = window.merged(&mut absorbed).into_iter().collect();
        }
        self.look_for_oldest_id();
        self.made_twice = 0;
    }

    /// How many cells there are in all windows.
    pub(super) fn cells(&self) -> usize {
        self.open.iter().map(|window| window.cells.len()).sum()
    }

    /// How many windows are open.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// How many bytes all windows take.
    pub(super) fn bytes(&self) -> usize {
        let of = |window: &OpenWindow| window.cells.bytes() + window.side.bytes();
        self.open.iter().map(of).sum()
    }

    /// All open windows, to change.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut OpenWindow> {
        self.open.iter_mut()
    }

    /// Places of all cells of the series with this number, for a test.
    #[cfg(test)]
    pub(super) fn count_of(&self, series: u32) -> usize {
        let of = |window: &OpenWindow| window.cells.iter().filter(|cell| cell.series == series).count();
        self.open.iter().map(of).sum()
    }
}
