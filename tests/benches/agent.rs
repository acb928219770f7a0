//! What the agent itself costs: its start, its memory and CPU time when idle, its size, what it writes.
//!
//! `cargo bench --bench agent`. It takes two and a half minutes, most of it waiting: three agents with default settings,
//! so with the collector `host` every 30 s, idle side by side for two minutes. One has no output; the intake of one takes
//! connections and never answers; that of the third accepts everything, and this one tells what its journal wrote.
//!
//! CPU time is what the kernel counted for each thread in nanoseconds (`/proc/PID/task/*/schedstat`), from some seconds
//! after the start, and looked at every second so that a thread that ends is not forgotten.

// A bench prints, stops where it cannot measure, and waits for a process that says nothing by itself.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

mod figure;
mod scraper;

use figure::{figure, machine};
use scraper::{Scraper, quantile};

const BINARY: &str = env!("CARGO_BIN_EXE_tawny");
const STARTS: usize = 10;
const SCRAPES: usize = 100;

/// Twice the default `release_interval`, and so a whole number of windows too.
const IDLE: Duration = Duration::from_secs(120);

/// What the start costs is left out, and the window that the first two collections fell into.
const SETTLING: Duration = Duration::from_secs(15);

fn main() {
    machine();
    starts();
    idle();
    let size = fs::metadata(BINARY).unwrap().len();
    figure(
        "stripped binary",
        size as f64 / f64::from(1 << 20),
        "MiB",
        ..=14.0,
    );
}

/// A running agent with a home of its own.
struct Agent {
    child: Child,
    address: String,
    began: Instant,
    _home: TempDir,
}

impl Agent {
    /// Starts one that delivers to the intake at this URL, if any.
    fn start(intake: Option<&str>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Command::new(BINARY);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", home.path())
            .env("TAWNY_LISTEN", free.to_string())
            .env("TAWNY_JOURNAL_DIR", home.path().join("journal"))
            // What is measured collects the host only, also where an engine runs.
            .env("DOCKER_SOCKET_PATH", home.path().join("no-docker.sock"))
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some(intake) = intake {
            command.env("API_KEY", "0".repeat(32)).env("DATADOG_URL", intake);
        }
        let began = Instant::now();
        Self {
            child: command.spawn().unwrap(),
            address: free.to_string(),
            began,
            _home: home,
        }
    }

    fn get(&self, path: &str) -> io::Result<String> {
        let mut body = Vec::new();
        Scraper::connect(&self.address)?.get(path, "", &mut body)?;
        String::from_utf8(body).map_err(io::Error::other)
    }

    /// Milliseconds from the start until the answer on `path` holds `text`.
    fn wait(&self, path: &str, text: &str) -> f64 {
        loop {
            if self.get(path).is_ok_and(|page| page.contains(text)) {
                return self.began.elapsed().as_secs_f64() * 1e3;
            }
            assert!(
                self.began.elapsed() < Duration::from_secs(30),
                "no {text} on {path}"
            );
            // A refused connection comes back at once; the agent needs the core as well.
            thread::sleep(Duration::from_micros(100));
        }
    }

    /// The value of a metric without labels.
    fn reading(&self, metric: &str) -> f64 {
        let page = self.get("/metrics").unwrap();
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
        value
            .unwrap_or_else(|| panic!("no {metric} on the page"))
            .parse()
            .unwrap()
    }

    fn resident_mebibytes(&self) -> f64 {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
        pages * 4096.0 / f64::from(1 << 20)
    }

    /// Whole pages that the kernel has to write for it, without the file system's own.
    fn dirtied_bytes(&self) -> f64 {
        let io = fs::read_to_string(format!("/proc/{}/io", self.child.id())).unwrap();
        let bytes = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        bytes.unwrap().parse().unwrap()
    }

