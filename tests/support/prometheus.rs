//! A real Prometheus, started for one test, that scrapes one target.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::http;
use crate::support::page::Series;
use crate::support::process::{Port, Process};
use crate::support::wait::PATIENCE;

/// A Prometheus that scrapes one target every two seconds.
pub(crate) struct Prometheus {
    url: String,
    _process: Process,
    _folder: tempfile::TempDir,
    _port: Port,
}

impl Prometheus {
    /// Starts the program on a port and a folder of its own, and waits until it is ready; `target` is `127.0.0.1:port`.
    pub(crate) fn scraping(program: &Path, target: &str) -> Self {
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
    pub(crate) fn api(&self, path: &str) -> Value {
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
    pub(crate) fn samples(&self) -> BTreeMap<Series, Vec<f64>> {
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
    pub(crate) fn types(&self) -> BTreeMap<String, String> {
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
pub(crate) fn canonical((name, mut labels): Series) -> Series {
    if let Some(bound) = labels.get_mut("le") {
        *bound = bound.parse::<f64>().expect("a bound is a number").to_string();
    }
    (name, labels)
}
