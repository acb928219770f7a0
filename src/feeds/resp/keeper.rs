//! Brings files to the medium in time, and buckets to the journal.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::component::feed::{Handed, Recorder};
use crate::component::journal::Receipt;
use crate::feeds::resp::bounds_of;
use crate::feeds::resp::bucket::Kind;
use crate::feeds::resp::due::{self, Due};
use crate::feeds::resp::file::{remove, sync_folder};
use crate::feeds::resp::open::Done;
use crate::feeds::resp::store::{Moment, Store};
use crate::support::shutdown::Shutdown;

/// How often to look whether a window has closed.
const LOOK: Duration = Duration::from_millis(200);
/// How often to look after halves, after a medium that failed, and after receipts to be forgotten.
const TEND: Duration = Duration::from_secs(5);
/// The first wait after the journal took nothing; it doubles.
const RETRY: Duration = Duration::from_millis(500);
/// The longest.
const RETRY_MOST: Duration = Duration::from_secs(30);

/// Looks after the store.
pub(super) struct Keeper {
    store: Arc<Mutex<Store>>,
    into: Arc<dyn Recorder>,
    sync: Duration,
    /// Files whose receipts the journal has not forgotten.
    done: Mutex<Vec<Done>>,
}

/// The journal did not take a bucket.
struct NotTaken;

impl Keeper {
    /// `sync`: how soon what was written is on the medium.
    pub(super) fn new(
        store: Arc<Mutex<Store>>,
        into: Arc<dyn Recorder>,
        sync: Duration,
        done: Vec<Done>,
    ) -> Self {
        Self {
            store,
            into,
            sync,
            done: Mutex::new(done),
        }
    }

    /// Brings files to the medium until stop is said.
    pub(super) async fn sync_until(&self, mut stop: Shutdown) {
        // Half of the time is left for the medium itself.
        while wait(self.sync / 2, &mut stop).await {
            self.sync().await;
        }
    }

    /// Hands over what is due until stop is said; what is begun then is finished.
    pub(super) async fn hand_over_until(&self, mut stop: Shutdown) {
        let mut retry = RETRY;
        let mut not_before = Instant::now();
        let mut tend_at = Instant::now();
        loop {
            if Instant::now() >= tend_at {
                self.tend().await;
                tend_at = Instant::now() + TEND;
            }
            if Instant::now() >= not_before {
                match self.hand_over(false, Some(&stop)).await {
                    Ok(()) => retry = RETRY,
                    Err(NotTaken) => {
                        not_before = Instant::now() + retry.mul_f64(0.5 + 0.5 * fastrand::f64());
                        retry = RETRY_MOST.min(retry * 2);
                    }
                }
            }
            self.note();
            if !wait(LOOK, &mut stop).await {
                return;
            }
        }
    }

    /// After the last record: hands over everything, open windows too. What the journal does not take stays in its
    /// file for the next start.
    pub(super) async fn finish(&self) {
        self.sync().await;
        if self.hand_over(true, None).await.is_err() {
            info!("What the journal did not take stays in the write-ahead files.");
        }
        self.note();
    }

    /// Notes what is known, for the agent's own metrics.
    fn note(&self) {
        let (counts, waiting, trouble) = {
            let mut store = lock(&self.store);
            let full =
                "the records that wait for the journal have reached feeds.resp.bound; new ones are refused";
            let trouble = store
                .failure
                .clone()
                .or(store.is_full().then(|| full.to_string()));
            (std::mem::take(&mut store.counts), store.waiting(), trouble)
        };
        self.into.note(&mut |facts| {
            for (reason, count) in &counts.unreadable {
                *facts.unreadable.entry(reason).or_default() += count;
            }
            facts.ahead += counts.ahead;
            facts.waiting = waiting;
            facts.trouble.clone_from(&trouble);
        });
    }

    fn now(&self) -> Moment {
        Moment {
            now: self.into.now(),
            closed_before: self.into.closed_before(),
        }
    }

