//! Containers and pods.
//!
//! * [`docker`]: the containers of an engine: Docker, Podman

pub mod docker;
