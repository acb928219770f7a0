//! What the parts are told of the settings.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::settings::Settings;
use crate::model::block::BlockKind;
use crate::pipeline::close::CloserSettings;
use crate::pipeline::deliver::DeliverySettings;
use crate::registry::{Buckets, RegistrySettings};

/// An output has a shorter timeout of its own; this one only guards against one that forgets it.
const LEAST_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What the registry is told.
pub(super) fn registry_settings(settings: &Settings) -> RegistrySettings {
    RegistrySettings {
        interval: settings.interval.0,
        series_limit: settings.limits.series as usize,
        origin_limit: settings.limits.series_per_origin as usize,
        stale_after: settings.stale_after.0,
        buckets: Buckets::with_rules(
            settings
                .histograms
                .iter()
                .map(|rule| (rule.pattern.clone(), rule.buckets.clone()))
                .collect(),
            Buckets::default(),
        ),
    }
}

/// How long items of each kind are kept.
pub(super) fn time_to_live(settings: &Settings) -> BTreeMap<BlockKind, Duration> {
    let ages = settings.journal.time_to_live;
    BTreeMap::from([(BlockKind::Points, ages.points.0), (BlockKind::Logs, ages.logs.0)])
}

/// What the closer is told.
pub(super) fn closer_settings(settings: &Settings, takes_logs: bool) -> CloserSettings {
    CloserSettings {
        interval: settings.interval.0,
        grace: settings.grace.0,
        time_to_live: time_to_live(settings),
        takes_logs,
    }
}

/// What the delivery of an output is told that takes this kind.
pub(super) fn delivery_settings(settings: &Settings, takes: BlockKind) -> DeliverySettings {
    let ages = settings.journal.time_to_live;
    DeliverySettings {
        interval: settings.interval.0,
        release_interval: settings.release_interval.0,
        // The closer looks at the clock once a second.
        release_delay: settings.grace.0 + Duration::from_secs(1),
        bulk_size: settings.bulk_size as usize,
        time_to_live: match takes {
            BlockKind::Logs => ages.logs.0,
            BlockKind::Points | BlockKind::Checks | BlockKind::Events => ages.points.0,
        },
        request_timeout: settings.release_interval.0.max(LEAST_REQUEST_TIMEOUT),
        stop_timeout: settings.shutdown_timeout.0.mul_f64(0.7),
    }
}
