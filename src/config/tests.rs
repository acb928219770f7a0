//! Tests of loading, with a catalog of their own.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::environment::Environment;
use super::kinds::{Aggregate, Level, LogFormat, Sync, WrapperKind};
use super::layers::Origin;
use super::load::{Flags, Loaded, Refused, load_with};
use crate::catalog::{Catalog, Context, Entry, Findings};
use crate::component::collector::Collector;
use crate::component::descriptor::{Descriptor, Role};
use crate::component::output::Output;
use crate::component::settings::Section;
use crate::component::wrapper::Wrapper;
use crate::model::point::Point;
use crate::model::window::Window;
use crate::support::quantity::{Size, Span};
use crate::support::secret::Secret;

const fn descriptor(name: &'static str, role: Role) -> Descriptor {
    Descriptor {
        name,
        role,
        summary: "",
        sample: "",
        metrics: &[],
    }
}

static HOST: Descriptor = descriptor("host", Role::Collector);
static NGINX: Descriptor = descriptor("nginx", Role::Collector);
static DATADOG: Descriptor = descriptor("datadog", Role::Output);

static WRAPPER: Descriptor = descriptor("datadog", Role::Wrapper);
static SIMPLE: Descriptor = descriptor("simple", Role::Wrapper);

static CATALOG: Catalog = Catalog {
    collectors: &[
        Entry {
            descriptor: &HOST,
            build: host,
        },
        Entry {
            descriptor: &NGINX,
            build: host,
        },
    ],
    wrappers: &[
        Entry {
            descriptor: &WRAPPER,
            build: wrapper,
        },
        Entry {
            descriptor: &SIMPLE,
            build: wrapper,
        },
    ],
    outputs: &[Entry {
        descriptor: &DATADOG,
        build: datadog,
    }],
};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Host {
    groups: Vec<String>,
    metrics: String,
}

