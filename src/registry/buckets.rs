//! The bounds of the histograms that a page shows, by the metric's name.

use std::sync::Arc;

use crate::support::pattern::matches;

/// Most bounds of one histogram: each is a line of every series on every page.
const MOST_BOUNDS: usize = 100;

/// The upper bounds of histogram buckets by metric.
#[derive(Clone, Debug)]
pub struct Buckets {
    rules: Vec<(Box<str>, Arc<[f64]>)>,
    default: Arc<[f64]>,
}

/// Why a rule for buckets cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum BucketsError {
    /// The pattern is empty.
    #[error("the pattern is empty; `*` stands for every metric")]
    NoPattern,
    /// There is no bound.
    #[error("there are no bounds; at least one is needed")]
    NoBounds,
    /// There are too many bounds.
    #[error("{0} bounds are too many; at most {MOST_BOUNDS} are shown, each is a line of every series")]
    TooMany(usize),
    /// A bound is not finite.
    #[error("{0} is not a finite number; the bucket for the rest (+Inf) is always there")]
    NotFinite(f64),
    /// Bounds do not ascend.
    #[error("{after} comes after {before}; the bounds must ascend, each once")]
    NotAscending {
        /// The bound before.
        before: f64,
        /// The bound that is not greater.
        after: f64,
    },
}

impl Default for Buckets {
    /// The bounds that Prometheus client libraries share: 5 ms to 10 s.
    fn default() -> Self {
        Self::new(&[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
    }
}

impl Buckets {
    /// The same bounds for every metric, in any order; what is not finite or there twice is left out, since the
    /// bucket for the rest is always there.
    pub fn new(bounds: &[f64]) -> Self {
        Self {
            rules: Vec::new(),
            default: sound(bounds),
        }
    }

    /// Bounds by patterns of names, of which the first that matches counts; `default` for what matches none.
    /// In a pattern `*` stands for any text, also none, and every other character for itself. Bounds are taken as
    /// [`Buckets::new`] takes them: [`Buckets::check`] says beforehand what a person should change.
    pub fn with_rules(rules: Vec<(String, Vec<f64>)>, default: Self) -> Self {
        let rules = rules.into_iter();
        Self {
            rules: rules
                .map(|(pattern, bounds)| (pattern.into_boxed_str(), sound(&bounds)))
                .collect(),
            ..default
        }
    }

    /// Checks one rule of the settings.
    ///
    /// # Errors
    /// See [`BucketsError`].
    pub fn check(pattern: &str, bounds: &[f64]) -> Result<(), BucketsError> {
        if pattern.is_empty() {
            return Err(BucketsError::NoPattern);
        }
        if bounds.is_empty() {
            return Err(BucketsError::NoBounds);
        }
        if bounds.len() > MOST_BOUNDS {
            return Err(BucketsError::TooMany(bounds.len()));
        }
        if let Some(bound) = bounds.iter().find(|bound| !bound.is_finite()) {
            return Err(BucketsError::NotFinite(*bound));
        }
        match bounds.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => Err(BucketsError::NotAscending {
                before: pair[0],
                after: pair[1],
            }),
            None => Ok(()),
        }
    }

    /// The bounds for the metric of that name, ascending and finite.
    pub fn of(&self, name: &str) -> &Arc<[f64]> {
        let rule = self.rules.iter().find(|(pattern, _)| matches(pattern, name));
        rule.map_or(&self.default, |(_, bounds)| bounds)
    }
}

fn sound(bounds: &[f64]) -> Arc<[f64]> {
    let mut bounds: Vec<f64> = bounds.iter().copied().filter(|bound| bound.is_finite()).collect();
    bounds.sort_unstable_by(f64::total_cmp);
    bounds.dedup();
    bounds.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_ascending_finite_and_unique() {
        let buckets = Buckets::new(&[2.0, f64::INFINITY, 1.0, 2.0, f64::NAN]);
        assert_eq!(buckets.of("any")[..], [1.0, 2.0]);
    }

    #[test]
    fn the_first_pattern_that_matches_counts() {
        let rules = [
            ("http.slow", vec![60.0]),
            ("http.*", vec![1.0]),
            ("*.bytes", vec![1024.0]),
        ];
        let rules = rules.map(|(pattern, bounds)| (pattern.to_string(), bounds));
        let buckets = Buckets::with_rules(rules.into(), Buckets::new(&[7.0]));
        let of = |name| buckets.of(name)[0];
        assert_eq!(
            ["http.slow", "http.bytes", "disk.bytes", "http", "other"].map(of),
            [60.0, 1.0, 1024.0, 7.0, 7.0]
        );
    }

    #[test]
    fn a_rule_that_cannot_be_used_says_why() {
        let told =
            |pattern, bounds: &[f64]| Buckets::check(pattern, bounds).map_err(|error| error.to_string());
        assert_eq!(told("x", &[-1.0, 0.0, 2.5]), Ok(()));
        for (pattern, bounds, expected) in [
            (
                "",
                &[1.0][..],
                "the pattern is empty; `*` stands for every metric",
            ),
            ("x", &[], "there are no bounds; at least one is needed"),
            (
                "x",
                &[1.0, f64::INFINITY],
                "inf is not a finite number; the bucket for the rest (+Inf) is always there",
            ),
            (
                "x",
                &[1.0, 3.0, 3.0],
                "3 comes after 3; the bounds must ascend, each once",
            ),
        ] {
            assert_eq!(told(pattern, bounds), Err(expected.to_string()));
        }
        let many: Vec<f64> = (0..101).map(f64::from).collect();
        assert_eq!(Buckets::check("x", &many), Err(BucketsError::TooMany(101)));
    }
}
