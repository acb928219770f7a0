//! Taking a stream, and reading what is in it.

use tracing::{error, warn};

use crate::component::journal::JournalError;
use crate::journal::account::receipts::Receipts;
use crate::journal::account::snapshot;
use crate::journal::account::state::{Place, State};
use crate::journal::redis::entry::{self, Head};
use crate::journal::redis::inner::{Inner, Turn, take_back};
use crate::journal::redis::keys::{Keys, entry_id, medium, number_of};
use crate::journal::redis::scripts::{LIST, MOST_LISTED, MOST_SEEN, TAKE};
use crate::journal::redis::write::doubtful;
use crate::model::block::BlockKind;

/// Names that are tried: more agents of one name than this are a mistake.
const MOST_NAMES: usize = 64;
/// What stands in a stream.
pub(super) struct Listed {
    pub(super) number: Option<u64>,
    pub(super) entry: String,
    pub(super) front: Vec<u8>,
    pub(super) length: u64,
}

impl Inner {
    /// Takes a stream: one that this agent had before, or the first that is free.
    pub(super) async fn acquire(&self, turn: &mut Turn) -> Result<(), JournalError> {
        for mode in ["own", "free"] {
            for index in 1..=MOST_NAMES {
                let name = match index {
                    1 => self.settings.name.clone(),
                    _ => format!("{}~{index}", self.settings.name),
                };
                let keys = Keys::of(&self.settings.prefix, &self.settings.kind_suffix, &name);
                let Some((born, state)) = self.take(&keys, mode).await? else {
                    if mode == "own" && index >= 8 {
                        break;
                    }
                    continue;
                };
                if index > 1 {
                    warn!(
                        stream = name,
                        "Another agent has a journal under this one's name in Redis, or had until just now; this one has its own beside it. Where two run under one name, what they deliver for the same second overwrites each other: give each a HOST of its own."
                    );
                }
                return self.begin(turn, keys, born, &state).await;
            }
        }
        Err(self.fails(JournalError::Medium {
            place: self.place(),
            action: "be opened",
            source: std::io::Error::other(format!(
                "{MOST_NAMES} other agents are named {}; set HOST to a name of its own",
                self.settings.name
            )),
        }))
    }

    pub(super) async fn take(
        &self,
        keys: &Keys,
        mode: &str,
    ) -> Result<Option<(String, Vec<u8>)>, JournalError> {
        let speaker = serde_json::json!({
            "host": self.settings.speaker.host,
            "tags": self.settings.speaker.tags,
        });
        let mut call = TAKE.prepare_invoke();
        call.key(&keys.about)
            .key(&keys.owner)
            .key(&keys.list)
            .key(&keys.state)
            .key(&keys.blocks);
        call.arg(&self.token)
            .arg(self.settings.agent.to_string())
            .arg(self.lease());
        call.arg(speaker.to_string())
            .arg(format!("{:032x}", fastrand::u128(..)))
            .arg(&keys.name)
            .arg(mode);
        let answer: Result<Vec<Vec<u8>>, _> = self.settings.link.invoke(&call).await;
        let mut answer = answer
            .map_err(|error| self.fails(medium("be opened", error)))?
            .into_iter();
        if answer.next().as_deref() != Some(b"taken") {
            return Ok(None);
        }
        let born = String::from_utf8_lossy(&answer.next().unwrap_or_default()).into_owned();
        Ok(Some((born, answer.next().unwrap_or_default())))
    }

