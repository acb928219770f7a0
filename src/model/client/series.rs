//! The series that records are tallied under: each name, label set and series is held once, and found by one hash.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use smallvec::SmallVec;

use crate::model::client::record::Record;
use crate::model::client::tally::Bounds;
use crate::model::labels::Labels;
use crate::model::metric::{Kind, Names};

/// What an index takes for one entry: a number, its control byte, and the table's spare room.
const ENTRY: usize = 8;

/// Who a record is of, borrowed from it.
pub(super) struct Identity<'a> {
    pub(super) metric: &'a str,
    pub(super) kind: Kind,
    pub(super) tags: SmallVec<[(&'a str, &'a str); 8]>,
    pub(super) hash: u64,
}

/// One series.
pub(super) struct Series {
    pub(super) names: Arc<Names>,
    pub(super) labels: Labels,
    kind: Kind,
    /// The bounds of its classic histogram; empty for other kinds.
    pub(super) bounds: Arc<[f64]>,
    hash: u64,
}

impl Series {
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn is(&self, of: &Identity<'_>) -> bool {
        self.hash == of.hash
            && self.kind == of.kind
            && *self.names.name == *of.metric
            && self.labels.matches(&of.tags)
    }
}

/// All series seen, in the order in which they were first seen.
pub(super) struct Dictionary {
    /// A seed of its own, so that nobody outside can make hashes collide.
    seed: DefaultHashBuilder,
    bounds: Bounds,
    none: Arc<[f64]>,
    all: Vec<Series>,
    index: HashTable<u32>,
    names: HashTable<Arc<Names>>,
    sets: HashTable<Labels>,
    bytes: usize,
}

impl Dictionary {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            seed: DefaultHashBuilder::default(),
            bounds,
            none: Arc::from([]),
            all: Vec::new(),
            index: HashTable::new(),
            names: HashTable::new(),
            sets: HashTable::new(),
            bytes: 0,
        }
    }

    /// Who the record is of.
    pub(super) fn identify<'a>(&self, record: &'a Record<'_>, kind: Kind) -> Identity<'a> {
        let mut hasher = self.seed.build_hasher();
        hasher.write(record.metric.as_bytes());
        hasher.write_u8(kind as u8);
        let mut tags = SmallVec::new();
        for (key, value) in &record.tags {
            hasher.write(key.as_bytes());
            hasher.write(value.as_bytes());
            tags.push((&**key, &**value));
        }
        Identity {
            metric: &record.metric,
            kind,
            tags,
            hash: hasher.finish(),
        }
    }

    /// The series with this number.
    pub(super) fn get(&self, number: u32) -> &Series {
        &self.all[number as usize]
    }

    /// The number of a series, which is added where it is new.
    pub(super) fn number(&mut self, of: &Identity<'_>) -> u32 {
        let all = &self.all;
        if let Some(number) = self.index.find(of.hash, |number| all[*number as usize].is(of)) {
            return *number;
        }
        let names = self.names(of.metric);
        let series = Series {
            labels: self.shared(Labels::from_sorted(&of.tags)),
            bounds: match of.kind {
                Kind::Observations => (self.bounds)(&names.name),
                _ => Arc::clone(&self.none),
            },
            names,
            kind: of.kind,
            hash: of.hash,
        };
        self.add(series)
    }

    fn add(&mut self, series: Series) -> u32 {
        // As many series as a number can count do not fit into memory.
        let number = self.all.len() as u32;
        let hash = series.hash;
        self.all.push(series);
        let all = &self.all;
        self.index
            .insert_unique(hash, number, |number| all[*number as usize].hash);
        self.bytes += size_of::<Series>() + ENTRY;
        number
    }

    fn names(&mut self, metric: &str) -> Arc<Names> {
        let seed = &self.seed;
        let hash = seed.hash_one(metric);
        if let Some(names) = self.names.find(hash, |names| *names.name == *metric) {
            return Arc::clone(names);
        }
        let names = Arc::new(Names::given(metric));
        let rehash = |names: &Arc<Names>| seed.hash_one(&*names.name);
        self.names.insert_unique(hash, Arc::clone(&names), rehash);
        self.bytes += size_of::<Names>() + metric.len() + 2 * ENTRY + 32;
        names
    }

    /// The one copy of a label set.
    fn shared(&mut self, labels: Labels) -> Labels {
        let seed = &self.seed;
        let hash = seed.hash_one(labels.text());
        if let Some(same) = self.sets.find(hash, |same| *same == labels) {
            return same.clone();
        }
        let rehash = |labels: &Labels| seed.hash_one(labels.text());
        self.sets.insert_unique(hash, labels.clone(), rehash);
        self.bytes += labels.text().len() + size_of::<Labels>() + ENTRY + 16;
        labels
    }

    /// How many series there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// About how many bytes all of it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Forgets every series that is not `used`. Returns the new numbers by the old ones, in the old order.
    pub(super) fn retain(&mut self, used: &[bool]) -> Vec<u32> {
        let old = std::mem::take(&mut self.all);
        *self = Self {
            seed: self.seed.clone(),
            ..Self::new(Arc::clone(&self.bounds))
        };
        let mut numbers = Vec::with_capacity(old.len());
        for (number, mut series) in old.into_iter().enumerate() {
            if !used.get(number).copied().unwrap_or_default() {
                numbers.push(u32::MAX);
                continue;
            }
            series.names = self.names(&Arc::clone(&series.names).name);
            series.labels = self.shared(series.labels);
            numbers.push(self.add(series));
        }
        numbers
    }
}
