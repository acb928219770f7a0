//! A Redis of a bench's own.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Client, Connection};
use tempfile::TempDir;

/// A running Redis that keeps nothing; it ends with this.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    _directory: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let program = std::env::var("TAWNY_TEST_REDIS").unwrap_or_else(|_| "redis-server".to_owned());
        let child = Command::new(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(directory.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            child,
            port,
            _directory: directory,
        };
        let began = Instant::now();
        while server.client().get_connection().is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "Redis does not answer");
            thread::sleep(Duration::from_millis(10));
        }
        server
    }

    fn client(&self) -> Client {
        Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap()
    }

    pub(crate) fn connection(&self) -> Connection {
        self.client().get_connection().unwrap()
    }

    /// A number that INFO gives.
    pub(crate) fn info(&self, name: &str) -> f64 {
        let all: String = redis::cmd("INFO")
            .arg("all")
            .query(&mut self.connection())
            .unwrap();
        let value = all
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap().parse().unwrap()
    }

    /// Empties it and gives the bytes that everything in it took, as the allocator counts them.
    pub(crate) fn empty(&self) -> f64 {
        let used = self.info("used_memory");
        redis::cmd("FLUSHALL")
            .arg("SYNC")
            .exec(&mut self.connection())
            .unwrap();
        used - self.info("used_memory")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
