//! Tawny: one small agent that collects a device's metrics, shows them on `/metrics`, and delivers them
//! to Datadog and other backends through a store-and-forward journal, whatever the network does meanwhile.
//!
//! # The flow
//!
//! ```text
//! targets ◄──poll── collectors                      feeds ◄── applications (in Redis, or by its protocol)
//!                       ▼                            │ what they accepted stays with them
//!           registry: one entry a series             │
//!       running value │ open windows by time         │ windows that they tallied, once closed
//!          │    ▲            │ a window closes       │
//!          │    │            ▼                       ▼
//!          │    │         wrapper: window → points (logs as they are)
//!          │    │            ▼
//!          │    └─ then ── journal: append-only log of blocks, on disk or in Redis, one cursor per output
//!          ▼                 ▼
//!       expose            outputs: read → encode → send → ack
//!          ▲
//!      GET /metrics
//! ```
//!
//! Feeds keep windows of their own: the registry's open ones are in memory, and a kill would lose records of which a feed
//! had let go. What a feed hands over is journalled together with its receipt, and only then shown.
//!
//! # Layers
//!
//! A module imports from lower layers only; the modules of layer 4 never import each other.
//!
//! | layer | modules |
//! |---|---|
//! | 0 | [`model`]: definitions, labels, samples, windows, points. No tokio, no I/O |
//! | 1 | [`support`]: time, secrets, HTTP client, Redis link, filesystem roots |
//! | 2 | [`component`]: the contracts of collectors, feeds, wrappers, journals, outputs; [`logs`]: lines of text |
//! | 3 | [`registry`], [`journal`] |
//! | 4 | [`collectors`], [`feeds`], [`wrappers`], [`outputs`] |
//! | 5 | [`pipeline`]: windows to points to the journal; delivery |
//! | 6 | [`catalog`]: the one list of every component |
//! | 7 | [`config`]: files, environment and flags to checked settings |
//! | 8 | [`runtime`]: start and stop, scheduler, HTTP server |
//! | 9 | [`cli`]: the command line, the only place that prints |

pub mod catalog;
pub mod cli;
pub mod collectors;
pub mod component;
pub mod config;
pub mod feeds;
pub mod journal;
pub mod logs;
pub mod model;
pub mod outputs;
pub mod pipeline;
pub mod registry;
pub mod runtime;
pub mod support;
pub mod wrappers;
