//! The journal in segment files.
//!
//! Every record has a length and a checksum; every segment begins with everything that is known but the blocks
//! themselves, so that any segment whose blocks are settled can be deleted. A change of an output's totals stands in the
//! record of what changed them. Opening reads all records and refuses nothing.
//!
//! * `medium`: where segments lie
//! * `lock`: one process only
//! * `record`: framing, checksums, finding records behind damage
//! * `segments`: what they hold
//! * `replay`: reading back, healing
//! * `store`, `room`, `operations`: writing, within the bound
//! * `shared`: the store between threads
//! * `looking`: reading beside the one who writes

mod lock;
pub(super) mod looking;
mod medium;
mod operations;
mod record;
mod replay;
mod room;
mod segments;
mod shared;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tracing::warn;

use crate::component::journal::{
    Appended, Balance, Depth, Entry, Journal, JournalError, JournalStatus, OutputId, ReadRequest, Receipt,
    ReceiptId, Settlement,
};
use crate::journal::account::state::kind_index;
use crate::journal::disk::lock::Lock;
use crate::journal::disk::medium::{Folder, Medium};
use crate::journal::disk::shared::Shared;
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
        let shared = Shared::new(store, sync, lock);
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The number of the next block.
    pub(in crate::journal) fn next(&self) -> u64 {
        self.shared.store().state.next
    }

    /// Lets the numbers of blocks go on from `floor` at least.
    pub(in crate::journal) fn raise(&self, floor: u64) {
        let next = &mut self.shared.store().state.next;
        *next = floor.max(*next);
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
    let (mut log, findings) =
        replay::replay(&*medium, layout.most_receipts()).map_err(|error| fails("be listed", error))?;
    let (changed, resumed) = replay::heal(&medium, outputs, &mut log, &findings);
    let mut store = Store::new(Arc::clone(&medium), layout, clock, other_bytes, log);
    store.damaged = findings.damaged + findings.torn;
    store.unsaved = changed;
    store
        .configure(outputs)
        .map_err(|error| fails("be opened", io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    match resumed {
        Some(segment) => store.resume(segment),
        None => store.unsaved |= !store.segments.all.is_empty(),
    }
    if store.unsaved
        && let Err(error) = store.make_room(0).and_then(|_| store.save())
    {
        warn!(%error, "The journal is open, but cannot be written to.");
    }
    store.keep_reserve();
    Ok(store)
}

#[async_trait]
impl Journal for DiskJournal {
    async fn append(&self, block: Block) -> Result<Appended, JournalError> {
        self.blocking(move |shared| shared.append(block, None)).await
    }

    async fn append_with(&self, block: Block, receipt: &Receipt) -> Result<Appended, JournalError> {
        if receipt.fence.is_some() {
            return Err(JournalError::Medium {
                place: self.shared.medium.place(),
                action: "take a fence",
                source: io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "only a journal in the same Redis can check it",
                ),
            });
        }
        let id = receipt.id;
        self.blocking(move |shared| shared.append(block, Some(id))).await
    }

    async fn remembers(&self, receipt: ReceiptId) -> bool {
        self.shared.store().state.receipts.knows(receipt)
    }

    async fn forget(&self, receipts: &[ReceiptId]) -> Result<(), JournalError> {
        let receipts = receipts.to_vec();
        self.blocking(move |shared| shared.store().forget(&receipts))
            .await
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
