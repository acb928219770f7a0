//! The pages of the running agent, read by the reference tools.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::agent::Agent;
use crate::support::page::{Page, Series};
use crate::support::services::{Service, need};
use crate::support::wait::{PATIENCE, wait_for};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0";
const TEXT: &str = "text/plain; version=0.0.4";

/// Reads OpenMetrics from stdin with `prometheus_client` and prints every sample as JSON, numbers as text.
const PARSER: &str = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
page = sys.stdin.buffer.read().decode('utf-8')
print(json.dumps([
    {'family': family.name, 'type': family.type, 'unit': family.unit, 'help': family.documentation,
     'samples': [[sample.name, sample.labels, repr(float(sample.value))] for sample in family.samples]}
    for family in text_string_to_metric_families(page)
]))
";

/// Runs a program with `input` on its stdin.
fn run(program: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program that has seen enough closes its end.
            let _ = stdin.write_all(input.as_bytes());
        });
        child.wait_with_output().expect("the program ends")
    })
}

/// A page of an agent that shows everything: the rates of `host` need two readings.
fn full_page(agent: &Agent, accept: &str) -> String {
    wait_for("the page with CPU usage", PATIENCE, || {
        let page = agent.scrape(accept).text();
        page.contains("\nhost_cpu_usage_ratio").then_some(page)
    })
}

fn promtool_finds_nothing(service: Service) {
    let Some(promtool) = need(service) else { return };
    let agent = Agent::start(&[]);
    let page = full_page(&agent, TEXT);
    let output = run(&promtool, &["check", "metrics"], &page);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(
        output.status.success() && said.is_empty(),
        "{}: {said}",
        output.status
    );
    assert!(Page::parse(&page).types.len() > 10, "{page}");
}

#[test]
fn promtool_3_finds_nothing_in_the_text_page() {
    promtool_finds_nothing(Service::Promtool3);
}

#[test]
fn promtool_2_finds_nothing_in_the_text_page() {
    promtool_finds_nothing(Service::Promtool2);
}

#[test]
fn the_reference_parser_reads_every_sample_of_the_openmetrics_page() {
    let Some(python) = need(Service::Python) else {
        return;
    };
    let agent = Agent::start(&[]);
    let page = full_page(&agent, OPENMETRICS);
    let output = run(&python, &["-c", PARSER], &page);
    assert!(
        output.status.success(),
        "{}\n{page}",
        String::from_utf8_lossy(&output.stderr)
    );

    let families: Vec<Value> = serde_json::from_slice(&output.stdout).expect("the parser prints JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let mut samples = BTreeMap::<Series, f64>::new();
    let mut types = BTreeMap::new();
    for family in &families {
        types.insert(text(&family["family"]), text(&family["type"]));
        assert_ne!(family["help"], "", "{} has a help text", family["family"]);
        for sample in family["samples"].as_array().expect("samples") {
            let labels = sample[1].as_object().expect("labels").iter();
            let labels = labels.map(|(name, value)| (name.clone(), text(value))).collect();
            samples.insert(
                (text(&sample[0]), labels),
                text(&sample[2]).parse().expect("a number"),
            );
        }
    }
    let read = Page::parse(&page);
    assert_eq!(samples, read.samples);
    assert_eq!(types, read.types);
}

#[test]
fn all_formats_show_the_same_families() {
    let agent = Agent::start(&[]);
    let openmetrics = Page::parse(&full_page(&agent, OPENMETRICS));
    let text = Page::parse(&full_page(&agent, TEXT));
    // A counter's family is named without its suffix in OpenMetrics, and with it in the older format.
    let families = |page: &Page| {
        let families = page.types.iter().filter(|(name, _)| name.starts_with("host_"));
        families
            .map(|(name, kind)| (name.trim_end_matches("_total").to_owned(), kind.clone()))
            .collect::<BTreeMap<_, _>>()
    };
    assert_eq!(families(&openmetrics), families(&text));
    assert!(families(&text).len() > 10, "{:?}", families(&text));
}
