//! What it costs to drain applications' records out of Redis: time, against what Redis itself can do, and memory.
//!
//! `cargo bench --bench applications`, with `redis-server` in the path (or its place in `TAWNY_TEST_REDIS`). A Redis of
//! the bench's own holds 1,000,000 records of 1,000 series and all five kinds over 120 s. An agent with its journal in
//! the same Redis, and an intake that is away, drains them, from its start until all of them are journalled and deleted.
//!
//! *The limit* is a bare client on one connection that waits for nothing and looks at no answer, at the same records. It
//! issues *the same commands*, byte for byte those which an agent sent while something between it and Redis noted them:
//! scripts that move records under a claim, read, journal and delete them. Beside it stand *plain commands* that do as
//! much for a client that knows all keys before it begins and guards nothing: the best that any reader could reach. All
//! have the cores with Redis to themselves, in turns.
//!
//! Memory is the most that the kernel ever counted as resident for the agent (`VmHWM`); the longest script is what Redis
//! says of itself (SLOWLOG), in the round that was disturbed least: its clock runs on while others have the core.

// A bench prints, stops where it cannot measure, and waits for a process that says nothing by itself.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

mod bare;
mod figure;
mod redis_server;

use bare::{Recorder, command, issue};
use figure::{figure, machine};
use redis_server::{Server, free_port};

const BINARY: &str = env!("CARGO_BIN_EXE_tawny");
const KEYS: &str = "chouette:metrics:raw.keys";
const VALUES: &str = "chouette:metrics:raw.values";
const RECORDS: usize = 1_000_000;
const SERIES: usize = 1_000;
const SECONDS: i64 = 120;
/// Records of one plain command.
const CHUNK: usize = 1_000;
const ROUNDS: usize = 3;

fn main() {
    machine();
    let server = Server::start();
    let recorder = Recorder::start(server.port);
    let start = now() - 300;
    let ids = fill(&server, start);
    let plain = plain(&ids);
    drain_by_agent(&server, recorder.port);
    let same = recorder.take();
    let (mut best_same, mut best_plain) = (f64::INFINITY, f64::INFINITY);
    let mut best = Drained {
        seconds: f64::INFINITY,
        longest: f64::INFINITY,
        ..Drained::default()
    };
    // In turns, so that a busy moment of the machine hits all of them.
    for _ in 0..ROUNDS {
        fill(&server, start);
        best_same = best_same.min(issue(server.port, &same));
        assert_eq!(left(&server), 0);
        fill(&server, start);
        best_plain = best_plain.min(issue(server.port, &plain));
        assert_eq!(left(&server), 0);
        // Not older than it would be if an agent had been away.
        fill(&server, now() - 300);
        let drained = drain_by_agent(&server, server.port);
        best.seconds = best.seconds.min(drained.seconds);
        best.resident = best.resident.max(drained.resident);
        best.longest = best.longest.min(drained.longest);
        (best.busy, best.queued) = (drained.busy, drained.queued);
    }
    let rate = |seconds: f64| RECORDS as f64 / seconds;
    let unit = "records/s";
    figure("a bare client, the same commands", rate(best_same), unit, ..);
    figure("a bare client, plain commands", rate(best_plain), unit, ..);
    figure("read, merged and journalled", rate(best.seconds), unit, ..);
    figure("share of the same commands", best_same / best.seconds, "", 0.5..);
    figure("share of plain commands", best_plain / best.seconds, "", 0.5..);
    figure("most resident while draining", best.resident, "MiB", ..=60.0);
    figure("the longest script", best.longest, "ms", ..=20.0);
    figure("Redis at work meanwhile", best.busy, "% of a core", ..);
    // A window has more records than a claim wants, so a block has one window.
    figure("in Redis a queued point", best.queued, "bytes", ..=8.0);
}

/// What an agent took.
#[derive(Default)]
struct Drained {
    /// From its start on.
    seconds: f64,
    /// Most MiB.
    resident: f64,
    /// Milliseconds of the longest script.
    longest: f64,
    /// Percentage of a core that Redis was busy.
    busy: f64,
    /// Bytes in Redis for each point that waits for the intake.
    queued: f64,
}

/// Empties it and puts the records in. Gives their keys in the order of time.
fn fill(server: &Server, start: i64) -> Vec<String> {
    let mut connection = server.connection();
    redis::cmd("FLUSHALL").exec(&mut connection).unwrap();
    let start = start.div_euclid(10) * 10;
    let mut random = fastrand::Rng::with_seed(7);
    let mut ids = Vec::with_capacity(RECORDS);
    for _ in 0..RECORDS / CHUNK {
        let mut pipeline = redis::pipe();
        for _ in 0..CHUNK {
            let (id, time, text) = record(&mut random, start);
            pipeline.cmd("ZADD").arg(KEYS).arg(time).arg(&id).ignore();
            pipeline.cmd("HSET").arg(VALUES).arg(&id).arg(text).ignore();
            ids.push((time, id));
        }
        pipeline.exec(&mut connection).unwrap();
    }
    ids.sort_by(|one, other| one.0.total_cmp(&other.0));
    ids.into_iter().map(|(_, id)| id).collect()
}

