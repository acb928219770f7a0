//! One series: who it is, its running value, and where its open windows keep it.

use crate::model::labels::Labels;
use crate::model::metric::Kind;
use crate::model::sample::Value;
use crate::model::tally::Shown;
use crate::model::time::Timestamp;
use crate::registry::limits::Origin;
use crate::registry::watch::Beat;
use crate::registry::windows::Place;

/// The time of a value that there is not yet.
const NEVER: i64 = i64::MIN;

/// One series. At 100,000 of them each byte counts: see the bench `record`.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) state: State,
    /// Rises from one series to the next and is never given again: a page's walk stands on it.
    pub(super) sequence: u64,
    /// When its running value began.
    pub(super) created: Timestamp,
    /// Where its cells of the last two windows are.
    pub(super) places: [Place; 2],
    pub(super) hash: u32,
    pub(super) family: u32,
    /// When it was last recorded, by the sample's own time.
    pub(super) touched: Beat,
    /// Which series its origin recorded next, last time: a guess.
    pub(super) next: u32,
    /// How many cells of open or closing windows name this slot, which is not given away meanwhile.
    pub(super) pins: u32,
    pub(super) origin: Origin,
    /// How many labels there are; 255 for more.
    pub(super) pairs: u8,
    /// Whether all label names are legacy names.
    pub(super) legacy: bool,
    /// Whether the labels' text is legacy and has no backslash.
    pub(super) plain: bool,
    /// Whether the running value stands on a page.
    pub(super) shown: bool,
    /// Whether it is about to be removed.
    pub(super) doomed: bool,
}

/// A running value. Times are milliseconds since 1970-01-01 UTC.
#[derive(Debug)]
pub(super) enum State {
    Gauge {
        value: f64,
        time: i64,
    },
    Total {
        reading: f64,
        time: i64,
        restarted: bool,
    },
    Counter {
        up: f64,
        down: f64,
    },
    Histogram(Box<Histogram>),
    Members {
        size: f64,
        start: i64,
    },
}

/// A running histogram.
#[derive(Debug)]
pub(super) struct Histogram {
    pub(super) sum: f64,
    pub(super) counts: Box<[u64]>,
}

/// What a window gets of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Share<'a> {
    Nothing,
    Last(f64),
    Increase { growth: f64, seconds: f64 },
    Sum(f64),
    Observations(&'a [f64]),
    Members(&'a [&'a str]),
}

impl State {
    /// The state of a series without a sample.
    pub(super) fn new(kind: Kind, bounds: usize) -> Self {
        match kind {
            Kind::Gauge => Self::Gauge {
                value: 0.0,
                time: NEVER,
            },
            Kind::Total => Self::Total {
                reading: 0.0,
                time: NEVER,
                restarted: false,
            },
            Kind::Delta | Kind::Rate => Self::Counter { up: 0.0, down: 0.0 },
            Kind::Observations => Self::Histogram(Box::new(Histogram {
                sum: 0.0,
                counts: vec![0; bounds + 1].into(),
            })),
            Kind::Members => Self::Members {
                size: 0.0,
                start: NEVER,
            },
        }
    }

