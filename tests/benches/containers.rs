//! What a machine with a hundred containers costs: one pass over them, and the agent's memory.
//!
//! `cargo bench --bench containers`; half a minute, most of it waiting. The engine is a stub on a Unix socket in this
//! process that answers for a hundred containers as Docker 20.10 does, at once; the agent has the collector `docker` and
//! nothing else, all of its groups, and its default of five requests at a time. The time is what the agent itself tells
//! of its last run, the median and the slowest of those that were seen; the engine's part of the work is in it.

// A bench prints, stops where it cannot measure, and waits for a process that says nothing by itself.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

mod figure;
mod scraper;
#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../support/stub_engine.rs"]
mod stub_engine;

use figure::{figure, machine};
use scraper::{Scraper, quantile};
use stub_engine::{Answer, StubEngine};

const CONTAINERS: usize = 100;
const PASSES: usize = 20;

fn main() {
    machine();
    let home = tempfile::tempdir().unwrap();
    let stub = StubEngine::serve(&home.path().join("engine.sock"), answer);
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let settings = format!(
        "listen: {address}\ncollect_interval: 1s\ncollectors:\n  docker:\n    endpoint: {}\n    groups: [cpu, memory, \
         network, io, processes, state]\n",
        stub.endpoint()
    );
    let file = home.path().join("tawny.yaml");
    fs::write(&file, settings).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_tawny"))
        .arg("--config")
        .arg(&file)
        .env_clear()
        .env("HOME", home.path())
        .env("TAWNY_JOURNAL_DIR", home.path().join("journal"))
        .current_dir(home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut times = Vec::new();
    let mut pages = 0;
    // The page changes with each pass, and each is read once.
    while times.len() < PASSES {
        thread::sleep(Duration::from_secs(1));
        let mut page = Vec::new();
        let read = Scraper::connect(&address).and_then(|mut scraper| scraper.get("/metrics", "", &mut page));
        pages += 1;
        assert!(pages < 10 * PASSES, "the agent reads no containers");
        let page = String::from_utf8(page).unwrap();
        let up = page.matches("\ncontainer_up_timestamp_seconds{").count();
        if read.is_err() || up < CONTAINERS {
            continue;
        }
        let duration = page
            .lines()
            .find_map(|line| line.strip_prefix("tawny_collector_duration_seconds{collector=\"docker\"} "));
        times.push(duration.unwrap().parse::<f64>().unwrap() * 1e3);
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    let _ = child.kill();
    let _ = child.wait();
    figure(
        "one pass over 100 containers, median",
        quantile(&mut times, 0.5),
        "ms",
        ..=200.0,
    );
    figure(
        "one pass over 100 containers, slowest of 20",
        quantile(&mut times, 1.0),
        "ms",
        ..=200.0,
    );
    figure("most resident memory of the agent", peak / 1024.0, "MiB", ..=30.0);
}

fn answer(path: &str) -> Answer {
    let bare = path.split('?').next().unwrap_or_default();
    let id = bare
        .trim_start_matches("/containers/")
        .split('/')
        .next()
        .unwrap_or_default();
    let said = match bare {
        "/events" => return Answer::Silence,
        "/version" => r#"{"Version":"20.10.24","ApiVersion":"1.41"}"#.to_string(),
        "/info" => r#"{"NCPU":4,"MemTotal":8000000000,"MemoryLimit":true}"#.to_string(),
        "/containers/json" => {
            let one = |number| format!(r#"{{"Id":"{number:064x}","Names":["/container-{number}"]}}"#);
            format!("[{}]", (0..CONTAINERS).map(one).collect::<Vec<_>>().join(","))
        }
        _ if bare.ends_with("/stats") => include_str!("../cases/docker/cgroup_v2/2/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.stats.json").to_string(),
        _ => include_str!("../cases/docker/cgroup_v2/2/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.json")
            .replace(&"a".repeat(64), id)
            .replace("/web", &format!("/container-{}", id.trim_start_matches('0'))),
    };
    Answer::Says(200, said.into_bytes())
}
