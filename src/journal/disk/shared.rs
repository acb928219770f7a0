//! The store, shared by the threads that may block: syncs in common, and reads outside of its lock.

use std::io::ErrorKind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tracing::error;

use crate::component::journal::{
    Appended, DropReason, Entry, EntryId, JournalError, OutputId, ReadRequest, ReceiptId,
};
use crate::journal::account::picking::Picked;
use crate::journal::account::state::Place;
use crate::journal::disk::Sync;
use crate::journal::disk::lock::Lock;
use crate::journal::disk::medium::Medium;
use crate::journal::disk::record;
use crate::journal::disk::store::Store;
use crate::model::block::Block;

/// See the module.
#[derive(Debug)]
pub(super) struct Shared {
    /// A std mutex: it is held for a look-up or one write, by threads that may block.
    store: Mutex<Store>,
    commit: Mutex<Commit>,
    committed: Condvar,
    pub(super) medium: Arc<dyn Medium>,
    pub(super) sync: Sync,
    pub(super) _lock: Option<Lock>,
}

/// The sync that concurrent appends share.
#[derive(Debug, Default)]
struct Commit {
    running: bool,
    /// Bytes written that are on the medium.
    reached: u64,
}

impl Shared {
    pub(super) fn new(store: Store, sync: Sync, lock: Option<Lock>) -> Self {
        Self {
            medium: Arc::clone(&store.medium),
            store: Mutex::new(store),
            commit: Mutex::new(Commit::default()),
            committed: Condvar::new(),
            sync,
            _lock: lock,
        }
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings everything that was written up to `target` to the medium, together with whoever else wants that.
    pub(super) fn commit(&self, target: u64) -> Result<(), JournalError> {
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
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
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

    pub(super) fn append(&self, block: Block, receipt: Option<ReceiptId>) -> Result<Appended, JournalError> {
        let (appended, target) = {
            let mut store = self.store();
            let appended = store.append(block, receipt)?;
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

    pub(super) fn read(&self, output: &OutputId, request: &ReadRequest) -> Result<Vec<Entry>, JournalError> {
        loop {
            let picked = self.store().state.pick(output, request);
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
        let Place {
            segment,
            offset,
            length,
        } = picked.place;
        let read = self.medium.read_at(segment, u64::from(offset), length as usize);
        let bytes = match read {
            Ok(bytes) => bytes,
            // Deleted meanwhile, or cut by somebody.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) => {
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
        let described = record::read_block(segment, u64::from(offset), &bytes);
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
