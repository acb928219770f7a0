//! The queues in a real Redis.

use std::time::Duration;

use redis::cmd;
use serde_json::{Value, json};

use crate::collectors::queue::dramatiq::tests::{built, read};
use crate::component::collector::CollectError;
use crate::support::http::install_provider;
use crate::support::redis::fixture::Fixture;
use crate::support::redis::link::Link;
use crate::support::redis::target::Target;

/// Puts so many messages into the hash of a key.
async fn fill(link: &Link, key: &str, messages: usize) {
    let mut command = cmd("HSET");
    command.arg(key);
    for message in 0..messages {
        command.arg(message).arg("x");
    }
    link.query::<()>(&command).await.unwrap();
}

#[tokio::test]
async fn every_queue_has_its_size_and_other_keys_are_left_alone() {
    let Some(redis) = Fixture::start("every_queue_has_its_size_and_other_keys_are_left_alone", &[]) else {
        return;
    };
    let link = Link::new(redis.target());
    for (key, messages) in [
        ("dramatiq:mail.msgs", 7),
        ("dramatiq:mail.DQ.msgs", 3),
        ("dramatiq:mail.XQ.msgs", 2),
        ("dramatiq:a:b.msgs", 1),
        ("dramatiq:.msgs", 1),
        ("dramatiq:mail.msgs.old", 1),
        ("dramatic:mail.msgs", 1),
        ("[d]*:x.msgs", 4),
    ] {
        fill(&link, key, messages).await;
    }
    for key in 0..3_000 {
        link.query::<()>(cmd("SET").arg(format!("dramatiq-results:{key}")).arg(1))
            .await
            .unwrap();
    }
    let mut collector = built(Value::Null, Some(&redis.target())).unwrap();
    let found = ["a:b ready 1", "mail ready 7", "mail delayed 3", "mail dead 2"];
    assert_eq!(
        read(&mut collector).await,
        (found.map(String::from).to_vec(), Ok(()))
    );
    // What stands for more than itself in a pattern stands for itself in a namespace.
    let mut other = built(json!({"namespace": "[d]*"}), Some(&redis.target())).unwrap();
    assert_eq!(read(&mut other).await, (vec!["x ready 4".to_string()], Ok(())));
    let used: String = link.query(cmd("INFO").arg("commandstats")).await.unwrap();
    assert!(
        used.contains("cmdstat_scan:") && !used.contains("cmdstat_keys:"),
        "{used}"
    );
}

#[tokio::test]
async fn an_emptied_queue_is_zero_for_a_while_and_a_new_one_is_nothing() {
    let test = "an_emptied_queue_is_zero_for_a_while_and_a_new_one_is_nothing";
    let Some(redis) = Fixture::start(test, &[]) else {
        return;
    };
    let link = Link::new(redis.target());
    let url = format!("redis://127.0.0.1:{}", redis.port());
    let mut collector = built(json!({"redis_url": url, "keep": "1m"}), None).unwrap();
    let (found, result) = read(&mut collector).await;
    assert_eq!(found, [""; 0]);
    let expected = format!(
        "dramatiq in 127.0.0.1:{} (no key `dramatiq:*.msgs`) has no data",
        redis.port()
    );
    assert_eq!(result.unwrap_err().to_string(), expected);
    // A dramatiq whose queues were all empty since the agent's start is no failure.
    link.query::<()>(cmd("ZADD").arg("dramatiq:__heartbeats__").arg(1).arg("w"))
        .await
        .unwrap();
    assert_eq!(read(&mut collector).await, (vec![], Ok(())));
    fill(&link, "dramatiq:mail.XQ.msgs", 2).await;
    assert_eq!(
        read(&mut collector).await,
        (vec!["mail dead 2".to_string()], Ok(()))
    );
    link.query::<()>(cmd("DEL").arg("dramatiq:mail.XQ.msgs"))
        .await
        .unwrap();
    assert_eq!(
        read(&mut collector).await,
        (vec!["mail dead 0".to_string()], Ok(()))
    );
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(59)).await;
    tokio::time::resume();
    assert_eq!(
        read(&mut collector).await,
        (vec!["mail dead 0".to_string()], Ok(()))
    );
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::time::resume();
    assert_eq!(read(&mut collector).await, (vec![], Ok(())));
}

