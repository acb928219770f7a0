//! Which points a window becomes.
//!
//! * [`datadog`]: the points that Datadog expects of each kind
//! * [`simple`]: a sum or a mean, and how many samples there were

pub mod datadog;
pub mod simple;

pub use datadog::aggregation::{Aggregation, DEFAULT_PERCENTILES};
