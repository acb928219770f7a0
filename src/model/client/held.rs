//! What a window holds of one series: the push's aggregate and the page's share, brought up together.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use hashbrown::HashTable;

use crate::model::client::record::{Record, RecordValue};
use crate::model::distribution::Distribution;
use crate::model::metric::Kind;
use crate::model::tally::Shown;
use crate::model::time::Timestamp;
use crate::model::window::Aggregate;

/// The samples of one series in one window.
pub(super) enum Held {
    Gauge {
        last: f64,
        time: Timestamp,
        /// The same as the record says it, which tells records of one millisecond apart.
        seconds: f64,
        sum: f64,
        count: u64,
    },
    /// Of deltas and rates.
    Sum {
        sum: f64,
        up: f64,
        down: f64,
        count: u64,
    },
    Observations(Box<Observed>),
    Members(Box<Joined>),
}

/// Observations, and how many fell into each bucket.
pub(super) struct Observed {
    pub(super) distribution: Distribution,
    counts: Box<[u64]>,
}

/// The members of a set: 128 bits of each text, which one keyed hash nobody can make collide gives twice. That two of a
/// million members have the same is less likely than 1 in 10²⁶; and a member takes 16 bytes instead of its text.
pub(super) struct Joined {
    members: HashTable<[u64; 2]>,
    count: u64,
}

/// The keys that members are hashed with: random ones of this process.
#[derive(Default)]
pub(super) struct MemberKeys([RandomState; 2]);

impl MemberKeys {
    fn of(&self, member: &str) -> [u64; 2] {
        self.0.each_ref().map(|key| key.hash_one(member))
    }
}

/// What of the memory a sample changed: bytes of observed values, and bytes of everything else beyond the cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Growth {
    pub(super) observed: usize,
    pub(super) other: usize,
}

/// The kind of series that a record's value belongs to.
pub(super) fn kind(value: &RecordValue<'_>) -> Kind {
    match value {
        RecordValue::Count(_) => Kind::Delta,
        RecordValue::Gauge(_) => Kind::Gauge,
        RecordValue::Rate(_) => Kind::Rate,
        RecordValue::Histogram(_) => Kind::Observations,
        RecordValue::Set(_) => Kind::Members,
    }
}

impl Held {
    /// What is held before the first sample, for buckets with these bounds, and how many bytes it takes beside a cell.
    pub(super) fn new(kind: Kind, bounds: &[f64]) -> (Self, Growth) {
        let mut growth = Growth::default();
        let held = match kind {
            Kind::Gauge => Self::Gauge {
                last: 0.0,
                time: Timestamp::from_millis(i64::MIN),
                seconds: f64::NEG_INFINITY,
                sum: 0.0,
                count: 0,
            },
            Kind::Observations => {
                growth.other = size_of::<Observed>() + (bounds.len() + 1) * size_of::<u64>();
                Self::Observations(Box::new(Observed {
                    distribution: Distribution::default(),
                    counts: vec![0; bounds.len() + 1].into(),
                }))
            }
            Kind::Members => {
                growth.other = size_of::<Joined>();
                Self::Members(Box::new(Joined {
                    members: HashTable::new(),
                    count: 0,
                }))
            }
            Kind::Delta | Kind::Rate | Kind::Total => Self::Sum {
                sum: 0.0,
                up: 0.0,
                down: 0.0,
                count: 0,
            },
        };
        (held, growth)
    }

    /// Takes a record's value, which is of the kind that this was made for.
    pub(super) fn take(
        &mut self,
        record: &Record<'_>,
        time: Timestamp,
        bounds: &[f64],
        keys: &MemberKeys,
    ) -> Growth {
        let mut growth = Growth::default();
        match (self, &record.value) {
            (
                Self::Gauge {
                    last,
                    time: held,
                    seconds,
                    sum,
                    count,
                },
                RecordValue::Gauge(value),
            ) => {
                if (time, record.seconds) >= (*held, *seconds) {
                    (*last, *held, *seconds) = (*value, time, record.seconds);
                }
                *sum += value;
                *count += 1;
            }
            (Self::Sum { sum, up, down, count }, RecordValue::Count(value) | RecordValue::Rate(value)) => {
                *sum += value;
                *count += 1;
                if *value < 0.0 {
                    *down -= value;
                } else {
                    *up += value;
                }
            }
            (Self::Observations(observed), RecordValue::Histogram(value)) => {
                let before = observed.distribution.heap_bytes();
                observed.distribution.add(*value);
                let bucket = bounds.partition_point(|bound| bound < value);
                if let Some(count) = observed.counts.get_mut(bucket) {
                    *count += 1;
                }
                // A sketch can be smaller than what it was made of; the next count of all puts that right.
                growth.observed = observed.distribution.heap_bytes().saturating_sub(before);
            }
            (Self::Members(joined), RecordValue::Set(members)) => {
                let before = joined.members.allocation_size();
                members.iter().for_each(|member| joined.join(keys.of(member)));
                joined.count += 1;
                growth.other = joined.members.allocation_size() - before;
            }
            // What is held is made for its kind, and the kind is a part of what a cell is found by.
            _ => {}
        }
        growth
    }

    /// About how many points a wrapper makes of it.
    pub(super) fn points(&self) -> usize {
        match self {
            Self::Observations(_) => 6,
            _ => 1,
        }
    }

    /// Bytes that it takes beside a cell.
    pub(super) fn size(&self) -> Growth {
        match self {
            Self::Gauge { .. } | Self::Sum { .. } => Growth::default(),
            Self::Observations(observed) => Growth {
                observed: observed.distribution.heap_bytes(),
                other: size_of::<Observed>() + observed.counts.len() * size_of::<u64>(),
            },
            Self::Members(joined) => Growth {
                observed: 0,
                other: size_of::<Joined>() + joined.members.allocation_size(),
            },
        }
    }

    /// What the push gets, and what the page gets.
    pub(super) fn finish(self, kind: Kind) -> (Aggregate, Shown) {
        match self {
            Self::Gauge {
                last,
                time,
                sum,
                count,
                ..
            } => {
                let shown = Shown::Gauge { value: last, time };
                (Aggregate::Gauge { last, sum, count }, shown)
            }
            Self::Sum { sum, up, down, count } => {
                let aggregate = match kind {
                    Kind::Rate => Aggregate::Rate { sum, count },
                    _ => Aggregate::Delta { sum, count },
                };
                (aggregate, Shown::Counter { up, down })
            }
            Self::Observations(observed) => {
                let Observed { distribution, counts } = *observed;
                let sum = distribution.sum();
                let shown = Shown::Histogram { counts, sum };
                (Aggregate::Observations(distribution), shown)
            }
            Self::Members(joined) => {
                let (distinct, count) = (joined.members.len() as u64, joined.count);
                (
                    Aggregate::Members { distinct, count },
                    Shown::Members { distinct },
                )
            }
        }
    }
}

impl Joined {
    fn join(&mut self, member: [u64; 2]) {
        let entry = self
            .members
            .entry(member[0], |known| *known == member, |known| known[0]);
        entry.or_insert(member);
    }
}
