//! A Redis server, a group of them behind Sentinels, or a cluster: where it is, and one link to it.
//!
//! Commands and options of Redis 5.0 only.
//!
//! * [`target`]: where it is and how one logs in
//! * [`link`]: a connection that is made when it is needed, and again after it broke

pub mod link;
pub mod target;
