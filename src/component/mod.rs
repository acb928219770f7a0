//! The contracts of everything that plugs in, and their errors.
//!
//! # Rules
//!
//! * `build` MUST check its settings and MUST NOT connect; `collect`, `probe` and `send` connect.
//! * A component MUST NOT retry: it returns the right error, and its driver decides.
//! * A component MUST NOT log an error that it returns: the driver logs.
//! * A collector MUST read its target once in one `collect`, SHOULD do so in one round trip, and MUST leave out
//!   what it does not know; it MUST NOT report zero for unknown.
//! * All I/O MUST have a timeout and a size cap.
//! * Bad settings MUST be reported all at once, each with its path and what was expected.
//!
//! # Children
//!
//! * [`dating`]: how far off a block's clock was
//! * [`descriptor`]: what a component says of itself
//! * [`entry`]: how a component is made
//! * [`collector`]: polled, asks one target
//! * [`feed`]: accepts what applications hand in
//! * [`wrapper`]: decides which points a window becomes
//! * [`journal`]: the store-and-forward log
//! * [`item_set`]: which items of a block are meant
//! * [`receipt`]: what makes sure that a hand-over is journalled once
//! * [`output`]: one destination
//! * [`sighting`]: what a collector sees before anybody configured it
//! * [`settings`]: a section of the settings, and every problem in it
//! * [`turn`]: readings that may block, one at a time

pub mod collector;
pub mod dating;
pub mod descriptor;
pub mod entry;
pub mod feed;
pub mod item_set;
pub mod journal;
pub mod output;
pub mod receipt;
pub mod settings;
pub mod sighting;
pub mod turn;
pub mod wrapper;
