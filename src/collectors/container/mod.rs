//! Containers and pods.
//!
//! * [`docker`]: the containers of an engine: Docker, Podman
//! * [`k8s`]: a Kubernetes node and its pods

pub mod docker;
pub mod k8s;
