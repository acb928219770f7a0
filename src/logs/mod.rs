//! What is done with lines of text, wherever they come from; feeds use it.
//!
//! It stands below the feeds, and not beside them, because a feed follows lines and these rooms know nothing of feeds.
//!
//! * [`classify`]: a line's level, by keywords
//! * [`mapping`]: which keywords are whose, from a file
//! * [`lines`]: pieces of two streams as whole lines
//! * [`rotate`]: lines into files, within bounds

pub mod classify;
pub mod lines;
pub mod mapping;
pub mod rotate;
