//! A recorder that keeps what is handed over, and fails as told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use redis::Script;
use redis::aio::MultiplexedConnection;
use tokio::sync::Semaphore;

use crate::component::feed::{FeedFacts, HandOverError, Handed, Recorder};
use crate::component::journal::{Receipt, ReceiptId};
use crate::model::sample::Samples;
use crate::model::time::Timestamp;
use crate::model::window::Aggregate;

pub(super) const INTERVAL: Duration = Duration::from_secs(10);

/// What outlives the process of an agent.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) blocks: Mutex<Vec<(ReceiptId, Handed)>>,
    pub(super) remembered: Mutex<BTreeSet<u128>>,
}

/// How hand-overs go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Mood {
    Well,
    /// It fails and nothing is stored.
    Fails,
    /// It is stored and the answer says that it failed.
    Forgets,
}

pub(super) struct Fake {
    pub(super) agent: String,
    pub(super) now: AtomicI64,
    pub(super) kept: Arc<Kept>,
    pub(super) facts: Mutex<FeedFacts>,
    pub(super) mood: Mutex<Mood>,
    pub(super) fences: Option<MultiplexedConnection>,
    /// A hand-over takes a permit and gives it back; tests close the gate by taking all.
    pub(super) gate: Semaphore,
    /// Hand-overs that stand before the gate or have passed it.
    pub(super) arrived: AtomicUsize,
    pub(super) failed: AtomicU64,
    /// Holds the thread that asks for bounds, as SIGSTOP would hold the process, until the sender is dropped.
    pub(super) hold: Mutex<Option<std::sync::mpsc::Receiver<()>>>,
    /// Threads that were held.
    pub(super) held: AtomicUsize,
}

impl Fake {
    /// The clock shows `now` seconds.
    pub(super) fn new(
        agent: &str,
        now: i64,
        kept: Arc<Kept>,
        fences: Option<MultiplexedConnection>,
    ) -> Arc<Self> {
        Arc::new(Self {
            agent: agent.to_owned(),
            now: AtomicI64::new(now),
            kept,
            facts: Mutex::default(),
            mood: Mutex::new(Mood::Well),
            fences,
            gate: Semaphore::new(1),
            arrived: AtomicUsize::new(0),
            failed: AtomicU64::new(0),
            hold: Mutex::default(),
            held: AtomicUsize::new(0),
        })
    }

    pub(super) fn facts(&self) -> FeedFacts {
        self.facts.lock().unwrap().clone()
    }

    pub(super) fn feel(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(super) fn set_now(&self, now: i64) {
        self.now.store(now, Ordering::SeqCst);
    }
}

impl Kept {
    fn store(&self, id: ReceiptId, handed: Handed) {
        assert!(
            self.remembered.lock().unwrap().insert(id.0),
            "{id} was stored before"
        );
        self.blocks.lock().unwrap().push((id, handed));
    }

    /// The signed sums of counts by metric, over all windows.
    pub(super) fn counts(&self) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for (start, metric, sum) in self.windows() {
            let _ = start;
            *sums.entry(metric).or_insert(0.0) += sum;
        }
        sums
    }

    /// The sums of counts as handed over: window start, metric with labels, sum.
    pub(super) fn windows(&self) -> Vec<(i64, String, f64)> {
        let mut found = Vec::new();
        for (_, handed) in self.blocks.lock().unwrap().iter() {
            let Handed::Windows(windows) = handed else {
                continue;
            };
            for window in windows {
                for tally in &window.series {
                    if let Aggregate::Delta { sum, .. } = &tally.series.aggregate {
                        let name = format!("{}{:?}", tally.series.names.name, tally.series.labels);
                        found.push((window.start.seconds(), name.replace("{}", ""), *sum));
                    }
                }
            }
        }
        found
    }

    /// What each block is, in order.
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        let blocks = self.blocks.lock().unwrap();
        let kind = |(_, handed): &(ReceiptId, Handed)| match handed {
            Handed::Windows(_) => "windows",
            Handed::Points(_) => "points",
            Handed::Logs(_) => "logs",
        };
        blocks.iter().map(kind).collect()
    }
}

#[async_trait]
impl Recorder for Fake {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.now.load(Ordering::SeqCst))
    }

    fn interval(&self) -> Duration {
        INTERVAL
    }

    fn closed_before(&self) -> Timestamp {
        self.now().before(Duration::from_secs(2)).window_start(INTERVAL)
    }

    fn bounds(&self, _metric: &str) -> Arc<[f64]> {
        let hold = self.hold.lock().unwrap().take();
        if let Some(hold) = hold {
            self.held.fetch_add(1, Ordering::SeqCst);
            let _ = hold.recv_timeout(Duration::from_secs(60));
        }
        Arc::from([1.0, 10.0])
    }

    fn agent(&self) -> &str {
        &self.agent
    }

    fn takes_fences(&self) -> bool {
        self.fences.is_some()
    }

    async fn hand_over(&self, handed: Handed, receipt: Receipt) -> Result<(), HandOverError> {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        let _permit = self.gate.acquire().await.unwrap();
        let failed = || {
            self.failed.fetch_add(1, Ordering::SeqCst);
            Err(HandOverError::Failed {
                reason: "the disk is full".to_owned(),
            })
        };
        let mood = *self.mood.lock().unwrap();
        if mood == Mood::Fails {
            return failed();
        }
        assert_eq!(receipt.fence.is_some(), self.fences.is_some());
        let kept = self.kept.clone();
        if let (Some(fence), Some(mut to)) = (receipt.fence, self.fences.clone()) {
            let script = Script::new(
                "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end \
                 redis.call('HSET', KEYS[2], ARGV[2], ARGV[3]) return 1",
            );
            // Server and block change together, even where the caller is gone in the midst of it.
            let stored = tokio::spawn(async move {
                let mut call = script.key(fence.lease);
                call.key(fence.table)
                    .arg(fence.token)
                    .arg(fence.entry)
                    .arg(fence.done);
                let held: i64 = call.invoke_async(&mut to).await.unwrap();
                if held == 1 {
                    kept.store(receipt.id, handed);
                }
                held == 1
            });
            if !stored.await.unwrap() {
                return Err(HandOverError::Lost);
            }
        } else {
            kept.store(receipt.id, handed);
        }
        if mood == Mood::Forgets { failed() } else { Ok(()) }
    }

    async fn remembers(&self, receipt: ReceiptId) -> bool {
        self.kept.remembered.lock().unwrap().contains(&receipt.0)
    }

    async fn forget(&self, receipts: &[ReceiptId]) -> Result<(), HandOverError> {
        let mut remembered = self.kept.remembered.lock().unwrap();
        for receipt in receipts {
            remembered.remove(&receipt.0);
        }
        Ok(())
    }

    fn record(&self, _: &Samples) {}

    fn note(&self, change: &mut dyn FnMut(&mut FeedFacts)) {
        change(&mut self.facts.lock().unwrap());
    }
}
