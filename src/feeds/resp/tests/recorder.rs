//! A recorder that remembers in memory, and can be told to fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::component::feed::{FeedFacts, HandOverError, Handed, Recorder};
use crate::component::journal::{Receipt, ReceiptId};
use crate::model::sample::Samples;
use crate::model::time::Timestamp;
use crate::model::window::Aggregate;

/// What came in.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal {
    /// Sums of counts by name.
    pub(super) sums: BTreeMap<String, f64>,
    /// Points' windows by name.
    pub(super) windows: BTreeMap<String, BTreeSet<i64>>,
    pub(super) logs: Vec<String>,
    pub(super) blocks: usize,
    /// The most windows in one block.
    pub(super) widest: usize,
    pub(super) remembered: BTreeSet<ReceiptId>,
    pub(super) asked: usize,
    /// Hand-overs, those that failed among them.
    pub(super) tries: usize,
    pub(super) facts: FeedFacts,
}

/// How a hand-over goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mood {
    #[default]
    Takes,
    /// It fails, and nothing is journalled.
    Fails,
    /// It fails, and yet it is journalled.
    Forgets,
    /// It fails at random, either way.
    Random,
}

pub(super) struct Fake {
    now: Mutex<Timestamp>,
    mood: Mutex<Mood>,
    journal: watch::Sender<Journal>,
}

impl Fake {
    pub(super) fn new(now: i64) -> Arc<Self> {
        Arc::new(Self {
            now: Mutex::new(Timestamp::from_seconds(now)),
            mood: Mutex::default(),
            journal: watch::Sender::new(Journal::default()),
        })
    }

    pub(super) fn set_now(&self, now: i64) {
        *self.now.lock().unwrap() = Timestamp::from_seconds(now);
    }

    pub(super) fn set_mood(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(super) fn journal(&self) -> Journal {
        self.journal.borrow().clone()
    }

    /// Waits until this holds.
    pub(super) async fn wait(&self, holds: impl FnMut(&Journal) -> bool) -> Journal {
        let mut changes = self.journal.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(20), changes.wait_for(holds)).await;
        let waited = waited.map(|journal| journal.unwrap().clone());
        waited.unwrap_or_else(|_| panic!("never: {:?}", self.journal()))
    }
}

fn add(journal: &mut Journal, handed: &Handed) {
    journal.blocks += 1;
    match handed {
        Handed::Windows(windows) => {
            assert!(windows.is_sorted_by(|left, right| left.start < right.start));
            journal.widest = journal.widest.max(windows.len());
            for window in windows {
                for tally in &window.series {
                    let name = tally.series.names.name.to_string();
                    if let Aggregate::Delta { sum, .. } = tally.series.aggregate {
                        *journal.sums.entry(name.clone()).or_default() += sum;
                    }
                    journal
                        .windows
                        .entry(name)
                        .or_default()
                        .insert(window.start.seconds());
                }
            }
        }
        Handed::Logs(logs) => journal.logs.extend(logs.iter().map(|log| log.json.to_string())),
        Handed::Points(_) => panic!("this feed has no points"),
    }
}

#[async_trait]
impl Recorder for Fake {
    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn closed_before(&self) -> Timestamp {
        self.now()
            .before(Duration::from_secs(2))
            .window_start(self.interval())
    }

    fn bounds(&self, _metric: &str) -> Arc<[f64]> {
        Arc::from([1.0])
    }

    fn agent(&self) -> &str {
        "00000000000000000000000000000001"
    }

    fn takes_fences(&self) -> bool {
        false
    }

    async fn hand_over(&self, handed: Handed, receipt: Receipt) -> Result<(), HandOverError> {
        assert_eq!(receipt.fence, None);
        let (stored, told) = match *self.mood.lock().unwrap() {
            Mood::Takes => (true, true),
            Mood::Fails => (false, false),
            Mood::Forgets => (true, false),
            Mood::Random => {
                let stored = fastrand::bool();
                (stored, stored && fastrand::bool())
            }
        };
        self.journal.send_modify(|journal| {
            journal.tries += 1;
            if stored {
                assert!(journal.remembered.insert(receipt.id), "a receipt came twice");
                add(journal, &handed);
            }
        });
        // A feed that dies here does not learn how it went.
        tokio::task::yield_now().await;
        match told {
            true => Ok(()),
            false => Err(HandOverError::Failed {
                reason: "the medium is full".to_string(),
            }),
        }
    }

    async fn remembers(&self, receipt: ReceiptId) -> bool {
        self.journal.send_modify(|journal| journal.asked += 1);
        self.journal.borrow().remembered.contains(&receipt)
    }

    async fn forget(&self, receipts: &[ReceiptId]) -> Result<(), HandOverError> {
        if *self.mood.lock().unwrap() == Mood::Random && fastrand::bool() {
            return Err(HandOverError::Failed {
                reason: "the medium is full".to_string(),
            });
        }
        self.journal.send_modify(|journal| {
            journal.remembered.retain(|known| !receipts.contains(known));
        });
        Ok(())
    }

    fn record(&self, _: &Samples) {}

    fn note(&self, change: &mut dyn FnMut(&mut FeedFacts)) {
        self.journal.send_modify(|journal| change(&mut journal.facts));
    }
}
