//! How long a scrape takes over loopback: 1,000 application series with 3 labels beside the agent's own metrics.
//!
//! `cargo bench --bench scrape`. The server is the agent's own, on a runtime as the agent has it; the client asks again
//! and again on one connection, and a scrape ends with the last byte of the page. Beside it in the same run,
//! node_exporter's page: Debian's, or the one that `TAWNY_BENCH_NODE_EXPORTER` names; it is started here and ended here.

// A bench prints, stops where it cannot measure, and waits for a process that says nothing by itself.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tawny::model::sample::{Name, Sample, Value};
use tawny::registry::board::Board;
use tawny::registry::own::OwnMetrics;
use tawny::registry::{Registry, RegistrySettings};
use tawny::runtime::server::{self, Bounds};
use tawny::runtime::web::{self, Web};
use tawny::support::shutdown::Stopper;
use tawny::support::time::Clock;

mod figure;
mod scraper;

use figure::{figure, machine};
use scraper::{Scraper, quantile};

const SERIES: usize = 1_000;
const NAMES: usize = 20;
const SCRAPES: usize = 5_000;
const SCRAPES_OF_OTHERS: usize = 500;

const OPENMETRICS: &str = "Accept: application/openmetrics-text;version=1.0.0\r\n";
const TEXT: &str = "Accept: text/plain;version=0.0.4\r\n";
const GZIP: &str = "Accept-Encoding: gzip\r\n";

fn main() {
    machine();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (stopper, stop) = Stopper::new();
    let (listener, address) = runtime.block_on(server::bind("127.0.0.1:0")).unwrap();
    let served = runtime.spawn(server::serve(
        listener,
        web::router(web()),
        Bounds::default(),
        stop,
    ));
    let address = address.to_string();
    let text = measure("tawny, text 0.0.4", &address, TEXT, SCRAPES, true);
    let zipped = measure(
        "tawny, text 0.0.4, gzip",
        &address,
        &format!("{TEXT}{GZIP}"),
        SCRAPES,
        true,
    );
    measure("tawny, OpenMetrics", &address, OPENMETRICS, SCRAPES, true);
    let headers = format!("{OPENMETRICS}{GZIP}");
    measure("tawny, OpenMetrics, gzip", &address, &headers, SCRAPES, true);
    // The same without a series of anybody: what of a scrape is the connection, the server and the agent's own metrics.
    let ours = "/metrics?name[]=tawny_build_info";
    let mut times = scrapes(&mut Scraper::connect(&address).unwrap(), ours, TEXT, SCRAPES);
    figure(
        "tawny, a page of one series, p50",
        quantile(&mut times, 0.5),
        "ms",
        ..,
    );
    stopper.stop();
    runtime.block_on(served).unwrap();
    others([text, zipped]);
}

/// What the page shows, as the agent puts it together.
fn web() -> Web {
    let clock = Clock::system();
    let registry = Arc::new(Registry::new(RegistrySettings::default(), clock.clone()));
    let origin = registry.origin("bench");
    for index in 0..SERIES {
        let name = format!("application_metric_{}_seconds", index % NAMES);
        let (device, path) = (
            format!("device-{:04}", index / NAMES),
            format!("/api/v1/{}", index % 50),
        );
        let sample = Sample {
            name: Name::Given(&name),
            labels: &[("app", "shop"), ("device", &device), ("path", &path)],
            value: Value::Gauge(index as f64 / 7.0),
            time: clock.now(),
        };
        registry.record(origin, &sample).unwrap();
    }
    let board = Arc::new(Board::default());
    Web {
        own: Arc::new(OwnMetrics::new(board.clone(), registry.clone(), clock.clone())),
        registry,
        board,
        started: clock.now(),
        clock,
        host: "bench".to_string(),
        series_limit: 100_000,
        created_lines: false,
    }
}

/// Prints what scrapes with these headers take, and returns the median in milliseconds.
fn measure(name: &str, address: &str, headers: &str, count: usize, held: bool) -> f64 {
    let mut scraper = Scraper::connect(address).unwrap();
    let mut times = scrapes(&mut scraper, "/metrics", headers, count);
    let (median, late) = (quantile(&mut times, 0.5), quantile(&mut times, 0.99));
    if held {
        figure(&format!("{name}, p50"), median, "ms", ..=0.5);
        figure(&format!("{name}, p99"), late, "ms", ..=1.5);
    } else {
        figure(&format!("{name}, p50"), median, "ms", ..);
        figure(&format!("{name}, p99"), late, "ms", ..);
    }
    median
}

/// Milliseconds from the request to the last byte of the page, for each scrape.
fn scrapes(scraper: &mut Scraper, path: &str, headers: &str, count: usize) -> Vec<f64> {
    let mut body = Vec::new();
    for _ in 0..count / 20 {
        scraper.get(path, headers, &mut body).unwrap();
    }
    (0..count)
        .map(|_| {
            let start = Instant::now();
            scraper.get(path, headers, &mut body).unwrap();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect()
}

/// Ends with the bench, whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// node_exporter's page in the same minute, and its medians over ours: identity, gzip.
fn others(ours: [f64; 2]) {
    let program = std::env::var_os("TAWNY_BENCH_NODE_EXPORTER").map_or_else(
        || PathBuf::from("/usr/bin/prometheus-node-exporter"),
        PathBuf::from,
    );
    if !program.is_file() {
        println!(
            "node_exporter: {} is not there, so there is nothing to compare with",
            program.display()
        );
        return;
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = free.to_string();
    let child = Command::new(&program)
        .arg(format!("--web.listen-address={address}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _running = Running(child);
    let patience = Instant::now();
    let mut scraper = loop {
        match Scraper::connect(&address) {
            Ok(scraper) => break scraper,
            Err(error) if patience.elapsed() > Duration::from_secs(10) => {
                println!("node_exporter: {} does not answer: {error}", program.display());
                return;
            }
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let mut body = Vec::new();
    scraper.get("/metrics", TEXT, &mut body).unwrap();
    let series = String::from_utf8_lossy(&body)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .count();
    let gzip = format!("{TEXT}{GZIP}");
    for ((name, headers), ours) in [("text 0.0.4", TEXT), ("text 0.0.4, gzip", &gzip)]
        .into_iter()
        .zip(ours)
    {
        let name = format!("node_exporter, {series} series, {name}");
        let median = measure(&name, &address, headers, SCRAPES_OF_OTHERS, false);
        figure(&format!("{name}, p50 over ours"), median / ours, "times", ..);
    }
}
