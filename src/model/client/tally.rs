//! Metric records brought together in windows: one entry a window and series.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashTable;

use crate::model::client::held::{Held, MemberKeys, kind};
use crate::model::client::record::Record;
use crate::model::client::series::Dictionary;
use crate::model::distribution::Distribution;
use crate::model::tally::{TalliedWindow, Tally};
use crate::model::time::Timestamp;
use crate::model::window::WindowSeries;

/// Gives the bounds of the classic histogram that a page shows of a metric.
pub type Bounds = Arc<dyn Fn(&str) -> Arc<[f64]> + Send + Sync>;

/// Bytes of observed values above which the largest distributions become sketches, as in the registry.
const OBSERVED_MOST: usize = 16 << 20;

/// A distribution below this many bytes is no smaller as a sketch.
const SKETCH_FROM: usize = 2048;

/// Bytes of names and labels that are kept when no window needs them, so that series keep their order from one taking
/// to the next.
const KEPT_MOST: usize = 4 << 20;

/// What the index takes for a cell: a number, its control byte, and the table's spare room.
const ENTRY: usize = 8;

/// Records brought together. A look-up by one hash brings a record to its place; a series that is known is not
/// allocated for again.
pub struct Tallier {
    interval: Duration,
    series: Dictionary,
    cells: Vec<Cell>,
    index: HashTable<u32>,
    keys: MemberKeys,
    points: usize,
    observed: usize,
    other: usize,
    sketch_from: usize,
}

/// One series in one window.
struct Cell {
    /// The window's start, milliseconds since 1970-01-01 UTC.
    start: i64,
    series: u32,
    held: Held,
}

impl Tallier {
    /// An empty one for windows of this length (whole seconds).
    pub fn new(interval: Duration, bounds: Bounds) -> Self {
        Self {
            interval,
            series: Dictionary::new(bounds),
            cells: Vec::new(),
            index: HashTable::new(),
            keys: MemberKeys::default(),
            points: 0,
            observed: 0,
            other: 0,
            sketch_from: OBSERVED_MOST,
        }
    }

    /// Adds a record to the window of `time`, which is the record's own or what stands in for it. Of gauges of one
    /// moment the one that is added later is the last.
    pub fn add(&mut self, record: &Record<'_>, time: Timestamp) {
        let kind = kind(&record.value);
        let of = self.series.identify(record, kind);
        let start = time.window_start(self.interval).millis();
        let hash = of.hash ^ spread(start);
        let found = self.index.find(hash, |number| {
            let cell = &self.cells[*number as usize];
            cell.start == start && self.series.get(cell.series).is(&of)
        });
        let number = match found {
            Some(number) => *number as usize,
            None => {
                let series = self.series.number(&of);
                let (held, growth) = Held::new(kind, &self.series.get(series).bounds);
                self.points += held.points();
                self.other += growth.other;
                self.insert(Cell { start, series, held })
            }
        };
        let cell = &mut self.cells[number];
        let bounds = &self.series.get(cell.series).bounds;
        let growth = cell.held.take(record, time, bounds, &self.keys);
        self.observed += growth.observed;
        self.other += growth.other;
        if self.observed > self.sketch_from {
            self.shrink();
        }
    }

    fn insert(&mut self, cell: Cell) -> usize {
        let (cells, series) = (&mut self.cells, &self.series);
        let number = cells.len();
        let hash = |cell: &Cell| series.get(cell.series).hash() ^ spread(cell.start);
        let of = hash(&cell);
        cells.push(cell);
        // A number that does not fit would need more cells than fit into memory.
        self.index
            .insert_unique(of, number as u32, |number| hash(&cells[*number as usize]));
        number
    }

    /// About how many points a wrapper makes of it: 1 for most series of a window, 6 for histograms.
    pub fn points(&self) -> usize {
        self.points
    }

