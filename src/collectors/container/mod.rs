//! Containers and pods.
