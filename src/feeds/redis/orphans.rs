//! Values without keys: a writer without MULTI that died between its two writes, or a key that was removed by hand.
//!
//! They are searched for rarely, and only while no claim of the queue is there: under one, values lie without their
//! keys rightly. What is without its key in two looks gets it back by its own time, or becomes a dead letter.

use std::time::Duration;

use redis::{Value, cmd, pipe};
use tokio::time::Instant;

use crate::feeds::redis::batch::time_of;
use crate::feeds::redis::desk::Desk;
use crate::feeds::redis::keys::Queue;
use crate::feeds::redis::samples::Samples;
use crate::feeds::redis::standing::Fault;
use crate::model::client::record::MOST_BYTES;
use crate::support::redis::link::LinkError;

/// With more keys than this the queue is at work, and a search would be long.
const FEW: u64 = 10_000;
/// Fields of one part of the search, and parts of one step.
const PART: usize = 50;
/// See [`PART`].
const PARTS: usize = 20;
/// Most values without keys that are kept in mind.
const MOST: usize = 1000;
/// Why they were removed.
const NO_KEY: &str = "no_key";

enum Phase {
    /// Until the next search.
    Rests(Instant),
    /// Searches on from this cursor.
    Looks(u64),
    /// Waits until they are old enough; the search goes on from this cursor, or is at its end.
    Ages(Instant, u64),
}

/// The search in one queue.
pub(super) struct Search {
    queue: Queue,
    phase: Phase,
    found: Vec<Vec<u8>>,
}

impl Search {
    pub(super) fn new(queue: Queue, first: Duration) -> Self {
        Self {
            queue,
            phase: Phase::Rests(Instant::now() + first),
            found: Vec::new(),
        }
    }

    /// Does a small part of it. `claimed` says that the queue has claims; `keys`, how many keys it has.
    pub(super) async fn step(&mut self, desk: &Desk, claimed: bool, keys: u64) -> Result<(), Fault> {
        let now = Instant::now();
        match self.phase {
            Phase::Rests(until) if now >= until => self.phase = Phase::Looks(0),
            Phase::Looks(cursor) if !claimed && keys <= FEW => {
                let cursor = self.look(desk, cursor).await.map_err(self.fault())?;
                if cursor == 0 || self.found.len() >= MOST {
                    self.phase = Phase::Ages(now + desk.pace.orphan_age, cursor);
                } else {
                    self.phase = Phase::Looks(cursor);
                }
            }
            Phase::Ages(until, cursor) if now >= until && !claimed => {
                while let Some(from) = self.found.len().checked_sub(1) {
                    let from = from / PART * PART;
                    if !self.restore(desk, from).await.map_err(self.fault())? {
                        return Ok(());
                    }
                    self.found.truncate(from);
                }
                self.phase = match cursor {
                    0 => Phase::Rests(now + desk.pace.orphans),
                    cursor => Phase::Looks(cursor),
                };
            }
            _ => {}
        }
        Ok(())
    }

    fn fault(&self) -> impl Fn(LinkError) -> Fault + use<> {
        let queue = self.queue;
        move |error| Fault::of(queue, &error)
    }

    async fn look(&mut self, desk: &Desk, mut cursor: u64) -> Result<u64, LinkError> {
        for _ in 0..PARTS {
            let values = desk.store.keys.values(self.queue);
            let (next, fields) = desk.store.scan(&values, cursor, PART).await?;
            cursor = next;
            for fields in fields.chunks(MOST) {
                let mut scores = pipe();
                for (field, _) in fields {
                    scores
                        .cmd("ZSCORE")
                        .arg(desk.store.keys.keys(self.queue))
                        .arg(field);
                }
                let scores: Vec<Value> = desk.store.ask_all(&scores).await?;
                for ((field, _), score) in fields.iter().zip(scores) {
                    if score == Value::Nil && self.found.len() < MOST && !self.found.contains(field) {
                        self.found.push(field.clone());
                    }
                }
            }
            if cursor == 0 || self.found.len() >= MOST {
                break;
            }
        }
        Ok(cursor)
    }

    /// Restores what was found from an index on; `false` where a claim stands in the way.
    async fn restore(&self, desk: &Desk, from: usize) -> Result<bool, LinkError> {
        let mut samples = Samples::default();
        let mut fields: Vec<(&[u8], Option<f64>)> = Vec::new();
        for field in &self.found[from..] {
            let values = desk.store.keys.values(self.queue);
            let length: usize = desk.store.ask(cmd("HSTRLEN").arg(&values).arg(field)).await?;
            let value: Option<Vec<u8>> = if length <= MOST_BYTES {
                desk.store.ask(cmd("HGET").arg(&values).arg(field)).await?
            } else {
                Some(Vec::new())
            };
            // Gone meanwhile: its key was there for a moment, and it was read.
            let Some(value) = value else { continue };
            let time = time_of(self.queue, &value).ok();
            if time.is_none() {
                samples.add(self.queue, NO_KEY, field, Some(&value), desk.recorder.now());
            }
            fields.push((field, time));
        }
        if fields.is_empty() {
            return Ok(true);
        }
        let Some(removed) = desk.store.restore(self.queue, &fields).await? else {
            return Ok(false);
        };
        if removed > 0 {
            desk.recorder
                .note(&mut |facts| *facts.unreadable.entry(NO_KEY).or_default() += removed);
            desk.store.bury(&samples.take()).await?;
        }
        Ok(true)
    }
}