    /// Takes a sample's value at `time` and returns what its window gets. Where the sample is not `fresh`, only the
    /// window does. A fall of a total moves `created`.
    pub(super) fn take<'a>(
        &mut self,
        value: &Value<'a>,
        time: i64,
        fresh: bool,
        bounds: &[f64],
        created: &mut Timestamp,
    ) -> Share<'a> {
        match (self, *value) {
            (Self::Gauge { value, time: held }, Value::Gauge(new)) => {
                if fresh && time >= *held {
                    (*value, *held) = (new, time);
                }
                Share::Last(new)
            }
            (
                Self::Total {
                    reading,
                    time: held,
                    restarted,
                },
                Value::Total(new),
            ) => {
                let (old, before) = (*reading, *held);
                // What an older reading says lies in the newer one already.
                if time <= before {
                    return Share::Nothing;
                }
                (*reading, *held) = (new, time);
                if before == NEVER {
                    return Share::Nothing;
                }
                let growth = if new >= old {
                    new - old
                } else {
                    *created = Timestamp::from_millis(time);
                    *restarted = true;
                    new.max(0.0)
                };
                let seconds = time.saturating_sub(before) as f64 / 1000.0;
                Share::Increase { growth, seconds }
            }
            (Self::Counter { up, down }, Value::Delta(new) | Value::Rate(new)) => {
                if fresh {
                    if new < 0.0 {
                        *down -= new;
                    } else {
                        *up += new;
                    }
                }
                Share::Sum(new)
            }
            (Self::Histogram(histogram), Value::Observations(values)) => {
                if fresh {
                    let values = values.iter().filter(|value| value.is_finite());
                    values.for_each(|value| histogram.observe(*value, bounds));
                }
                Share::Observations(values)
            }
            (Self::Members { .. }, Value::Members(members)) => Share::Members(members),
            // A series' state is made for its kind, and the kind is a part of what a sample is found by.
            _ => Share::Nothing,
        }
    }

    /// Takes what a tallied window, which began at `start`, adds. Returns whether it did: not where the window is of
    /// another kind or has other buckets, which whoever finds the series by its kind has ruled out.
    pub(super) fn show(&mut self, shown: &Shown, start: i64) -> bool {
        match (self, shown) {
            (Self::Gauge { value, time: held }, Shown::Gauge { value: new, time }) => {
                if time.millis() >= *held {
                    (*value, *held) = (*new, time.millis());
                }
                true
            }
            (Self::Counter { up, down }, Shown::Counter { up: more, down: less }) => {
                *up += more;
                *down += less;
                true
            }
            (Self::Histogram(histogram), Shown::Histogram { counts, sum }) => {
                if histogram.counts.len() != counts.len() {
                    return false;
                }
                let buckets = histogram.counts.iter_mut().zip(counts);
                buckets.for_each(|(held, more)| *held += more);
                histogram.sum += sum;
                true
            }
            (Self::Members { size, start: held }, Shown::Members { distinct }) => {
                // An amendment knows the late members only: the page keeps the size of the window itself.
                if start > *held {
                    (*size, *held) = (*distinct as f64, start);
                }
                true
            }
            _ => false,
        }
    }

    /// Whether it has been decremented.
    pub(super) fn has_fallen(&self) -> bool {
        matches!(self, Self::Counter { down, .. } if *down > 0.0)
    }

    /// Whether it is known when the running value began. A target's total began before it was read first; only a
    /// fall tells when.
    pub(super) fn has_beginning(&self) -> bool {
        !matches!(self, Self::Total { restarted: false, .. })
    }

    /// Moves its times with a step of the wall clock, so that none lies in the future of the clock that is right.
    pub(super) fn shift(&mut self, millis: i64) {
        match self {
            Self::Gauge { time, .. } | Self::Total { time, .. } | Self::Members { start: time, .. } => {
                if *time != NEVER {
                    *time = time.saturating_add(millis);
                }
            }
            Self::Counter { .. } | Self::Histogram(_) => {}
        }
    }
}

impl Histogram {
    fn observe(&mut self, value: f64, bounds: &[f64]) {
        self.sum += value;
        let bucket = bounds.partition_point(|bound| *bound < value);
        self.counts[bucket] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_takes_no_more_room_than_planned() {
        assert!(
            size_of::<Option<Series>>() <= 104,
            "{}",
            size_of::<Option<Series>>()
        );
    }

    #[test]
    fn a_value_on_a_bound_belongs_below_it() {
        let mut histogram = Histogram {
            sum: 0.0,
            counts: vec![0; 3].into(),
        };
        [0.5, 1.0, 1.5, 2.0, 9.0]
            .iter()
            .for_each(|value| histogram.observe(*value, &[1.0, 2.0]));
        assert_eq!((&histogram.counts[..], histogram.sum), (&[2, 2, 1][..], 14.0));
    }
}
