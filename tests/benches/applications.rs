//! What it costs to drain applications' records out of Redis: time, against what Redis itself can do, and memory.
//!
//! `cargo bench --bench applications`, with `redis-server` in the path (or its place in `TAWNY_TEST_REDIS`). A Redis of
//! the bench's own holds 1,000,000 records of 1,000 series and all five kinds over 120 s. *The limit* is a bare client
//! on one connection that issues the commands which moving, reading and deleting them takes, 1,000 records at a time and
//! several at once, and looks at no answer. Then an agent with its journal in the same Redis, and an intake that is
//! away, drains the same records, from its start until all of them are journalled and deleted. Both have the two cores
//! with Redis to themselves.
//!
//! Memory is the most that the kernel ever counted as resident for the agent (`VmHWM`).

// A bench prints, stops where it cannot measure, and waits for a process that says nothing by itself.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis::{Client, Connection};
use tempfile::TempDir;

mod figure;

use figure::{figure, machine};

const BINARY: &str = env!("CARGO_BIN_EXE_tawny");
const KEYS: &str = "chouette:metrics:raw.keys";
const VALUES: &str = "chouette:metrics:raw.values";
const RECORDS: usize = 1_000_000;
const SERIES: usize = 1_000;
const SECONDS: i64 = 120;
/// Records of one command, and commands that are under way at once.
const CHUNK: usize = 1_000;
const AT_ONCE: usize = 4;
const ROUNDS: usize = 3;

fn main() {
    machine();
    let server = Server::start();
    let mut best_limit = f64::INFINITY;
    let mut best_agent = f64::INFINITY;
    let mut resident: f64 = 0.0;
    // In turns, so that a busy moment of the machine hits both.
    for _ in 0..ROUNDS {
        server.fill();
        best_limit = best_limit.min(server.drain_bare());
        server.fill();
        let (seconds, most) = server.drain_by_agent();
        best_agent = best_agent.min(seconds);
        resident = resident.max(most);
    }
    let rate = |seconds: f64| RECORDS as f64 / seconds;
    figure(
        "the limit: a bare pipelined client",
        rate(best_limit),
        "records/s",
        ..,
    );
    figure("read, merged and journalled", rate(best_agent), "records/s", ..);
    figure("share of the limit", best_limit / best_agent, "", 0.5..);
    figure("most resident while draining", resident, "MiB", ..=60.0);
}

struct Server {
    child: Child,
    port: u16,
    _directory: TempDir,
}

impl Server {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let program = std::env::var("TAWNY_TEST_REDIS").unwrap_or_else(|_| "redis-server".to_owned());
        let child = Command::new(program)
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
            ])
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

    fn connection(&self) -> Connection {
        self.client().get_connection().unwrap()
    }

    /// Empties it and puts the records in.
    fn fill(&self) {
        let mut connection = self.connection();
        redis::cmd("FLUSHALL").exec(&mut connection).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let start = (now - 300).div_euclid(10) * 10;
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..RECORDS / CHUNK {
            let mut pipeline = redis::pipe();
            for _ in 0..CHUNK {
                let (id, time, text) = record(&mut random, start);
                pipeline.cmd("ZADD").arg(KEYS).arg(time).arg(&id).ignore();
                pipeline.cmd("HSET").arg(VALUES).arg(&id).arg(text).ignore();
            }
            pipeline.exec(&mut connection).unwrap();
        }
    }

    /// Seconds that a bare client takes to move, read and delete all records.
    fn drain_bare(&self) -> f64 {
        let mut connection = self.connection();
        let began = Instant::now();
        // The keys' names have to be known before the commands that name them can be sent.
        for _ in 0..RECORDS / CHUNK / AT_ONCE {
            let mut look = redis::pipe();
            let count = CHUNK * AT_ONCE;
            look.cmd("ZRANGEBYSCORE")
                .arg(KEYS)
                .arg("-inf")
                .arg("+inf")
                .arg("LIMIT")
                .arg(0)
                .arg(count);
            let (ids,): (Vec<String>,) = look.query(&mut connection).unwrap();
            let mut work = redis::pipe();
            for ids in ids.chunks(CHUNK) {
                work.cmd("ZREM").arg(KEYS).arg(ids).ignore();
                work.cmd("RPUSH").arg("claim").arg(ids).ignore();
                work.cmd("HMGET").arg(VALUES).arg(ids).ignore();
            }
            for ids in ids.chunks(CHUNK) {
                work.cmd("LRANGE").arg("claim").arg(0).arg(CHUNK - 1).ignore();
                work.cmd("HDEL").arg(VALUES).arg(ids).ignore();
                work.cmd("LTRIM").arg("claim").arg(CHUNK).arg(-1).ignore();
            }
            work.exec(&mut connection).unwrap();
        }
        let seconds = began.elapsed().as_secs_f64();
        assert_eq!(self.left(), 0);
        seconds
    }

    /// Seconds that an agent takes from its start, and the most MiB that were resident.
    fn drain_by_agent(&self) -> (f64, f64) {
        let home = tempfile::tempdir().unwrap();
        let began = Instant::now();
        let mut agent = Command::new(BINARY)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", home.path())
            .env("TAWNY_LISTEN", format!("127.0.0.1:{}", free_port()))
            .env("TAWNY_JOURNAL_DIR", home.path().join("journal"))
            .env("COLLECTOR_PLUGINS", "[]")
            .env("API_KEY", "0".repeat(32))
            // Nobody listens there.
            .env("DATADOG_URL", format!("http://127.0.0.1:{}/api", free_port()))
            .env("REDIS_HOST", "127.0.0.1")
            .env("REDIS_PORT", self.port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while self.left() > 0 {
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "the agent drains nothing"
            );
            thread::sleep(Duration::from_millis(20));
        }
        let seconds = began.elapsed().as_secs_f64();
        let status = fs::read_to_string(format!("/proc/{}/status", agent.id())).unwrap();
        let most = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        let kibibytes: f64 = most.trim().trim_end_matches(" kB").parse().unwrap();
        agent.kill().unwrap();
        agent.wait().unwrap();
        (seconds, kibibytes / 1024.0)
    }

    /// Records that are not deleted yet.
    fn left(&self) -> u64 {
        redis::cmd("HLEN")
            .arg(VALUES)
            .query(&mut self.connection())
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// A record as the client writes it: its key, its time, its text.
fn record(random: &mut fastrand::Rng, start: i64) -> (String, f64, String) {
    let series = random.usize(..SERIES);
    let (kind, value) = match series % 5 {
        0 => ("count", random.i32(-3..10).to_string()),
        1 => ("gauge", (random.f64() * 1e4).to_string()),
        2 => ("rate", random.u8(1..9).to_string()),
        3 => ("histogram", random.f64().to_string()),
        _ => (
            "set",
            format!("[\"user-{}\", {}]", random.u16(..500), random.u8(..50)),
        ),
    };
    let time = start as f64 + random.f64() * SECONDS as f64;
    let text = format!(
        r#"{{"metric": "shop.application.metric_{}", "type": "{kind}", "value": {value}, "timestamp": {time}, "tags": {{"instance": "web-{:02}", "region": "eu-west-{}"}}}}"#,
        series % 50,
        series / 50,
        series % 3,
    );
    let id = random.u128(..);
    let id = format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        id >> 96,
        (id >> 80) & 0xffff,
        (id >> 64) & 0xfff,
        (id >> 48) & 0xfff,
        id & 0xffff_ffff_ffff
    );
    (id, time, text)
}
