//! The queues that the client library writes in a Redis.
//!
//! Nothing is read twice and nothing is lost, whatever dies when. What is read is first *claimed*: its keys move, in
//! chunks, from the queue into the list of a claim, whose holder has a lease with an expiry. Once the claim is
//! journalled, its values are removed in chunks, and then the claim. Several agents may work on one Redis.
//!
//! * with the journal in the same Redis, the transaction that appends the block checks the lease and marks the claim
//!   as done;
//! * with a journal on disk, the claim is *sealed* before: it belongs to this agent for ever, whose journal remembers
//!   whether it has it. Were it only remembered, a claim could expire between the last look at it and the write to the
//!   disk, and two agents would count it. The price: what an agent had sealed waits for that agent's disk, however long.
//!
//! A claim grows while it is read, whole windows first, until it is enough for one block. So nothing of it is ever given
//! back, but for records whose own time lies in a window that is still open: they go back into the queue under that time.
//!
//! Where an answer fails to come, what was read of the claim is forgotten, and the claim is taken over under a new
//! token and read anew from its list: a command that is still on its way under the old one then does nothing.
//!
//! * [`settings`]: the section of the settings
//! * `pace`: how often and how much
//! * `keys`: the names of the keys
//! * `store`: what is done in Redis, as scripts
//! * `piece`: a part of a claim as a script gives it
//! * `batch`: what is read, brought together
//! * `samples`: samples of what cannot be read
//! * `gather`: claims and reads
//! * `commit`: journals and cleans up
//! * `claims`: what other agents and earlier lives have left
//! * `orphans`: values without keys
//! * `lane`: the loop over some queues
//! * `desk`: what the lanes share
//! * `standing`: what is known of the feed

mod batch;
mod claims;
mod commit;
mod desk;
mod gather;
mod keys;
mod lane;
mod orphans;
mod pace;
mod piece;
mod samples;
pub mod settings;
mod standing;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::component::descriptor::{Descriptor, Role};
use crate::component::entry::Entry;
use crate::component::feed::{Feed, FeedError, Recorder};
use crate::feeds::redis::desk::Desk;
use crate::feeds::redis::keys::Queue;
use crate::feeds::redis::lane::Lane;
use crate::feeds::redis::pace::Pace;
use crate::support::redis::target::Target;
use crate::support::shutdown::Shutdown;

pub use crate::feeds::redis::settings::{build, effective};

/// Describes the feed.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "redis",
    role: Role::Feed,
    summary: "Reads the metrics and logs that applications write into a Redis with chouette-iot-client.",
    sample: SAMPLE,
    metrics: &[],
};

/// How it is made.
pub static ENTRY: Entry<dyn Feed> = Entry {
    descriptor: &DESCRIPTOR,
    build: |section, cx, findings| {
        let server = Server {
            target: cx.redis?.clone(),
            prefix: cx.prefix.to_string(),
        };
        let wants = Wants { logs: cx.logs };
        let made = build(section, server, wants, &mut findings.problems)?;
        Some(Box::new(made))
    },
    effective,
    find: None,
};

const SAMPLE: &str = "\
# Which Redis it is stands in the section `redis`.
# How long an agent keeps what it has begun to read without a sign of life; then another agent on the same Redis takes
# it over. At least 1s. Longer where agents sleep (laptops), shorter where one's death must not delay anything.
claim_expiry: 30s
# Whether log records are read, too, where an output takes logs. Where nobody reads them they stay in Redis and fill it.
logs: true
";

/// Which Redis, and the keys in it.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it is.
    pub target: Target,
    /// How the keys begin, without the colon: `chouette`. In a cluster it carries a `{tag}`.
    pub prefix: String,
}

/// What the rest of the agent can do something with.
#[derive(Clone, Copy, Debug)]
pub struct Wants {
    /// Whether an output takes logs.
    pub logs: bool,
}

/// The feed.
#[derive(Debug)]
pub struct Redis {
    server: Server,
    logs: bool,
    claim_expiry: Duration,
    pace: Pace,
}

#[async_trait]
impl Feed for Redis {
    async fn run(self: Box<Self>, into: Arc<dyn Recorder>, stop: Shutdown) -> Result<(), FeedError> {
        let desk = Desk::new(self.server, self.claim_expiry, self.pace, into);
        // Logs have a journal of their own: where it is full, metrics go on, and the other way round.
        let mut metrics = Lane::new(&desk, &[Queue::Wrapped, Queue::Raw], stop.clone());
        let mut logs = Lane::new(&desk, &[Queue::Logs], stop);
        if self.logs {
            tokio::join!(metrics.run(), logs.run());
        } else {
            metrics.run().await;
        }
        Ok(())
    }
}
