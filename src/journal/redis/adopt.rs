//! Taking over the streams of dead agents.

use std::sync::Arc;

use redis::cmd;
use tracing::{info, warn};

use crate::component::journal::JournalError;
use crate::component::output::Speaker;
use crate::journal::redis::inner::Inner;
use crate::journal::redis::keys::{Keys, list, medium};
use crate::journal::redis::scripts::{ADOPT, RELEASE, REMOVE};
use crate::journal::redis::{RedisJournal, RedisSettings};

/// How long it is remembered that a stream was taken over, in milliseconds: a week.
const REMEMBERED: u64 = 7 * 86_400_000;
/// Names that one look at the list asks for.
const AT_ONCE: usize = 100;

/// A dead agent's stream, to be delivered under that agent's name.
pub struct Adopted {
    /// The dead agent's host and tags, as it had registered them.
    pub speaker: Speaker,
    /// Its journal. Outputs are known in it by the dead agent's names.
    pub journal: Arc<RedisJournal>,
}

impl RedisJournal {
    /// Looks at the streams of all agents, and takes over those whose owner is gone for long enough. To be called every
    /// half minute or so: how long an owner is gone is counted from the first look. What it gives is held as long as it is
    /// not dropped.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn adopt(&self) -> Result<Vec<Adopted>, JournalError> {
        let inner = self.inner();
        let own = {
            let mut turn = inner.turn.lock().await;
            inner.ready(&mut turn).await?;
            turn.stream.as_ref().map(|(keys, _)| keys.name.clone())
        };
        let held: Vec<String> = {
            let mut adopted = self.adopted();
            adopted.retain(|(_, journal)| journal.strong_count() > 0);
            adopted.iter().map(|(name, _)| name.clone()).chain(own).collect()
        };
        let settings = &inner.settings;
        let mut taken = Vec::new();
        for name in inner.streams().await? {
            if held.contains(&name) {
                continue;
            }
            let keys = Keys::of(&settings.prefix, &settings.kind_suffix, &name);
            let Some((born, state, speaker)) = inner.take_over(&keys).await? else {
                continue;
            };
            let (host, tags) = (speaker.host.clone(), speaker.tags.len());
            info!(
                stream = name,
                host,
                tags,
                "Took over the journal of an agent that is gone; what is in it is delivered under its name."
            );
            let journal = Self::over(Inner::new(
                RedisSettings {
                    speaker: speaker.clone(),
                    ..settings.clone()
                },
                inner.clock.clone(),
                inner.token.clone(),
                true,
            ));
            {
                let there = journal.inner();
                let mut turn = there.turn.lock().await;
                there.begin(&mut turn, keys, born, &state).await?;
            }
            let journal = Arc::new(journal);
            self.adopted().push((name, Arc::downgrade(&journal)));
            taken.push(Adopted { speaker, journal });
        }
        Ok(taken)
    }

    /// Whether no output waits for anything in it.
    pub fn is_drained(&self) -> bool {
        let known = self.inner().known();
        known.begun && known.state.held.is_empty()
    }

    /// Removes a drained stream from Redis; the journal is of no more use then. `false`: it is not drained.
    ///
    /// # Errors
    /// Redis is away, or the stream is somebody else's by now.
    pub async fn remove(&self) -> Result<bool, JournalError> {
        let inner = self.inner();
        let mut turn = inner.turn.lock().await;
        inner.ready(&mut turn).await?;
        inner.flush(&mut turn).await?;
        let Some((keys, _)) = turn.stream.clone().filter(|_| self.is_drained()) else {
            return Ok(false);
        };
        let mut call = REMOVE.prepare_invoke();
        call.key(&keys.about)
            .key(&keys.owner)
            .key(&keys.list)
            .key(&keys.state)
            .key(&keys.blocks);
        call.arg(&inner.token).arg(&keys.name).arg(REMEMBERED);
        let answer: Result<String, _> = inner.settings.link.invoke(&call).await;
        let answer = answer.map_err(|error| inner.fails(medium("write", error)))?;
        (turn.stream, turn.sure) = (None, false);
        match answer.as_str() {
            "ok" => Ok(true),
            "full" => Ok(false),
            _ => Err(JournalError::TakenOver { place: inner.place() }),
        }
    }

    /// Writes what is unwritten and gives the stream's lease back, so that another process may have it at once.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn close(&self) -> Result<(), JournalError> {
        let inner = self.inner();
        self.stop_renewing();
        let mut turn = inner.turn.lock().await;
        let Some((keys, _)) = turn.stream.clone() else {
            return Ok(());
        };
        inner.ready(&mut turn).await?;
        inner.flush(&mut turn).await?;
        let mut call = RELEASE.prepare_invoke();
        call.key(&keys.owner).arg(&inner.token);
        let answer: Result<String, _> = inner.settings.link.invoke(&call).await;
        answer
            .map(|_| ())
            .map_err(|error| inner.fails(medium("write", error)))
    }
}

impl Inner {
    /// The names of all streams, in small bites.
    async fn streams(&self) -> Result<Vec<String>, JournalError> {
        let key = list(&self.settings.prefix, &self.settings.kind_suffix);
        let (mut cursor, mut names) = (0u64, Vec::new());
        loop {
            let mut scan = cmd("HSCAN");
            scan.arg(&key).arg(cursor).arg("COUNT").arg(AT_ONCE);
            let answer: Result<(u64, Vec<(String, String)>), _> = self.settings.link.query(&scan).await;
            let (next, found) = answer.map_err(|error| self.fails(medium("read", error)))?;
            names.extend(found.into_iter().map(|(name, _)| name));
            cursor = next;
            if cursor == 0 {
                names.sort();
                names.dedup();
                return Ok(names);
            }
        }
    }

    async fn take_over(&self, keys: &Keys) -> Result<Option<(String, Vec<u8>, Speaker)>, JournalError> {
        let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let mut call = ADOPT.prepare_invoke();
        call.key(&keys.about)
            .key(&keys.owner)
            .key(&keys.list)
            .key(&keys.state);
        call.arg(&self.token)
            .arg(self.settings.agent.to_string())
            .arg(millis(self.settings.lease));
        call.arg(&keys.name).arg(millis(self.settings.take_over_after));
        let answer: Result<Vec<Vec<u8>>, _> = self.settings.link.invoke(&call).await;
        let mut answer = answer
            .map_err(|error| self.fails(medium("read", error)))?
            .into_iter();
        if answer.next().as_deref() != Some(b"taken") {
            return Ok(None);
        }
        let born = String::from_utf8_lossy(&answer.next().unwrap_or_default()).into_owned();
        let state = answer.next().unwrap_or_default();
        let speaker = answer.next().unwrap_or_default();
        Ok(Some((born, state, read_speaker(&speaker, &keys.name))))
    }
}

/// The host and tags as a stream has them. What cannot be read is the stream's name and no tags: its points are not lost.
fn read_speaker(text: &[u8], name: &str) -> Speaker {
    #[derive(serde::Deserialize)]
    struct Registered {
        host: String,
        tags: Vec<String>,
    }
    match serde_json::from_slice(text) {
        Ok(Registered { host, tags }) => Speaker { host, tags },
        Err(error) => {
            warn!(%error, stream = name, "A journal in Redis does not say whose it is; its name is taken for the host's.");
            let host = name.split('~').next().unwrap_or(name).to_string();
            Speaker {
                host,
                tags: Vec::new(),
            }
        }
    }
}
