//! The observations of one series in one window: exact up to a bound, then a sketch.

use std::fmt;

use sketches_ddsketch::{Config, DDSketch};

/// How many observations a distribution keeps exactly before it becomes a sketch.
pub const EXACT_LIMIT: usize = 4096;

/// Relative error of a sketch's quantiles.
pub const SKETCH_ERROR: f64 = 0.01;

/// Observed values with exact count, sum and extremes; quantiles are exact for up to [`EXACT_LIMIT`] values and
/// within [`SKETCH_ERROR`] of the true value beyond it. Values that are not finite must be kept out.
#[derive(Clone, Debug)]
pub struct Distribution {
    count: u64,
    sum: f64,
    min: f64,
    max: f64,
    values: Values,
}

#[derive(Clone)]
enum Values {
    Exact(Vec<f64>),
    Sketch(Box<DDSketch>),
}

impl fmt::Debug for Values {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(values) => values.fmt(out),
            Self::Sketch(_) => out.write_str("Sketch"),
        }
    }
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            count: 0,
            sum: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            values: Values::Exact(Vec::new()),
        }
    }
}

impl Distribution {
    /// Takes one finite observation.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        match &mut self.values {
            Values::Exact(values) if values.len() < EXACT_LIMIT => values.push(value),
            Values::Exact(_) => {
                self.to_sketch();
                self.add_to_sketch(value);
            }
            Values::Sketch(sketch) => sketch.add(value),
        }
    }

    /// Takes everything that `other` holds.
    pub fn merge(&mut self, other: Self) {
        let exact_room = match (&self.values, &other.values) {
            (Values::Exact(mine), Values::Exact(theirs)) => mine.len() + theirs.len() <= EXACT_LIMIT,
            _ => false,
        };
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if !exact_room {
            self.to_sketch();
        }
        match (&mut self.values, other.values) {
            (Values::Exact(mine), Values::Exact(theirs)) => mine.extend(theirs),
            (_, Values::Exact(theirs)) => theirs.into_iter().for_each(|value| self.add_to_sketch(value)),
            (Values::Sketch(mine), Values::Sketch(theirs)) => {
                // Both have the one configuration of this module, so the merge cannot be refused.
                let _ = mine.merge(&theirs);
            }
            (Values::Exact(_), Values::Sketch(_)) => {}
        }
    }

    /// Gives up the exact values for a sketch, which takes a few KiB whatever the count.
    pub fn to_sketch(&mut self) {
        if let Values::Exact(values) = &mut self.values {
            let values = std::mem::take(values);
            let config = Config::new(SKETCH_ERROR, 2048, 1.0e-9);
            self.values = Values::Sketch(Box::new(DDSketch::new(config)));
            values.into_iter().for_each(|value| self.add_to_sketch(value));
        }
    }

    fn add_to_sketch(&mut self, value: f64) {
        if let Values::Sketch(sketch) = &mut self.values {
            sketch.add(value);
        }
    }

    /// How many observations were taken.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The least; positive infinity where there is none.
    pub fn min(&self) -> f64 {
        self.min
    }

    /// The greatest; negative infinity where there is none.
    pub fn max(&self) -> f64 {
        self.max
    }

    /// Their mean; `None` where there is none.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// Whether every observation is still kept as it was.
    pub fn is_exact(&self) -> bool {
        matches!(self.values, Values::Exact(_))
    }

    /// Bytes that the kept values take; the bound over all open windows counts these.
    pub fn heap_bytes(&self) -> usize {
        match &self.values {
            Values::Exact(values) => values.capacity() * size_of::<f64>(),
            Values::Sketch(sketch) => sketch.length() * size_of::<u64>(),
        }
    }

    /// The quantiles of `shares` (each 0 to 1), by linear interpolation between the closest ranks at index
    /// `(n - 1) × share`, as Chouette computes them; empty where there is no observation.
    pub fn quantiles(&self, shares: &[f64]) -> Vec<f64> {
        if self.count == 0 {
            return Vec::new();
        }
        match &self.values {
            Values::Exact(values) => {
                let mut sorted = values.clone();
                sorted.sort_unstable_by(f64::total_cmp);
                shares.iter().map(|share| interpolated(&sorted, *share)).collect()
            }
            Values::Sketch(sketch) => {
                let of = |share: &f64| match sketch.quantile(share.clamp(0.0, 1.0)) {
                    Ok(Some(value)) => value.clamp(self.min, self.max),
                    _ => self.max,
                };
                shares.iter().map(of).collect()
            }
        }
    }
}

fn interpolated(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len() - 1;
    let index = last as f64 * share.clamp(0.0, 1.0);
    let below = (index.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let part = index - below as f64;
    sorted[below] + (sorted[above] - sorted[below]) * part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl IntoIterator<Item = f64>) -> Distribution {
        let mut distribution = Distribution::default();
        values.into_iter().for_each(|value| distribution.add(value));
        distribution
    }

    #[test]
    fn quantiles_interpolate_between_the_closest_ranks() {
        let distribution = of([4.0, 1.0, 3.0, 2.0]);
        assert_eq!(
            distribution.quantiles(&[0.0, 0.5, 0.95, 1.0]),
            [1.0, 2.5, 3.8499999999999996, 4.0]
        );
        assert_eq!(of([7.0]).quantiles(&[0.95]), [7.0]);
        assert_eq!(of([]).quantiles(&[0.95]), [0.0; 0]);
    }

    #[test]
    fn past_the_bound_quantiles_stay_within_one_percent() {
        let distribution = of((1..=10_000).map(f64::from));
        assert!(!distribution.is_exact());
        assert_eq!((distribution.count(), distribution.sum()), (10_000, 50_005_000.0));
        assert_eq!((distribution.min(), distribution.max()), (1.0, 10_000.0));
        for share in [0.01, 0.5, 0.95, 0.999] {
            let value = distribution.quantiles(&[share])[0];
            let truth = 1.0 + 9_999.0 * share;
            assert!(
                (value - truth).abs() / truth <= SKETCH_ERROR,
                "{share}: {value} for {truth}"
            );
        }
    }

    #[test]
    fn a_merge_is_as_if_one_had_taken_all() {
        let mut left = of((0..3000).map(f64::from));
        left.merge(of((3000..4096).map(f64::from)));
        assert!(left.is_exact());
        assert_eq!(left.quantiles(&[0.5]), [2047.5]);
        left.merge(of([5000.0]));
        assert_eq!((left.is_exact(), left.count(), left.max()), (false, 4097, 5000.0));
        let mut sketch = of([1.0]);
        sketch.merge(left);
        assert_eq!((sketch.count(), sketch.min()), (4098, 0.0));
    }
}