    /// Notes for each thread the nanoseconds that it has run.
    fn note_time(&self, threads: &mut HashMap<String, u64>) {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        for task in tasks.flatten() {
            // A thread may end between the two looks.
            let Ok(line) = fs::read_to_string(task.path().join("schedstat")) else {
                continue;
            };
            let ran = line.split(' ').next().unwrap().parse().unwrap();
            threads.insert(task.file_name().to_string_lossy().into_owned(), ran);
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn starts() {
    let median = |text: &str| {
        let mut times: Vec<f64> = (0..STARTS)
            .map(|_| Agent::start(None).wait("/metrics", text))
            .collect();
        quantile(&mut times, 0.5)
    };
    figure(
        "start to first page, median of 10",
        median("tawny_build_info"),
        "ms",
        ..=300.0,
    );
    figure(
        "start to first page with the host's memory, median of 10",
        median("host_memory_total_bytes"),
        "ms",
        ..,
    );
}

fn idle() {
    // Its queue takes a few connections, and nobody takes them from there.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = |listener: &TcpListener| format!("http://{}/api", listener.local_addr().unwrap());
    let accepting = TcpListener::bind("127.0.0.1:0").unwrap();
    let accepting_url = url(&accepting);
    thread::spawn(move || accept(&accepting));
    let agents = [
        ("without output", Agent::start(None)),
        ("its intake silent", Agent::start(Some(&url(&silent)))),
        ("its intake accepting", Agent::start(Some(&accepting_url))),
    ];
    for (_, agent) in &agents {
        agent.wait("/-/ready", "ready");
    }
    thread::sleep(SETTLING);
    // Six seconds into a window: the one before is closed and journalled, so a whole number of them is measured.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    thread::sleep(Duration::from_millis((16_000 - now % 10_000) as u64 % 10_000));

    let delivering = &agents[2].1;
    let readings = || {
        [
            delivering.reading("tawny_journal_written_bytes_total"),
            delivering.dirtied_bytes(),
            delivering.reading("tawny_points_wrapped_total"),
        ]
    };
    let before = readings();
    let began = Instant::now();
    let mut threads: [HashMap<String, u64>; 3] = Default::default();
    let mut note = || {
        for ((_, agent), threads) in agents.iter().zip(&mut threads) {
            agent.note_time(threads);
        }
        threads
            .each_ref()
            .map(|threads| threads.values().sum::<u64>() as f64)
    };
    let first = note();
    while began.elapsed() < IDLE {
        thread::sleep(Duration::from_secs(1));
        note();
    }
    let (last, seconds) = (note(), began.elapsed().as_secs_f64());
    for (index, (name, agent)) in agents.iter().enumerate() {
        let resident = agent.resident_mebibytes();
        figure(&format!("resident, idle, {name}"), resident, "MiB", ..=12.0);
        let share = (last[index] - first[index]) / 1e9 / seconds * 100.0;
        figure(&format!("CPU time, idle, {name}"), share, "% of a core", ..=0.2);
    }
    let after = readings();
    let page = delivering.get("/metrics").unwrap();
    let mut requests = page
        .lines()
        .filter(|line| line.starts_with("tawny_output_requests_total{"));
    assert!(
        requests.any(|line| line.contains("\"accepted\"") && !line.ends_with(" 0")),
        "nothing was delivered"
    );
    let day = |index: usize| (after[index] - before[index]) / seconds * 86_400.0;
    figure("written to the medium, idle", day(0) / 1e6, "MB a day", ..);
    // Nothing where the temporary directory lies in memory.
    let name = "written to the medium, idle, in whole pages";
    figure(name, day(1) / 1e6, "MB a day", ..);
    figure("points journalled meanwhile", day(2) / 1e6, "M a day", ..);
    let scraped = &agents[0].1;
    for _ in 0..SCRAPES {
        scraped.get("/metrics").unwrap();
    }
    figure(
        "resident, without output, after 100 scrapes",
        scraped.resident_mebibytes(),
        "MiB",
        ..=12.0,
    );
}

/// An intake that takes everything.
fn accept(listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        thread::spawn(move || while answer(&stream).is_ok() {});
    }
}

fn answer(mut stream: &TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
    }
    io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
    stream.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 13\r\n\r\n{\"errors\":[]}")
}
