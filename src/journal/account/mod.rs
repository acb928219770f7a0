//! What a journal knows apart from where its blocks lie: who waits for which of them, what became of the others, and
//! what the clocks said. It does no I/O; the journals on their media write what it says and tell it what they read.
//!
//! * `state`: what records come to
//! * `described`: a block with its number, as bytes
//! * `change`, `snapshot`: what changes it, and all of it, as bytes
//! * `settling`: what settling, evicting and expiring change
//! * `picking`: which blocks a read asks for; depth
//! * `outputs`: which outputs blocks are kept for
//! * `healing`: accounts that close after damage
//! * `receipts`: names of what blocks were made of
//! * `times`: re-dating, ages, amendments

pub(in crate::journal) mod change;
pub(in crate::journal) mod described;
mod healing;
pub(in crate::journal) mod outputs;
pub(in crate::journal) mod picking;
pub(in crate::journal) mod receipts;
mod settling;
pub(in crate::journal) mod snapshot;
pub(in crate::journal) mod state;
pub(in crate::journal) mod times;
