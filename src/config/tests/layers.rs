//! Tests of layers and problems.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::config::environment::Environment;
use crate::config::kinds::Sync;
use crate::config::layers::Origin;
use crate::support::quantity::{Size, Span};

#[test]
fn with_nothing_set_the_host_is_collected_and_nothing_is_sent() {
    let loaded = from_variables(&[]).unwrap();
    let settings = &loaded.settings;
    assert_eq!(names(&settings.collectors), ["host"]);
    assert_eq!(settings.collectors["host"].section.value, json!(null));
    assert_eq!(settings.collectors["host"].interval, Span::seconds(30));
    assert_eq!(settings.collectors["host"].timeout, Span::seconds(10));
    assert!(settings.outputs.is_empty());
    assert_eq!(settings.listen.to_string(), "0.0.0.0:9103");
    assert!(!settings.host.is_empty());
    assert_eq!(loaded.file, None);
    assert_eq!(warnings(&loaded), [""; 0]);
}

#[test]
fn later_layers_win_and_every_value_knows_its_origin() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.yaml");
    fs::write(
        &file,
        "listen: 1.1.1.1:1\ninterval: 20s\ngrace: 5s\njournal:\n  bound: 8MiB\n",
    )
    .unwrap();
    let environment = Environment::from_iter([
        ("TAWNY_LISTEN", "2.2.2.2:2"),
        ("aggregate_interval", "15"),
        ("TAWNY_CONFIG", NOWHERE),
    ]);
    let flags = Flags {
        config: Some(file.clone()),
        listen: Some("3.3.3.3:3".to_string()),
        directory: None,
    };
    let loaded = load_with(&environment, &flags, &CATALOG, Path::new(NOWHERE)).unwrap();
    let settings = &loaded.settings;
    assert_eq!(settings.listen.to_string(), "3.3.3.3:3");
    assert_eq!(
        (settings.interval, settings.grace),
        (Span::seconds(15), Span::seconds(5))
    );
    assert_eq!(settings.journal.bound, Size::mebibytes(8));
    let of = |path: &str| loaded.origins.of(path).clone();
    let file: Arc<Path> = file.into();
    assert_eq!(of("listen"), Origin::Flag("--listen"));
    assert_eq!(of("interval"), Origin::Variable("aggregate_interval".to_string()));
    assert_eq!(of("grace"), Origin::File(file.clone(), 3));
    assert_eq!(of("journal.bound"), Origin::File(file, 5));
    assert_eq!(of("bulk_size"), Origin::Default);
}

#[test]
fn all_problems_are_reported_at_once() {
    let text = "\
lisen: 0.0.0.0:80
interval: 0s
grace: soon
collect_interval: 30
bulk_size: many
stale_after: ${NONE}
global_tags: env:prod
limits: {series: 0}
wrapper:
  type: datadgo
  histogram_percentiles: [0.95, 1.2, 95]
  histogram_aggregates: [max, mean]
journal:
  bound: 1KiB
  sync: never
  time_to_live: {points: 5s}
collectors:
  hots:
  nginx: {timeout: 1h, urll: x}
  host: yes
outputs:
  datadog:
    url: [x]
    api_version: v2
log: {level: loud}
";
    assert_eq!(
        problems(from_file(
            text,
            &[
                ("RELEASE_INTERVAL", "0"),
                ("METRICS_BULK_SIZE", "x"),
                ("GLOBAL_TAGS", "a")
            ]
        )),
        [
            "GLOBAL_TAGS: expected a JSON list such as `[\"a\", \"b\"]`, found `a`",
            "METRICS_BULK_SIZE: expected a whole number, found `x`",
            "RELEASE_INTERVAL: expected at least 1s, found 0s [sets release_interval]",
            "bulk_size: expected a whole number, found string \"many\" [tawny.yaml:5]",
            "collect_interval: expected a duration with a unit such as `10s` or `1h 30m`, found `30` [tawny.yaml:4]",
            "collectors.host: expected a map of its settings, or nothing [tawny.yaml:20]",
            "collectors.hots: no such collector; there are: host, nginx, tegrastats, dramatiq, k8s, docker \
             [tawny.yaml:18] (did you mean `host`?)",
            "collectors.nginx.timeout: expected more than 0s and at most the interval, 30s, found 1h [tawny.yaml:19]",
            "collectors.nginx.urll: unknown key; known here: groups, metrics [tawny.yaml:19]",
            "global_tags: expected a list, found string \"env:prod\" [tawny.yaml:7]",
            "grace: expected a duration with a unit such as `10s` or `1h 30m`, found `soon` [tawny.yaml:3]",
            "interval: expected whole seconds from 1s to 1h, found 0s [tawny.yaml:2]",
            "journal.bound: expected at least 1MiB, found 1KiB [tawny.yaml:14]",
            "journal.sync: expected `batch`, or a duration above 0 such as `30s` or `5m`, found `never` [tawny.yaml:15]",
            "limits.series: expected at least 1, found 0 [tawny.yaml:8]",
            "lisen: unknown key; known here: listen, host, machine, global_tags, interval, grace, collect_interval, \
             release_interval, bulk_size, stale_after, shutdown_timeout, send_self_metrics, limits, wrapper, \
             histograms, journal, collectors, feeds, outputs, log, web, roots, redis, docker [tawny.yaml:1] \
             (did you mean `listen`?)",
            "log.level: expected one of trace, debug, info, warn, error, off, found `loud` [tawny.yaml:25]",
            "outputs.datadog.api_key: is required, and missing [tawny.yaml:23]",
            "outputs.datadog.url: expected text, found a list [tawny.yaml:23]",
            "stale_after: the variable NONE is not set; set it, or write `${NONE:-default}` [tawny.yaml:6]",
            "wrapper.histogram_aggregates[1]: unknown value `mean`; expected one of: max, min, avg, median, sum, \
             count [tawny.yaml:12] (did you mean `median`?)",
            "wrapper.histogram_percentiles[1]: expected a number above 0 and below 1, found 1.2 [tawny.yaml:11] \
             (0.95 is the 95th percentile)",
            "wrapper.histogram_percentiles[2]: expected a number above 0 and below 1, found 95 [tawny.yaml:11] \
             (0.95 is the 95th percentile)",
            "wrapper.type: unknown value `datadgo`; expected one of: datadog, simple [tawny.yaml:10] \
             (did you mean `datadog`?)",
        ]
    );
}

