//! What a feed gives along with what it hands over, so that it is journalled once.

use std::fmt;

/// Names what a block was made of, so that it is made once. Feeds draw them at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiptId(pub u128);

impl fmt::Display for ReceiptId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

/// What a feed gives along with what it hands over; the journal commits it in the same write as the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its name.
    pub id: ReceiptId,
    /// For a journal that [takes fences](crate::component::journal::Journal::takes_fences); `None` where the feed made sure of it before.
    pub fence: Option<Fence>,
}

/// A condition on a claim in Redis, and what marks the claim as done: a journal in the same Redis checks the one and
/// writes the other in the transaction that appends the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The key of a string that must hold `token`, or the fence does not hold.
    pub lease: String,
    /// See `lease`.
    pub token: String,
    /// The key of a hash whose field `entry` is then set to `done`.
    pub table: String,
    /// See `table`.
    pub entry: String,
    /// See `table`.
    pub done: String,
}
