//! A Redis that is not there: the agent does what it can without it, and takes up what waited.

use std::collections::BTreeMap;

use crate::redis_feed::{agent, ago, wait_taken};
use crate::support::account::Account;
use crate::support::agent::Agent;
use crate::support::http;
use crate::support::intake::{Intake, PointKey};
use crate::support::redis::Redis;
use crate::support::wait::{PATIENCE, pause_random, wait_for};
use crate::support::workload::Workload;

/// An agent that collects host metrics every second, with its journal in Redis.
fn collecting(redis: &Redis, intake: &Intake) -> Agent {
    let mut agent = agent(redis, intake, "redis");
    agent.set("COLLECTOR_PLUGINS", r#"["host"]"#);
    agent.set("AGGREGATE_INTERVAL", "1");
    agent.set("CAPTURE_INTERVAL", "1");
    agent
}

/// How many blocks the journal in Redis holds.
fn blocks(redis: &Redis) -> u64 {
    let names: Vec<String> = redis.run(redis::cmd("HKEYS").arg("chouette:journals"));
    let blocks = |name: String| -> u64 {
        redis.run(redis::cmd("XLEN").arg(format!("chouette:journal:{name}:blocks")))
    };
    names.into_iter().map(blocks).sum()
}

/// What is of the host at the intake.
fn of_host(intake: &Intake) -> usize {
    let points = intake.points();
    points.keys().filter(|key| key.name != "app.ones").count()
}

#[test]
fn without_redis_the_agent_shows_and_delivers_its_own_and_then_takes_up_what_waited() {
    let Some(mut redis) = Redis::start_durable() else {
        return;
    };
    let intake = Intake::start();
    let waiting = Workload::ones(3_000, 20, ago(600), 300);
    waiting.write(&redis);
    redis.kill_9();

    let mut agent = collecting(&redis, &intake);
    agent.launch();
    wait_for("the page", PATIENCE, || agent.answers("/metrics"));
    let reason = wait_for("the agent to say that it is not ready", PATIENCE, || {
        let answer = http::get(&agent.url("/-/ready"), &[]).ok()?;
        let text = answer.text();
        (answer.status == 503 && text.contains("redis")).then_some(text)
    });
    assert!(reason.contains(&redis.address()), "{reason}");
    assert_eq!(agent.answers("/-/healthy").map(|answer| answer.status), Some(200));
    wait_for("host metrics to arrive without Redis", PATIENCE, || {
        (of_host(&intake) > 0).then_some(())
    });

    redis.start_again();
    wait_taken(&redis);
    wait_for("the agent to be ready", PATIENCE, || agent.answers("/-/ready"));
    let truth = waiting.truth(1, "edge-7", &["fleet:test"]);
    wait_for("what waited to arrive", PATIENCE, || {
        intake.score(&truth).without_extra().is_perfect().then_some(())
    });
    intake.down();
    let before = blocks(&redis);
    wait_for("host metrics in the journal in Redis", PATIENCE, || {
        (blocks(&redis) >= before + 3).then_some(())
    });
    intake.up();
    assert!(agent.terminate().success());
    let log = agent.log();
    let said = log
        .lines()
        .filter(|line| line.contains("WARN") && line.contains("feed"));
    assert!(said.count() <= 2, "it is said once, not at each try: {log}");
}

#[test]
fn a_redis_that_is_killed_costs_the_journal_in_it_nothing() {
    let Some(mut redis) = Redis::start_durable() else {
        return;
    };
    let intake = Intake::start();
    let mut random = fastrand::Rng::new();
    let mut agent = collecting(&redis, &intake);
    agent.start_again();
    for _ in 0..3 {
        pause_random(&mut random, 700..1_700);
        redis.kill_9();
        pause_random(&mut random, 700..1_700);
        redis.start_again();
    }
    Account::wait(&agent, "points of several windows", |account| {
        account.wrapped >= 150
    });
    assert!(agent.terminate().success());

    // Nothing new is collected, so that the account and the intake can be compared.
    agent.set("COLLECTOR_PLUGINS", "[]");
    agent.start_again();
    let account = Account::wait_settled(&agent);
    let kept: BTreeMap<PointKey, _> = intake.points();
    assert_eq!(account.dropped, BTreeMap::new());
    assert_eq!(account.delivered, account.wrapped);
    assert_eq!(kept.len() as u64, account.wrapped, "{account:?}");
    let counts = intake.counts();
    assert_eq!((counts.rewritten, counts.too_old), (0, 0), "{counts:?}");
    assert!(agent.terminate().success());
}
