//! What is done in Redis: scripts, each of which touches about a thousand elements at most.
//!
//! Every script that changes a claim checks its lease, so that one that arrives late does nothing.

use std::time::Duration;

use redis::{Cmd, Script, Value, cmd};

use crate::component::journal::{Fence, ReceiptId};
use crate::feeds::redis::keys::{Entry, Keys, Queue, State};
use crate::feeds::redis::piece::Answer;
use crate::model::client::record::MOST_BYTES;
use crate::support::redis::link::{Link, LinkError};
use crate::support::redis::target::Target;

/// Bytes of values in one answer, unless one alone is longer.
const MOST_ANSWER: usize = 1 << 20;
/// Keys that are removed by one call.
const CLEANED: usize = 500;
/// Keys that one call puts back into the queue.
pub(super) const PUT_BACK: usize = 200;
/// Most dead letters, and most bytes of them.
pub(super) const MOST_DEAD: usize = 1000;
/// See [`MOST_DEAD`].
pub(super) const MOST_DEAD_BYTES: usize = 1 << 20;
/// What stands in a claim's list for a key that went back into the queue.
pub(super) const PUT_BACK_MARK: &[u8] = b"\0tawny: back in the queue";

/// A claim that this agent holds.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) id: ReceiptId,
    pub(super) queue: Queue,
    /// What its lease says; `None` for a sealed one, which has none.
    pub(super) token: Option<String>,
}

/// Which scores are taken, as ZRANGEBYSCORE writes them.
#[derive(Clone, Debug)]
pub(super) struct Range {
    pub(super) least: String,
    pub(super) greatest: String,
}

/// What became of a claim in a call that needs the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// It is this agent's and the call has done its work.
    Yes,
    /// Somebody else has it.
    Lost,
    /// It holds other records than those that were read.
    Changed,
}

/// How far the cleaning is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cleaned {
    All,
    Part,
    /// It is not done, so nothing was removed.
    NotDone,
}

/// A record that waits for its window: index in the list, key, time in seconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Waiting {
    pub(super) index: u64,
    pub(super) key: Vec<u8>,
    pub(super) time: f64,
}

/// Fields of a hash with their values.
pub(super) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

struct Scripts {
    take: Script,
    read: Script,
    wait: Script,
    renew: Script,
    seal: Script,
    take_over: Script,
    clean: Script,
    bury: Script,
    restore: Script,
}

/// The queues and claims in one Redis.
pub(super) struct Store {
    link: Link,
    pub(super) keys: Keys,
    agent: String,
    expiry: Duration,
    scripts: Scripts,
}

impl Store {
    /// Connects to nothing yet.
    pub(super) fn new(target: Target, prefix: String, agent: &str, expiry: Duration) -> Self {
        let scripts = Scripts {
            take: Script::new(concat!(
                include_str!("scripts/values.lua"),
                include_str!("scripts/take.lua")
            )),
            read: Script::new(concat!(
                include_str!("scripts/values.lua"),
                include_str!("scripts/read.lua")
            )),
            wait: Script::new(include_str!("scripts/wait.lua")),
            renew: Script::new(include_str!("scripts/renew.lua")),
            seal: Script::new(include_str!("scripts/seal.lua")),
            take_over: Script::new(include_str!("scripts/take_over.lua")),
            clean: Script::new(include_str!("scripts/clean.lua")),
            bury: Script::new(include_str!("scripts/bury.lua")),
            restore: Script::new(include_str!("scripts/restore.lua")),
        };
        Self {
            link: Link::new(target),
            keys: Keys::new(prefix),
            agent: agent.to_owned(),
            expiry,
            scripts,
        }
    }

    /// Draws a new claim; nothing of it is in Redis yet.
    pub(super) fn draw(&self, queue: Queue) -> Claim {
        Claim {
            id: ReceiptId(fastrand::u128(..)),
            queue,
            token: Some(self.draw_token()),
        }
    }

    /// What a journal in the same Redis checks and marks.
    pub(super) fn fence(&self, claim: &Claim) -> Fence {
        Fence {
            lease: self.keys.lease(claim.id),
            token: claim.token.clone().unwrap_or_default(),
            table: self.keys.claims(),
            entry: claim.id.to_string(),
            done: self.entry(State::Done, claim.queue),
        }
    }

