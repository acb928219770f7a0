//! Writes what connections send: all that waits at one moment together, then the answers.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::component::feed::Recorder;
use crate::feeds::resp::store::{Moment, Store};
use crate::feeds::resp::write::{Refusal, Write};

/// Most batches that are written together.
const MOST: usize = 256;
/// Commands above which no further batch joins.
const ENOUGH: usize = 4096;

/// What one connection sends at once.
pub(super) struct Batch {
    /// What to store, all or nothing.
    pub(super) writes: Vec<Write>,
    /// How many halves of each command were new; or why nothing was stored.
    pub(super) answer: oneshot::Sender<Result<Vec<u64>, Refusal>>,
}

/// Writes until no connection is left. Blocks.
pub(super) fn run(store: &Mutex<Store>, into: &dyn Recorder, mut batches: mpsc::Receiver<Batch>) {
    while let Some(first) = batches.blocking_recv() {
        let mut commands = first.writes.len();
        let mut group = vec![first];
        while group.len() < MOST && commands < ENOUGH {
            let Ok(next) = batches.try_recv() else { break };
            commands += next.writes.len();
            group.push(next);
        }
        let at = Moment {
            now: into.now(),
            closed_before: into.closed_before(),
        };
        let sent: Vec<&[Write]> = group.iter().map(|batch| &batch.writes[..]).collect();
        let answers = store
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .accept(&sent, at);
        for (batch, answer) in group.into_iter().zip(answers) {
            // A connection that is gone asks no more.
            let _ = batch.answer.send(answer);
        }
    }
}
