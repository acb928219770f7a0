//! VictoriaMetrics takes the v1 output, and holds the points that the journal showed.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::str;
use std::time::Instant;

use serde_json::Value;

use crate::support::agent::Agent;
use crate::support::http;
use crate::support::process::{Port, Process};
use crate::support::services::{Service, need};
use crate::support::wait::{PATIENCE, wait_for};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A point's name, tags and host, and its milliseconds.
type Key = (String, BTreeMap<String, String>, i64);

/// A single-node VictoriaMetrics on `port`.
struct Victoria {
    url: String,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl Victoria {
    fn start(program: &Path, port: &Port) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tawny-victoria-")
            .tempdir()
            .expect("a directory");
        let mut command = Command::new(program);
        command
            .arg(format!(
                "-storageDataPath={}",
                folder.path().join("data").display()
            ))
            .arg(format!("-httpListenAddr={}", port.address()))
            .arg("-search.latencyOffset=0s")
            .current_dir(folder.path());
        let mut process = Process::start("victoria-metrics", &mut command, &folder.path().join("log"));
        let url = format!("http://{}", port.address());
        process.wait_ready(&format!("{url}/health"), PATIENCE);
        Self {
            url,
            _process: process,
            _folder: folder,
        }
    }

    /// Everything that is stored.
    fn export(&self) -> BTreeMap<Key, f64> {
        let matching = http::query_value(r#"{__name__!=""}"#);
        let answer =
            http::get(&format!("{}/api/v1/export?match[]={matching}", self.url), &[]).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut stored = BTreeMap::new();
        for line in answer.text().lines() {
            let series: Value = serde_json::from_str(line).expect("a line is JSON");
            let labels = series["metric"].as_object().expect("labels").iter();
            let mut labels = labels
                .map(|(name, value)| (name.clone(), text(value)))
                .collect::<BTreeMap<_, _>>();
            let name = labels.remove("__name__").expect("a name");
            let times = series["timestamps"].as_array().expect("times").iter();
            for (time, value) in times.zip(series["values"].as_array().expect("values")) {
                let key = (name.clone(), labels.clone(), time.as_i64().expect("milliseconds"));
                stored.insert(key, value.as_f64().expect("a number"));
            }
        }
        stored
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

/// The points that `tawny journal export` prints, a JSON object a line, under the labels that VictoriaMetrics gives.
fn exported(agent: &Agent, host: &str) -> BTreeMap<Key, f64> {
    let output = agent.command_output(&["journal", "export"]);
    let (out, errors) = (
        str::from_utf8(&output.stdout).expect("UTF-8"),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{}: {errors}", output.status);
    let mut points = BTreeMap::new();
    for line in out.lines() {
        let point: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let tags = point["tags"].as_array().expect("a list of tags").iter();
        let mut labels = tags
            .map(|tag| {
                let tag = text(tag);
                let (name, value) = tag.split_once(':').unwrap_or((tag.as_str(), "no_label_value"));
                (name.to_owned(), value.to_owned())
            })
            .collect::<BTreeMap<_, _>>();
        // The host and the global tags are added when a point is sent.
        labels.insert("host".to_owned(), host.to_owned());
        labels.insert("fleet".to_owned(), "test".to_owned());
        labels.insert("bare".to_owned(), "no_label_value".to_owned());
        let time = point["time"].as_i64().expect("unix seconds") * 1000;
        let value = point["value"].as_f64().expect("a number");
        let before = points.insert((text(&point["metric"]), labels, time), value);
        assert_eq!(before, None, "the journal holds a point twice: {line}");
    }
    points
}

/// Whether two numbers are the same to twelve significant digits.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= a.abs().max(b.abs()) * 1e-12
}

#[test]
fn victoria_metrics_holds_the_points_that_the_journal_showed() {
    let Some(program) = need(Service::VictoriaMetrics) else {
        return;
    };
    let port = Port::reserve();
    let url = format!("http://{}/datadog/api", port.address());
    let mut agent = Agent::start(&[
        ("API_KEY", KEY),
        ("DATADOG_URL", &url),
        ("DATADOG_API_VERSION", "v1"),
        ("HOST", "testhost"),
        ("GLOBAL_TAGS", r#"["fleet:test","bare"]"#),
        // Global tags in the environment mean a set-up of Chouette-IoT, which names its collectors.
        ("COLLECTOR_PLUGINS", r#"["host"]"#),
        ("AGGREGATE_INTERVAL", "1"),
        ("CAPTURE_INTERVAL", "1"),
        ("RELEASE_INTERVAL", "1"),
    ]);
    // Nobody listens at the URL yet: what the agent collects waits in the journal.
    wait_for("some windows in the journal", PATIENCE, || {
        let page = agent.scrape("").text();
        page.contains("\nhost_cpu_usage_ratio").then_some(())
    });
    let stopped = agent.terminate();
    assert!(stopped.success(), "{stopped}");
    let points = exported(&agent, "testhost");
    assert!(
        points
            .keys()
            .any(|(name, _, _)| name == "Chouette.host.memory.used"),
        "{points:?}"
    );

    let victoria = Victoria::start(&program, &port);
    agent.start_again();
    // What was taken can be searched for after a second or so; the agent adds new points meanwhile.
    let missing = |stored: &BTreeMap<Key, f64>| {
        points
            .keys()
            .filter(|key| !stored.contains_key(key))
            .cloned()
            .collect::<Vec<_>>()
    };
    let deadline = Instant::now() + PATIENCE;
    let stored = wait_for("VictoriaMetrics", PATIENCE * 2, || {
        let stored = victoria.export();
        (missing(&stored).is_empty() || Instant::now() > deadline).then_some(stored)
    });
    let missing = missing(&stored);
    assert!(
        missing.is_empty(),
        "of {} points are missing: {missing:#?}; stored: {stored:#?}",
        points.len()
    );
    for (key, value) in &points {
        assert!(
            same(stored[key], *value),
            "{key:?}: {value} was stored as {}",
            stored[key]
        );
    }
}
