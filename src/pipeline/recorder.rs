//! What a feed hands in to: the journal first, then the running values.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::component::feed::{FeedFacts, HandOverError, Handed, Recorder};
use crate::component::journal::{Receipt, ReceiptId};
use crate::model::sample::Samples;
use crate::model::time::Timestamp;
use crate::pipeline::close::BLOCKING_SERIES;
use crate::pipeline::hands::{Hands, Taken};
use crate::registry::board::Board;
use crate::registry::{Origin, Registry};
use crate::support::identity::AgentId;

/// The recorder of one feed. Its series and refusals are counted under the feed's name.
pub struct FeedRecorder {
    name: String,
    origin: Origin,
    agent: String,
    hands: Arc<Hands>,
    registry: Arc<Registry>,
    board: Arc<Board>,
}

impl fmt::Debug for FeedRecorder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("FeedRecorder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl FeedRecorder {
    /// A recorder for the feed of that name, which stands on the board from now on.
    pub fn new(
        name: &str,
        agent: AgentId,
        hands: Arc<Hands>,
        registry: Arc<Registry>,
        board: Arc<Board>,
    ) -> Self {
        board.facts().feeds.entry(name.to_string()).or_default();
        Self {
            name: name.to_string(),
            origin: registry.origin(name),
            agent: agent.to_string(),
            hands,
            registry,
            board,
        }
    }

    /// Brings windows to the running values.
    async fn show(&self, taken: Vec<Taken>) {
        let (registry, origin) = (self.registry.clone(), self.origin);
        let series: usize = taken.iter().map(|taken| taken.shown.len()).sum();
        let work = move || {
            for Taken { window, shown } in &taken {
                let series = window.series.iter().zip(shown);
                registry.show(origin, window.start, window.interval, series);
            }
        };
        if series < BLOCKING_SERIES {
            work();
        } else if let Err(error) = tokio::task::spawn_blocking(work).await {
            // As in the short case.
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

#[async_trait]
impl Recorder for FeedRecorder {
    fn now(&self) -> Timestamp {
        self.hands.timekeeper().stamp().wall
    }

    fn is_clock_believed(&self) -> bool {
        self.hands.timekeeper().stamp().plausible
    }

    fn interval(&self) -> Duration {
        self.hands.interval()
    }

    fn closed_before(&self) -> Timestamp {
        self.hands.closed_before(self.now())
    }

    fn bounds(&self, metric: &str) -> Arc<[f64]> {
        self.registry.bounds(metric)
    }

    fn agent(&self) -> &str {
        &self.agent
    }

    fn takes_fences(&self) -> bool {
        self.hands.journal().is_some_and(|journal| journal.takes_fences())
    }

    async fn hand_over(&self, handed: Handed, receipt: Receipt) -> Result<(), HandOverError> {
        let taken = self.hands.take(handed, &receipt).await?;
        self.show(taken).await;
        Ok(())
    }

    async fn remembers(&self, receipt: ReceiptId) -> bool {
        match self.hands.journal() {
            Some(journal) => journal.remembers(receipt).await,
            None => false,
        }
    }

    async fn forget(&self, receipts: &[ReceiptId]) -> Result<(), HandOverError> {
        let Some(journal) = self.hands.journal() else {
            return Ok(());
        };
        let forgotten = journal.forget(receipts).await;
        forgotten.map_err(|error| HandOverError::Failed {
            reason: error.to_string(),
        })
    }

    fn record(&self, samples: &Samples) {
        self.registry.record_collected(self.origin, self.now(), samples);
    }

    fn note(&self, change: &mut dyn FnMut(&mut FeedFacts)) {
        match self.board.facts().feeds.get_mut(&self.name) {
            Some(facts) => change(facts),
            // It was put there when this was made, and nobody takes it away.
            None => debug_assert!(false, "the feed {} is not on the board", self.name),
        }
    }
}

#[cfg(test)]
mod tests;
