//! The journal in segment files.
//!
//! Every record has a length and a checksum; every segment begins with everything that is known but the blocks
//! themselves, so that any segment whose blocks are settled can be deleted. A change of an output's totals stands in the
//! record of what changed them. Opening reads all records and refuses nothing.
//!
//! * [`medium`]: where segments lie
//! * [`lock`]: one process only
//! * [`record`]: framing, checksums, finding records behind damage
//! * [`change`], [`snapshot`]: what records other than blocks say
//! * [`times`]: re-dating, ages, amendments
//! * [`state`]: what the records come to
//! * [`replay`]: reading back, healing
//! * [`store`], [`operations`]: writing, within the bound
//! * [`looking`]: reading beside the one who writes

mod change;
mod lock;
pub(super) mod looking;
mod medium;
mod operations;
mod record;
mod replay;
mod snapshot;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod times;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tracing::{error, warn};

use crate::component::journal::{
    Appended, Balance, Depth, DropReason, Entry, EntryId, Journal, JournalError, JournalStatus, OutputId,
    ReadRequest, Settlement,
};
use crate::journal::disk::lock::Lock;
use crate::journal::disk::medium::{Folder, Medium};
use crate::journal::disk::operations::Picked;
use crate::journal::disk::state::kind_index;
use crate::journal::disk::store::{Layout, Store};
use crate::model::block::{Block, BlockKind};
use crate::model::time::{ClockStamp, Timestamp};
use crate::support::time::Clock;

/// The least bound, in bytes.
pub const LEAST_BOUND: u64 = 1 << 20;

/// When appended blocks reach the medium. A kill of the process loses none in either case; a power failure loses those
/// that had not reached it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Before an append returns; appends at the same time share one sync.
    Batch,
    /// At the first append after this time since the last sync. Spares the medium.
    Every(Duration),
}

/// How a journal on disk is kept.
#[derive(Clone, Debug)]
pub struct DiskSettings {
    /// Its folder, which is made if it is not there.
    pub directory: PathBuf,
    /// Most bytes of all its files together; smaller ones than [`LEAST_BOUND`] are raised to that.
    pub bound: u64,
    /// When blocks reach the medium.
    pub sync: Sync,
    /// The outputs that blocks are kept for. One that was not known before starts with the next block.
    pub outputs: Vec<OutputId>,
}

/// The journal on disk. See the module.
#[derive(Debug)]
pub struct DiskJournal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// A std mutex: it is held for a look-up or one write, by threads that may block.
    store: Mutex<Store>,
    commit: Mutex<Commit>,
    committed: Condvar,
    medium: Arc<dyn Medium>,
    sync: Sync,
    _lock: Option<Lock>,
}

/// The sync that concurrent appends share.
#[derive(Debug, Default)]
struct Commit {
    running: bool,
    /// Bytes written that are on the medium.
    reached: u64,
}

impl DiskJournal {
    /// Opens the journal, healing what is damaged. Blocks while it reads its files, so call it before the runtime is
    /// busy, or on a thread that may block.
    ///
    /// # Errors
    /// [`JournalError::InUse`]: another process has it. [`JournalError::Medium`]: the folder cannot be made or
    /// listed, or there are more than 64 outputs. Damage and a full medium are no errors.
    pub fn open(settings: DiskSettings, clock: Clock) -> Result<Self, JournalError> {
        let place = settings.directory.display().to_string();
        let folder = Folder::create(&settings.directory).map_err(|source| JournalError::Medium {
            place,
            action: "be made",
            source,
        })?;
        let lock = Lock::take(&settings.directory)?;
        let layout = Layout::of(settings.bound.max(LEAST_BOUND));
        let store = open_store(
            Arc::new(folder),
            layout,
            lock::MOST_BYTES,
            &settings.outputs,
            clock,
        )?;
        Ok(Self::of(store, settings.sync, Some(lock)))
    }

