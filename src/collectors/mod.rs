//! What the agent polls, in groups; a collector is one file and one line in [`crate::catalog`].
//!
//! * [`host`]: the device itself: CPU, memory, filesystems, network, disks

pub mod host;
