//! What the lanes of the feed share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::component::feed::Recorder;
use crate::component::journal::ReceiptId;
use crate::feeds::redis::Server;
use crate::feeds::redis::batch::Moment;
use crate::feeds::redis::keys::Queue;
use crate::feeds::redis::pace::Pace;
use crate::feeds::redis::standing::Standing;
use crate::feeds::redis::store::Store;

/// The Redis, the recorder, and what is being worked on.
pub(super) struct Desk {
    pub(super) store: Store,
    pub(super) recorder: Arc<dyn Recorder>,
    pub(super) pace: Pace,
    pub(super) standing: Standing,
    /// Claims of this process that are worked on; all others under its name were given up.
    active: Mutex<BTreeSet<u128>>,
    /// Receipts that the journal could not be told to forget.
    unforgotten: Mutex<Vec<ReceiptId>>,
    waiting: Mutex<BTreeMap<Queue, u64>>,
}

impl Desk {
    pub(super) fn new(server: Server, expiry: Duration, pace: Pace, recorder: Arc<dyn Recorder>) -> Self {
        Self {
            store: Store::new(server.target, server.prefix, recorder.agent(), expiry),
            recorder,
            pace,
            standing: Standing::default(),
            active: Mutex::default(),
            unforgotten: Mutex::default(),
            waiting: Mutex::default(),
        }
    }

    /// Marks a claim as worked on until the result is dropped; `None` where it is worked on already.
    pub(super) fn begin(&self, id: ReceiptId) -> Option<Work<'_>> {
        lock(&self.active).insert(id.0).then_some(Work { desk: self, id })
    }

    /// What the clock says for a claim whose records of open windows wait.
    pub(super) fn moment(&self) -> Moment {
        Moment {
            now: self.recorder.now(),
            closed: self.recorder.closed_before(),
            waits: true,
        }
    }

    /// Notes how many records wait in a queue.
    pub(super) fn waiting(&self, queue: Queue, count: u64) {
        let all = {
            let mut waiting = lock(&self.waiting);
            waiting.insert(queue, count);
            waiting.values().sum()
        };
        self.recorder.note(&mut |facts| facts.waiting = all);
    }

    /// Tells the journal that a claim is gone, and what it could not be told before.
    pub(super) async fn forget(&self, id: Option<ReceiptId>) {
        let mut ids = std::mem::take(&mut *lock(&self.unforgotten));
        ids.extend(id);
        if !ids.is_empty() && self.recorder.forget(&ids).await.is_err() {
            lock(&self.unforgotten).extend(ids);
        }
    }
}

/// A claim that is worked on.
pub(super) struct Work<'a> {
    desk: &'a Desk,
    id: ReceiptId,
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        lock(&self.desk.active).remove(&self.id.0);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
