//! The table of claims: what dead agents, earlier lives of this one, and its own failures have left.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use crate::component::journal::ReceiptId;
use crate::feeds::redis::commit::{Committed, clean, commit};
use crate::feeds::redis::desk::Desk;
use crate::feeds::redis::gather::resume;
use crate::feeds::redis::keys::{Entry, Queue, State};
use crate::feeds::redis::standing::Fault;
use crate::feeds::redis::store::Claim;

/// Most claims that one look takes in.
const MOST: usize = 1000;
/// How long another agent may keep a sealed claim before it is a matter for a person.
const SEALED_TOO_LONG: Duration = Duration::from_secs(3600);

/// The claims of some queues, as the last look found them.
#[derive(Debug, Default)]
pub(super) struct Claims {
    entries: BTreeMap<u128, Entry>,
    /// Since when other agents' claims are known in their state.
    seen: BTreeMap<(u128, bool), Instant>,
}

impl Claims {
    /// Whether the queue had a claim at the last look.
    pub(super) fn any(&self, queue: Queue) -> bool {
        self.entries.values().any(|entry| entry.queue == queue)
    }

    /// Looks at the table and brings what is there to its end. Server and journal troubles end the look; the others
    /// are met again at the next one. Gives what the server refused, if it did.
    pub(super) async fn look(&mut self, desk: &Desk, queues: &[Queue]) -> Result<Option<String>, Fault> {
        self.entries = read(desk, queues).await?;
        let now = Instant::now();
        let entries = &self.entries;
        self.seen.retain(|(id, done), _| {
            entries
                .get(id)
                .is_some_and(|entry| *done == (entry.state == State::Done))
        });
        let (mut sealed_too_long, mut refused) = (0u64, None);
        for (id, entry) in &self.entries {
            if entry.owner != desk.recorder.agent() && entry.state != State::Open {
                let done = entry.state == State::Done;
                let since = now - *self.seen.entry((*id, done)).or_insert(now);
                if !done && since > SEALED_TOO_LONG {
                    sealed_too_long += 1;
                }
                // Its own agent is at it; only where it is not, somebody else cleans up.
                if !done || since < desk.store.expiry() {
                    continue;
                }
            }
            match resolve(desk, ReceiptId(*id), entry).await {
                Err(fault @ (Fault::Server(_) | Fault::Journal(_))) => return Err(fault),
                Err(Fault::Queue { reason, .. }) => refused = Some(reason),
                Err(Fault::Lost) => desk.recorder.note(&mut |facts| facts.lost_claims += 1),
                Ok(()) | Err(Fault::Changed) => {}
            }
        }
        // Not the queue's own name: what is known of the queue itself stands under that.
        let (topic, queue) = if queues.contains(&Queue::Logs) {
            ("sealed claims of logs", "logs")
        } else {
            ("sealed claims of metrics", "metrics")
        };
        desk.recorder.note(&mut |facts| {
            if sealed_too_long == 0 {
                facts.warnings.remove(topic);
            } else {
                let text = format!(
                    "{sealed_too_long} claims of {queue} in Redis belong to agents that have not come back for more than \
                     an hour; their records wait for those agents' disks"
                );
                facts.warnings.insert(topic, text);
            }
        });
        Ok(refused)
    }
}

async fn read(desk: &Desk, queues: &[Queue]) -> Result<BTreeMap<u128, Entry>, Fault> {
    let mut entries = BTreeMap::new();
    let mut cursor = 0u64;
    loop {
        let (next, found) = desk
            .store
            .scan(&desk.store.keys.claims(), cursor, 100)
            .await
            .map_err(|error| Fault::Server(error.to_string()))?;
        for (id, entry) in found {
            let id = u128::from_str_radix(&String::from_utf8_lossy(&id), 16);
            let entry = Entry::parse(&String::from_utf8_lossy(&entry));
            if let (Ok(id), Some(entry)) = (id, entry)
                && queues.contains(&entry.queue)
            {
                entries.insert(id, entry);
            }
        }
        cursor = next;
        if cursor == 0 || entries.len() >= MOST {
            return Ok(entries);
        }
    }
}

async fn resolve(desk: &Desk, id: ReceiptId, entry: &Entry) -> Result<(), Fault> {
    let Some(work) = desk.begin(id) else {
        return Ok(());
    };
    let mut done = Committed {
        id,
        queue: entry.queue,
        sealed: false,
        work,
    };
    let claim = match entry.state {
        State::Done => return clean(desk, done).await,
        State::Sealed => Claim {
            id,
            queue: entry.queue,
            token: None,
        },
        State::Open => {
            let taken = desk.store.take_over(id, entry).await;
            let Some(claim) = taken.map_err(|error| Fault::of(entry.queue, &error))? else {
                return Ok(());
            };
            if entry.owner != desk.recorder.agent() {
                info!(feed = "redis", claim = %id, from = %entry.owner, "Takes over what another agent had begun.");
                desk.recorder.note(&mut |facts| facts.taken_over += 1);
            }
            claim
        }
    };
    if claim.token.is_none() && desk.recorder.remembers(id).await {
        done.sealed = true;
        return clean(desk, done).await;
    }
    let gathered = resume(desk, claim, done.work).await?;
    clean(desk, commit(desk, gathered).await?).await
}