#[test]
fn a_window_must_fit_into_the_time_to_live() {
    assert_eq!(
        problems(from_variables(&[
            ("METRIC_TTL", "12"),
            ("RELEASE_INTERVAL", "10")
        ])),
        [
            "METRIC_TTL: expected more than a window and its grace, 12s together, found 12s \
          [sets journal.time_to_live.points] (else points are dropped before they can be sent)"
        ]
    );
    assert_eq!(problems(from_variables(&[("METRIC_TTL", "60")])).len(), 1);
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_only_where_it_is_named() {
    let named = problems(from_variables(&[("TAWNY_CONFIG", NOWHERE)]));
    assert!(
        named[0].starts_with("TAWNY_CONFIG: cannot read /nonexistent/tawny.yaml: No such file"),
        "{named:?}"
    );
    let broken = problems(from_file("listen: x\n  a: [b\n", &[("AGGREGATE_INTERVAL", "0")]));
    assert!(
        broken[1].starts_with("AGGREGATE_INTERVAL: expected whole seconds"),
        "{broken:?}"
    );
    assert!(broken[0].starts_with("tawny.yaml: line 2, column "), "{broken:?}");
}

#[test]
fn no_text_shows_a_secret() {
    let text = "outputs:\n  datadog: {api_key: hunter2, url: [hunter2]}\nredis: {password: hunter2}\n";
    let refused = from_file(text, &[]).unwrap_err();
    assert!(!format!("{refused:?}").contains("hunter2"));
    let loaded = from_variables(&[("API_KEY", "hunter2")]).unwrap();
    assert!(!format!("{:?}", loaded.settings).contains("hunter2"));
    let wrong = from_file("redis: {password: 12345}\n", &[]).unwrap_err();
    assert!(!format!("{wrong:?}").contains("12345"));
}

#[test]
fn a_key_with_nothing_behind_it_has_its_default() {
    let text = "listen:\njournal:\n  bound:\nredis:\ncollectors:\n  nginx:\n    interval:\n    groups:\n";
    let loaded = from_file(text, &[]).unwrap();
    assert_eq!(loaded.settings.listen.to_string(), "0.0.0.0:9103");
    assert_eq!(loaded.settings.journal.bound, Size::mebibytes(64));
    assert_eq!(loaded.settings.collectors["nginx"].section.value, json!({}));
}

#[test]
fn the_journal_may_be_synced_by_time() {
    let loaded = from_file("journal: {sync: 5m}\n", &[]).unwrap();
    assert_eq!(
        loaded.settings.journal.sync,
        Sync::Every(std::time::Duration::from_secs(300))
    );
}

#[test]
fn every_component_reads_its_own_sample() {
    for descriptor in crate::catalog::CATALOG.descriptors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sample.yaml");
        fs::write(&path, crate::catalog::reference::sample(descriptor)).unwrap();
        // What a sample has to stand beside: a key, and a Redis.
        let beside = [("API_KEY", "0123456789abcdef"), ("REDIS_HOST", "127.0.0.1")];
        let environment = beside.into_iter().collect();
        crate::support::http::install_provider();
        let loaded = load_with(&environment, &Flags::default(), &crate::catalog::CATALOG, &path);
        let problems: Vec<String> = match loaded {
            Ok(loaded) => {
                assert!(loaded.components.wrapper.is_some());
                Vec::new()
            }
            Err(refused) => refused.problems.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(
            problems,
            [""; 0],
            "{} {}",
            descriptor.role.name(),
            descriptor.name
        );
    }
}
