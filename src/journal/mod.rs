//! The store-and-forward log, on disk or in Redis: blocks, cursors, healing.
//!
//! * [`points`]: points as the payload of a block
//! * [`logs`]: log records as one
//! * [`disk`]: the journal in segment files
//! * [`kinds`]: logs apart from everything else
//! * [`redis`]: the journal in Redis
//! * [`spill`]: both, the disk while Redis is away
//! * [`inspect`]: looking into one on disk without opening it
//!
//! # What is remembered of receipts
//!
//! A receipt is remembered apart from its block, from the append until the feed says that it has cleaned up: a block may
//! be delivered and gone long before that. The memory is a part of the account, which both media write with the block.
//! It is bounded (100,000 at most, fewer on a small disk); where feeds never said so, the oldest go, with a warning.
//!
//! This alone would not make a hand-over to a disk happen once: nobody can tell whether a claim in Redis still holds in
//! the moment in which a disk is written. So the feed seals its claim first, and the memory then answers the one question
//! that is left, whether this agent had journalled it. A journal in Redis needs no seal: it checks
//! the claim's lease in the same write. That is why [`spill`] never puts a block with a fence on disk.
//!
//! # Blocks in Redis
//!
//! A stream is never trimmed: blocks that every output has settled are deleted one by one, because they settle in any
//! order (live data goes first).

mod account;
mod bits;
mod dictionary;
pub mod disk;
mod fits;
pub mod inspect;
pub mod kinds;
pub mod logs;
mod packing;
pub mod points;
pub mod redis;
pub mod spill;
mod values;
mod wire;

#[cfg(test)]
mod conformance;
