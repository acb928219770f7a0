//! The queues of dramatiq in Redis: the sizes of the hashes `NAMESPACE:QUEUE.msgs`.
//!
//! `SCAN` walks over the keys in small steps, so that no other client waits, as it does for `KEYS`: half a second for a
//! million keys, half a millisecond each step. dramatiq's hash of an empty queue is no more; a queue that was there is
//! therefore reported as 0 for some time, and dashboards and alerts see that it was emptied. Only this process's memory
//! says what was there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use redis::{RedisResult, cmd, pipe};
use tokio::time::Instant;

use crate::collectors::queue::dramatiq::settings::Server;
use crate::collectors::queue::dramatiq::{MOST, push};
use crate::component::collector::CollectError;
use crate::model::sample::Samples;
use crate::support::redis::link::{Link, LinkError};

/// How many keys Redis looks at in one step.
const STEP: usize = 1_000;
/// How many sizes are asked for at once.
const CHUNK: usize = 1_000;
/// What the keys end in.
const ENDING: &str = ".msgs";
/// How many of the keys that cannot be read an error names.
const NAMED: usize = 3;

/// Reads one Redis.
pub(super) struct Reader {
    link: Link,
    own: Option<String>,
    namespace: String,
    keep: Duration,
    /// When each queue was there last; at most [`MOST`], those beyond are not reported as 0 when they are empty.
    seen: BTreeMap<String, Instant>,
}

/// What a walk over the keys found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Found {
    /// dramatiq's own names of the queues, at most [`MOST`].
    names: BTreeSet<String>,
    /// Whether there are more.
    more: bool,
    /// Keys that cannot be read, and why; bounded as the names are.
    bad: BTreeSet<String>,
}

impl Reader {
    pub(super) fn new(server: Server) -> Self {
        Self {
            link: Link::new(server.target),
            own: server.own,
            namespace: server.namespace,
            keep: server.keep,
            seen: BTreeMap::new(),
        }
    }

    pub(super) async fn collect(&mut self, out: &mut Samples) -> Result<(), CollectError> {
        let mut found = self.scan().await.map_err(|error| self.told(error))?;
        let names: Vec<String> = found.names.iter().cloned().collect();
        let now = Instant::now();
        for chunk in names.chunks(CHUNK) {
            let sizes = self.sizes(chunk).await.map_err(|error| self.told(error))?;
            for (name, size) in chunk.iter().zip(sizes) {
                match size {
                    Ok(size) => {
                        push(out, name, size);
                        self.remember(name, now);
                    }
                    Err(error) => {
                        found.bad.insert(format!("`{}`: {error}", self.key(name)));
                    }
                }
            }
        }
        // Of a queue that was not looked at nobody knows whether it is empty.
        if !found.more {
            self.tell_emptied(&found.names, now, out);
        }
        if found.more || !found.bad.is_empty() {
            return Err(self.incomplete(&found));
        }
        if out.is_empty() && !self.is_there().await.map_err(|error| self.told(error))? {
            let target = format!("dramatiq in {} (no key `{}`)", self.link.target(), self.key("*"));
            return Err(CollectError::NoData { target });
        }
        Ok(())
    }

    /// Walks over all keys. A key may come more than once, and is kept once.
    async fn scan(&self) -> Result<Found, LinkError> {
        let pattern = self.pattern();
        let mut found = Found::default();
        let mut cursor = 0_u64;
        loop {
            let mut step = cmd("SCAN");
            step.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(STEP);
            let (next, keys): (u64, Vec<Vec<u8>>) = self.link.query(&step).await?;
            for key in keys {
                self.take(key, &mut found);
            }
            if next == 0 || found.more {
                return Ok(found);
            }
            cursor = next;
        }
    }

    fn take(&self, key: Vec<u8>, found: &mut Found) {
        let key = match String::from_utf8(key) {
            Ok(key) => key,
            Err(error) => {
                let key = String::from_utf8_lossy(error.as_bytes());
                found.bad.insert(format!("`{key}`: its name is no UTF-8 text"));
                found.more |= found.bad.len() >= MOST;
                return;
            }
        };
        let name = key
            .strip_prefix(self.namespace.as_str())
            .and_then(|rest| rest.strip_prefix(':'))
            .and_then(|rest| rest.strip_suffix(ENDING));
        // A queue of dramatiq has a name.
        let Some(name) = name.filter(|name| !name.is_empty() && !found.names.contains(*name)) else {
            return;
        };
        if found.names.len() == MOST {
            found.more = true;
        } else {
            found.names.insert(name.to_string());
        }
    }

