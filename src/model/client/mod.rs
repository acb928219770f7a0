//! What the Chouette-IoT client library writes, whatever brings it here: read, and tallied into windows.
//!
//! * [`record`]: a metric record
//! * [`wrapped`]: a point that the original agent left in its queue of wrapped metrics
//! * [`log`]: a log record
//! * [`tally`]: metric records brought together in windows
//! * `json`: JSON values looked at where they stand
//! * `date`: moments as Python writes them
//! * `series`, `held`: who the tallied series are, and what each window holds of them

mod date;
mod held;
mod json;
pub mod log;
pub mod record;
mod series;
pub mod tally;
#[cfg(test)]
mod tests;
pub mod wrapped;