#[tokio::test]
async fn a_key_of_another_kind_is_named_and_the_others_are_reported() {
    let test = "a_key_of_another_kind_is_named_and_the_others_are_reported";
    let Some(redis) = Fixture::start(test, &[]) else {
        return;
    };
    let link = Link::new(redis.target());
    fill(&link, "dramatiq:mail.msgs", 1).await;
    for key in [b"dramatiq:a.msgs".as_slice(), b"dramatiq:\xff.msgs"] {
        link.query::<()>(cmd("SET").arg(key).arg(1)).await.unwrap();
    }
    let mut collector = built(Value::Null, Some(&redis.target())).unwrap();
    let (found, result) = read(&mut collector).await;
    assert_eq!(found, ["mail ready 1"]);
    let told = result.unwrap_err().to_string();
    assert!(
        told.contains("not reported: `dramatiq:a.msgs`: \"WRONGTYPE\": Operation against a key"),
        "{told}"
    );
    assert!(
        told.contains("`dramatiq:\u{fffd}.msgs`: its name is no UTF-8 text"),
        "{told}"
    );
}

#[tokio::test]
async fn ten_thousand_queues_are_reported_and_more_are_said() {
    let Some(redis) = Fixture::start("ten_thousand_queues_are_reported_and_more_are_said", &[]) else {
        return;
    };
    let link = Link::new(redis.target());
    let mut pipeline = redis::pipe();
    for queue in 0..10_000 {
        pipeline
            .cmd("HSET")
            .arg(format!("dramatiq:q{queue}.msgs"))
            .arg(1)
            .arg(1);
    }
    link.pipeline::<()>(&pipeline).await.unwrap();
    let mut collector = built(Value::Null, Some(&redis.target())).unwrap();
    let (found, result) = read(&mut collector).await;
    assert_eq!((found.len(), result), (10_000, Ok(())));
    fill(&link, "dramatiq:another.msgs", 1).await;
    let (found, result) = read(&mut collector).await;
    // None of those that were left out is said to be empty.
    assert!(found.len() == 10_000 && found.iter().all(|line| line.ends_with(" 1")));
    let told = result.unwrap_err().to_string();
    assert!(
        told.contains("it has more than 10000 keys `dramatiq:*.msgs`"),
        "{told}"
    );
}

#[tokio::test]
async fn whoever_is_not_let_in_is_told_which_setting_it_is() {
    install_provider();
    let Some(redis) = Fixture::start(
        "whoever_is_not_let_in_is_told_which_setting_it_is",
        &["--requirepass", "hunter2"],
    ) else {
        return;
    };
    let port = redis.port();
    let refused = async |value: Value| {
        let for_all = Target::server("127.0.0.1", port);
        let mut collector = built(value, Some(&for_all)).unwrap();
        match read(&mut collector).await.1 {
            Err(error @ CollectError::Unreachable { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let told = refused(json!({"redis_url": format!("redis://127.0.0.1:{port}")})).await;
    assert!(
        told.ends_with("(it wants a password; set `collectors.dramatiq.redis_url`)"),
        "{told}"
    );
    let told = refused(json!({"redis_url": format!("redis://:hunter3@127.0.0.1:{port}")})).await;
    // Redis 5 has no word of its own for this.
    assert!(told.contains("invalid") && !told.contains("`redis."), "{told}");
    assert!(!told.contains("hunter3"), "{told}");
    let told = refused(Value::Null).await;
    assert!(
        told.ends_with("(it wants a password; set `redis.password`)"),
        "{told}"
    );
}
