//! What a group of commands comes to, before any of it is stored: whole records, and changes of halves.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use crate::component::journal::ReceiptId;
use crate::feeds::resp::halves::{Half, Name, Waitings};
use crate::feeds::resp::seen::Seen;
use crate::feeds::resp::write::{Halves, Write};

/// A record of which both halves are there.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    /// Its queue and key.
    pub(super) name: Name,
    /// The number of its name.
    pub(super) number: u128,
    /// Its time in seconds.
    pub(super) score: f64,
    /// Its content.
    pub(super) json: Bytes,
    /// The hash of its content.
    pub(super) content: u64,
}

/// What is known beneath a group of commands.
pub(super) struct Ground<'a> {
    /// Halves that wait.
    pub(super) halves: &'a Waitings,
    /// The latest records.
    pub(super) seen: &'a Seen,
    /// Whether a file still waits for the journal.
    pub(super) lives: &'a dyn Fn(ReceiptId) -> bool,
}

/// A group of commands, carried out on paper.
pub(super) struct Stage<'a> {
    ground: Ground<'a>,
    halves: HashMap<Name, Option<Half>>,
    seen: HashMap<u128, (u64, f64)>,
    whole: Vec<Whole>,
}

impl<'a> Stage<'a> {
    /// Nothing yet.
    pub(super) fn new(ground: Ground<'a>) -> Self {
        Self {
            ground,
            halves: HashMap::new(),
            seen: HashMap::new(),
            whole: Vec::new(),
        }
    }

    /// Carries a command out; how many of its halves are new, as Redis would say.
    pub(super) fn take(&mut self, write: &Write) -> u64 {
        let mut new = HashSet::new();
        let mut count = |name: &Name, is_new: bool| {
            if is_new {
                new.insert(name.clone());
            }
        };
        match &write.halves {
            Halves::Times(times) => {
                for (key, score) in times {
                    let name = (write.queue, key.clone());
                    let is_new = self.time(&name, *score);
                    count(&name, is_new);
                }
            }
            Halves::Values(values) => {
                for (key, json) in values {
                    let name = (write.queue, key.clone());
                    let is_new = self.value(&name, json);
                    count(&name, is_new);
                }
            }
        }
        new.len() as u64
    }

    /// Whole records in their order, and what becomes of halves that wait or begin to.
    pub(super) fn finish(self) -> (Vec<Whole>, Vec<(Name, Option<Half>)>) {
        let halves = self.ground.halves;
        let changed = |(name, half): &(Name, Option<Half>)| halves.get(name) != half.as_ref();
        (self.whole, self.halves.into_iter().filter(changed).collect())
    }

    fn half(&self, name: &Name) -> Option<Half> {
        match self.halves.get(name) {
            Some(half) => half.clone(),
            None => self.ground.halves.get(name).cloned(),
        }
    }

    /// The content's hash and the time of a record that is stored.
    fn known(&self, number: u128) -> Option<(u64, f64)> {
        let beneath = || {
            let known = self.ground.seen.get(number)?;
            (self.ground.lives)(known.file).then_some((known.content, known.score))
        };
        self.seen.get(&number).copied().or_else(beneath)
    }

    fn time(&mut self, name: &Name, score: f64) -> bool {
        let number = self.ground.seen.number(name);
        match self.half(name) {
            Some(Half::Value(json)) => {
                self.complete(name, number, score, json);
                true
            }
            Some(Half::Time(_)) => {
                self.halves.insert(name.clone(), Some(Half::Time(score)));
                false
            }
            // A record that is stored and comes again.
            None if self.known(number).is_some() => false,
            None => {
                self.halves.insert(name.clone(), Some(Half::Time(score)));
                true
            }
        }
    }

    fn value(&mut self, name: &Name, json: &Bytes) -> bool {
        let number = self.ground.seen.number(name);
        match self.half(name) {
            Some(Half::Time(score)) => {
                self.complete(name, number, score, json.clone());
                true
            }
            Some(Half::Value(_)) => {
                self.halves.insert(name.clone(), Some(Half::Value(json.clone())));
                false
            }
            None => match self.known(number) {
                Some((content, _)) if content == self.ground.seen.content(json) => false,
                // Redis would put it in the place of the one before. That one is tallied, and nothing is to be lost.
                Some((_, score)) => {
                    self.complete(name, number, score, json.clone());
                    false
                }
                None => {
                    self.halves.insert(name.clone(), Some(Half::Value(json.clone())));
                    true
                }
            },
        }
    }

    fn complete(&mut self, name: &Name, number: u128, score: f64, json: Bytes) {
        self.halves.insert(name.clone(), None);
        let content = self.ground.seen.content(&json);
        if self.known(number).is_some_and(|(known, _)| known == content) {
            return;
        }
        self.seen.insert(number, (content, score));
        self.whole.push(Whole {
            name: name.clone(),
            number,
            score,
            json,
            content,
        });
    }
}