    /// Runs something on the store where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> T + Send + 'static,
    ) -> Option<T> {
        let store = Arc::clone(&self.store);
        spawn_blocking(move || work(&mut lock(&store))).await.ok()
    }

    async fn sync(&self) {
        let store = Arc::clone(&self.store);
        // Without the lock: what comes meanwhile is accepted.
        let synced = spawn_blocking(move || {
            let (files, folder) = {
                let mut store = lock(&store);
                let (files, unnamed) = store.take_dirty();
                (files, unnamed.then(|| store.folder().to_owned()))
            };
            let mut result = files.iter().try_for_each(|file: &Arc<File>| file.sync_data());
            if let (Ok(()), Some(folder)) = (&result, &folder) {
                result = sync_folder(folder);
            }
            if let Err(error) = result {
                let mut store = lock(&store);
                store.fail(&error);
                store.set_dirty();
            }
        });
        let _ = synced.await;
    }

    async fn tend(&self) {
        let at = self.now();
        let tended = self.blocking(move |store| {
            if store.failure.is_some() && !store.closed {
                store.probe();
            }
            store.settle_halves(at, std::time::Instant::now());
        });
        let _ = tended.await;
        self.forget().await;
    }

    /// Hands over all that is due, oldest first; `all`: whatever there is.
    async fn hand_over(&self, all: bool, stop: Option<&Shutdown>) -> Result<(), NotTaken> {
        let mut handed = false;
        loop {
            if stop.is_some_and(Shutdown::is_stopped) {
                break;
            }
            let at = self.now();
            let Some(Some(due)) = self.blocking(move |store| store.next_due(at, all)).await else {
                break;
            };
            handed = true;
            let receipt = due.receipt;
            if let Err(reason) = self.hand_over_one(due).await {
                let _ = self.blocking(move |store| store.stayed(receipt)).await;
                self.into.note(&mut |facts| {
                    let text = format!("accepted records wait in their files: {reason}");
                    if facts.warnings.insert("journal", text).is_none() {
                        warn!(
                            reason,
                            "Accepted records wait in their files: the journal did not take them."
                        );
                    }
                });
                return Err(NotTaken);
            }
        }
        if handed {
            self.into.note(&mut |facts| {
                facts.warnings.remove("journal");
            });
            self.forget().await;
        }
        Ok(())
    }

    /// # Errors
    /// Why it stays.
    async fn hand_over_one(&self, due: Due) -> Result<(), String> {
        let (receipt, kind, path) = (due.receipt, due.kind, due.path.clone());
        let mut records = due.records;
        if !(due.doubtful && self.into.remembers(receipt).await) {
            let (handed, unreadable) = self.content(due).await?;
            records = records.saturating_sub(unreadable);
            self.into.note(&mut |facts| {
                if unreadable > 0 {
                    *facts.unreadable.entry("damaged").or_default() += unreadable;
                }
            });
            let is_empty = match &handed {
                Handed::Windows(windows) => windows.is_empty(),
                Handed::Points(points) => points.is_empty(),
                Handed::Logs(logs) => logs.is_empty(),
            };
            if !is_empty {
                let receipt = Receipt {
                    id: receipt,
                    fence: None,
                };
                let taken = self.into.hand_over(handed, receipt).await;
                taken.map_err(|error| error.to_string())?;
            }
        }
        let marked = self.blocking(move |store| {
            let marked = due::mark_done(&path);
            if marked.is_ok() {
                store.left(receipt);
            }
            marked
        });
        match marked.await {
            Some(Ok(path)) => {
                lock(&self.done).push(Done { path, receipt });
                let kind = match kind {
                    Kind::Metrics => "metrics",
                    Kind::Logs => "logs",
                };
                self.into
                    .note(&mut |facts| *facts.records.entry(kind).or_default() += records);
                Ok(())
            }
            Some(Err(error)) => Err(error.to_string()),
            None => Err("a task ended early".to_string()),
        }
    }

    /// What is handed over, from memory or from the file.
    async fn content(&self, due: Due) -> Result<(Handed, u64), String> {
        if let Some(windows) = due.windows {
            return Ok((Handed::Windows(windows), 0));
        }
        let (interval, bounds) = (self.into.interval(), bounds_of(&self.into));
        let loaded = spawn_blocking(move || due::load(&due, interval, bounds)).await;
        let loaded = loaded.map_err(|error| error.to_string())?;
        loaded.map_err(|error| error.to_string())
    }

    /// Has the journal forget what is cleaned up. Until it does, the marked files tell what to forget.
    async fn forget(&self) {
        let done = std::mem::take(&mut *lock(&self.done));
        if done.is_empty() {
            return;
        }
        let receipts: Vec<_> = done.iter().map(|done| done.receipt).collect();
        if self.into.forget(&receipts).await.is_err() {
            lock(&self.done).extend(done);
            return;
        }
        let kept = spawn_blocking(move || {
            let removed = |done: &Done| remove(&done.path).is_ok();
            done.into_iter().filter(|done| !removed(done)).collect::<Vec<_>>()
        });
        let kept = kept.await.unwrap_or_default();
        lock(&self.done).extend(kept);
    }
}

/// Waits; `false` once stop was said.
async fn wait(time: Duration, stop: &mut Shutdown) -> bool {
    tokio::select! {
        () = stop.stopped() => false,
        () = sleep(time) => true,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
