//! Containers and pods.
//!
//! * [`k8s`]: a Kubernetes node and its pods

pub mod k8s;
