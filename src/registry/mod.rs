//! One entry a series: its running value, which a scrape shows, and its open windows, which are pushed.
//!
//! * [`board`]: what the agent knows of itself, for its own metrics and the status page
//! * [`expose`]: the pages of `/metrics`
//! * [`own`]: the agent's own metrics
//! * [`view`]: what a page's encoder sees of the registry

pub mod board;
pub mod expose;
pub mod own;
pub mod view;
