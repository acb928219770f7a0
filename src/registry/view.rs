//! What a page's encoder sees of the registry: families, and their series in short, lock-bound slices.

use std::sync::Arc;

use crate::model::labels::Labels;
use crate::model::time::Timestamp;

/// A family's number; it never changes while the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FamilyId(pub u32);

/// What a family looks like on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// One number that goes up and down.
    Gauge,
    /// One number that only grows.
    Counter,
    /// A classic histogram.
    Histogram,
}

/// A family, as its head on a page needs it.
#[derive(Clone, Debug, PartialEq)]
pub struct FamilyView {
    /// Its number; a family that was registered earlier has a smaller one.
    pub id: FamilyId,
    /// Its name: a Prometheus name of ours (a counter's with `_total`), or an application's name as written.
    pub name: Arc<str>,
    /// Its shape.
    pub shape: Shape,
    /// The text for `# HELP`; empty where an application's metric has none.
    pub help: Arc<str>,
    /// The unit that ends the name, for `# UNIT`.
    pub unit: Option<&'static str>,
    /// Whether it is one of ours. Ours win where names clash on a page.
    pub defined: bool,
}

/// A series' running value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Running<'a> {
    /// Of a gauge or counter.
    Number(f64),
    /// Of a histogram.
    Histogram {
        /// The upper bounds of its buckets, ascending and finite.
        bounds: &'a [f64],
        /// How many observations fell into each bucket alone; one more than bounds, for the rest.
        counts: &'a [u64],
        /// The sum of all observations.
        sum: f64,
    },
}

/// One series as it stands on a page.
#[derive(Clone, Copy, Debug)]
pub struct SeriesView<'a> {
    /// Its labels.
    pub labels: &'a Labels,
    /// What [`Labels::is_legacy`] says of them: whether their text can be copied into any format.
    pub legacy: bool,
    /// When its running value began, for `_created`, where that is known.
    pub created: Option<Timestamp>,
    /// Its running value.
    pub running: Running<'a>,
}

/// Where a walk through a family stands. Series that are added or removed meanwhile make it neither skip nor repeat
/// any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position(pub u64);

/// What can be shown on a page.
pub trait View: Send + Sync {
    /// The families that have a series to show, in order of registration.
    fn families(&self) -> Vec<FamilyView>;

    /// Shows at most `most` series of a family from `position` on, in stable order, and moves `position` behind
    /// them. Recording waits meanwhile, so `most` is small (128) and `show` only writes into a buffer. Returns
    /// whether there may be more.
    fn walk(
        &self,
        family: FamilyId,
        position: &mut Position,
        most: usize,
        show: &mut dyn FnMut(SeriesView<'_>),
    ) -> bool;

    /// Says which families were left out of a page because their names clash on it, with the name of the one that
    /// stays. Called once a page that has any.
    fn clashed(&self, left_out: &[(FamilyId, Arc<str>)]);
}
