//! Brings the counts of windows that no second is left for together, for a window that has one.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::mem::{Discriminant, discriminant};
use std::sync::Arc;

use crate::model::labels::Labels;
use crate::model::window::{Aggregate, WindowSeries};

/// Counts and rates added up by series.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    series: Vec<WindowSeries>,
    places: HashMap<(Arc<str>, Labels, Discriminant<Aggregate>), usize>,
    /// Series that could not be added: what the others say of their window cannot be said of another.
    pub(crate) lost: u64,
}

impl Folded {
    /// Adds what the series of a window say.
    pub(crate) fn add(&mut self, series: &[WindowSeries]) {
        for one in series {
            let (Aggregate::Delta { sum, count } | Aggregate::Rate { sum, count }) = one.aggregate else {
                self.lost += 1;
                continue;
            };
            let identity = (
                Arc::clone(&one.names.name),
                one.labels.clone(),
                discriminant(&one.aggregate),
            );
            match self.places.entry(identity) {
                Entry::Vacant(place) => {
                    place.insert(self.series.len());
                    self.series.push(one.clone());
                }
                Entry::Occupied(place) => {
                    if let Aggregate::Delta {
                        sum: held,
                        count: times,
                    }
                    | Aggregate::Rate {
                        sum: held,
                        count: times,
                    } = &mut self.series[*place.get()].aggregate
                    {
                        *held += sum;
                        *times += count;
                    }
                }
            }
        }
    }

    /// The series, in the order in which they were first added.
    pub(crate) fn series(self) -> Vec<WindowSeries> {
        self.series
    }

    /// How many series were added.
    pub(crate) fn len(&self) -> usize {
        self.series.len()
    }
}
