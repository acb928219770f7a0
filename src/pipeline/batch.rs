//! What is in hand between the journal and a request: units, each tied to the items that it stands for.

use smallvec::SmallVec;

use crate::pipeline::ledger::Item;

/// The items that one point, or log entry, stands for.
pub(crate) type Sources = SmallVec<[Item; 1]>;

/// Units with the items that each of their points stands for.
#[derive(Debug, PartialEq)]
pub(crate) struct Batch<U> {
    /// The units: series, in order of their first point, or log entries.
    pub(crate) units: Vec<U>,
    /// For each unit, for each of its points; a log entry is one.
    pub(crate) sources: Vec<Vec<Sources>>,
}

impl<U> Default for Batch<U> {
    fn default() -> Self {
        Self {
            units: Vec::new(),
            sources: Vec::new(),
        }
    }
}

impl<U> Batch<U> {
    /// How many points it holds.
    pub(crate) fn points(&self) -> usize {
        self.sources.iter().map(Vec::len).sum()
    }

    /// All items that it stands for.
    pub(crate) fn items(&self) -> impl Iterator<Item = Item> {
        self.sources.iter().flatten().flatten().copied()
    }

    /// Adds a unit.
    pub(crate) fn push(&mut self, unit: U, sources: Vec<Sources>) {
        self.units.push(unit);
        self.sources.push(sources);
    }
}