    /// The sizes of these queues, or why one has none. A hash that went since the walk is an empty queue: 0.
    async fn sizes(&self, names: &[String]) -> Result<Vec<RedisResult<u64>>, LinkError> {
        let mut pipeline = pipe();
        for name in names {
            pipeline.cmd("HLEN").arg(self.key(name));
        }
        self.link.pipeline(pipeline.ignore_errors()).await
    }

    /// Whether dramatiq uses this Redis, though all its queues are empty: every command of its brokers and workers writes
    /// this key.
    async fn is_there(&self) -> Result<bool, LinkError> {
        let mut command = cmd("EXISTS");
        command.arg(format!("{}:__heartbeats__", self.namespace));
        self.link.query(&command).await
    }

    fn remember(&mut self, name: &str, now: Instant) {
        if let Some(last) = self.seen.get_mut(name) {
            *last = now;
        } else if self.seen.len() < MOST && !self.keep.is_zero() {
            self.seen.insert(name.to_string(), now);
        }
    }

    fn tell_emptied(&mut self, there: &BTreeSet<String>, now: Instant, out: &mut Samples) {
        let keep = self.keep;
        self.seen
            .retain(|_, last| now.saturating_duration_since(*last) <= keep);
        for name in self.seen.keys().filter(|name| !there.contains(*name)) {
            push(out, name, 0);
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}:{name}{ENDING}", self.namespace)
    }

    /// What matches the keys, with whatever stands for more than itself in a pattern made to stand for itself.
    fn pattern(&self) -> String {
        let mut pattern = String::new();
        for char in self.namespace.chars() {
            if "*?[]^-\\".contains(char) {
                pattern.push('\\');
            }
            pattern.push(char);
        }
        format!("{pattern}:*{ENDING}")
    }

    fn incomplete(&self, found: &Found) -> CollectError {
        let mut reasons = Vec::new();
        if found.more {
            reasons.push(format!(
                "it has more than {MOST} keys `{}`; the others are not reported, and emptied queues not as 0",
                self.key("*")
            ));
        }
        if !found.bad.is_empty() {
            let named: Vec<&str> = found.bad.iter().take(NAMED).map(String::as_str).collect();
            let rest = match found.bad.len().saturating_sub(NAMED) {
                0 => String::new(),
                rest => format!(" and {rest} more"),
            };
            reasons.push(format!("not reported: {}{rest}", named.join(", ")));
        }
        CollectError::Malformed {
            target: self.link.target().to_string(),
            reason: reasons.join("; "),
        }
    }

    fn told(&self, error: LinkError) -> CollectError {
        match error {
            LinkError::Away { target, reason } | LinkError::Unanswered { target, reason } => {
                let reason = self.hinted(reason);
                CollectError::Unreachable { target, reason }
            }
            LinkError::Refused { target, code, reason } if code == "NOPERM" => CollectError::Forbidden {
                target,
                reason: format!(
                    "{reason}: it wants SCAN, HLEN and EXISTS on `{}:*`",
                    self.namespace
                ),
            },
            LinkError::Refused { target, reason, .. } => CollectError::Malformed { target, reason },
        }
    }

    /// The reason with this collector's settings in its hints, where the Redis is its own and not the section `redis`.
    fn hinted(&self, reason: String) -> String {
        let Some(own) = &self.own else {
            return reason;
        };
        let path = own.trim_end_matches(".redis_url");
        let keys = [
            "`redis.username` and `redis.password`",
            "`redis.username`",
            "`redis.password`",
            "`redis.sentinel`",
            "`redis.cluster`",
        ];
        let reason = reason.replace("`redis.ca_file`", &format!("`{path}.ca_file`"));
        keys.iter()
            .fold(reason, |reason, key| reason.replace(key, &format!("`{own}`")))
    }
}
