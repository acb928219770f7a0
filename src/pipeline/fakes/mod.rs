//! A journal, an output and windows in memory, for the tests of this room.

mod journal;
mod output;
mod windows;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use journal::MemoryJournal;
pub(crate) use output::{Answer, ScriptedOutput, dated};
pub(crate) use windows::{CountWrapper, MemoryWindows};

use crate::model::block::{Block, BlockKind};
use crate::model::labels::Labels;
use crate::model::log::LogRecord;
use crate::model::metric::Names;
use crate::model::point::{Point, PointKind};
use crate::model::time::ClockStamp;
use crate::support::time::Clock;

/// A plausible moment, at the start of a window.
pub(crate) const NOW: i64 = 1_800_000_000;

/// Lets a manual clock follow tokio's paused time.
pub(crate) fn wind(clock: &Clock) -> tokio::task::JoinHandle<()> {
    let clock = clock.clone();
    tokio::spawn(async move {
        let beat = Duration::from_millis(100);
        let mut ticks = tokio::time::interval(beat);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            clock.advance(beat);
        }
    })
}

pub(crate) fn point(metric: &str, kind: PointKind, time: i64, value: f64) -> Point {
    Point {
        names: Arc::new(Names::given(metric)),
        suffix: None,
        labels: Labels::empty(),
        kind,
        interval: 10,
        time,
        value,
    }
}

pub(crate) fn block_of(points: &[Point], stamp: ClockStamp) -> Block {
    let times = || points.iter().map(|point| point.time);
    Block {
        kind: BlockKind::Points,
        items: u32::try_from(points.len()).unwrap(),
        oldest: times().min().unwrap(),
        newest: times().max().unwrap(),
        windows: Vec::new(),
        stamp,
        payload: crate::journal::points::encode(points),
    }
}

/// A log record without a space in it, as [`ScriptedOutput`] wants it.
pub(crate) fn log(name: &str, time: i64) -> LogRecord {
    LogRecord {
        time,
        json: name.into(),
    }
}

pub(crate) fn log_block_of(records: &[LogRecord], stamp: ClockStamp) -> Block {
    let times = || records.iter().map(|record| record.time);
    Block {
        kind: BlockKind::Logs,
        items: u32::try_from(records.len()).unwrap(),
        oldest: times().min().unwrap(),
        newest: times().max().unwrap(),
        windows: Vec::new(),
        stamp,
        payload: crate::journal::logs::encode(records),
    }
}
