//! Says in the log that the journal is full, now and then.

use std::collections::BTreeMap;
use std::time::Duration;

use tracing::warn;

use crate::component::journal::OutputId;

/// How often it is said.
const SILENCE: Duration = Duration::from_secs(60);

/// When it was said last, by time since boot.
#[derive(Debug, Default)]
pub(crate) struct EvictionLog {
    said: Option<Duration>,
}

impl EvictionLog {
    /// Takes what an append evicted: items by output, empty for nothing.
    pub(crate) fn hear(&mut self, evicted: &BTreeMap<OutputId, u64>, uptime: Duration) {
        let quiet = self
            .said
            .is_some_and(|last| uptime.saturating_sub(last) < SILENCE);
        if evicted.is_empty() || quiet {
            return;
        }
        self.said = Some(uptime);
        warn!(
            ?evicted,
            "The journal is full: its oldest items were dropped. Raise its bound, or see why they are not delivered."
        );
    }
}
