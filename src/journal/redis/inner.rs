//! What a journal in Redis is while the process lives: what it knows, and what it is about to write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tracing::{info, warn};

use crate::component::journal::{DropReason, EntryId, Journal, JournalError, OutputId, Receipt, ReceiptId};
use crate::journal::account::described::Described;
use crate::journal::account::state::{Place, State, kind_index};
use crate::journal::redis::RedisSettings;
use crate::journal::redis::keys::Keys;
use crate::model::block::Block;
use crate::model::time::ClockStamp;
use crate::support::time::Clock;

/// See the module.
pub(super) struct Inner {
    pub(super) settings: RedisSettings,
    pub(super) clock: Clock,
    /// `<agent id>:<random>`: holds streams for this process alone.
    pub(super) token: String,
    /// A stream of somebody else that was taken over: it is never exchanged for another one.
    pub(super) adopted: bool,
    /// The journal that takes what Redis does not: what both have is there only.
    pub(super) elsewhere: Mutex<Option<Weak<dyn Journal>>>,
    /// One write at a time: each rests on what the one before it made.
    pub(super) turn: tokio::sync::Mutex<Turn>,
    /// A std mutex: it is held for a look-up or one change. Only who has the turn changes the state.
    known: Mutex<Known>,
}

/// What all may look at.
#[derive(Default)]
pub(super) struct Known {
    /// The truth while this process lives; Redis has it as of the last write.
    pub(super) state: State,
    /// Whether a stream was ever held: before that nothing is known.
    pub(super) begun: bool,
    pub(super) generation: u64,
    pub(super) damaged: u64,
    pub(super) written: u64,
    pub(super) write_error: Option<String>,
}

/// What the one writer knows.
#[derive(Default)]
pub(super) struct Turn {
    /// The stream that is held, and its incarnation.
    pub(super) stream: Option<(Keys, String)>,
    /// Whether Redis is known to have what was written last.
    pub(super) sure: bool,
    /// The connection by which that is known.
    pub(super) epoch: u64,
    /// The number of the last attempt to write.
    pub(super) attempt: u64,
    /// The number of the write that Redis has; 0 where it has none.
    pub(super) write: u64,
    /// An append that was not answered.
    pub(super) doubt: Option<Doubt>,
    /// The last block that was appended, and its receipt.
    pub(super) last: (u64, Option<ReceiptId>),
    /// The state changed since it was written.
    pub(super) dirty: bool,
    /// Blocks that nobody waits for and that Redis still has.
    pub(super) unneeded: BTreeSet<u64>,
    /// Names under which blocks in doubt are kept elsewhere, until nothing is in doubt.
    pub(super) doubtful: Vec<ReceiptId>,
    /// Numbers begin here at least: blocks of a stream that was lost may still be spoken of.
    pub(super) floor: u64,
    /// Receipts to be forgotten, for when there is a stream.
    pub(super) forgotten: Vec<ReceiptId>,
    /// The right time of this boot, for when there is a stream to note it in.
    pub(super) dated: Option<ClockStamp>,
}

/// An append that Redis may or may not have executed.
pub(super) struct Doubt {
    pub(super) write: u64,
    pub(super) planned: Arc<Planned>,
}

/// An append, ready to be written.
pub(super) struct Planned {
    pub(super) described: Described,
    pub(super) value: Vec<u8>,
    /// The oldest blocks, which make room.
    pub(super) evicted: Vec<u64>,
}

impl Turn {
    /// From now on nobody knows whether Redis has this append.
    pub(super) fn doubts(&mut self, write: u64, planned: &Arc<Planned>) {
        (self.sure, self.dirty) = (false, true);
        self.doubt = Some(Doubt {
            write,
            planned: planned.clone(),
        });
    }
}

/// Why an append did not succeed.
#[derive(Debug)]
pub(in crate::journal) enum Failure {
    /// Nothing was stored.
    NotStored(JournalError),
    /// Nobody knows yet. Should it have been stored, and had it no receipt, it is taken out again; until then this names it.
    Unknown(JournalError, ReceiptId),
}