    fn of(store: Store, sync: Sync, lock: Option<Lock>) -> Self {
        let medium = Arc::clone(&store.medium);
        let shared = Shared {
            store: Mutex::new(store),
            commit: Mutex::new(Commit::default()),
            committed: Condvar::new(),
            medium,
            sync,
            _lock: lock,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Runs `work` where blocking is allowed.
    async fn blocking<T, W>(&self, work: W) -> Result<T, JournalError>
    where
        T: Send + 'static,
        W: FnOnce(&Shared) -> Result<T, JournalError> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let place = shared.medium.place();
        let joined = tokio::task::spawn_blocking(move || work(&shared)).await;
        joined.unwrap_or_else(|error| {
            Err(JournalError::Medium {
                place,
                action: "go on",
                source: std::io::Error::other(error),
            })
        })
    }
}

/// Reads, heals and configures a store.
fn open_store(
    medium: Arc<dyn Medium>,
    layout: Layout,
    other_bytes: u64,
    outputs: &[OutputId],
    clock: Clock,
) -> Result<Store, JournalError> {
    let fails = |action, source| JournalError::Medium {
        place: medium.place(),
        action,
        source,
    };
    let (mut state, findings) = replay::replay(&*medium).map_err(|error| fails("be listed", error))?;
    let (changed, resumed) = replay::heal(&medium, outputs, &mut state, &findings);
    let mut store = Store::new(Arc::clone(&medium), layout, clock, other_bytes, state);
    store.damaged = findings.damaged + findings.torn;
    store.unsaved = changed;
    store
        .configure(outputs)
        .map_err(|error| fails("be opened", error))?;
    match resumed {
        Some(segment) => store.resume(segment),
        None => store.unsaved |= !store.state.segments.is_empty(),
    }
    if store.unsaved
        && let Err(error) = store.make_room(0).and_then(|_| store.save())
    {
        warn!(%error, "The journal is open, but cannot be written to.");
    }
    Ok(store)
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings everything that was written up to `target` to the medium, together with whoever else wants that.
    fn commit(&self, target: u64) -> Result<(), JournalError> {
        let mut commit = self.commit.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if commit.reached >= target {
                return Ok(());
            }
            if !commit.running {
                break;
            }
            commit = self
                .committed
                .wait(commit)
                .unwrap_or_else(PoisonError::into_inner);
        }
        commit.running = true;
        drop(commit);
        let (segment, written) = {
            let store = self.store();
            (store.current, store.written)
        };
        // Outside of the store's lock: this is slow, and others may write meanwhile. What is in older segments was
        // synced when the current one was begun.
        let synced = segment.map_or(Ok(()), |segment| match self.medium.sync(segment) {
            // It was settled and deleted meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        });
        let result = {
            let mut store = self.store();
            match synced {
                Ok(()) => {
                    store.reached(written);
                    Ok(())
                }
                Err(error) => Err(store.fails("be synced", error)),
            }
        };
        let mut commit = self.commit.lock().unwrap_or_else(PoisonError::into_inner);
        commit.running = false;
        if result.is_ok() {
            commit.reached = commit.reached.max(written);
        }
        self.committed.notify_all();
        result
    }

    fn append(&self, block: Block) -> Result<Appended, JournalError> {
        let (appended, target) = {
            let mut store = self.store();
            let appended = store.append(block)?;
            let due = match self.sync {
                Sync::Batch => true,
                Sync::Every(period) => store.clock.uptime().saturating_sub(store.last_sync) >= period,
            };
            (appended, due.then_some(store.written))
        };
        if let Some(target) = target
            && let Err(error) = self.commit(target)
        {
            // It is stored and will be delivered: an error would have it appended twice. The status tells.
            error!(%error, "The journal cannot reach its medium; a power failure may lose what is in it.");
        }
        Ok(appended)
    }

    fn read(&self, output: &OutputId, request: &ReadRequest) -> Result<Vec<Entry>, JournalError> {
        loop {
            let picked = self.store().pick(output, request);
            let mut entries = Vec::with_capacity(picked.len());
            let mut damaged = Vec::new();
            for picked in picked {
                match self.read_picked(&picked)? {
                    Some(entry) => entries.push(entry),
                    None => damaged.push(picked),
                }
            }
            if damaged.is_empty() {
                return Ok(entries);
            }
            let mut store = self.store();
            damaged.retain(|picked| store.still_holds(picked));
            let ids: Vec<u64> = damaged.iter().map(|picked| picked.id).collect();
            store.damaged += ids.len() as u64;
            let lost = store.give_up(&ids, DropReason::Damaged)?;
            for (output, items) in lost {
                error!(%output, items, blocks = ids.len(), "Blocks in the journal are damaged; their items are lost.");
            }
            if !entries.is_empty() {
                return Ok(entries);
            }
        }
    }

    fn read_picked(&self, picked: &Picked) -> Result<Option<Entry>, JournalError> {
        let bytes = match self.medium.read_at(picked.segment, picked.offset, picked.length) {
            Ok(bytes) => bytes,
            // Deleted meanwhile, or cut by somebody.
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::UnexpectedEof
                ) =>
            {
                return Ok(None);
            }
            Err(source) => {
                return Err(JournalError::Medium {
                    place: self.medium.place(),
                    action: "read",
                    source,
                });
            }
        };
        let described = record::read_block(picked.segment, picked.offset, &bytes);
        Ok(described
            .filter(|described| described.id == picked.id)
            .map(|described| Entry {
                id: EntryId(described.id),
                block: described.block,
                shift: picked.shift,
                settled: picked.settled.clone(),
            }))
    }
}

#[async_trait]
impl Journal for DiskJournal {
    async fn append(&self, block: Block) -> Result<Appended, JournalError> {
        self.blocking(move |shared| shared.append(block)).await
    }

