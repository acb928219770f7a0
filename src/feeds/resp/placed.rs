//! Where a record goes: by its own time, unless that is too far ahead.

use std::time::Duration;

use crate::feeds::resp::bucket::Place;
use crate::feeds::resp::frame::{Frame, What};
use crate::feeds::resp::stage::Whole;
use crate::feeds::resp::store::{AHEAD, Moment};
use crate::feeds::resp::write::Queue;
use crate::model::client::log;
use crate::model::client::record::{self, Record, Unreadable};
use crate::model::time::Timestamp;

/// A record with its place.
pub(super) struct Placed<'a> {
    /// Where it goes.
    pub(super) place: Place,
    /// The time by which it is counted.
    pub(super) time: Timestamp,
    /// As it was sent.
    pub(super) whole: &'a Whole,
    /// As it was read; `None` for a log record.
    pub(super) metric: Option<Record<'a>>,
}

/// Reads a record and finds its place; whether its time was too far ahead.
///
/// # Errors
/// It cannot be read.
pub(super) fn place(whole: &Whole, at: Moment, interval: Duration) -> Result<(Placed<'_>, bool), Unreadable> {
    if whole.name.0 == Queue::Logs {
        let log = log::parse(&whole.json, whole.score)?;
        let placed = Placed {
            place: Place::Logs,
            time: Timestamp::from_seconds(log.time),
            whole,
            metric: None,
        };
        return Ok((placed, false));
    }
    let metric = record::parse(&whole.json)?;
    let ahead = metric.time > at.now.after(AHEAD);
    let time = if ahead { at.now } else { metric.time };
    let start = time.window_start(interval);
    let placed = Placed {
        place: if start.after(interval) <= at.closed_before {
            Place::Late
        } else {
            Place::Window(start)
        },
        time,
        whole,
        metric: Some(metric),
    };
    Ok((placed, ahead))
}

impl Placed<'_> {
    /// As it lies in a file.
    pub(super) fn frame(&self) -> Frame<'_> {
        Frame {
            what: What::Record,
            queue: self.whole.name.0,
            time: self.time,
            score: self.whole.score,
            key: &self.whole.name.1,
            json: &self.whole.json,
        }
    }
}
