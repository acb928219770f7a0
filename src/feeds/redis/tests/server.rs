//! A redis-server of a test's own, and a client that writes as the client library does.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, FromRedisValue, cmd, pipe};
use tempfile::TempDir;

use crate::support::redis::target::{Target, TargetKind};
use crate::support::secret::Secret;

/// The server, killed when this is dropped.
pub(super) struct Server {
    child: Child,
    port: u16,
    program: PathBuf,
    folder: TempDir,
    durable: bool,
}

impl Server {
    /// `None` where the program is missing: then the test is skipped by name.
    pub(super) async fn start(test: &str) -> Option<Self> {
        Self::start_with(test, false).await
    }

    /// The same; `durable`: it acknowledges nothing that a kill could take back.
    pub(super) async fn start_with(test: &str, durable: bool) -> Option<Self> {
        let program = std::env::var_os("TAWNY_TEST_REDIS").map_or("redis-server".into(), PathBuf::from);
        let there = Command::new(&program)
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .is_ok();
        if !there {
            skip(test, &program);
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let folder = TempDir::new().unwrap();
        let child = spawned(&program, port, &folder, durable);
        let server = Self {
            child,
            port,
            program,
            folder,
            durable,
        };
        server.connect().await;
        Some(server)
    }

    pub(super) fn target(&self) -> Target {
        target(self.port)
    }

    /// Waits until it answers.
    pub(super) async fn connect(&self) -> MultiplexedConnection {
        let client = Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        loop {
            if let Ok(mut connection) = client.get_multiplexed_async_connection().await
                && cmd("PING").query_async::<String>(&mut connection).await.is_ok()
            {
                connection.set_response_timeout(Duration::from_secs(60));
                return connection;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it anew after a stop, with what its append-only file holds.
    pub(super) fn start_again(&mut self) {
        self.child = spawned(&self.program, self.port, &self.folder, self.durable);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Redis on this machine, whether it is there or not.
pub(in crate::feeds::redis) fn target(port: u16) -> Target {
    Target {
        nodes: vec![("127.0.0.1".to_owned(), port)],
        kind: TargetKind::Single,
        database: 0,
        tls: false,
        ca_file: None,
        username: String::new(),
        password: Secret::new(""),
    }
}

fn spawned(program: &PathBuf, port: u16, folder: &TempDir, durable: bool) -> Child {
    Command::new(program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", if durable { "yes" } else { "no" }])
        .args(["--appendfsync", "always", "--dir"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn skip(test: &str, program: &std::path::Path) {
    let why = format!("{} is missing", program.display());
    assert!(
        std::env::var("TAWNY_REQUIRE").as_deref() != Ok("all"),
        "{test}: {why}"
    );
    if let Some(list) = std::env::var_os("TAWNY_TEST_SKIPS") {
        use std::io::Write;
        let mut list = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(list)
            .unwrap();
        writeln!(list, "{test}\t{why}").unwrap();
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