    async fn read(&self, output: &OutputId, request: &ReadRequest) -> Result<Vec<Entry>, JournalError> {
        let (output, request) = (output.clone(), request.clone());
        self.blocking(move |shared| shared.read(&output, &request)).await
    }

    async fn settle(&self, output: &OutputId, settlements: &[Settlement]) -> Result<(), JournalError> {
        let (output, settlements) = (output.clone(), settlements.to_vec());
        self.blocking(move |shared| shared.store().settle(&output, &settlements))
            .await
    }

    async fn expire(
        &self,
        kind: BlockKind,
        time_to_live: Duration,
        now: ClockStamp,
    ) -> Result<BTreeMap<OutputId, u64>, JournalError> {
        self.blocking(move |shared| shared.store().expire(kind, time_to_live, &now))
            .await
    }

    async fn date_boot(&self, right: ClockStamp) -> Result<(), JournalError> {
        self.blocking(move |shared| shared.store().date_boot(right)).await
    }

    // The rest looks at memory only. The lock may be held by a thread that writes, for as long as one write takes.

    async fn newest_time(&self, now: ClockStamp) -> Option<Timestamp> {
        self.shared.store().state.times.newest(&now)
    }

    async fn windows(&self, within: Duration, now: ClockStamp) -> BTreeMap<i64, u32> {
        self.shared.store().state.times.windows(within, &now)
    }

    async fn depth(&self, output: &OutputId, kind: BlockKind, now: ClockStamp) -> Depth {
        self.shared.store().depth(output, kind, &now)
    }

    async fn balance(&self, output: &OutputId, kind: BlockKind) -> Balance {
        let store = self.shared.store();
        let slot = store.state.slot(&output.0);
        slot.map_or_else(Balance::default, |slot| {
            store.state.balance(slot, kind_index(kind))
        })
    }

    async fn status(&self) -> JournalStatus {
        self.shared.store().status()
    }

    async fn flush(&self) -> Result<(), JournalError> {
        self.blocking(|shared| {
            let target = {
                let mut store = shared.store();
                if store.unsaved {
                    store.save()?;
                }
                store.written
            };
            shared.commit(target)
        })
        .await
    }
}
