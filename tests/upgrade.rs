//! What an installation of the original finds when this agent takes its place.

use std::collections::BTreeSet;
use std::net::ToSocketAddrs;

use serde_json::json;

use crate::redis_feed::{agent, ago, wait_queue_taken, wait_taken};
use crate::support::account::Account;
use crate::support::agent::Agent;
use crate::support::intake::{Intake, KEY, Kind, PointKey};
use crate::support::page::Page;
use crate::support::redis::Redis;
use crate::support::services::skip;
use crate::support::wait::{PATIENCE, wait_for};
use crate::support::workload::{self, Workload};

#[test]
fn points_that_the_original_left_are_delivered_first_and_removed() {
    let Some(redis) = Redis::start() else { return };
    let intake = Intake::start();
    let start = ago(1_200);
    let left = |index: i64| {
        let time = start + index % 100;
        let text = match index % 3 {
            0 => json!({"metric": "old.count", "type": "count", "interval": 10,
                "points": [[time, index]], "tags": [format!("n:{index}"), "bare"]}),
            1 => json!({"metric": "old.rate", "type": "rate", "interval": 10,
                "points": [[time, 0.25]], "tags": [format!("n:{index}")]}),
            _ => json!({"metric": "old.gauge", "type": "gauge",
                "points": [[time, -1.5]], "tags": [format!("n:{index}")]}),
        };
        (time as f64, text.to_string())
    };
    workload::put(&redis, "chouette:metrics:wrapped", (0..600).map(left));
    let young = Workload::ones(1_000, 10, ago(300), 60);
    young.write(&redis);

    let mut agent = agent(&redis, &intake, "redis");
    agent.start_again();
    wait_queue_taken(&redis, "chouette", "metrics:wrapped");
    wait_taken(&redis);
    let account = Account::wait(&agent, "all to be delivered", |account| {
        account.pending == 0 && account.wrapped >= 600
    });
    let truth = young.truth(10, "edge-7", &["fleet:test"]);
    assert_eq!(account.delivered, 600 + truth.len() as u64);

    let points = intake.points();
    let old: Vec<&PointKey> = points.keys().filter(|key| key.name.starts_with("old.")).collect();
    assert_eq!(old.len(), 600);
    let key = |name: &str, tags: &[&str], kind, time| PointKey::new(name, "edge-7", tags, kind, time);
    let count = &points[&key(
        "old.count",
        &["n:3", "bare", "fleet:test"],
        Kind::Count,
        start + 3,
    )];
    assert_eq!((count.value, count.interval), (3.0, 10));
    let rate = &points[&key("old.rate", &["n:1", "fleet:test"], Kind::Rate, start + 1)];
    assert_eq!((rate.value, rate.interval), (0.25, 10));
    let gauge = &points[&key("old.gauge", &["n:2", "fleet:test"], Kind::Gauge, start + 2)];
    assert_eq!(gauge.value, -1.5);

    // By the time that the first of the young ones went, all old ones had gone, or went with it.
    let mut seen = BTreeSet::new();
    for request in intake.series_requests() {
        let names: Vec<&str> = request.series.iter().map(|series| series.name.as_str()).collect();
        let olds = request
            .series
            .iter()
            .filter(|series| series.name.starts_with("old."));
        seen.extend(olds.flat_map(|series| {
            let times = series.points.iter().map(|(time, _)| *time);
            times
                .map(|time| (series.name.clone(), series.tags.clone(), time))
                .collect::<Vec<_>>()
        }));
        if names.contains(&"app.ones") {
            break;
        }
    }
    assert_eq!(seen.len(), 600);
    assert!(agent.terminate().success());
}

#[test]
fn without_a_host_called_redis_there_is_no_feed_and_no_trouble() {
    if ("redis", 6379).to_socket_addrs().is_ok() {
        skip("there is a host called redis here");
        return;
    }
    let intake = Intake::start();
    let mut agent = Agent::new(&[
        ("API_KEY", KEY),
        ("DATADOG_URL", &intake.datadog_url()),
        ("GLOBAL_TAGS", r#"["fleet:test"]"#),
        ("COLLECTOR_PLUGINS", r#"["host"]"#),
        ("HOST", "edge-7"),
        ("RELEASE_INTERVAL", "1"),
        ("AGGREGATE_INTERVAL", "1"),
        ("CAPTURE_INTERVAL", "1"),
        ("SEND_SELF_METRICS", "false"),
    ]);
    agent.start_again();
    wait_for("host metrics to arrive", PATIENCE, || {
        (!intake.points().is_empty()).then_some(())
    });
    let page = Page::parse(&agent.scrape("").text());
    assert!(page.of("tawny_feed_up").is_empty());
    assert_eq!(page.of("tawny_ready").into_values().collect::<Vec<_>>(), [1.0]);
    let outputs: BTreeSet<String> = page
        .of("tawny_output_state")
        .into_keys()
        .map(|labels| labels["output"].clone())
        .collect();
    assert_eq!(outputs, BTreeSet::from(["datadog".to_owned()]), "no logs come in");
    assert!(agent.terminate().success());
    let log = agent.log();
    for level in ["WARN", "ERROR"] {
        assert!(!log.contains(level), "{level}: {log}");
    }
    let said = log.matches("there is no host of this name now: no applications' records are read");
    assert_eq!(said.count(), 1, "{log}");
}
