//! Tests of the environment's part.

use std::path::Path;

use serde_json::json;

use super::*;
use crate::config::kinds::{Level, LogFormat, WrapperKind};
use crate::config::show;
use crate::support::quantity::Span;
use crate::wrappers::Aggregation;

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
        [Aggregation::Min, Aggregation::Sum]
    );
    assert_eq!(settings.wrapper.histogram_percentiles, [0.5, 0.999]);
    assert!(!settings.send_self_metrics);
    assert_eq!(
        (settings.log.level, settings.log.format),
        (Level::Warn, LogFormat::Json)
    );
    let redis = settings.redis.as_ref().unwrap();
    assert_eq!((redis.host.as_deref(), redis.port), (Some("cache"), Some(6380)));
    assert_eq!(names(&settings.feeds), ["redis"]);
    assert_eq!(
        settings.outputs["datadog_logs"].section.value,
        json!({"api_key": "0123456789", "url": "http://intake/logs"})
    );
    assert_eq!(settings.listen.to_string(), "0.0.0.0:9200");
    assert_eq!(settings.journal.directory, Path::new("/data/journal"));
    let collectors = ["docker", "dramatiq", "host", "k8s", "tegrastats"];
    assert_eq!(names(&settings.collectors), collectors);
    assert_eq!(
        settings.collectors["tegrastats"].section.value,
        json!({"metrics": ["ram"], "path": "/usr/bin/tegrastats"})
    );
    assert_eq!(settings.docker.endpoint, "unix:///var/run/docker.sock");
    assert_eq!(warnings(&loaded), [""; 0]);
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
            "COLLECTOR_PLUGINS: no such collector; there are: host, nginx, tegrastats, dramatiq, k8s, docker \
             [sets collectors.hots] (did you mean `host`?)"
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
    let port = loaded.settings.redis.as_ref().and_then(|redis| redis.port);
    assert_eq!(port, Some(6390));
    // Such a variable is there wherever there is a service called `redis`: it asks for nothing.
    assert!(loaded.redis.is_none() && loaded.settings.feeds.is_empty());
}

