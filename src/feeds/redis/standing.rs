//! What is known of the feed: what keeps it from reading, said once, and its counts.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tracing::{info, warn};

use crate::component::feed::Recorder;
use crate::feeds::redis::keys::Queue;
use crate::support::redis::link::LinkError;

/// Why a piece of work did not come to its end. What it had claimed is found again in the table of claims.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    /// The server is away or does not answer; nothing can be read.
    Server(String),
    /// The server refuses what concerns one queue: a key of a wrong type, no permission.
    Queue {
        /// Which.
        queue: Queue,
        /// What it says.
        reason: String,
    },
    /// Somebody else has the claim.
    Lost,
    /// The claim holds other records than those that were read: an answer had failed to come.
    Changed,
    /// The journal did not take it, or did not say so.
    Journal(String),
}

impl Fault {
    /// What an error means while one queue is worked on.
    pub(super) fn of(queue: Queue, error: &LinkError) -> Self {
        match error {
            LinkError::Refused { reason, .. } => Self::Queue {
                queue,
                reason: reason.clone(),
            },
            _ => Self::Server(error.to_string()),
        }
    }
}

/// What keeps the feed from reading now, by topic.
#[derive(Debug, Default)]
pub(super) struct Standing {
    troubles: Mutex<BTreeMap<&'static str, String>>,
}

impl Standing {
    /// Notes a trouble, and logs it where the topic had none.
    pub(super) fn trouble(&self, into: &dyn Recorder, topic: &'static str, reason: &str) {
        let text = self.change(|troubles| {
            let news = troubles.insert(topic, reason.to_owned()).is_none();
            if news {
                warn!(
                    feed = "redis",
                    topic, reason, "The feed cannot read; it keeps trying."
                );
            }
        });
        into.note(&mut |facts| facts.trouble.clone_from(&text));
    }

    /// Notes what keeps the feed from one thing beside applications' metrics, which it goes on reading.
    pub(super) fn warning(&self, into: &dyn Recorder, topic: &'static str, reason: &str) {
        let mut news = false;
        into.note(&mut |facts| news = facts.warnings.insert(topic, reason.to_owned()).is_none());
        if news {
            warn!(
                feed = "redis",
                topic, reason, "The feed cannot read this; it keeps trying."
            );
        }
    }

    /// Notes that a topic has no trouble any more.
    pub(super) fn well(&self, into: &dyn Recorder, topic: &'static str) {
        let mut warned = false;
        into.note(&mut |facts| warned = facts.warnings.remove(topic).is_some());
        if warned {
            info!(feed = "redis", topic, "The feed reads this again.");
        }
        let mut was = false;
        let text = self.change(|troubles| was = troubles.remove(topic).is_some());
        if was {
            info!(feed = "redis", topic, "The feed reads again.");
            into.note(&mut |facts| facts.trouble.clone_from(&text));
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<&'static str, String>)) -> Option<String> {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut troubles);
        let texts: Vec<String> = troubles
            .iter()
            .map(|(topic, reason)| format!("{topic}: {reason}; tried again"))
            .collect();
        (!texts.is_empty()).then(|| texts.join(". "))
    }
}