    /// About how many bytes it takes, with the names and labels of series that it may see again (at most 4 MiB when
    /// nothing else is in it).
    pub fn bytes(&self) -> usize {
        self.cells.len() * (size_of::<Cell>() + ENTRY) + self.observed + self.other + self.series.bytes()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Takes everything out, oldest window first; series in a steady order (by when they were first seen), which makes
    /// blocks alike, and so small.
    pub fn take(&mut self) -> Vec<TalliedWindow> {
        let cells = std::mem::take(&mut self.cells);
        self.finish(cells)
    }

    /// Takes the windows out that end at or before `before`, likewise.
    pub fn take_closed(&mut self, before: Timestamp) -> Vec<TalliedWindow> {
        let interval = self.interval;
        let ended = |cell: &mut Cell| Timestamp::from_millis(cell.start).after(interval) <= before;
        let cells: Vec<Cell> = self.cells.extract_if(.., ended).collect();
        if cells.is_empty() {
            return Vec::new();
        }
        self.finish(cells)
    }

    fn finish(&mut self, mut cells: Vec<Cell>) -> Vec<TalliedWindow> {
        cells.sort_unstable_by_key(|cell| (cell.start, cell.series));
        let mut windows: Vec<TalliedWindow> = Vec::new();
        for cell in cells {
            let start = Timestamp::from_millis(cell.start);
            if windows.last().is_none_or(|window| window.start != start) {
                windows.push(TalliedWindow {
                    start,
                    interval: self.interval,
                    series: Vec::new(),
                });
            }
            let series = self.series.get(cell.series);
            let (aggregate, shown) = cell.held.finish(series.kind());
            let tally = Tally {
                series: WindowSeries {
                    names: Arc::clone(&series.names),
                    labels: series.labels.clone(),
                    aggregate,
                },
                shown,
            };
            if let Some(window) = windows.last_mut() {
                window.series.push(tally);
            }
        }
        self.forget();
        self.recount();
        windows
    }

    /// Forgets series that no window needs, where all of them take too much.
    fn forget(&mut self) {
        if self.series.bytes() <= KEPT_MOST {
            return;
        }
        let mut used = vec![false; self.series.len()];
        for cell in &self.cells {
            used[cell.series as usize] = true;
        }
        let numbers = self.series.retain(&used);
        for cell in &mut self.cells {
            cell.series = numbers[cell.series as usize];
        }
    }

    /// Counts anew, and finds anew, what is left.
    fn recount(&mut self) {
        (self.points, self.observed, self.other) = (0, 0, 0);
        self.index = HashTable::new();
        for cell in std::mem::take(&mut self.cells) {
            let size = cell.held.size();
            self.points += cell.held.points();
            self.observed += size.observed;
            self.other += size.other;
            self.insert(cell);
        }
        self.sketch_from = OBSERVED_MOST;
    }

    /// Makes sketches of the largest distributions until a quarter of the memory is free again.
    fn shrink(&mut self) {
        let mut all: Vec<_> = self.cells.iter_mut().filter_map(Cell::distribution).collect();
        all.sort_unstable_by_key(|distribution| std::cmp::Reverse(distribution.heap_bytes()));
        self.observed = all.iter().map(|distribution| distribution.heap_bytes()).sum();
        for distribution in all {
            let before = distribution.heap_bytes();
            if self.observed <= OBSERVED_MOST / 4 * 3 || before < SKETCH_FROM {
                break;
            }
            distribution.to_sketch();
            self.observed = self.observed + distribution.heap_bytes() - before;
        }
        // Where small ones are all there is, not every observation looks through them again.
        self.sketch_from = OBSERVED_MOST.max(self.observed / 4 * 5);
    }
}

impl Cell {
    fn distribution(&mut self) -> Option<&mut Distribution> {
        match &mut self.held {
            Held::Observations(observed) => Some(&mut observed.distribution),
            _ => None,
        }
    }
}

/// A window's start as a part of a hash.
fn spread(start: i64) -> u64 {
    // Only the bits matter.
    (start as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
