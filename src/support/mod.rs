//! What every part stands on: each file is one noun.
//!
//! * [`shutdown`]: the word to stop
//! * [`time`]: the clocks, real or set by a test
//! * [`quantity`]: durations and sizes as text
//! * [`root`]: `/proc`, `/sys` and `/` of the device, movable
//! * [`secret`]: values that no log, page or error shows

pub mod quantity;
pub mod root;
pub mod secret;
pub mod shutdown;
pub mod time;