impl Inner {
    pub(super) fn new(settings: RedisSettings, clock: Clock, token: String, adopted: bool) -> Self {
        Self {
            settings,
            clock,
            token,
            adopted,
            elsewhere: Mutex::new(None),
            turn: tokio::sync::Mutex::new(Turn::default()),
            known: Mutex::new(Known::default()),
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn place(&self) -> String {
        self.settings.link.target().to_string()
    }

    /// Notes why Redis cannot be used, and says so once.
    pub(super) fn fails(&self, error: JournalError) -> JournalError {
        let before = self.known().write_error.replace(error.to_string());
        if before.is_none() {
            warn!(%error, "The journal in Redis cannot be used; it is tried on.");
        }
        error
    }

    /// Notes that it can be used.
    pub(super) fn works(&self) {
        if self.known().write_error.take().is_some() {
            info!(place = self.place(), "The journal in Redis can be used again.");
        }
    }

    /// Plans an append: what it is written as, and what makes room for it.
    pub(super) fn plan(&self, block: &Block, receipt: Option<&Receipt>) -> Result<Planned, JournalError> {
        let now = self.clock.stamp(true);
        let mut known = self.known();
        let state = &mut known.state;
        state.retire_absent(now);
        let described = Described {
            receipt: receipt.map(|receipt| receipt.id),
            id: state.next,
            appended: state.appended[kind_index(block.kind)] + u64::from(block.items),
            foreign: false,
            payload: block.payload.len(),
            block: block.clone(),
        };
        let value = crate::journal::redis::entry::write(&described);
        let (need, bound) = (value.len() as u64, self.settings.bound);
        if need > bound {
            return Err(JournalError::TooLarge { bytes: need, bound });
        }
        let mut bytes = held_bytes(state) + need;
        let evicted = state.held.iter().map_while(|(id, held)| {
            (bytes > bound).then(|| {
                bytes -= u64::from(held.place.length);
                *id
            })
        });
        Ok(Planned {
            evicted: evicted.collect(),
            described,
            value,
        })
    }
}

/// Bytes of the blocks that some output waits for, with their descriptions.
pub(super) fn held_bytes(state: &State) -> u64 {
    state.held.values().map(|held| u64::from(held.place.length)).sum()
}

impl Planned {
    fn place(&self) -> Place {
        Place {
            length: u32::try_from(self.value.len()).unwrap_or(u32::MAX),
            ..Place::default()
        }
    }

    /// Puts it into a state, as it was written; what each output lost.
    pub(super) fn apply(&self, state: &mut State) -> BTreeMap<OutputId, u64> {
        let (lost, changes) = state.given_up(&self.evicted, DropReason::Evicted);
        for change in changes {
            state.apply(change);
        }
        // What nobody waited for is not in a change.
        for id in &self.evicted {
            state.release(*id);
        }
        state.add_block(&self.described, Some(self.place()));
        state.release(self.described.id);
        lost
    }

    /// The state as it will be, as bytes. It is left as it was but for what clocks said, which adds nothing wrong.
    pub(super) fn snapshot(&self, state: &mut State) -> Vec<u8> {
        use crate::journal::account::snapshot::write;
        if !self.evicted.is_empty() {
            let mut after = state.clone();
            self.apply(&mut after);
            return write(&after);
        }
        let next = state.next;
        self.apply(state);
        let bytes = write(state);
        self.take_back(state);
        state.next = next;
        bytes
    }

    /// Makes as if the block had never been appended.
    pub(super) fn take_back(&self, state: &mut State) {
        if let Some(receipt) = self.described.receipt {
            state.receipts.forget(receipt);
        }
        take_back(
            state,
            self.described.id,
            self.described.block.kind,
            self.described.block.items,
        );
    }

    pub(super) fn id(&self) -> EntryId {
        EntryId(self.described.id)
    }
}

/// Makes as if a block that nobody has settled anything of had never been appended.
pub(super) fn take_back(state: &mut State, id: u64, kind: crate::model::block::BlockKind, items: u32) {
    state.held.remove(&id);
    let appended = &mut state.appended[kind_index(kind)];
    *appended = appended.saturating_sub(u64::from(items));
}
