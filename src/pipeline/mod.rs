//! From closed windows to delivered points.
//!
//! * [`clock`]: whether the wall clock can be believed
//! * [`close`]: closes windows, wraps them and appends the points to the journal
//! * [`hands`]: takes what feeds hand over, and journals it likewise
//! * [`recorder`]: what a feed sees of it
//! * [`windows`]: where the closer takes windows from
//! * [`deliver`]: one output's delivery: lanes, pacing, retries, parking

mod account;
mod amendments;
mod backoff;
mod batch;
mod bisect;
mod blocks;
pub mod clock;
pub mod close;
mod decide;
pub mod deliver;
mod eviction;
#[cfg(test)]
mod fakes;
pub mod hands;
mod lanes;
mod ledger;
mod merge;
mod merge_logs;
mod read;
pub mod recorder;
mod send;
mod standing;
mod step;
#[cfg(test)]
mod tests;
mod unit;
pub mod windows;
