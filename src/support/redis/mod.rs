//! A Redis server, a group of them behind Sentinels, or a cluster: where it is, and one link to it.
//!
//! Commands and options of Redis 5.0 only.
//!
//! * [`target`]: where it is and how one logs in
//! * [`address`]: URLs of it
//! * [`link`]: a connection that is made when it is needed, and again after it broke
//! * `connect`: how one connection is made
//! * [`failure`]: what went wrong, and whether the command may have been executed
//! * `fixture`: a Redis for tests

pub mod address;
mod connect;
pub mod failure;
#[cfg(test)]
pub(crate) mod fixture;
pub mod link;
pub mod target;
#[cfg(test)]
mod tests;
