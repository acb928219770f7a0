//! The journal kept in Redis: a stream of blocks for each agent, and beside it everything else that is known.
//!
//! One process writes a stream. What it knows is the truth while it lives; every change is one small script that checks
//! that the stream is still its own and the receipt's fence holds, and changes block, totals, receipt and claim in the
//! same write. Blocks that nobody waits for are deleted in the same way.
//!
//! A lease says that the owner lives; the `holder` in the stream's hash says whose the stream is, also when the lease
//! has expired. So an agent that slept loses its stream only if another one took it meanwhile, and then it writes
//! nothing more into it and begins another.
//!
//! * `keys`, `entry`, `scripts`: what stands in Redis
//! * `inner`, `acquire`, `ready`, `write`: taking a stream, catching up after a broken connection, writing
//! * `contract`: the journal's contract
//! * `adopt`: streams of dead agents
//! * `checks`: what endangers a queue in a Redis

mod acquire;
mod adopt;
mod checks;
mod contract;
mod entry;
mod inner;
mod keys;
mod ready;
mod scripts;
#[cfg(test)]
pub(in crate::journal) mod tests;
mod write;

pub use adopt::Adopted;
pub use checks::{Danger, checks};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::component::journal::{Appended, Journal, JournalError, OutputId, Receipt, ReceiptId};
use crate::component::output::Speaker;
pub(in crate::journal) use crate::journal::redis::inner::Failure;
use crate::journal::redis::inner::Inner;
use crate::model::block::Block;
use crate::support::identity::AgentId;
use crate::support::redis::link::Link;
use crate::support::time::Clock;

/// How long a stream stays its owner's without a sign of life, by default. Nobody takes it before `take_over_after`.
pub const LEASE: Duration = Duration::from_secs(30);
/// How long an owner is gone before its stream is taken over, by default.
pub const TAKE_OVER_AFTER: Duration = Duration::from_secs(600);

/// How a journal in Redis is kept.
#[derive(Clone)]
pub struct RedisSettings {
    /// The Redis.
    pub link: Arc<Link>,
    /// What all keys begin with.
    pub prefix: String,
    /// The stream's name: the host's. Where another agent has it, `~2` and so on is added.
    pub name: String,
    /// Follows the stream's name where one agent has several journals (`:logs`); mostly empty. Streams are taken over by
    /// journals of the same kind.
    pub kind_suffix: String,
    /// This agent. Streams of an earlier process of it are its own at once.
    pub agent: AgentId,
    /// Whom the blocks are from: noted for whoever takes the stream over.
    pub speaker: Speaker,
    /// The outputs that blocks are kept for. One that was not known before starts with the next block.
    pub outputs: Vec<OutputId>,
    /// Most bytes of the blocks that wait, descriptions included.
    pub bound: u64,
    /// See [`LEASE`].
    pub lease: Duration,
    /// See [`TAKE_OVER_AFTER`].
    pub take_over_after: Duration,
}

/// The journal in Redis. See the module.
pub struct RedisJournal {
    inner: Arc<Inner>,
    /// Renews the lease; ends with the journal.
    renewing: Mutex<JoinSet<()>>,
    /// Streams that were taken over, by name.
    adopted: Mutex<Vec<(String, Weak<RedisJournal>)>>,
}

impl RedisJournal {
    /// A journal that takes its stream when Redis is there; until then everything fails with [`JournalError::Medium`].
    pub fn open(settings: RedisSettings, clock: Clock) -> Self {
        let token = format!("{}:{:032x}", settings.agent, fastrand::u128(..));
        Self::over(Inner::new(settings, clock, token, false))
    }

    fn over(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
            renewing: Mutex::default(),
            adopted: Mutex::default(),
        }
    }

    /// The state of things, with the lease being renewed from the first use on.
    fn inner(&self) -> &Inner {
        let mut renewing = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        if renewing.is_empty() && tokio::runtime::Handle::try_current().is_ok() {
            // A task that is told to end does so a little later; what it holds would stay open until then.
            let inner = Arc::downgrade(&self.inner);
            let period = self.inner.settings.lease / 3;
            renewing.spawn(async move {
                loop {
                    tokio::time::sleep(period).await;
                    let Some(inner) = inner.upgrade() else { return };
                    // Redis being away is in the status, and was said.
                    let _ = inner.renew(&mut *inner.turn.lock().await).await;
                }
            });
        }
        &self.inner
    }

    fn stop_renewing(&self) {
        let mut renewing = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        renewing.abort_all();
    }

    fn adopted(&self) -> MutexGuard<'_, Vec<(String, Weak<RedisJournal>)>> {
        self.adopted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes its stream now, so that what is in it is known.
    ///
    /// # Errors
    /// Redis is away; it is tried again at every use.
    pub async fn connect(&self) -> Result<(), JournalError> {
        let inner = self.inner();
        inner.ready(&mut *inner.turn.lock().await).await
    }

    /// From now on Redis is not waited for longer than this: the agent has to stop, and a disk takes what it does not.
    pub fn hurry(&self, most: Duration) {
        self.inner.settings.link.hurry(most);
    }

    /// Whether a stream was ever taken: before that it is unknown what is in it.
    pub fn has_begun(&self) -> bool {
        self.inner.known().begun
    }

    /// The journal that takes blocks while Redis is away. A block that both turn out to have is taken out here.
    pub(in crate::journal) fn beside(&self, elsewhere: Weak<dyn Journal>) {
        let mut place = self
            .inner
            .elsewhere
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *place = Some(elsewhere);
    }

    /// The number of the next block.
    pub(in crate::journal) fn next(&self) -> u64 {
        self.inner.known().state.next
    }

    /// Appends with a number of at least `floor`.
    pub(in crate::journal) async fn attempt(
        &self,
        block: &Block,
        receipt: Option<&Receipt>,
        floor: u64,
    ) -> Result<Appended, Failure> {
        self.inner().append(block, receipt, floor).await
    }

    /// Whether an append with this receipt was not answered, and nobody knows yet what became of it.
    pub(in crate::journal) async fn doubts(&self, receipt: ReceiptId) -> bool {
        let turn = self.inner.turn.lock().await;
        let doubt = turn.doubt.as_ref();
        doubt.is_some_and(|doubt| doubt.planned.described.receipt == Some(receipt))
    }

    /// Says that a block in doubt is kept elsewhere under this name.
    pub(in crate::journal) async fn kept_elsewhere(&self, name: ReceiptId) {
        self.inner.turn.lock().await.doubtful.push(name);
    }
}
