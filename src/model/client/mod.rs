//! What the Chouette-IoT client library writes, whatever brings it here: read, and tallied into windows.
//!
//! * [`record`]: a metric record
//! * [`wrapped`]: a point that the original agent left in its queue of wrapped metrics
//! * [`log`]: a log record
//! * [`tally`]: metric records brought together in windows

pub mod log;
pub mod record;
pub mod tally;
pub mod wrapped;
