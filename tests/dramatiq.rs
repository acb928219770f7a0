//! The published dramatiq fills queues of a real Redis and a real RabbitMQ, and the agent tells their sizes.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::support::agent::{Agent, tawny};
use crate::support::intake::{Intake, KEY};
use crate::support::page::Page;
use crate::support::rabbitmq::RabbitMq;
use crate::support::redis::Redis;
use crate::support::services::{Service, need};
use crate::support::wait::{PATIENCE, wait_for};

/// Has dramatiq put so many ready, delayed and dead messages into a queue.
fn fill(python: &Path, url: &str, queue: &str, messages: [u32; 3]) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/dramatiq_fill.py");
    let output = Command::new(python)
        .arg(program)
        .args([url, queue])
        .args(messages.map(|number| number.to_string()))
        .output()
        .expect("Python starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "dramatiq fails: {errors}");
}

/// An agent with these settings of the collector, which runs every second.
fn agent(settings: &str, variables: &[(&str, &str)]) -> Agent {
    let mut agent = Agent::new(variables);
    agent.configure(&format!(
        "collect_interval: 1s\nfeeds: {{}}\ncollectors:\n  dramatiq:\n{settings}"
    ));
    agent
}

/// Waits until the page says exactly this: `QUEUE STATE` and the number of messages.
fn wait_page(agent: &Agent, expected: &[(&str, &str, f64)]) {
    let expected: BTreeMap<(String, String), f64> = expected
        .iter()
        .map(|(queue, state, messages)| ((queue.to_string(), state.to_string()), *messages))
        .collect();
    let mut last = BTreeMap::new();
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait_for("the queues on the page", PATIENCE, || {
            let page = Page::parse(&agent.scrape("").text());
            last = page
                .of("dramatiq_queue_messages")
                .into_iter()
                .map(|(labels, value)| ((labels["queue"].clone(), labels["state"].clone()), value))
                .collect();
            (last == expected).then_some(())
        });
    }));
    assert!(found.is_ok(), "{last:?} is not {expected:?}\n{}", agent.log());
}

#[test]
fn the_queues_of_dramatiq_in_redis_are_on_the_page_and_under_the_predecessors_name() {
    let (Some(redis), Some(python)) = (Redis::start(), need(Service::Python)) else {
        return;
    };
    fill(&python, &redis.url(), "mail", [7, 3, 2]);
    fill(&python, &redis.url(), "reports", [1, 0, 0]);
    let intake = Intake::start();
    let mut agent = agent(
        "    namespace: dramatiq\n",
        &[
            ("API_KEY", KEY),
            ("DATADOG_URL", &intake.datadog_url()),
            ("REDIS_HOST", "127.0.0.1"),
            ("REDIS_PORT", &redis.port()),
            ("RELEASE_INTERVAL", "1"),
            ("SEND_SELF_METRICS", "false"),
        ],
    );
    agent.start_again();
    let filled = [
        ("mail", "ready", 7.0),
        ("mail", "delayed", 3.0),
        ("mail", "dead", 2.0),
        ("reports", "ready", 1.0),
    ];
    wait_page(&agent, &filled);
    // What is emptied is told as 0, and no longer silent.
    redis.run::<()>(redis::cmd("DEL").arg("dramatiq:mail.XQ.msgs"));
    let emptied = filled.map(|(queue, state, messages)| match state {
        "dead" => (queue, state, 0.0),
        _ => (queue, state, messages),
    });
    wait_page(&agent, &emptied);
    intake.wait_until("the sizes", PATIENCE, |ledger| !ledger.book.points.is_empty());
    assert!(agent.terminate().success());
    let sent: BTreeMap<String, f64> = intake
        .points()
        .into_iter()
        .map(|(key, kept)| {
            assert_eq!(key.name, "Chouette.dramatiq.queue_size");
            let tags: Vec<String> = key.tags.into_iter().collect();
            (tags.join(","), kept.value)
        })
        .collect();
    // The last of each queue. Datadog keeps tags in small letters, also those that the predecessor sent.
    let expected = [
        ("queue:mail", 7.0),
        ("queue:mail.dq", 3.0),
        ("queue:mail.xq", 0.0),
        ("queue:reports", 1.0),
    ];
    assert_eq!(sent, expected.map(|(tag, value)| (tag.to_owned(), value)).into());
    let used = redis.commands_used();
    assert!(!used.contains(&"KEYS".to_owned()), "{used:?}");
}

#[test]
fn the_queues_of_dramatiq_in_rabbitmq_are_on_the_page() {
    let Some(python) = need(Service::Python) else {
        return;
    };
    let Some(rabbitmq) = RabbitMq::start() else { return };
    fill(&python, &rabbitmq.amqp_url(), "mail", [7, 3, 2]);
    fill(&python, &rabbitmq.amqp_url(), "reports", [0, 1, 0]);
    let put = |path: &str, body: &str| {
        let answer = rabbitmq.ask("PUT", path, body).expect("RabbitMQ answers");
        assert!(answer.status < 300, "{path}: {}", answer.text());
    };
    put("queues/%2F/celery", r#"{"durable":true}"#);
    put("users/watcher", r#"{"password":"p%w:/@x","tags":"management"}"#);
    put(
        "permissions/%2F/watcher",
        r#"{"configure":"","write":"","read":".*"}"#,
    );
    let mut agent = agent(
        &format!("    rabbitmq_url: {}\n", rabbitmq.management_url()),
        &[("RABBITMQ_PASSWORD", "p%w:/@x")],
    );
    agent.start_again();
    let expected = [
        ("mail", "ready", 7.0),
        ("mail", "delayed", 3.0),
        ("mail", "dead", 2.0),
        ("reports", "ready", 0.0),
        ("reports", "delayed", 1.0),
        ("reports", "dead", 0.0),
    ];
    wait_page(&agent, &expected);
    assert!(agent.terminate().success());
    // One that may read only, by a password of its own.
    let url = rabbitmq.management_url().replace("//", "//watcher@");
    agent.configure(&format!(
        "collect_interval: 1s\nfeeds: {{}}\ncollectors:\n  dramatiq:\n    rabbitmq_url: {url}\n    rabbitmq_password: \
         ${{RABBITMQ_PASSWORD}}\n"
    ));
    agent.start_again();
    wait_page(&agent, &expected);
    assert!(agent.terminate().success());
}

#[test]
fn the_original_that_never_named_its_redis_is_checked_and_nobody_else() {
    let variables = [
        ("API_KEY", KEY),
        ("COLLECTOR_PLUGINS", r#"["dramatiq"]"#),
        ("GLOBAL_TAGS", "[]"),
    ];
    let by_name = tawny(&["check"], &variables);
    assert!(by_name.status.success(), "{by_name:?}");
    let without = tawny(&["check"], &variables[..2]);
    let told = String::from_utf8_lossy(&[without.stdout, without.stderr].concat()).into_owned();
    assert!(!without.status.success());
    assert!(
        told.contains("collectors.dramatiq.redis_url: says nothing"),
        "{told}"
    );
}
