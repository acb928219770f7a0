//! What the agent polls, in groups; a collector is one file and one line in [`crate::catalog`].
//!
//! * [`host`]: the device itself: CPU, memory, filesystems, network, disks
//! * [`device`]: what only some devices have: a Jetson's tegrastats, a Raspberry Pi's firmware
//! * [`container`]: containers and pods: Docker, Kubernetes
//! * [`queue`]: task queues: Dramatiq

pub mod container;
pub mod device;
pub mod host;
pub mod queue;
