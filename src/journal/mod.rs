//! The store-and-forward log on disk: blocks, segment files, cursors, healing.

mod bits;
mod dictionary;
pub mod points;
mod values;
mod wire;
