//! Tests of what the client library writes, a file for each way of reading it.

mod log;
mod property;
mod record;
mod tally;
mod wrapped;
