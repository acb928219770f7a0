//! The journal's contract: an append-only log of blocks with one cursor for each output.
//!
//! For every output the balance closes, exactly, whatever dies when:
//! `wrapped = delivered + pending + dropped (by reason)`, counted in items since the output is known.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use crate::component::item_set::ItemSet;
pub use crate::component::receipt::{Fence, Receipt, ReceiptId};
use crate::model::block::{Block, BlockKind};
use crate::model::time::{ClockStamp, Timestamp};

/// An output's name in the settings; its cursor and totals are kept under it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputId(pub Arc<str>);

impl OutputId {
    /// Takes the name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for OutputId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A block's number in its journal; later blocks have greater ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub u64);

/// Why items left the journal without having been delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// Older than the time-to-live of their kind.
    TooOld,
    /// The journal's bound in bytes made room for newer ones.
    Evicted,
    /// The destination refused just them.
    Refused,
    /// Their record was damaged on the medium.
    Damaged,
}

impl DropReason {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::TooOld, Self::Evicted, Self::Refused, Self::Damaged];

    /// The word for this reason in labels and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooOld => "too_old",
            Self::Evicted => "evicted",
            Self::Refused => "refused",
            Self::Damaged => "damaged",
        }
    }
}

/// What an append did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "says what was evicted to make room"]
pub struct Appended {
    /// The new block's number.
    pub id: EntryId,
    /// Items that each output lost to the bound, by output; outputs that lost none are not named.
    pub evicted: BTreeMap<OutputId, u64>,
}

/// Which blocks a read asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// Which kind.
    pub kind: BlockKind,
    /// Only blocks with a greater number.
    pub after: Option<EntryId>,
    /// Only blocks whose newest item, re-dated, is at or after this moment.
    pub not_before: Option<Timestamp>,
    /// Only blocks whose newest item, re-dated, is before this moment.
    pub before: Option<Timestamp>,
    /// What the clocks say now: blocks that were made under a wrong clock are re-dated by it.
    pub now: ClockStamp,
    /// No more items than this, but at least one block.
    pub most_items: u64,
    /// No more payload bytes than this, but at least one block.
    pub most_bytes: u64,
}

/// A block that an output has not settled yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub id: EntryId,
    /// The block as appended.
    pub block: Block,
    /// Milliseconds to add to the block's times because its clock was wrong; 0 for a right one. `None`: its clock
    /// was wrong and nobody can tell the right time (yet).
    pub shift: Option<i64>,
    /// Which items this output has settled already, by index; empty for none.
    pub settled: ItemSet,
}

/// What became of items of one block at one output. Items that are named nowhere stay pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The block.
    pub id: EntryId,
    /// The items that are settled after this: those that were before, and the new ones. `None`: all of them.
    pub settled: Option<ItemSet>,
    /// How many items were delivered since the last settlement of this block.
    pub delivered: u64,
    /// How many were dropped since then, by reason. With `delivered` it accounts for every newly settled item.
    pub dropped: BTreeMap<DropReason, u64>,
}

/// One output's account for one kind, in items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Appended since the output is known.
    pub wrapped: u64,
    /// Acknowledged by the destination.
    pub delivered: u64,
    /// Given up, by reason.
    pub dropped: BTreeMap<DropReason, u64>,
}

impl Balance {
    /// What is neither delivered nor dropped: it lies in the journal.
    pub fn pending(&self) -> u64 {
        self.wrapped
            .saturating_sub(self.delivered)
            .saturating_sub(self.dropped.values().sum())
    }
}

/// How much waits for one output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Blocks that are not settled.
    pub blocks: u64,
    /// Items in them that are not settled.
    pub items: u64,
    /// Payload bytes of those blocks.
    pub bytes: u64,
    /// The re-dated time of the oldest waiting block's oldest item.
    pub oldest: Option<Timestamp>,
}

/// What the whole journal holds and has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalStatus {
    /// Bytes on the medium, all files.
    pub bytes: u64,
    /// The bound on them.
    pub bound: u64,
    /// Blocks that some output still waits for.
    pub blocks: u64,
    /// Items in them.
    pub items: u64,
    /// Payload bytes of those blocks.
    pub payload_bytes: u64,
    /// Bytes written to the medium since the start of this process.
    pub bytes_written: u64,
    /// Damaged records that were skipped, and torn tails that were cut, since the start of this process.
    pub damaged_records: u64,
    /// Blocks of a newer format that are kept and skipped.
    pub foreign_blocks: u64,
    /// What went wrong with the last write; `None` when it succeeded.
    pub write_error: Option<String>,
}

impl JournalStatus {
    /// What two journals hold and have done together; the first one's write error before the other's.
    pub fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            bound: self.bound + other.bound,
            blocks: self.blocks + other.blocks,
            items: self.items + other.items,
            payload_bytes: self.payload_bytes + other.payload_bytes,
            bytes_written: self.bytes_written + other.bytes_written,
            damaged_records: self.damaged_records + other.damaged_records,
            foreign_blocks: self.foreign_blocks + other.foreign_blocks,
            write_error: self.write_error.or(other.write_error),
        }
    }
}

