//! What the intake keeps: the last value of every series and second, and the score against the truth.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{
    payload::{Kind, Series},
    rules::{self, Age},
};

/// What makes two points one: a later one with the same key replaces the earlier one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PointKey {
    pub(crate) name: String,
    /// Empty when none was sent.
    pub(crate) host: String,
    pub(crate) tags: BTreeSet<String>,
    pub(crate) kind: Kind,
    /// Unix seconds.
    pub(crate) time: i64,
}

impl PointKey {
    /// A key from borrowed parts.
    pub(crate) fn new(name: &str, host: &str, tags: &[&str], kind: Kind, time: i64) -> Self {
        let tags = tags.iter().map(ToString::to_string).collect();
        Self {
            name: name.to_owned(),
            host: host.to_owned(),
            tags,
            kind,
            time,
        }
    }
}

/// What is kept of a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) value: f64,
    /// Seconds; 0 when none was sent.
    pub(crate) interval: i64,
    /// How often the point was taken.
    pub(crate) times: u64,
}

/// How many points were taken, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Kept, repeats included.
    pub(crate) kept: u64,
    /// Of these, taken before with the same value.
    pub(crate) repeated: u64,
    /// Of these, taken before with another value or interval: something was lost.
    pub(crate) rewritten: u64,
    /// Answered with 202 and forgotten: over an hour old.
    pub(crate) too_old: u64,
    /// Answered with 202 and forgotten: more than ten minutes ahead.
    pub(crate) too_far_ahead: u64,
}

/// The points of one intake.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) points: BTreeMap<PointKey, Kept>,
    pub(crate) counts: Counts,
    pub(crate) historical: BTreeSet<String>,
}

impl Book {
    /// Takes a valid request's series at `now` (unix seconds).
    pub(crate) fn take(&mut self, all: Vec<Series>, now: i64) {
        for series in all {
            let historical = self.historical.contains(&series.name);
            for (time, value) in &series.points {
                match rules::age(*time, now, historical) {
                    Age::TooOld => self.counts.too_old += 1,
                    Age::TooFarAhead => self.counts.too_far_ahead += 1,
                    Age::Kept => self.keep(&series, *time, *value),
                }
            }
        }
    }

    fn keep(&mut self, series: &Series, time: i64, value: f64) {
        let key = PointKey {
            name: series.name.clone(),
            host: series.host.clone(),
            tags: series.tags.clone(),
            kind: series.kind,
            time,
        };
        self.counts.kept += 1;
        let kept = self.points.entry(key).or_insert(Kept {
            value,
            interval: series.interval,
            times: 0,
        });
        if kept.times > 0 {
            if kept.value.to_bits() == value.to_bits() && kept.interval == series.interval {
                self.counts.repeated += 1;
            } else {
                self.counts.rewritten += 1;
            }
        }
        *kept = Kept {
            value,
            interval: series.interval,
            times: kept.times + 1,
        };
    }

    /// Compares what was kept with what should have been, value for value, bit for bit.
    pub(crate) fn score(&self, truth: &BTreeMap<PointKey, f64>) -> Score {
        let mut score = Score::default();
        for (key, expected) in truth {
            match self.points.get(key) {
                None => score.missing.push(key.clone()),
                Some(kept) if kept.value.to_bits() != expected.to_bits() => {
                    score.wrong.push((key.clone(), *expected, kept.value));
                }
                Some(_) => {}
            }
        }
        score
            .extra
            .extend(self.points.keys().filter(|key| !truth.contains_key(key)).cloned());
        score
    }
}

/// Where the kept points differ from the truth.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Score {
    pub(crate) missing: Vec<PointKey>,
    /// The key, the expected value, the kept one.
    pub(crate) wrong: Vec<(PointKey, f64, f64)>,
    pub(crate) extra: Vec<PointKey>,
}

impl Score {
    /// Whether nothing differs.
    pub(crate) fn is_perfect(&self) -> bool {
        *self == Self::default()
    }

    /// The same without what was not expected; for an agent that also sends its own metrics.
    pub(crate) fn without_extra(self) -> Self {
        Self {
            extra: Vec::new(),
            ..self
        }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (missing, wrong, extra) = (&self.missing, &self.wrong, &self.extra);
        writeln!(
            out,
            "{} missing, {} wrong, {} extra",
            missing.len(),
            wrong.len(),
            extra.len()
        )?;
        missing
            .iter()
            .take(5)
            .try_for_each(|key| writeln!(out, "  missing {key:?}"))?;
        wrong
            .iter()
            .take(5)
            .try_for_each(|wrong| writeln!(out, "  wrong (expected, kept) {wrong:?}"))?;
        extra
            .iter()
            .take(5)
            .try_for_each(|key| writeln!(out, "  extra {key:?}"))
    }
}