    /// How many records wait, and how many of those in `range`.
    pub(super) async fn count(&self, queue: Queue, range: Option<&Range>) -> Result<u64, LinkError> {
        let keys = self.keys.keys(queue);
        match range {
            None => self.link.query(cmd("ZCARD").arg(keys)).await,
            Some(range) => {
                let mut count = cmd("ZCOUNT");
                count.arg(keys).arg(&range.least).arg(&range.greatest);
                self.link.query(&count).await
            }
        }
    }

    /// Moves up to `most` records under a claim; the `first` call makes the claim.
    pub(super) async fn take(
        &self,
        claim: &Claim,
        range: &Range,
        most: usize,
        first: bool,
    ) -> Result<Answer, LinkError> {
        let mut call = self.scripts.take.prepare_invoke();
        call.key(self.keys.keys(claim.queue))
            .key(self.keys.values(claim.queue))
            .key(self.keys.claims())
            .key(self.keys.list(claim.id))
            .key(self.keys.lease(claim.id))
            .arg(claim.id.to_string())
            .arg(claim.token.as_deref().unwrap_or_default())
            .arg(self.expiry_millis())
            .arg(self.entry(State::Open, claim.queue))
            .arg(&range.least)
            .arg(&range.greatest)
            .arg(most)
            .arg(u8::from(first))
            .arg(MOST_BYTES)
            .arg(MOST_ANSWER)
            .arg(u8::from(claim.queue == Queue::Logs));
        self.answer(self.link.invoke(&call).await?)
    }

    /// Reads up to `most` records of a claim from `index` on.
    pub(super) async fn read(&self, claim: &Claim, index: u64, most: usize) -> Result<Answer, LinkError> {
        let mut call = self.scripts.read.prepare_invoke();
        call.key(self.keys.values(claim.queue))
            .key(self.keys.list(claim.id))
            .key(self.keys.lease(claim.id))
            .arg(claim.token.as_deref().unwrap_or_default())
            .arg(self.expiry_millis())
            .arg(index)
            .arg(most)
            .arg(MOST_BYTES)
            .arg(MOST_ANSWER);
        self.answer(self.link.invoke(&call).await?)
    }

    /// Puts up to [`PUT_BACK`] records back into the queue.
    pub(super) async fn put_back(&self, claim: &Claim, waiting: &[Waiting]) -> Result<Held, LinkError> {
        let mut call = self.scripts.wait.prepare_invoke();
        call.key(self.keys.keys(claim.queue))
            .key(self.keys.list(claim.id))
            .key(self.keys.lease(claim.id))
            .arg(claim.token.as_deref().unwrap_or_default())
            .arg(self.expiry_millis())
            .arg(PUT_BACK_MARK);
        for record in waiting {
            call.arg(record.index).arg(&record.key).arg(record.time);
        }
        let said: String = self.link.invoke(&call).await?;
        Ok(held(&said))
    }

    /// Holds a claim for longer and says how many keys lie under it; `None` where somebody else has it.
    pub(super) async fn renew(&self, claim: &Claim) -> Result<Option<u64>, LinkError> {
        let mut call = self.scripts.renew.prepare_invoke();
        call.key(self.keys.list(claim.id))
            .key(self.keys.lease(claim.id))
            .arg(claim.token.as_deref().unwrap_or_default())
            .arg(self.expiry_millis());
        let length: i64 = self.link.invoke(&call).await?;
        Ok(u64::try_from(length).ok())
    }

    /// Brings an open claim to its next state, where it still has `count` keys.
    pub(super) async fn settle(
        &self,
        claim: &Claim,
        state: State,
        count: Option<u64>,
    ) -> Result<Held, LinkError> {
        let mut call = self.scripts.seal.prepare_invoke();
        call.key(self.keys.claims())
            .key(self.keys.list(claim.id))
            .key(self.keys.lease(claim.id))
            .arg(claim.id.to_string())
            .arg(claim.token.as_deref().unwrap_or_default())
            .arg(self.entry(state, claim.queue))
            .arg(count.and_then(|count| i64::try_from(count).ok()).unwrap_or(-1));
        let said: String = self.link.invoke(&call).await?;
        Ok(held(&said))
    }

