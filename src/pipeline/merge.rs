//! Turns journalled blocks into series for one output: re-dated, named, merged, and tied to the items they stand for.

use std::collections::HashMap;
use std::time::Duration;

use smallvec::smallvec;
use tracing::error;

use crate::component::journal::{DropReason, Entry, JournalError};
use crate::component::output::{NameStyle, Output, Series, SeriesName, Speaker};
use crate::journal::points;
use crate::model::labels::Labels;
use crate::model::point::{Point, PointKind};
use crate::model::time::{ClockStamp, Timestamp};
use crate::pipeline::batch::{Batch, Sources};
use crate::pipeline::ledger::{Fate, Item, Ledger};

/// A shift below this is the drift of a clock and no correction.
pub(crate) const DRIFT: i64 = 2_000;

/// What merging goes by.
pub(crate) struct Rules<'a> {
    /// Whose names, age limit and exceptions hold.
    pub(crate) output: &'a dyn Output,
    /// Whose tags are added.
    pub(crate) speaker: &'a Speaker,
    /// The clocks.
    pub(crate) now: ClockStamp,
    /// Items older than this are dropped.
    pub(crate) time_to_live: Duration,
    /// The windows' length in seconds, at least 1.
    pub(crate) interval: i64,
}

impl Rules<'_> {
    /// Items before this are forgotten by the destination.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        let age = self.output.traits().max_age?;
        Some(self.now.wall.before(age))
    }

    /// How old an item is: `raw` is its time as journalled, `time` the re-dated one. Within one boot the wall clock is
    /// not asked: a step must not age anything.
    pub(crate) fn age(&self, entry: &Entry, raw: i64, time: i64) -> Duration {
        let (stamp, now) = (&entry.block.stamp, &self.now);
        if stamp.boot == now.boot {
            let when_made = stamp.wall.since(Timestamp::from_seconds(raw));
            now.uptime.saturating_sub(stamp.uptime) + when_made
        } else {
            now.wall.since(Timestamp::from_seconds(time))
        }
    }
}

/// Enters every item of a block as damaged: it cannot be decoded.
pub(crate) fn lose(entry: &Entry, error: &JournalError, ledger: &mut Ledger) {
    error!(%error, items = entry.block.items, "A block is lost: it cannot be decoded.");
    for index in 0..entry.block.items {
        let item = Item {
            entry: entry.id,
            index,
        };
        ledger.settle(item, Fate::Dropped(DropReason::Damaged));
    }
}

/// Merges blocks into series. Items that cannot be sent are entered in the ledger as dropped; those that are too old
/// for the destination, or cannot be dated, are left as they are: they wait.
pub(crate) fn merge(entries: &[Entry], rules: &Rules<'_>, ledger: &mut Ledger) -> Batch<Series> {
    let mut merger = Merger {
        rules,
        names: rules.output.traits().names,
        oldest: rules.oldest(),
        known: HashMap::new(),
        by_name: HashMap::new(),
        groups: Vec::new(),
    };
    for entry in entries {
        ledger.open(entry);
        merger.add(entry, ledger);
    }
    merger.finish()
}

/// A series as the journal tells it apart.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    metric: String,
    labels: Labels,
    kind: PointKind,
    interval: u32,
}

struct Group {
    name: SeriesName,
    historical: bool,
    points: Vec<(i64, f64, Item)>,
}

struct Merger<'a> {
    rules: &'a Rules<'a>,
    names: NameStyle,
    oldest: Option<Timestamp>,
    /// The group of a series; `None` where the destination has no name for it.
    known: HashMap<Key, Option<usize>>,
    by_name: HashMap<SeriesName, usize>,
    groups: Vec<Group>,
}

impl Merger<'_> {
    fn add(&mut self, entry: &Entry, ledger: &mut Ledger) {
        let item = |index| Item {
            entry: entry.id,
            index,
        };
        let points = match points::decode(&entry.block.payload) {
            Ok(points) => points,
            Err(error) => {
                lose(entry, &error, ledger);
                return;
            }
        };
        let Some(shift) = entry.shift else {
            return;
        };
        for (index, point) in (0..).zip(points) {
            let item = item(index);
            if index >= entry.block.items || ledger.is_settled(item) {
                continue;
            }
            let time = redated(point.time, shift, self.rules.interval);
            if self.rules.age(entry, point.time, time) > self.rules.time_to_live {
                ledger.settle(item, Fate::Dropped(DropReason::TooOld));
                continue;
            }
            let (group, value) = self.group(point);
            match group {
                None => ledger.settle(item, Fate::Dropped(DropReason::Refused)),
                Some(group) => {
                    let group = &mut self.groups[group];
                    let kept = group.historical || self.oldest.is_none_or(|oldest| time >= oldest.seconds());
                    if kept {
                        group.points.push((time, value, item));
                    }
                }
            }
        }
    }

    /// The group that a point belongs to, and its value there.
    fn group(&mut self, point: Point) -> (Option<usize>, f64) {
        let (metric, labels, value) = match self.names {
            NameStyle::Dotted => point.dotted(),
            NameStyle::Prometheus => (point.prometheus_name(), point.labels, point.value),
        };
        let key = Key {
            metric,
            labels,
            kind: point.kind,
            interval: point.interval,
        };
        if let Some(group) = self.known.get(&key) {
            return (*group, value);
        }
        let output = self.rules.output;
        let name = output.name(
            &key.metric,
            &key.labels,
            key.kind,
            key.interval,
            self.rules.speaker,
        );
        let group = name.map(|name| match self.by_name.get(&name) {
            Some(group) => *group,
            None => {
                self.groups.push(Group {
                    historical: output.keeps_historical(&name.metric),
                    name: name.clone(),
                    points: Vec::new(),
                });
                self.by_name.insert(name, self.groups.len() - 1);
                self.groups.len() - 1
            }
        });
        self.known.insert(key, group);
        (group, value)
    }

    fn finish(self) -> Batch<Series> {
        let mut batch = Batch::default();
        for mut group in self.groups {
            if group.points.is_empty() {
                continue;
            }
            // The sort is stable, so that of gauges in one second the later item is the last.
            group.points.sort_by_key(|point| point.0);
            let mut points: Vec<(i64, f64)> = Vec::with_capacity(group.points.len());
            let mut sources: Vec<Sources> = Vec::with_capacity(group.points.len());
            for (time, value, item) in group.points {
                match (points.last_mut(), sources.last_mut()) {
                    (Some(last), Some(items)) if last.0 == time => {
                        match group.name.kind {
                            PointKind::Gauge => last.1 = value,
                            PointKind::Count | PointKind::Rate => last.1 += value,
                        }
                        items.push(item);
                    }
                    _ => {
                        points.push((time, value));
                        sources.push(smallvec![item]);
                    }
                }
            }
            batch.push(
                Series {
                    name: group.name,
                    points,
                },
                sources,
            );
        }
        batch
    }
}

/// The second that a point bears once its clock was put right.
///
/// A re-dated window comes to lie somewhere in an interval in which the right clock may have closed one of its own;
/// it takes the interval's last second, and its k-th amendment the k-th one before that, while those of the right
/// clock count upwards from the first. So none overwrites another.
fn redated(time: i64, shift: i64, interval: i64) -> i64 {
    if shift.saturating_abs() < DRIFT {
        return time;
    }
    let number = time.rem_euclid(interval);
    let moved = Timestamp::from_seconds(time - number).shifted(shift).seconds();
    moved.div_euclid(interval) * interval + interval - 1 - number
}

#[cfg(test)]
mod tests;
