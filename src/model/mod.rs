//! What flows through the agent: definitions, labels, samples, windows, points. No tokio, no I/O.
//!
//! * [`metric`]: what a metric is called and means
//! * [`labels`]: an interned, sorted label set
//! * [`sample`]: one observation, as collectors and feeds hand it in
//! * [`window`]: all samples of one aligned interval, aggregated a series
//! * [`distribution`]: the observations of a window, exact or as a sketch
//! * [`point`]: one value ready to push
//! * [`block`]: what the journal stores
//! * [`time`]: wall-clock moments and the stamp of a boot

pub mod block;
pub mod distribution;
pub mod labels;
pub mod metric;
pub mod point;
pub mod sample;
pub mod time;
pub mod window;
