//! From closed windows to delivered points.
//!
//! * [`clock`]: whether the wall clock can be believed
//! * [`close`]: closes windows, wraps them and appends the points to the journal

mod amendments;
pub mod clock;
pub mod close;
mod codec;
#[cfg(test)]
mod fakes;
mod ledger;
mod merge;
