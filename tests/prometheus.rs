//! Real Prometheus servers scrape the running agent and hold what its page said.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::agent::Agent;
use crate::support::http;
use crate::support::page::{Page, Series};
use crate::support::process::{Port, Process};
use crate::support::relay::{Exchange, Relay};
use crate::support::services::{Service, need};
use crate::support::wait::{PATIENCE, wait_for};

/// What does not change while a test runs; on every machine, so that their absence is a fault.
const STATIC: [&str; 4] = [
    "host_memory_total_bytes",
    "host_cpus",
    "host_filesystem_size_bytes",
    "tawny_build_info",
];

/// How many scrapes a test compares: the second and later ones hold rates too.
const SCRAPES: usize = 3;

/// A Prometheus that scrapes one target every two seconds.
struct Prometheus {
    url: String,
    _process: Process,
    _folder: tempfile::TempDir,
    _port: Port,
}

impl Prometheus {
    fn scraping(program: &Path, target: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tawny-prometheus-")
            .tempdir()
            .expect("a directory");
        let settings = folder.path().join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 2s, scrape_timeout: 2s}}\n\
             scrape_configs: [{{job_name: tawny, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        fs::write(&settings, text).expect("the file is written");
        let port = Port::reserve();
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", settings.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={}", port.address()))
            .current_dir(folder.path());
        let mut process = Process::start("prometheus", &mut command, &folder.path().join("log"));
        let url = format!("http://{}", port.address());
        process.wait_ready(&format!("{url}/-/ready"), PATIENCE);
        Self {
            url,
            _process: process,
            _folder: folder,
            _port: port,
        }
    }

    /// The data of one answer of the API.
    fn api(&self, path: &str) -> Value {
        let answer = http::get(&format!("{}/api/v1/{path}", self.url), &[]).expect("Prometheus answers");
        let mut json = answer.json();
        assert_eq!(
            (answer.status, json["status"].as_str()),
            (200, Some("success")),
            "{path}: {json}"
        );
        json["data"].take()
    }

    /// Every sample of the last minutes that came from a page, oldest first.
    fn samples(&self) -> BTreeMap<Series, Vec<f64>> {
        let query = http::query_value(r#"{job="tawny"}[10m]"#);
        let data = self.api(&format!("query?query={query}"));
        let series = data["result"].as_array().expect("a list").iter();
        let read = series.map(|one| {
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            let labels = one["metric"].as_object().expect("labels").iter();
            let mut labels = labels
                .map(|(name, value)| (name.clone(), text(value)))
                .collect::<BTreeMap<_, _>>();
            let name = labels.remove("__name__").expect("a name");
            labels.retain(|name, _| name != "job" && name != "instance");
            let values = one["values"].as_array().expect("values").iter();
            let values = values
                .map(|pair| text(&pair[1]).parse().expect("a number"))
                .collect();
            (canonical((name, labels)), values)
        });
        // What Prometheus itself notes about a scrape.
        read.filter(|((name, _), _)| name != "up" && !name.starts_with("scrape_"))
            .collect()
    }

    /// The type of every family that the target has told.
    fn types(&self) -> BTreeMap<String, String> {
        let data = self.api(&format!(
            "targets/metadata?match_target={}",
            http::query_value(r#"{job="tawny"}"#)
        ));
        let families = data.as_array().expect("a list").iter();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        families
            .map(|family| (text(&family["metric"]), text(&family["type"])))
            .collect()
    }
}

/// Bounds of buckets as numbers: `1` and `1.0` are one, and which of them is stored depends on the version.
fn canonical((name, mut labels): Series) -> Series {
    if let Some(bound) = labels.get_mut("le") {
        *bound = bound.parse::<f64>().expect("a bound is a number").to_string();
    }
    (name, labels)
}

/// Every series of the pages with its values, oldest first.
fn of_pages(exchanges: &[Exchange]) -> BTreeMap<Series, Vec<f64>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for exchange in exchanges {
        for (series, value) in Page::parse(&exchange.page).samples {
            all.entry(canonical(series)).or_default().push(value);
        }
    }
    all
}

/// Has a Prometheus scrape a running agent, and compares all that it stored with all that the agent said.
fn holds_what_the_page_said(service: Service, content_type: &str) {
    let Some(program) = need(service) else { return };
    let agent = Agent::start(&[]);
    let relay = Relay::before(&agent.address());
    let prometheus = Prometheus::scraping(&program, &relay.address());

    let said = wait_for("the scrapes", PATIENCE, || {
        let said = relay.exchanges();
        (said.len() >= SCRAPES).then_some(said)
    });
    for exchange in &said {
        assert_eq!(exchange.status, 200);
        assert_eq!(
            exchange.content_type, content_type,
            "asked for: {}",
            exchange.accept
        );
        assert_eq!(
            exchange.content_encoding, "gzip",
            "asked for: {}",
            exchange.accept_encoding
        );
    }
    let said = of_pages(&said);
    // A scrape is stored a moment after it was answered; each further one adds a value at the end.
    let stored = wait_for("the stored scrapes", PATIENCE, || {
        let stored = prometheus.samples();
        said.iter()
            .all(|(series, values)| stored.get(series).is_some_and(|held| held.len() >= values.len()))
            .then_some(stored)
    });

    for (series, values) in &said {
        let held = stored[series].iter().take(values.len());
        let same = held
            .zip(values)
            .all(|(held, said)| held.to_bits() == said.to_bits());
        assert!(same, "{series:?}: said {values:?}, stored {:?}", stored[series]);
    }
    let names =
        |all: &BTreeMap<Series, Vec<f64>>| all.keys().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
    assert_eq!(
        names(&stored),
        names(&of_pages(&relay.exchanges())),
        "names stored, and names on the page"
    );
    for name in STATIC {
        assert!(names(&said).contains(name), "{name} is not on the page");
    }
    let last = relay.exchanges().pop().expect("scrapes");
    let types = Page::parse(&last.page).types;
    assert_eq!(prometheus.types(), types, "families and their types");
}

#[test]
fn prometheus_3_holds_what_the_page_said() {
    let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8";
    holds_what_the_page_said(Service::Prometheus3, openmetrics);
}

#[test]
fn prometheus_2_holds_what_the_page_said() {
    let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";
    holds_what_the_page_said(Service::Prometheus2, openmetrics);
}
