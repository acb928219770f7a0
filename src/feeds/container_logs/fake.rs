//! What the tests of the feed hand lines to.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::component::feed::{FeedFacts, HandOverError, Handed, Recorder};
use crate::component::journal::{Receipt, ReceiptId};
use crate::model::sample::Samples;
use crate::model::time::Timestamp;

/// A journal in memory; `tells`: whether a hand-over that succeeds says so.
#[derive(Default)]
pub(super) struct Fake {
    pub(super) messages: Mutex<Vec<String>>,
    remembered: Mutex<BTreeSet<ReceiptId>>,
    pub(super) facts: Mutex<FeedFacts>,
    pub(super) fails: Mutex<Option<(bool, bool)>>,
}

#[async_trait]
impl Recorder for Fake {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1_000)
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn closed_before(&self) -> Timestamp {
        self.now()
    }

    fn bounds(&self, _: &str) -> Arc<[f64]> {
        Arc::from([1.0])
    }

    fn agent(&self) -> &str {
        "00000000000000000000000000000001"
    }

    fn takes_fences(&self) -> bool {
        false
    }

    async fn hand_over(&self, handed: Handed, receipt: Receipt) -> Result<(), HandOverError> {
        let (stored, told) = self.fails.lock().unwrap().unwrap_or((true, true));
        if stored {
            assert!(
                self.remembered.lock().unwrap().insert(receipt.id),
                "a receipt came twice"
            );
            let Handed::Logs(records) = handed else {
                panic!("only logs")
            };
            let message = |json: &str| serde_json::from_str::<Value>(json).unwrap()["message"].to_string();
            let messages = records.iter().map(|record| message(&record.json));
            self.messages.lock().unwrap().extend(messages);
        }
        match told {
            true => Ok(()),
            false => Err(HandOverError::Failed {
                reason: "full".to_string(),
            }),
        }
    }

    async fn remembers(&self, receipt: ReceiptId) -> bool {
        self.remembered.lock().unwrap().contains(&receipt)
    }

    async fn forget(&self, _: &[ReceiptId]) -> Result<(), HandOverError> {
        Ok(())
    }

    fn record(&self, _: &Samples) {}

    fn note(&self, change: &mut dyn FnMut(&mut FeedFacts)) {
        change(&mut self.facts.lock().unwrap());
    }
}
