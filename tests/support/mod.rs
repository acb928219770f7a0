//! What the tests stand on: real services, the running agent, a stub of Datadog's intake, and a small HTTP client.
//!
//! All of it is synchronous for the test that calls it; what needs a runtime has one of its own.

pub(crate) mod account;
pub(crate) mod agent;
pub(crate) mod answers;
pub(crate) mod backlog;
pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod engine;
pub(crate) mod http;
pub(crate) mod image;
pub(crate) mod intake;
pub(crate) mod leftovers;
pub(crate) mod namespace;
pub(crate) mod page;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod rabbitmq;
pub(crate) mod redis;
pub(crate) mod relay;
pub(crate) mod services;
pub(crate) mod stub_engine;
pub(crate) mod wait;
pub(crate) mod workload;
