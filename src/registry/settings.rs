//! What the registry is set to: window length, limits, staleness, histogram buckets.

use std::sync::Arc;
use std::time::Duration;

/// Settings of a registry.
#[derive(Clone, Debug)]
pub struct RegistrySettings {
    /// Length of a window: whole seconds, at least 1, less than 49 days. Default 10 s.
    pub interval: Duration,
    /// How many series there may be in all. Default 100,000.
    pub series_limit: usize,
    /// How many series one origin may have. Default 90,000, so that one that explodes leaves room for the others.
    pub origin_limit: usize,
    /// After how long without a sample a gauge leaves the page and any other series is idle. Default 5 min.
    pub stale_after: Duration,
    /// Bounds of the histograms that a page shows.
    pub buckets: Buckets,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            series_limit: 100_000,
            origin_limit: 90_000,
            stale_after: Duration::from_secs(300),
            buckets: Buckets::default(),
        }
    }
}

/// The upper bounds of histogram buckets by metric.
#[derive(Clone, Debug)]
pub struct Buckets {
    default: Arc<[f64]>,
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
        let mut bounds: Vec<f64> = bounds.iter().copied().filter(|bound| bound.is_finite()).collect();
        bounds.sort_unstable_by(f64::total_cmp);
        bounds.dedup();
        Self {
            default: bounds.into(),
        }
    }

    /// The bounds for the metric of that name, ascending and finite.
    pub fn of(&self, _name: &str) -> &Arc<[f64]> {
        &self.default
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_ascending_finite_and_unique() {
        let buckets = Buckets::new(&[2.0, f64::INFINITY, 1.0, 2.0, f64::NAN]);
        assert_eq!(buckets.of("any")[..], [1.0, 2.0]);
    }
}