/// The store-and-forward log. It keeps blocks until every output has settled them, or a limit says otherwise.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Adds a block for all outputs. When this returns, the block survives a kill of the process, and a power
    /// failure as the `sync` setting says.
    ///
    /// # Errors
    /// Nothing was stored: the medium is full or failing, or the block alone is larger than the bound.
    async fn append(&self, block: Block) -> Result<Appended, JournalError>;

    /// Adds a block as [`Journal::append`] does, and remembers its receipt in the same write, until
    /// [`Journal::forget`], even when the block itself is long gone. A journal that takes fences checks and marks the
    /// receipt's in the same write.
    ///
    /// # Errors
    /// As [`Journal::append`]; and [`JournalError::Fenced`]. After any other error it may have been stored all the same:
    /// ask [`Journal::remembers`], or look at the fence's table.
    async fn append_with(&self, block: Block, receipt: &Receipt) -> Result<Appended, JournalError>;

    /// Marks a receipt's fence as [`Journal::append_with`] does, without a block: nothing came of what the receipt
    /// stands for. A journal that takes no fences has nothing to do.
    ///
    /// # Errors
    /// As [`Journal::append_with`].
    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), JournalError> {
        let _ = receipt;
        Ok(())
    }

    /// Whether the fences of receipts are checked and marked in the same write as the block.
    fn takes_fences(&self) -> bool {
        false
    }

    /// Whether a block with this receipt was appended and the receipt not been forgotten.
    async fn remembers(&self, receipt: ReceiptId) -> bool;

    /// Forgets receipts; unknown ones are passed over.
    ///
    /// # Errors
    /// The medium fails; they are still remembered.
    async fn forget(&self, receipts: &[ReceiptId]) -> Result<(), JournalError>;

    /// Changes whenever blocks may have come to light behind a reader's back, with numbers below the ones it has read:
    /// whoever reads in order of the numbers begins again then.
    fn generation(&self) -> u64 {
        0
    }

    /// Whether all of it was looked at: a part may be away. [`Journal::windows`] looks for that.
    fn is_whole(&self) -> bool {
        true
    }

    /// Reads blocks that the output has not settled, oldest number first.
    ///
    /// # Errors
    /// The medium fails. A damaged record is no error: it is dropped and counted.
    async fn read(&self, output: &OutputId, request: &ReadRequest) -> Result<Vec<Entry>, JournalError>;

    /// Settles items of blocks and moves the output's totals in the same write. Unknown blocks (evicted meanwhile)
    /// are passed over: their items were accounted for then.
    ///
    /// # Errors
    /// The medium fails; nothing was settled.
    async fn settle(&self, output: &OutputId, settlements: &[Settlement]) -> Result<(), JournalError>;

    /// Drops, as [`DropReason::TooOld`], the items of every whole block whose newest item is older than
    /// `time_to_live`, and says how many for each output. The age of a block of this boot is measured by the time
    /// since boot, so that a step of the wall clock expires nothing. Blocks that cannot be dated are kept.
    ///
    /// # Errors
    /// The medium fails; nothing was dropped.
    async fn expire(
        &self,
        kind: BlockKind,
        time_to_live: Duration,
        now: ClockStamp,
    ) -> Result<BTreeMap<OutputId, u64>, JournalError>;

    /// Remembers what the wall clock of this boot should have shown: `right` was read when it was plausible. Blocks
    /// of this boot that were made under a wrong clock are re-dated by it, after a reboot too.
    ///
    /// # Errors
    /// The medium fails.
    async fn date_boot(&self, right: ClockStamp) -> Result<(), JournalError>;

    /// The time of the newest journalled item that speaks against a wall clock which shows less: blocks of this boot
    /// that were made under a clock ahead of `now`'s do not count, because the clock was put back since.
    async fn newest_time(&self, now: ClockStamp) -> Option<Timestamp>;

    /// The highest amendment of every window start (seconds) of the last `within`, as far as blocks are known.
    async fn windows(&self, within: Duration, now: ClockStamp) -> BTreeMap<i64, u32>;

    /// How much waits for an output.
    async fn depth(&self, output: &OutputId, kind: BlockKind, now: ClockStamp) -> Depth;

    /// The output's account.
    async fn balance(&self, output: &OutputId, kind: BlockKind) -> Balance;

    /// What the whole journal holds and has done.
    async fn status(&self) -> JournalStatus;

    /// Brings everything to the medium, whatever `sync` says.
    ///
    /// # Errors
    /// The medium fails.
    async fn flush(&self) -> Result<(), JournalError>;
}

/// Why the journal could not do as told.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The medium fails or is full.
    #[error("the journal in {place} cannot {action}: {source}")]
    Medium {
        /// The folder, or the server.
        place: String,
        /// What was tried: `write`, `read`, …
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A block that is larger than the whole bound.
    #[error(
        "a block of {bytes} bytes does not fit into a journal bound to {bound} bytes; raise `journal.bound`"
    )]
    TooLarge {
        /// The block's size.
        bytes: u64,
        /// The bound.
        bound: u64,
    },
    /// Another process has the journal.
    #[error(
        "the journal in {place} is in use by process {pid}; stop it, or give this one a folder of its own (TAWNY_JOURNAL_DIR)"
    )]
    InUse {
        /// The folder.
        place: String,
        /// The process that holds it, as far as its lock file tells.
        pid: String,
    },
    /// Another agent has taken over the stream in Redis, because this one slept past its lease. Nothing was stored.
    #[error("another agent has taken over this journal in {place}; what is in it is delivered there")]
    TakenOver {
        /// The server.
        place: String,
    },
    /// The receipt's fence does not hold: somebody else has the claim. Nothing was stored.
    #[error("another agent has taken over what the block was made of")]
    Fenced,
    /// Items that cannot be read back from a block.
    #[error("a block cannot be decoded: {reason}")]
    Undecodable {
        /// What was wrong.
        reason: String,
    },
}
