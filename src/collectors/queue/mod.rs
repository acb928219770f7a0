//! Task queues.