/// Commands that move, read and delete all records.
fn plain(ids: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    let (most, last) = (CHUNK.to_string(), (CHUNK - 1).to_string());
    let (keys, most, last) = (KEYS.as_bytes(), most.as_bytes(), last.as_bytes());
    for chunk in ids.chunks(CHUNK) {
        let with = |start: &[&'static [u8]]| -> Vec<&[u8]> {
            let ids = chunk.iter().map(String::as_bytes);
            start.iter().copied().chain(ids).collect()
        };
        let range: [&[u8]; 7] = [b"ZRANGEBYSCORE", keys, b"-inf", b"+inf", b"LIMIT", b"0", most];
        command(&mut out, &range);
        command(&mut out, &with(&[b"HMGET", VALUES.as_bytes()]));
        command(&mut out, &[b"ZREMRANGEBYRANK", keys, b"0", last]);
        command(&mut out, &with(&[b"RPUSH", b"claim"]));
        command(&mut out, &[b"LRANGE", b"claim", b"0", last]);
        command(&mut out, &with(&[b"HDEL", VALUES.as_bytes()]));
        command(&mut out, &[b"LTRIM", b"claim", most, b"-1"]);
    }
    out
}

fn drain_by_agent(server: &Server, port: u16) -> Drained {
    let mut connection = server.connection();
    let mut set = redis::pipe();
    set.cmd("CONFIG")
        .arg("SET")
        .arg("slowlog-log-slower-than")
        .arg(2000)
        .ignore();
    set.cmd("CONFIG")
        .arg("SET")
        .arg("slowlog-max-len")
        .arg(4096)
        .ignore();
    set.cmd("SLOWLOG").arg("RESET").ignore();
    set.exec(&mut connection).unwrap();
    let before = processor_seconds(server);
    let agent = Agent::start(port);
    while left(server) > 0 {
        let waited = agent.began.elapsed();
        assert!(waited < Duration::from_secs(120), "the agent drains nothing");
        thread::sleep(Duration::from_millis(20));
    }
    let seconds = agent.began.elapsed().as_secs_f64();
    let busy = 100.0 * (processor_seconds(server) - before) / seconds;
    let slow: Vec<Vec<redis::Value>> = redis::cmd("SLOWLOG")
        .arg("GET")
        .arg(-1)
        .query(&mut connection)
        .unwrap();
    let longest = slow.iter().map(|entry| match entry[2] {
        redis::Value::Int(micros) => micros,
        _ => 0,
    });
    let longest = longest.max().unwrap_or(0) as f64 / 1e3;
    let (resident, points) = (agent.most_resident(), agent.points());
    drop(agent);
    Drained {
        seconds,
        resident,
        longest,
        busy,
        queued: server.empty() / points,
    }
}

struct Agent {
    child: Child,
    address: String,
    began: Instant,
    _home: TempDir,
}

impl Agent {
    fn start(port: u16) -> Self {
        let home = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(BINARY);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", home.path())
            .env("TAWNY_LISTEN", &address)
            .env("TAWNY_JOURNAL_DIR", home.path().join("journal"))
            .env("COLLECTOR_PLUGINS", "[]")
            .env("API_KEY", "0".repeat(32))
            // Nobody listens there.
            .env("DATADOG_URL", format!("http://127.0.0.1:{}/api", free_port()))
            .env("REDIS_HOST", "127.0.0.1")
            .env("REDIS_PORT", port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let began = Instant::now();
        Self {
            child: command.spawn().unwrap(),
            address,
            began,
            _home: home,
        }
    }

    fn most_resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes: f64 = most.unwrap().trim().trim_end_matches(" kB").parse().unwrap();
        kibibytes / 1024.0
    }

    /// How many points it has journalled.
    fn points(&self) -> f64 {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        let points = page
            .lines()
            .find_map(|line| line.strip_prefix("tawny_points_wrapped_total "));
        points.unwrap().parse().unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Records that are not deleted yet.
fn left(server: &Server) -> u64 {
    let mut length = redis::cmd("HLEN");
    length.arg(VALUES).query(&mut server.connection()).unwrap()
}

/// What Redis has used of the processors.
fn processor_seconds(server: &Server) -> f64 {
    ["used_cpu_user", "used_cpu_sys"]
        .iter()
        .map(|name| server.info(name))
        .sum()
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs() as i64
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
