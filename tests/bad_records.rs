//! Records that cannot be read stop nothing, are counted by reason, and are kept as samples.

use std::collections::BTreeMap;

use crate::redis_feed::{agent, ago, wait_taken};
use crate::support::account::Account;
use crate::support::agent::Agent;
use crate::support::intake::Intake;
use crate::support::page::Page;
use crate::support::redis::Redis;
use crate::support::wait::{PATIENCE, wait_for};
use crate::support::workload::Workload;

/// Puts a record as it is into the client's queue.
fn put(redis: &Redis, score: f64, id: &str, value: Option<&str>) {
    let mut pipeline = redis::pipe();
    pipeline
        .cmd("ZADD")
        .arg("chouette:metrics:raw.keys")
        .arg(score)
        .arg(id)
        .ignore();
    if let Some(value) = value {
        pipeline
            .cmd("HSET")
            .arg("chouette:metrics:raw.values")
            .arg(id)
            .arg(value)
            .ignore();
    }
    redis.pipe(&pipeline);
}

/// How many records the agent's page says could not be read, by reason.
fn unreadable(agent: &Agent) -> BTreeMap<String, f64> {
    let text = agent.scrape("").text();
    let page = Page::parse(&text);
    let family = page.of("tawny_feed_unreadable_records_total").into_iter();
    family
        .filter(|(_, value)| *value > 0.0)
        .map(|(labels, value)| (labels["reason"].clone(), value))
        .collect()
}

#[test]
fn every_bad_record_has_its_reason_and_the_good_ones_arrive() {
    let Some(redis) = Redis::start() else { return };
    let intake = Intake::start();
    let time = ago(60) as f64;
    let with = |rest: &str| format!(r#"{{"metric": "bad", "timestamp": {time}, {rest}}}"#);
    let long = format!(
        r#""type": "gauge", "tags": {{}}, "value": "{}""#,
        "9".repeat(10 << 20)
    );
    let cases: [(&str, Option<String>); 9] = [
        ("not-json", Some("{nothing".to_owned())),
        (
            "no-metric",
            Some(format!(r#"{{"type": "count", "value": 1, "timestamp": {time}}}"#)),
        ),
        ("text", Some(with(r#""type": "count", "value": "x", "tags": {}"#))),
        ("nan", Some(with(r#""type": "gauge", "value": NaN, "tags": {}"#))),
        ("long", Some(with(&long))),
        (
            "list",
            Some(with(r#""type": "count", "value": 1, "tags": ["a:b"]"#)),
        ),
        ("type", Some(with(r#""type": "timer", "value": 1, "tags": {}"#))),
        (
            "time",
            Some(r#"{"metric": "bad", "type": "count", "value": 1, "timestamp": "soon"}"#.to_owned()),
        ),
        ("gone", None),
    ];
    for (id, value) in &cases {
        put(&redis, time, id, value.as_deref());
    }
    // Far ahead: it is stamped with now, and counted.
    let ahead = r#"{"metric": "app.ahead", "type": "count", "value": 5, "timestamp": 1e308, "tags": {}}"#;
    put(&redis, 1e308, "ahead", Some(ahead));
    // A value that no key stands for.
    let lone = format!(
        r#"{{"metric": "app.lone", "type": "count", "value": 7, "timestamp": {time}, "tags": {{}}}}"#
    );
    let mut orphan = redis::cmd("HSET");
    orphan.arg("chouette:metrics:raw.values").arg("lone").arg(&lone);
    redis.run::<i64>(&orphan);
    let good = Workload::ones(1_000, 10, ago(200), 100);
    good.write(&redis);

    let mut agent = agent(&redis, &intake, "auto");
    agent.start_again();
    let expected = [
        ("bad_tags", 1.0),
        ("bad_time", 1.0),
        ("bad_type", 1.0),
        ("bad_value", 2.0),
        ("no_metric", 1.0),
        ("no_value", 1.0),
        ("not_json", 1.0),
        ("too_long", 1.0),
    ];
    let expected: BTreeMap<String, f64> = expected.map(|(reason, count)| (reason.to_owned(), count)).into();
    wait_for("the bad records to be counted", PATIENCE, || {
        (unreadable(&agent) == expected).then_some(())
    });
    let sum = |name: &str| -> f64 {
        let points = intake.points();
        points
            .iter()
            .filter(|(key, _)| key.name == name)
            .map(|(_, kept)| kept.value)
            .sum()
    };
    wait_for("the good records to arrive", PATIENCE, || {
        (sum("app.ones") == 1_000.0 && sum("app.ahead") == 5.0).then_some(())
    });

    let samples: Vec<String> = redis.run(redis::cmd("LRANGE").arg("chouette:dead").arg(0).arg(-1));
    assert_eq!(samples.len(), cases.len(), "{}", samples.len());
    assert!(samples.iter().all(|sample| sample.len() <= 4096 + 512));
    Account::wait_settled(&agent);
    assert!(agent.terminate().success());
}

#[test]
fn a_key_of_another_type_stops_nothing_else() {
    let Some(redis) = Redis::start() else { return };
    let intake = Intake::start();
    redis.run::<i64>(redis::cmd("RPUSH").arg("chouette:logs:wrapped.keys").arg("x"));
    redis.run::<i64>(redis::cmd("RPUSH").arg("chouette:metrics:wrapped.keys").arg("x"));
    Workload::ones(100, 5, ago(100), 50).write(&redis);
    let mut agent = agent(&redis, &intake, "auto");
    agent.start_again();
    wait_taken(&redis);
    wait_for("the records to arrive", PATIENCE, || {
        let points = intake.points();
        let sum: f64 = points.values().map(|kept| kept.value).sum();
        (sum == 100.0).then_some(())
    });
    wait_for("the log to name the key", PATIENCE, || {
        agent.log().contains("metrics:wrapped").then_some(())
    });
    assert!(agent.terminate().success());
}