#[test]
fn every_variable_of_the_docker_collector_works() {
    let loaded = from_variables(&[
        ("MACHINE_NAME", "press-7"),
        ("METRICS_COLLECTION_INTERVAL", "20"),
        ("LOGS_COLLECTION_INTERVAL", "5"),
        ("LAST_METRICS_COLLECTED_AT_FILE", "/tmp/metrics-at"),
        ("LAST_LOGS_COLLECTED_AT_FILE", "/tmp/logs-at"),
        ("MAX_COLLECTOR_THREADS", "7"),
        ("METRICS_EXPORTER_PORT", "10101"),
        ("DEFAULT_LOGS_SINCE_NOW", "60"),
        ("LOGS_DIR", "/tmp/logs"),
        ("LOGS_CONTAINER_MAX_FILES", "10"),
        ("LOGS_CONTAINER_MAX_FILE_SIZE", "10485760"),
        ("LOG_LEVELS_MAPPING_PATH", "/config/mapping.json"),
        ("COLLECTOR_PLUGINS", r#"["docker", "k8s", "dramatiq"]"#),
        ("K8S_CA_PATH", "/ca.pem"),
        ("K8S_SERVER_NAME", "node-1"),
        ("K8S_INSECURE_SKIP_VERIFY", "true"),
        ("K8S_NODE_NAME", "node-1"),
        ("TAWNY_DRAMATIQ_REDIS_URL", "redis://:hunter2@broker"),
        ("TAWNY_DRAMATIQ_RABBITMQ_URL", "http://me:hunter2@rabbit:15672"),
    ])
    .unwrap();
    let settings = &loaded.settings;
    assert_eq!(settings.machine, "press-7");
    assert_eq!(settings.listen.to_string(), "0.0.0.0:10101");
    assert_eq!(settings.collectors["docker"].interval, Span::seconds(20));
    assert_eq!(
        settings.collectors["docker"].section.value,
        json!({"last_collected_file": "/tmp/metrics-at", "max_concurrent": 7})
    );
    assert_eq!(names(&settings.feeds), ["container_logs"]);
    assert_eq!(
        settings.feeds["container_logs"].section.value,
        json!({
            "max_concurrent": 7, "interval": "5s", "last_collected_file": "/tmp/logs-at", "since_at_first": "60s",
            "directory": "/tmp/logs", "max_files": 10, "max_file_size": "10485760B",
            "mapping_file": "/config/mapping.json",
        })
    );
    assert_eq!(
        settings.collectors["k8s"].section.value,
        json!({"ca_path": "/ca.pem", "server_name": "node-1", "insecure_skip_verify": true, "node_name": "node-1"})
    );
    let shown = show::masked(settings, &CATALOG).to_string();
    assert!(
        !shown.contains("hunter2") && shown.contains("http://********@rabbit:15672"),
        "{shown}"
    );
    assert_eq!(warnings(&loaded), [""; 0]);
}

#[test]
fn a_wrong_number_of_theirs_is_an_error_once() {
    let wrong = [
        ("MAX_COLLECTOR_THREADS", "many"),
        ("LOGS_CONTAINER_MAX_FILE_SIZE", "10MB"),
        ("METRICS_EXPORTER_PORT", "http"),
        ("K8S_INSECURE_SKIP_VERIFY", "maybe"),
    ];
    assert_eq!(
        problems(from_variables(&wrong)),
        [
            "K8S_INSECURE_SKIP_VERIFY: expected `true` or `false`, found `maybe`",
            "LOGS_CONTAINER_MAX_FILE_SIZE: expected a number of bytes, found `10MB`",
            "MAX_COLLECTOR_THREADS: expected a whole number, found `many`",
            "METRICS_EXPORTER_PORT: expected a port from 1 to 65535, found `http`",
        ]
    );
}

#[test]
fn the_exporters_port_gives_way_to_our_own_variable() {
    let port = ("METRICS_EXPORTER_PORT", "10101");
    let own = from_variables(&[port, ("TAWNY_LISTEN", "127.0.0.1:9200")]).unwrap();
    assert_eq!(own.settings.listen.to_string(), "127.0.0.1:9200");
    // Such a variable is there wherever there is a service called `metrics-exporter`: it asks for nothing.
    let injected = from_variables(&[("METRICS_EXPORTER_PORT", "tcp://10.0.0.7:80")]).unwrap();
    assert_eq!(injected.settings.listen.to_string(), "0.0.0.0:9103");
}

#[test]
fn containers_logs_are_followed_where_a_folder_or_the_section_is_there() {
    let key = ("API_KEY", "k");
    let alone = from_variables(&[key, ("MAX_COLLECTOR_THREADS", "3")]).unwrap();
    assert!(alone.settings.feeds.is_empty());
    let section = from_file(
        "feeds: {container_logs: }\n",
        &[key, ("DEFAULT_LOGS_SINCE_NOW", "9")],
    )
    .unwrap();
    assert_eq!(
        section.settings.feeds["container_logs"].section.value,
        json!({"since_at_first": "9s"})
    );
    // They are files: the output for logs is there for those who hand logs in.
    assert_eq!(names(&section.settings.outputs), ["datadog"]);
    let forward = from_file("feeds: {container_logs: {forward: true}}\n", &[key]).unwrap();
    assert_eq!(names(&forward.settings.outputs), ["datadog", "datadog_logs"]);
    let both = from_variables(&[key, ("LOGS_DIR", "/logs"), ("REDIS_HOST", "cache")]).unwrap();
    assert_eq!(names(&both.settings.feeds), ["container_logs", "redis"]);
    assert_eq!(names(&both.settings.outputs), ["datadog", "datadog_logs"]);
}
