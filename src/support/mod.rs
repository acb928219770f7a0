//! What every part stands on: each file is one noun.
//!
//! * [`shutdown`]: the word to stop
//! * [`time`]: the clocks, real or set by a test
//! * [`quantity`]: durations and sizes as text
//! * [`root`]: `/proc`, `/sys` and `/` of the device, movable
//! * [`secret`]: values that no log, page or error shows
//! * [`command`]: child processes, bounded
//! * [`engine`]: a container engine and the way to it
//! * [`filter`]: a choice by name
//! * [`http`]: the HTTP client
//! * [`identity`]: who this agent is
//! * [`pattern`]: patterns of names
//! * [`proxy`]: the proxies that it goes through
//! * [`tls`]: one connection's own way to verify and to say who we are
//! * [`trust`]: the certificates that it trusts
//! * [`redis`]: a Redis and a link to it
//! * [`url`]: how URLs are shown

pub mod command;
pub mod engine;
pub mod filter;
pub mod http;
pub mod identity;
pub mod pattern;
pub mod proxy;
pub mod quantity;
pub mod redis;
pub mod root;
pub mod secret;
pub mod shutdown;
pub mod time;
pub mod tls;
pub mod trust;
pub mod url;
