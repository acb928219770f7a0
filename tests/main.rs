//! Every test of the running agent, in one binary: it links once.
//!
//! `tests/run` installs the services that some of these tests need and hands their paths over; without it those tests
//! skip themselves and say so (see `support::services`).

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a failed expectation is a failed test; Clippy sees only the tests themselves as such, not what they share"
)]

#[allow(
    dead_code,
    reason = "a kit for the tests to come: not every part of it is used yet"
)]
mod support;

mod aggregation;
mod bad_records;
mod cases;
mod chaos;
mod cli;
mod clock;
mod cluster;
mod container_logs;
mod delivery;
mod disk;
mod docker;
mod dramatiq;
mod engine;
mod exactly_once;
mod exposition;
mod feed_logs;
mod found;
mod k8s;
mod layers;
mod logs;
mod names;
mod namespace;
mod newcomer;
mod openmetrics;
mod prometheus;
mod rabbitmq;
mod redis_away;
mod redis_feed;
mod resp;
mod self_metrics;
mod servers;
mod topologies;
mod upgrade;
mod victoria;
