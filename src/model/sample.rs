//! One observation, as collectors and feeds hand it in.

use crate::model::metric::{Kind, MetricDef};
use crate::model::time::Timestamp;

/// Whose metric a sample is.
#[derive(Clone, Copy, Debug)]
pub enum Name<'a> {
    /// One of ours, with everything its definition says.
    Defined(&'static MetricDef),
    /// An application's, as written.
    Given(&'a str),
}

impl<'a> Name<'a> {
    /// The name that the registry keeps the series under.
    pub fn text(&self) -> &'a str {
        match self {
            Self::Defined(def) => def.name,
            Self::Given(name) => name,
        }
    }
}

/// What was observed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// See [`Kind::Gauge`].
    Gauge(f64),
    /// See [`Kind::Total`].
    Total(f64),
    /// See [`Kind::Delta`].
    Delta(f64),
    /// See [`Kind::Rate`].
    Rate(f64),
    /// See [`Kind::Observations`].
    Observations(&'a [f64]),
    /// See [`Kind::Members`].
    Members(&'a [&'a str]),
}

impl Value<'_> {
    /// The kind of series that the value belongs to.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Gauge(_) => Kind::Gauge,
            Self::Total(_) => Kind::Total,
            Self::Delta(_) => Kind::Delta,
            Self::Rate(_) => Kind::Rate,
            Self::Observations(_) => Kind::Observations,
            Self::Members(_) => Kind::Members,
        }
    }
}

/// One observation, borrowed from whoever made it.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// Its metric.
    pub name: Name<'a>,
    /// Its labels, sorted by key, unique, without empty values.
    pub labels: &'a [(&'a str, &'a str)],
    /// What was observed.
    pub value: Value<'a>,
    /// When it was observed.
    pub time: Timestamp,
}

/// What one run of a collector found; filled by the collector, emptied by the driver.
#[derive(Debug, Default)]
pub struct Samples {
    items: Vec<Owned>,
}

/// One sample of ours that owns its label values.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    /// Its metric.
    pub def: &'static MetricDef,
    /// A value for each of the definition's labels, in their order; empty ones are absent labels.
    pub labels: Vec<String>,
    /// The gauge's value or the total's reading.
    pub value: f64,
}

impl Samples {
    /// Adds one reading. `labels` holds a value for each label of the definition, in its order.
    ///
    /// # Panics
    /// In debug builds, where the number of label values is not the definition's, or its kind has no single value.
    pub fn push(&mut self, def: &'static MetricDef, labels: &[&str], value: f64) {
        debug_assert_eq!(labels.len(), def.labels.len(), "label values of {}", def.name);
        debug_assert!(
            matches!(def.kind, Kind::Gauge | Kind::Total),
            "kind of {}",
            def.name
        );
        self.items.push(Owned {
            def,
            labels: labels.iter().map(ToString::to_string).collect(),
            value,
        });
    }

    /// What was added, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Owned> {
        self.items.iter()
    }

    /// The value that was added last for this metric and these label values.
    pub fn get(&self, def: &MetricDef, labels: &[&str]) -> Option<f64> {
        let same = |item: &&Owned| item.def.name == def.name && item.labels == labels;
        self.items.iter().rev().find(same).map(|item| item.value)
    }

    /// How many were added.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Forgets what was added and keeps the room.
    pub fn clear(&mut self) {
        self.items.clear();
    }
}
