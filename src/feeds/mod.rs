//! Feeds: they accept what applications hand in.
//!
//! * [`container_logs`]: what containers print
//! * [`redis`]: the queues that the client library writes in a Redis
//! * [`resp`]: the same client library without a Redis: the agent answers itself

pub mod container_logs;
pub mod redis;
pub mod resp;
