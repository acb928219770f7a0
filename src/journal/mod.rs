//! The store-and-forward log on disk: blocks, segment files, cursors, healing.
//!
//! * [`points`]: points as the payload of a block
//! * [`disk`]: the journal in segment files
//! * [`inspect`]: looking into one without opening it

mod account;
mod bits;
mod dictionary;
pub mod disk;
mod fits;
pub mod inspect;
pub mod points;
mod values;
mod wire;

#[cfg(test)]
mod conformance;