    /// Takes an open claim under a new token; `None` where another agent holds it, or it is not what it was.
    pub(super) async fn take_over(&self, id: ReceiptId, entry: &Entry) -> Result<Option<Claim>, LinkError> {
        let token = self.draw_token();
        let mut call = self.scripts.take_over.prepare_invoke();
        call.key(self.keys.claims())
            .key(self.keys.lease(id))
            .arg(id.to_string())
            .arg(Entry::text(entry.state, &entry.owner, entry.queue))
            .arg(self.entry(State::Open, entry.queue))
            .arg(&token)
            .arg(self.expiry_millis())
            .arg(format!("{}:", self.agent));
        let said: String = self.link.invoke(&call).await?;
        Ok((said == "ok").then_some(Claim {
            id,
            queue: entry.queue,
            token: Some(token),
        }))
    }

    /// Removes a part of a claim that is done. `sealed` says that it is this agent's and journalled.
    pub(super) async fn clean(
        &self,
        id: ReceiptId,
        queue: Queue,
        sealed: bool,
    ) -> Result<Cleaned, LinkError> {
        let sealed = if sealed {
            self.entry(State::Sealed, queue)
        } else {
            String::new()
        };
        let mut call = self.scripts.clean.prepare_invoke();
        call.key(self.keys.values(queue))
            .key(self.keys.claims())
            .key(self.keys.list(id))
            .key(self.keys.lease(id))
            .arg(id.to_string())
            .arg(self.entry(State::Done, queue))
            .arg(sealed)
            .arg(CLEANED);
        Ok(match self.link.invoke::<i64>(&call).await? {
            0 => Cleaned::All,
            1 => Cleaned::Part,
            _ => Cleaned::NotDone,
        })
    }

    /// Adds samples to the dead letters, oldest first; no more than [`MOST_DEAD`].
    pub(super) async fn bury(&self, samples: &[String]) -> Result<(), LinkError> {
        let mut call = self.scripts.bury.prepare_invoke();
        call.key(self.keys.dead()).arg(MOST_DEAD).arg(MOST_DEAD_BYTES);
        for sample in samples {
            call.arg(sample);
        }
        self.link.invoke(&call).await
    }

    /// Gives values their keys back under a score, or removes them (`None`). Says how many were removed; `None` while
    /// the queue has a claim, under which values lie without their keys rightly.
    pub(super) async fn restore(
        &self,
        queue: Queue,
        fields: &[(&[u8], Option<f64>)],
    ) -> Result<Option<u64>, LinkError> {
        let mut call = self.scripts.restore.prepare_invoke();
        call.key(self.keys.keys(queue))
            .key(self.keys.values(queue))
            .key(self.keys.claims())
            .arg(queue.name());
        for (field, score) in fields {
            call.arg(*field)
                .arg(score.map_or_else(String::new, |score| score.to_string()));
        }
        let removed: i64 = self.link.invoke(&call).await?;
        Ok(u64::try_from(removed).ok())
    }

    /// One step of HSCAN: the next cursor, 0 at the end, and about `count` fields with their values.
    pub(super) async fn scan(
        &self,
        hash: &str,
        cursor: u64,
        count: usize,
    ) -> Result<(u64, Fields), LinkError> {
        let mut scan = cmd("HSCAN");
        scan.arg(hash).arg(cursor).arg("COUNT").arg(count);
        self.link.query(&scan).await
    }

    /// Sends a command that reads.
    pub(super) async fn ask<T: redis::FromRedisValue>(&self, command: &Cmd) -> Result<T, LinkError> {
        self.link.query(command).await
    }

    /// Sends several that read.
    pub(super) async fn ask_all<T: redis::FromRedisValue>(
        &self,
        commands: &redis::Pipeline,
    ) -> Result<T, LinkError> {
        self.link.pipeline(commands).await
    }

    pub(super) const fn expiry(&self) -> Duration {
        self.expiry
    }

    fn entry(&self, state: State, queue: Queue) -> String {
        Entry::text(state, &self.agent, queue)
    }

    /// The random part is new with every claim and every take-over: what was sent under an older one does nothing.
    fn draw_token(&self) -> String {
        format!("{}:{:032x}", self.agent, fastrand::u128(..))
    }

    fn expiry_millis(&self) -> u64 {
        u64::try_from(self.expiry.as_millis()).unwrap_or(u64::MAX)
    }

    fn answer(&self, value: Value) -> Result<Answer, LinkError> {
        Answer::parse(value).ok_or_else(|| LinkError::Refused {
            target: self.link.target().to_string(),
            code: "ANSWER".to_owned(),
            reason: "it does not answer a script as a Redis does".to_owned(),
        })
    }
}

fn held(said: &str) -> Held {
    match said {
        "ok" => Held::Yes,
        "changed" => Held::Changed,
        _ => Held::Lost,
    }
}
