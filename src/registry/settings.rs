//! What the registry is set to: window length, limits, staleness.

use std::time::Duration;

use crate::registry::buckets::Buckets;

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
