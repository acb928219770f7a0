//! The store-and-forward log, on disk or in Redis: blocks, cursors, healing.
//!
//! * [`points`]: points as the payload of a block
//! * [`logs`]: log records as one
//! * [`disk`]: the journal in segment files
//! * [`kinds`]: logs apart from everything else
//! * [`redis`]: the journal in Redis
//! * [`spill`]: both, the disk while Redis is away
//! * [`inspect`]: looking into one without opening it

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
