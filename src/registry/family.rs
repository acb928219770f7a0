//! Families: the series of one name and kind, and what a page shows of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::model::metric::{Kind, MetricDef, Names};
use crate::model::sample::Name;
use crate::registry::buckets::Buckets;
use crate::registry::intern::{Hashes, spread};
use crate::registry::view::{FamilyId, FamilyView, Shape};

/// The series of one name and kind. A metric of ours and an application's of the same name are two families.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) names: Arc<Names>,
    pub(super) def: Option<&'static MetricDef>,
    pub(super) kind: Kind,
    /// Bounds of its histograms; empty for other kinds.
    pub(super) bounds: Arc<[f64]>,
    /// Where its series stand, by their sequence.
    pub(super) series: Vec<u32>,
    /// How many of its series have a value to show.
    pub(super) shown: u32,
    /// How many of its series have been decremented.
    pub(super) fallen: u32,
    id: FamilyId,
    fallen_id: Option<FamilyId>,
    hash: u32,
}

impl Family {
    fn is_of(&self, name: &Name<'_>, kind: Kind) -> bool {
        self.kind == kind
            && match (self.def, name) {
                (Some(mine), Name::Defined(def)) => std::ptr::eq(mine, *def) || mine.name == def.name,
                (None, Name::Given(name)) => *self.names.name == **name,
                _ => false,
            }
    }

    /// Whether its totals are pushed as gauges.
    pub(super) fn pushed_as_gauge(&self) -> bool {
        self.def.is_some_and(|def| def.push_as_gauge)
    }
}

/// Which of its two faces a family shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    /// Its values.
    Values,
    /// The counter of its decrements.
    Decrements,
}

/// All families. A slot is used again when its family is gone; a [`FamilyId`] never is.
#[derive(Debug)]
pub(super) struct Families {
    slots: Vec<Option<Family>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    by_id: BTreeMap<FamilyId, (u32, Face)>,
    next: u32,
    no_text: Arc<str>,
    no_bounds: Arc<[f64]>,
}

impl Default for Families {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            by_id: BTreeMap::new(),
            next: 0,
            no_text: Arc::from(""),
            no_bounds: Arc::from([]),
        }
    }
}

impl Families {
    /// The family in a slot.
    pub(super) fn get(&self, slot: u32) -> Option<&Family> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// The family in a slot, to change.
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut Family> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    /// Whether the family in `slot` is that of `name` and `kind`.
    pub(super) fn is_of(&self, slot: u32, name: &Name<'_>, kind: Kind) -> bool {
        self.get(slot).is_some_and(|family| family.is_of(name, kind))
    }

    /// The slot of the family of `name` and `kind`; a new one where there is none yet.
    pub(super) fn take(&mut self, hashes: &Hashes, buckets: &Buckets, name: &Name<'_>, kind: Kind) -> u32 {
        let hash = hashes.text(name.text());
        let same = |slot: &u32| self.is_of(*slot, name, kind);
        if let Some(slot) = self.index.find(spread(hash), same) {
            return *slot;
        }
        let (names, def) = match name {
            Name::Defined(def) => (Names::defined(def), Some(*def)),
            Name::Given(name) => (Names::given(name), None),
        };
        let bounds = match kind {
            Kind::Observations => Arc::clone(buckets.of(&names.name)),
            _ => Arc::clone(&self.no_bounds),
        };
        let id = self.new_id();
        let family = Family {
            names: Arc::new(names),
            def,
            kind,
            bounds,
            series: Vec::new(),
            shown: 0,
            fallen: 0,
            id,
            fallen_id: None,
            hash,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(family);
                slot
            }
            None => {
                self.slots.push(Some(family));
                (self.slots.len() - 1) as u32
            }
        };
        let slots = &self.slots;
        let rehash = |slot: &u32| spread(slots[*slot as usize].as_ref().map_or(0, |family| family.hash));
        self.index.insert_unique(spread(hash), slot, rehash);
        self.by_id.insert(id, (slot, Face::Values));
        slot
    }

    /// Gives the family in `slot` the counter of its decrements, if it has none yet.
    pub(super) fn split(&mut self, slot: u32) {
        if self.get(slot).is_some_and(|family| family.fallen_id.is_none()) {
            let id = self.new_id();
            if let Some(family) = self.get_mut(slot) {
                family.fallen_id = Some(id);
            }
            self.by_id.insert(id, (slot, Face::Decrements));
        }
    }

    /// Forgets the family in `slot`, which has no series any more.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(family) = self.slots.get_mut(slot as usize).and_then(Option::take) else {
            return;
        };
        self.by_id.remove(&family.id);
        if let Some(id) = family.fallen_id {
            self.by_id.remove(&id);
        }
        if let Ok(entry) = self.index.find_entry(spread(family.hash), |other| *other == slot) {
            entry.remove();
        }
        self.free.push(slot);
    }

    /// How many families there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// The slot and face of a family on a page.
    pub(super) fn face(&self, id: FamilyId) -> Option<(u32, Face)> {
        self.by_id.get(&id).copied()
    }

    /// What a page shows, in order of registration.
    pub(super) fn views(&self) -> Vec<FamilyView> {
        let view = |(id, (slot, face)): (&FamilyId, &(u32, Face))| self.view(*id, self.get(*slot)?, *face);
        self.by_id.iter().filter_map(view).collect()
    }

    /// The name of a family on a page.
    pub(super) fn page_name(&self, id: FamilyId) -> Option<Arc<str>> {
        let (slot, face) = self.face(id)?;
        Some(name_on_page(self.get(slot)?, face))
    }

    fn view(&self, id: FamilyId, family: &Family, face: Face) -> Option<FamilyView> {
        let shown = match face {
            Face::Values => family.shown,
            Face::Decrements => family.fallen,
        };
        (shown > 0).then(|| FamilyView {
            id,
            name: name_on_page(family, face),
            shape: match family.kind {
                Kind::Gauge | Kind::Members => Shape::Gauge,
                Kind::Total | Kind::Delta | Kind::Rate => Shape::Counter,
                Kind::Observations => Shape::Histogram,
            },
            help: family
                .def
                .map_or_else(|| Arc::clone(&self.no_text), |def| Arc::from(def.help)),
            unit: family.def.and_then(MetricDef::unit),
            defined: family.def.is_some(),
        })
    }

    fn new_id(&mut self) -> FamilyId {
        self.next += 1;
        FamilyId(self.next)
    }
}

/// A counter's name ends in `_total` on a page, whatever the application wrote; in the push it stays as written.
fn name_on_page(family: &Family, face: Face) -> Arc<str> {
    let name = &family.names.name;
    match (family.kind, face) {
        (_, Face::Decrements) => {
            let stem = name.strip_suffix("_total").unwrap_or(name);
            Arc::from(format!("{stem}_decrements_total"))
        }
        (Kind::Total | Kind::Delta | Kind::Rate, Face::Values) if !name.ends_with("_total") => {
            Arc::from(format!("{name}_total"))
        }
        _ => Arc::clone(name),
    }
}