    /// Begins with what is in a stream that was just taken.
    pub(super) async fn begin(
        &self,
        turn: &mut Turn,
        keys: Keys,
        born: String,
        state: &[u8],
    ) -> Result<(), JournalError> {
        let listed = self.list(&keys).await?;
        let mut fresh = State::default();
        let mut unneeded: Vec<u64> = Vec::new();
        let mut damaged = 0;
        for listed in &listed {
            let Some(number) = listed.number else {
                warn!(
                    stream = keys.name,
                    entry = listed.entry,
                    "An entry of the journal in Redis is not of this program's making; it is passed over."
                );
                continue;
            };
            match entry::read_front(&listed.front).filter(|described| described.id == number) {
                Some(described) => {
                    let length = u32::try_from(listed.length).unwrap_or(u32::MAX);
                    fresh.add_block(
                        &described,
                        Some(Place {
                            length,
                            ..Place::default()
                        }),
                    );
                }
                None => {
                    damaged += 1;
                    unneeded.push(number);
                }
            }
        }
        let read_back = fresh.receipts.clone();
        fresh.receipts = Receipts::default();
        let read =
            Head::read(state).and_then(|(head, rest)| Some((head, snapshot::apply(rest, &mut fresh)?)));
        let head = read.map_or(Head::default(), |(head, ())| head);
        if read.is_none() && !fresh.held.is_empty() {
            fresh.receipts = read_back;
            fresh.adopt(&self.settings.outputs);
        }
        let mut changed = read.is_none();
        turn.doubtful
            .extend([doubtful(&born, head.last), doubtful(&born, head.last + 1)]);
        if self.stored_elsewhere(&born, &head).await
            && let Some(held) = fresh.held.get(&head.last)
        {
            let (kind, items) = (BlockKind::ALL[usize::from(held.kind)], held.items);
            take_back(&mut fresh, head.last, kind, items);
            unneeded.push(head.last);
            changed = true;
        }
        unneeded.extend(fresh.release_all().into_iter().map(|released| released.id));
        let (lost, again) = fresh.close_balances();
        if lost > 0 {
            error!(
                stream = keys.name,
                damaged, lost, again, "The journal in Redis was damaged; it is healed, but items are lost."
            );
        } else if damaged + again > 0 {
            warn!(
                stream = keys.name,
                damaged, again, "The journal in Redis was damaged; it is healed, and no item is lost."
            );
        }
        if !self.adopted {
            let configured = fresh.configure(&self.settings.outputs, self.clock.stamp(true));
            changed |= configured.map_err(|error| JournalError::Medium {
                place: self.place(),
                action: "be opened",
                source: std::io::Error::new(std::io::ErrorKind::InvalidInput, error),
            })?;
            unneeded.extend(fresh.release_all().into_iter().map(|released| released.id));
        }
        for receipt in std::mem::take(&mut turn.forgotten) {
            changed |= fresh.receipts.forget(receipt);
        }
        if let Some(right) = turn.dated {
            changed |= fresh.times.date(right);
        }
        let newest = listed.iter().filter_map(|listed| listed.number).max();
        // Redis takes no number twice, and 0 for none.
        fresh.next = fresh
            .next
            .max(newest.unwrap_or(0) + 1)
            .max(head.last + 1)
            .max(turn.floor);
        turn.attempt = turn.attempt.max(Head::number(state));
        (turn.write, turn.last) = (Head::number(state), (head.last, head.receipt));
        (turn.dirty, turn.doubt) = (changed || lost + again > 0, None);
        turn.unneeded = unneeded.into_iter().collect();
        turn.stream = Some((keys, born));
        let mut known = self.known();
        known.damaged += damaged;
        (known.state, known.begun) = (fresh, true);
        known.generation += 1;
        Ok(())
    }

    /// Whether the last block is kept elsewhere too, because its append here was in doubt when its writer died.
    async fn stored_elsewhere(&self, born: &str, head: &Head) -> bool {
        match self.elsewhere() {
            Some(elsewhere) => elsewhere.remembers(doubtful(born, head.last)).await,
            None => false,
        }
    }

    /// All entries, without their items.
    pub(super) async fn list(&self, keys: &Keys) -> Result<Vec<Listed>, JournalError> {
        let mut all: Vec<Listed> = Vec::new();
        let mut first = "-".to_string();
        loop {
            let mut call = LIST.prepare_invoke();
            call.key(&keys.blocks).arg(&first).arg(MOST_LISTED).arg(MOST_SEEN);
            let answer: Result<Vec<(String, Vec<u8>, u64)>, _> = self.settings.link.invoke(&call).await;
            let answer = answer.map_err(|error| self.fails(medium("read", error)))?;
            let Some((last, ..)) = answer.last() else {
                return Ok(all);
            };
            // Ids of others may have a second part.
            let (time, part) = last.split_once('-').unwrap_or((last.as_str(), "0"));
            let part: u64 = part.parse().unwrap_or(0);
            first = match number_of(last) {
                Some(number) => entry_id(number + 1),
                None => format!("{time}-{}", part.saturating_add(1)),
            };
            all.extend(answer.into_iter().map(|(entry, front, length)| Listed {
                number: number_of(&entry),
                entry,
                front,
                length,
            }));
        }
    }
}