fn host(section: &Section, _: &Context<'_>, findings: &mut Findings) -> Option<Box<dyn Collector>> {
    section.read::<Host>(&mut findings.problems);
    None
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Datadog {
    api_key: Secret,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    most: u32,
}

fn datadog(section: &Section, _: &Context<'_>, findings: &mut Findings) -> Option<Box<dyn Output>> {
    section.read::<Datadog>(&mut findings.problems);
    None
}

struct Nothing;

impl Wrapper for Nothing {
    fn wrap(&self, _: &Window, _: &mut Vec<Point>) {}
}

fn wrapper(_: &Section, _: &Context<'_>, _: &mut Findings) -> Option<Box<dyn Wrapper>> {
    Some(Box::new(Nothing))
}

const NOWHERE: &str = "/nonexistent/tawny.yaml";

fn from_variables(variables: &[(&str, &str)]) -> Result<Loaded, Box<Refused>> {
    let environment = variables.iter().copied().collect();
    load_with(&environment, &Flags::default(), &CATALOG, Path::new(NOWHERE))
}

fn from_file(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Box<Refused>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tawny.yaml");
    fs::write(&path, text).unwrap();
    let environment = variables.iter().copied().collect();
    load_with(&environment, &Flags::default(), &CATALOG, &path).map_err(|mut refused| {
        let folder = format!("{}/", folder.path().display());
        for problem in &mut refused.problems {
            problem.message = problem.message.replace(&folder, "");
            problem.path = problem.path.replace(&folder, "");
        }
        refused
    })
}

fn problems(loaded: Result<Loaded, Box<Refused>>) -> Vec<String> {
    let refused = loaded.expect_err("these settings are wrong");
    refused.problems.iter().map(ToString::to_string).collect()
}

fn warnings(loaded: &Loaded) -> Vec<String> {
    let other = loaded.warnings.iter().filter(|warning| warning.path != "host");
    other.map(ToString::to_string).collect()
}

fn names<T>(map: &std::collections::BTreeMap<String, T>) -> Vec<&str> {
    map.keys().map(String::as_str).collect()
}

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
            "collectors.hots: no such collector; there are: host, nginx [tawny.yaml:18] (did you mean `host`?)",
            "collectors.nginx.timeout: expected more than 0s and at most the interval, 30s, found 1h [tawny.yaml:19]",
            "collectors.nginx.urll: unknown key; known here: groups, metrics [tawny.yaml:19]",
            "global_tags: expected a list, found string \"env:prod\" [tawny.yaml:7]",
            "grace: expected a duration with a unit such as `10s` or `1h 30m`, found `soon` [tawny.yaml:3]",
            "interval: expected whole seconds from 1s to 1h, found 0s [tawny.yaml:2]",
            "journal.bound: expected at least 1MiB, found 1KiB [tawny.yaml:14]",
            "journal.sync: expected `batch`, or a duration above 0 such as `30s` or `5m`, found `never` [tawny.yaml:15]",
            "limits.series: expected at least 1, found 0 [tawny.yaml:8]",
            "lisen: unknown key; known here: listen, host, global_tags, interval, grace, collect_interval, \
             release_interval, bulk_size, stale_after, shutdown_timeout, send_self_metrics, limits, wrapper, journal, \
             collectors, outputs, log, web, roots, redis, logs [tawny.yaml:1] (did you mean `listen`?)",
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
fn every_variable_of_chouette_works() {
    let loaded = from_variables(&[
        ("API_KEY", "0123456789"),
        ("GLOBAL_TAGS", r#"["env:prod", "team:iot"]"#),
        ("host", "edge-1"),
        (
            "COLLECTOR_PLUGINS",
            r#"["host", "tegrastats", "dramatiq", "k8s", "docker"]"#,
        ),
        ("AGGREGATE_INTERVAL", "20"),
        ("CAPTURE_INTERVAL", "15"),
        ("RELEASE_INTERVAL", "120"),
        ("DATADOG_URL", "http://intake/api"),
        ("DATADOG_API_VERSION", "v1"),
        ("DATADOG_LOGS_URL", "http://intake/logs"),
        ("METRICS_BULK_SIZE", "500"),
        ("METRIC_TTL", "7200"),
        ("LOG_TTL", "3600"),
        ("METRICS_WRAPPER", "simple"),
        ("HISTOGRAM_AGGREGATES", r#"["min", "sum"]"#),
        ("HISTOGRAM_PERCENTILES", "[0.5, 0.999]"),
        ("SEND_SELF_METRICS", "False"),
        ("LOG_LEVEL", "WARNING"),
        ("REDIS_HOST", "cache"),
        ("REDIS_PORT", "6380"),
        ("CHOUETTE_STORAGE_TYPE", "redis"),
        ("HOST_COLLECT_METRICS", r#"["cpu", "network"]"#),
        ("TEGRASTATS_METRICS", r#"["ram"]"#),
        ("TEGRASTATS_PATH", "/usr/bin/tegrastats"),
        ("K8S_STATS_SERVICE_IP", "10.0.0.1"),
        ("K8S_STATS_SERVICE_PORT", "10250"),
        ("K8S_CERT_PATH", "/cert"),
        ("K8S_KEY_PATH", "/key"),
        ("K8S_METRICS", r#"{"pods": ["memory"]}"#),
        ("DOCKER_SOCKET_PATH", "/var/run/docker.sock"),
        ("TAWNY_LISTEN", ":9200"),
        ("TAWNY_JOURNAL_DIR", "/data/journal"),
        ("TAWNY_LOG_FORMAT", "json"),
    ])
    .unwrap();
    let settings = &loaded.settings;
    assert_eq!(
        settings.outputs["datadog"].section.value,
        json!({"api_key": "0123456789", "url": "http://intake/api", "api_version": "v1"})
    );
    assert_eq!(
        (settings.host.as_str(), settings.global_tags.len()),
        ("edge-1", 2)
    );
    assert_eq!(settings.interval, Span::seconds(20));
    assert_eq!(settings.collectors["host"].interval, Span::seconds(15));
    assert_eq!(
        settings.collectors["host"].section.value,
        json!({"groups": ["cpu", "network"], "metrics": "original"})
    );
    assert_eq!(
        (settings.release_interval, settings.bulk_size),
        (Span::seconds(120), 500)
    );
    let life = settings.journal.time_to_live;
    assert_eq!(
        (life.points, life.logs),
        (Span::seconds(7200), Span::seconds(3600))
    );
    assert_eq!(settings.wrapper.kind, WrapperKind::Simple);
    assert_eq!(
        settings.wrapper.histogram_aggregates,
        [Aggregate::Min, Aggregate::Sum]
    );
    assert_eq!(settings.wrapper.histogram_percentiles, [0.5, 0.999]);
    assert!(!settings.send_self_metrics);
    assert_eq!(
        (settings.log.level, settings.log.format),
        (Level::Warn, LogFormat::Json)
    );
    let redis = settings.redis.as_ref().unwrap();
    assert_eq!((redis.host.as_str(), redis.port), ("cache", 6380));
    assert_eq!(settings.logs.as_ref().unwrap().datadog_url, "http://intake/logs");
    assert_eq!(settings.listen.to_string(), "0.0.0.0:9200");
    assert_eq!(settings.journal.directory, Path::new("/data/journal"));
    assert_eq!(
        warnings(&loaded),
        ["docker", "dramatiq", "k8s", "tegrastats"].map(|name| format!(
            "COLLECTOR_PLUGINS: the collector `{name}` comes with a later release; it is left out [sets collectors.{name}]"
        ))
    );
}

#[test]
fn both_spellings_of_a_variable_work() {
    for name in ["COLLECTOR_PLUGINS", "COLLECT_PLUGINS", "collect_plugins"] {
        let loaded = from_variables(&[(name, r#"["host"]"#)]).unwrap();
        assert_eq!(names(&loaded.settings.collectors), ["host"], "{name}");
        assert_eq!(
            loaded.settings.collectors["host"].section.value,
            json!({"metrics": "original"})
        );
    }
    for name in ["HOST_COLLECT_METRICS", "HOST_COLLECTOR_METRICS"] {
        let loaded = from_variables(&[(name, r#"["la"]"#)]).unwrap();
        let section = &loaded.settings.collectors["host"].section.value;
        assert_eq!(
            section,
            &json!({"groups": ["la"], "metrics": "original"}),
            "{name}"
        );
    }
    let both = from_variables(&[("COLLECTOR_PLUGINS", "[]"), ("COLLECT_PLUGINS", r#"["host"]"#)]).unwrap();
    assert!(both.settings.collectors.is_empty());
    assert_eq!(
        warnings(&both),
        ["COLLECT_PLUGINS: has no effect, because COLLECTOR_PLUGINS is set to something else"]
    );
}

#[test]
fn the_variable_names_exactly_the_collectors() {
    let text = "collectors:\n  nginx: {interval: 5s}\n  host: {groups: [cpu]}\n";
    let loaded = from_file(text, &[("COLLECTOR_PLUGINS", r#"["nginx"]"#)]).unwrap();
    assert_eq!(names(&loaded.settings.collectors), ["nginx"]);
    assert_eq!(loaded.settings.collectors["nginx"].interval, Span::seconds(5));
    assert!(warnings(&loaded)[0].starts_with("collectors.host: is left out"));
    let tagged = from_variables(&[("GLOBAL_TAGS", "[]")]).unwrap();
    assert!(tagged.settings.collectors.is_empty());
    let none = from_file("collectors: {}\n", &[]).unwrap();
    assert!(none.settings.collectors.is_empty());
    let no_groups = from_variables(&[("HOST_COLLECT_METRICS", "[]")]).unwrap();
    assert!(no_groups.settings.collectors.is_empty());
    assert_eq!(
        problems(from_variables(&[("COLLECTOR_PLUGINS", r#"["hots"]"#)])),
        [
            "COLLECTOR_PLUGINS: no such collector; there are: host, nginx [sets collectors.hots] (did you mean `host`?)"
        ]
    );
}

#[test]
fn without_a_key_there_is_no_datadog() {
    let loaded = from_variables(&[("DATADOG_URL", "http://x"), ("API_KEY", "")]).unwrap();
    assert!(loaded.settings.outputs.is_empty());
    let empty = from_file("outputs: {datadog: {api_key: \"${KEY:-}\"}}\n", &[]).unwrap();
    assert!(empty.settings.outputs.is_empty());
    assert!(warnings(&empty)[0].starts_with("outputs.datadog.api_key: is empty"));
}

#[test]
fn a_number_may_come_from_a_variable_in_a_file() {
    let text = "bulk_size: ${MANY}\nsend_self_metrics: ${SELF}\nhost: ${NUMBER}\n\
                outputs: {datadog: {api_key: \"${NUMBER}\", most: \"${MANY}\"}}\n";
    let loaded = from_file(text, &[("MANY", "77"), ("SELF", "false"), ("NUMBER", "0123")]).unwrap();
    let settings = &loaded.settings;
    assert_eq!((settings.bulk_size, settings.send_self_metrics), (77, false));
    assert_eq!(settings.host, "0123");
    assert_eq!(
        settings.outputs["datadog"].section.value,
        json!({"api_key": "0123", "most": 77})
    );
    assert_eq!(
        problems(from_file("bulk_size: ${MANY}\n", &[("MANY", "x")])),
        ["bulk_size: expected a whole number, found string \"x\" [tawny.yaml:1]"]
    );
}

#[test]
fn unknown_variables_of_ours_are_warned_of() {
    let loaded = from_variables(&[
        ("TAWNY_LISTN", ":1"),
        ("TAWNY_REQUIRE", "all"),
        ("TAWNY_SERVICE_HOST", "10.0.0.1"),
        ("TAWNY_PORT_9103_TCP", "tcp://10.0.0.1:9103"),
        ("REDIS_PORT", "tcp://10.0.0.7:6390"),
    ])
    .unwrap();
    assert_eq!(
        warnings(&loaded),
        ["TAWNY_LISTN: no such variable; it has no effect (did you mean `TAWNY_LISTEN`?)"]
    );
    assert_eq!(loaded.settings.redis.as_ref().map(|redis| redis.port), Some(6390));
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
