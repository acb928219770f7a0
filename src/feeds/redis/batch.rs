//! What is read of a claim, brought together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::component::feed::Handed;
use crate::feeds::redis::desk::Desk;
use crate::feeds::redis::keys::Queue;
use crate::feeds::redis::pace::Pace;
use crate::feeds::redis::piece::Piece;
use crate::feeds::redis::samples::Samples;
use crate::feeds::redis::store::{PUT_BACK_MARK, Waiting};
use crate::model::client::record::Unreadable;
use crate::model::client::tally::Tallier;
use crate::model::client::{log, record, wrapped};
use crate::model::log::LogRecord;
use crate::model::point::Point;
use crate::model::time::Timestamp;

/// How far ahead of the clock a record may be.
pub(super) const AHEAD: Duration = Duration::from_secs(600);

/// The reason of a key that has no value.
const NO_VALUE: &str = "no_value";

/// What the clock says while a claim is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    /// The moment up to which windows are closed.
    pub(super) closed: Timestamp,
    /// Whether records of open windows go back into the queue; those of a sealed claim do not.
    pub(super) waits: bool,
}

enum Content {
    Windows(Box<Tallier>),
    Points(Vec<Point>),
    Logs(Vec<LogRecord>),
}

/// The records of one claim.
pub(super) struct Batch {
    queue: Queue,
    moment: Moment,
    interval: u32,
    content: Content,
    bytes: usize,
    /// Records that are in it.
    pub(super) records: u64,
    /// Those that cannot be read, by reason.
    pub(super) unreadable: BTreeMap<&'static str, u64>,
    /// Those whose time was too far ahead.
    pub(super) ahead: u64,
    pub(super) samples: Samples,
}

impl Batch {
    pub(super) fn new(queue: Queue, moment: Moment, desk: &Desk) -> Self {
        let interval = desk.recorder.interval();
        let recorder = desk.recorder.clone();
        let content = match queue {
            Queue::Raw => Content::Windows(Box::new(Tallier::new(
                interval,
                Arc::new(move |metric: &str| recorder.bounds(metric)),
            ))),
            Queue::Wrapped => Content::Points(Vec::new()),
            Queue::Logs => Content::Logs(Vec::new()),
        };
        Self {
            queue,
            moment,
            interval: u32::try_from(interval.as_secs()).unwrap_or(u32::MAX).max(1),
            content,
            bytes: 0,
            records: 0,
            unreadable: BTreeMap::new(),
            ahead: 0,
            samples: Samples::default(),
        }
    }

    /// Adds records. Gives those whose window is still open.
    pub(super) fn add(&mut self, piece: &Piece) -> Vec<Waiting> {
        let mut waiting = Vec::new();
        let mut long = piece.long.iter().copied().peekable();
        for (index, (key, value)) in piece.keys.iter().zip(&piece.values).enumerate() {
            let too_long = long.next_if_eq(&index).is_some();
            if key == PUT_BACK_MARK {
                continue;
            }
            let Some(value) = value else {
                self.refuse(NO_VALUE, key, None);
                continue;
            };
            // A claim that is taken over has no scores any more.
            let score = piece
                .scores
                .get(index)
                .copied()
                .unwrap_or_else(|| seconds(self.moment.now));
            let read = if too_long {
                Err(Unreadable::TooLong)
            } else {
                self.read(value, score)
            };
            match read {
                Ok(None) => self.records += 1,
                Ok(Some(time)) => waiting.push(Waiting {
                    index: piece.start + index as u64,
                    key: key.clone(),
                    time: seconds(time),
                }),
                Err(reason) => self.refuse(reason.name(), key, Some(value)),
            }
        }
        waiting
    }

    /// Gives the record's time where its window is still open: then it was not added.
    fn read(&mut self, value: &[u8], score: f64) -> Result<Option<Timestamp>, Unreadable> {
        match &mut self.content {
            Content::Windows(tallier) => {
                let record = record::parse(value)?;
                let mut time = record.time;
                if time > self.moment.now.after(AHEAD) {
                    self.ahead += 1;
                    time = self.moment.closed.shifted(-1);
                } else if time >= self.moment.closed && self.moment.waits {
                    return Ok(Some(time));
                }
                tallier.add(&record, time);
            }
            Content::Points(points) => {
                let read = wrapped::parse(value, self.interval)?;
                self.bytes += read.len() * size_of::<Point>();
                points.extend(read);
            }
            Content::Logs(logs) => {
                let read = log::parse(value, score)?;
                self.bytes += read.json.len();
                logs.push(read);
            }
        }
        Ok(None)
    }

    fn refuse(&mut self, reason: &'static str, key: &[u8], value: Option<&[u8]>) {
        *self.unreadable.entry(reason).or_default() += 1;
        self.samples.add(self.queue, reason, key, value, self.moment.now);
    }

    /// Whether it is time to end with the window that it is in.
    pub(super) fn is_enough(&self, pace: &Pace) -> bool {
        self.is_full(pace) || self.records >= pace.records || self.size() >= pace.points
    }

    /// Whether it may not become larger.
    pub(super) fn is_full(&self, pace: &Pace) -> bool {
        match &self.content {
            Content::Windows(tallier) => {
                tallier.points() >= pace.most_points || tallier.bytes() >= pace.most_bytes
            }
            Content::Points(points) => points.len() >= pace.points || self.bytes >= pace.most_bytes,
            Content::Logs(logs) => logs.len() >= pace.most_logs || self.bytes >= pace.most_log_bytes,
        }
    }

    fn size(&self) -> usize {
        match &self.content {
            Content::Windows(tallier) => tallier.points(),
            Content::Points(points) => points.len(),
            Content::Logs(logs) => logs.len(),
        }
    }

    /// What there is to hand over; `None` for nothing. The counts stay.
    pub(super) fn take(&mut self) -> Option<Handed> {
        let handed = match &mut self.content {
            Content::Windows(tallier) => Handed::Windows(tallier.take()),
            Content::Points(points) => Handed::Points(std::mem::take(points)),
            Content::Logs(logs) => Handed::Logs(std::mem::take(logs)),
        };
        let empty = match &handed {
            Handed::Windows(windows) => windows.is_empty(),
            Handed::Points(points) => points.is_empty(),
            Handed::Logs(logs) => logs.is_empty(),
        };
        (!empty).then_some(handed)
    }
}

/// A moment as a score.
pub(super) fn seconds(time: Timestamp) -> f64 {
    // Milliseconds of any calendar are exact in a double.
    time.millis() as f64 / 1000.0
}

/// When a value was made, in seconds, as far as it can be read.
pub(super) fn time_of(queue: Queue, value: &[u8]) -> Result<f64, Unreadable> {
    match queue {
        Queue::Raw => Ok(seconds(record::parse(value)?.time)),
        // The interval says nothing of the time.
        Queue::Wrapped => wrapped::parse(value, 1)?
            .first()
            .map(|point| point.time as f64)
            .ok_or(Unreadable::BadTime),
        Queue::Logs => Ok(log::parse(value, f64::NAN)?.time as f64),
    }
}
