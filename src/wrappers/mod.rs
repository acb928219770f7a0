//! Which points a window becomes.
//!
//! * [`aggregation`]: what is told of observations, and what that is called
//! * [`datadog`]: the points that Datadog expects of each kind
//! * [`simple`]: a sum or a mean, and how many samples there were

pub mod aggregation;
pub mod datadog;
pub mod simple;

pub use aggregation::{Aggregation, DEFAULT_PERCENTILES};
