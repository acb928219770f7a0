//! A Redis of a test's own, and a client that writes as the client library does.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, FromRedisValue, cmd, pipe};

use crate::support::redis::fixture::Fixture;
use crate::support::redis::target::Target;

/// The server, killed when this is dropped.
pub(super) struct Server(Fixture);

impl Server {
    /// `None` where the program is missing: then the test is skipped by name.
    pub(super) fn start(test: &str) -> Option<Self> {
        Fixture::start(test, &[]).map(Self)
    }

    /// The same; it acknowledges nothing that a kill could take back.
    pub(super) fn start_durable(test: &str) -> Option<Self> {
        Fixture::start(test, &["--appendonly", "yes", "--appendfsync", "always"]).map(Self)
    }

    pub(super) fn target(&self) -> Target {
        self.0.target()
    }

    pub(super) async fn connect(&self) -> MultiplexedConnection {
        let client = Client::open(format!("redis://127.0.0.1:{}", self.0.port())).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        connection.set_response_timeout(Duration::from_secs(60));
        connection
    }

    pub(super) fn stop(&mut self) {
        self.0.stop();
    }

    /// Starts it anew with what its append-only file holds.
    pub(super) fn restart(&mut self) {
        self.0.restart();
    }
}

/// Asks as a person at a console would.
pub(super) async fn ask<T: FromRedisValue>(to: &MultiplexedConnection, words: &[&str]) -> T {
    let mut command = cmd(words[0]);
    for word in &words[1..] {
        command.arg(*word);
    }
    command.query_async(&mut to.clone()).await.unwrap()
}

/// One record for a queue: key, score, value.
pub(super) struct Given {
    pub(super) key: String,
    pub(super) score: f64,
    pub(super) value: Vec<u8>,
}

/// Writes as the client library does: a ZADD and an HSET in one MULTI, many of them in one pipeline.
pub(super) async fn write(to: &MultiplexedConnection, queue: &str, records: &[Given]) {
    let (keys, values) = (
        format!("chouette:{queue}.keys"),
        format!("chouette:{queue}.values"),
    );
    for part in records.chunks(5000) {
        let mut all = pipe();
        for record in part {
            all.cmd("MULTI").ignore();
            all.cmd("ZADD")
                .arg(&keys)
                .arg(record.score)
                .arg(&record.key)
                .ignore();
            all.cmd("HSET")
                .arg(&values)
                .arg(&record.key)
                .arg(&record.value)
                .ignore();
            all.cmd("EXEC").ignore();
        }
        let _: () = all.query_async(&mut to.clone()).await.unwrap();
    }
}
