//! Applications write into Redis, and what they wrote is at the intake, exactly.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::account::Account;
use crate::support::agent::Agent;
use crate::support::client;
use crate::support::intake::{Intake, KEY};
use crate::support::page::Page;
use crate::support::redis::Redis;
use crate::support::wait::{PATIENCE, wait_for};
use crate::support::workload::Workload;

const HOST: &str = "edge-7";
const GLOBAL: [&str; 1] = ["fleet:test"];

/// An agent that takes from this Redis and sends every second.
pub(crate) fn agent(redis: &Redis, intake: &Intake, journal: &str) -> Agent {
    Agent::new(&[
        ("API_KEY", KEY),
        ("DATADOG_URL", &intake.datadog_url()),
        ("HOST", HOST),
        ("GLOBAL_TAGS", &json!(GLOBAL).to_string()),
        ("COLLECTOR_PLUGINS", "[]"),
        ("RELEASE_INTERVAL", "1"),
        ("SEND_SELF_METRICS", "false"),
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &redis.port()),
        ("TAWNY_JOURNAL", journal),
    ])
}

/// The start of a window some seconds ago.
pub(crate) fn ago(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("past 1970");
    let now = i64::try_from(now.as_secs()).expect("seconds fit");
    (now - seconds).div_euclid(10) * 10
}

/// Waits until nothing is left of the client's queue.
pub(crate) fn wait_taken(redis: &Redis) {
    wait_queue_taken(redis, "chouette", "metrics:raw");
}

/// Waits until nothing is left of a queue below a prefix, nor of any claim there.
pub(crate) fn wait_queue_taken(redis: &Redis, prefix: &str, queue: &str) {
    let (keys, values) = (
        format!("{prefix}:{queue}.keys"),
        format!("{prefix}:{queue}.values"),
    );
    wait_for("an empty queue", PATIENCE * 3, || {
        let left = redis.zcard(&keys) + redis.hlen(&values);
        (left == 0 && redis.hlen(&format!("{prefix}:claims")) == 0).then_some(())
    });
}

/// Waits until so many points were wrapped and none of them waits any more.
pub(crate) fn wait_delivered(agent: &Agent, points: usize) {
    let wrapped = points as u64;
    Account::wait(agent, "all points to be delivered", |account| {
        account.wrapped == wrapped && account.pending == 0
    });
}

fn every_record_arrives_merged(journal: &str) {
    let Some(redis) = Redis::start() else { return };
    let intake = Intake::start();
    let workload = Workload::new(1, 100_000, 1_000, ago(300), 120);
    workload.write(&redis);
    let mut agent = agent(&redis, &intake, journal);
    agent.start_again();
    wait_taken(&redis);
    let truth = workload.truth(10, HOST, &GLOBAL);
    wait_delivered(&agent, truth.len());
    let score = intake.score(&truth);
    assert!(score.is_perfect(), "{score}");
    assert_eq!(intake.counts().rewritten, 0);
    assert!(agent.terminate().success());
}

#[test]
fn a_hundred_thousand_records_arrive_merged_through_the_journal_in_redis() {
    every_record_arrives_merged("redis");
}

#[test]
fn a_hundred_thousand_records_arrive_merged_through_the_journal_on_disk() {
    every_record_arrives_merged("disk");
}

#[test]
fn what_the_published_client_writes_arrives_and_stands_on_the_page() {
    let (Some(python), Some(redis)) = (client::python(), Redis::start()) else {
        return;
    };
    let intake = Intake::start();
    let workload = Workload::new(2, 2_000, 50, ago(120), 60);
    let calls: Vec<Value> = workload.records.iter().map(client::call).collect();
    assert_eq!(client::write(&python, &redis.port(), &calls), 2_000);
    let mut agent = agent(&redis, &intake, "auto");
    agent.start_again();
    wait_taken(&redis);
    let truth = workload.truth(10, HOST, &GLOBAL);
    wait_delivered(&agent, truth.len());
    let score = intake.score(&truth);
    assert!(score.is_perfect(), "{score}");

    let text = agent.scrape("").text();
    let page = Page::parse(&text);
    let sum = |kind: &str, positive: bool| -> f64 {
        let of_kind = workload.records.iter().filter(|record| record.kind == kind);
        let values = of_kind.map(|record| record.value.as_f64().unwrap_or(0.0));
        values
            .filter(|value| (*value >= 0.0) == positive)
            .map(f64::abs)
            .sum()
    };
    let shown = |beginning: &str, end: &str| -> f64 {
        let names = page.names();
        let of = names
            .iter()
            .filter(|name| name.starts_with(beginning) && name.ends_with(end));
        of.flat_map(|name| page.of(name).into_values()).sum()
    };
    let counted = shown("app_count_", "_total") - shown("app_count_", "_decrements_total");
    assert!((counted - sum("count", true)).abs() < 1e-6, "{counted}");
    let fallen = shown("app_count_", "_decrements_total");
    assert!((fallen - sum("count", false)).abs() < 1e-6, "{fallen}");
    let observed = workload
        .records
        .iter()
        .filter(|record| record.kind == "histogram")
        .count();
    assert_eq!(shown("app_histogram_", "_count"), observed as f64);
}
