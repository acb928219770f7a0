//! What flows through the agent: definitions, labels, samples, windows, points. No tokio, no I/O.
//!
//! * [`metric`]: what a metric is called and means
//! * [`labels`]: an interned, sorted label set
//! * [`fold`]: how labels are told under a dotted name
//! * [`sample`]: one observation, as collectors and feeds hand it in
//! * [`window`]: all samples of one aligned interval, aggregated a series
//! * [`distribution`]: the observations of a window, exact or as a sketch
//! * [`point`]: one value ready to push
//! * [`tally`]: a closed window as a feed hands it over
//! * [`log`]: a log record of an application
//! * [`client`]: what the client library writes, read and tallied
//! * [`block`]: what the journal stores
//! * [`time`]: wall-clock moments and the stamp of a boot

pub mod block;
pub mod client;
pub mod distribution;
pub mod fold;
pub mod labels;
pub mod log;
pub mod metric;
pub mod point;
pub mod sample;
pub mod tally;
pub mod time;
pub mod window;
