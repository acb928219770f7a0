//! Logs from the client's queue in Redis to the intake: at least once, none lost.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::redis_feed::{agent, ago, wait_queue_taken};
use crate::support::account::Account;
use crate::support::agent::Agent;
use crate::support::intake::{Intake, KEY};
use crate::support::redis::Redis;
use crate::support::wait::{PATIENCE, pause_random, wait_for};
use crate::support::workload;

const OUTPUT: &str = "datadog_logs";

/// An agent that takes logs from this Redis to this intake.
fn log_agent(redis: &Redis, intake: &Intake, journal: &str) -> Agent {
    let mut agent = agent(redis, intake, journal);
    agent.set("DATADOG_LOGS_URL", &intake.logs_url());
    agent
}

/// Writes records as the client's handler of logs does; each bears its number.
fn write(redis: &Redis, numbers: std::ops::Range<u64>) {
    let start = ago(600);
    let records = numbers.map(|number| {
        let time = start + i64::try_from(number / 100).expect("a small number");
        let level = if number.is_multiple_of(10) {
            "ERROR"
        } else {
            "INFO"
        };
        let date = humantime::format_rfc3339_micros(
            std::time::UNIX_EPOCH
                + std::time::Duration::from_secs(u64::try_from(time).expect("past 1970"))
                + std::time::Duration::from_micros(number % 100 * 10_000),
        );
        let date = date.to_string().replace('Z', "+00:00");
        let text = json!({
            "date": date, "ddsource": "python", "ddtags": [format!("line:{}", number % 7), "app:oven"],
            "level": level, "message": {"msg": format!("Loaf {number} \"done\"\n")}, "service": "oven",
            "number": number,
        });
        (time as f64, text.to_string())
    });
    workload::put(redis, "chouette:logs:wrapped", records);
}

/// How often each number has arrived.
fn arrived(intake: &Intake) -> BTreeMap<u64, u64> {
    let mut arrived = BTreeMap::new();
    for log in intake.logs() {
        let number = log.entry["number"].as_u64().expect("a number");
        *arrived.entry(number).or_default() += 1;
    }
    arrived
}

/// Waits until the account of logs says that these are delivered and none waits.
fn wait_all(agent: &Agent, records: u64) -> Account {
    Account::wait_of(OUTPUT, agent, "all logs to be delivered", |account| {
        account.wrapped == records && account.pending == 0
    })
}

fn each_arrives_once(journal: &str, version: &str) {
    let Some(redis) = Redis::start() else { return };
    let intake = Intake::start();
    write(&redis, 0..3_000);
    let mut agent = log_agent(&redis, &intake, journal);
    agent.configure(&format!(
        "collectors: {{}}\noutputs: {{datadog: {{}}, datadog_logs: {{api_version: {version}}}}}\n"
    ));
    agent.start_again();
    wait_queue_taken(&redis, "chouette", "logs:wrapped");
    let account = wait_all(&agent, 3_000);
    assert_eq!((account.delivered, account.dropped.len()), (3_000, 0));
    assert_eq!(arrived(&intake), (0..3_000).map(|number| (number, 1)).collect());
    for log in intake.logs() {
        let number = log.entry["number"].as_u64().expect("a number");
        let told = json!({"msg": format!("Loaf {number} \"done\"\n")});
        let message = match version {
            "v2" => {
                let text = log.message.as_str().expect("the new endpoint takes text alone");
                serde_json::from_str(text).expect("JSON text")
            }
            _ => log.message.clone(),
        };
        assert_eq!(message, told);
        let tags = [&format!("line:{}", number % 7), "app:oven", "fleet:test"].map(str::to_owned);
        assert_eq!((log.host.as_str(), &log.tags), ("edge-7", &BTreeSet::from(tags)));
        let level = if number.is_multiple_of(10) {
            "ERROR"
        } else {
            "INFO"
        };
        assert_eq!((log.service.as_str(), log.status.as_str()), ("oven", level));
        assert_eq!(log.entry["ddsource"], Value::from("python"));
    }
    let path = if version == "v2" {
        "/api/v2/logs"
    } else {
        "/v1/input"
    };
    for request in intake.log_requests() {
        assert_eq!(
            (request.path.as_str(), request.header("dd-api-key")),
            (path, Some(KEY))
        );
        assert!(request.logs <= 1_000, "{} entries", request.logs);
    }
    assert!(agent.terminate().success());
}

#[test]
fn each_log_arrives_once_with_its_object_as_text_through_the_journal_in_redis() {
    each_arrives_once("redis", "v2");
}

#[test]
fn each_log_arrives_once_at_the_old_endpoint_through_the_journal_on_disk() {
    each_arrives_once("disk", "v1");
}

#[test]
fn logs_wait_for_an_intake_that_is_down() {
    let Some(redis) = Redis::start() else { return };
    let intake = Intake::start();
    intake.down();
    write(&redis, 0..2_000);
    let mut agent = log_agent(&redis, &intake, "redis");
    agent.start_again();
    wait_queue_taken(&redis, "chouette", "logs:wrapped");
    Account::wait_of(OUTPUT, &agent, "all logs to be journalled", |account| {
        account.pending == 2_000
    });
    intake.up();
    write(&redis, 2_000..2_500);
    let account = wait_all(&agent, 2_500);
    assert_eq!((account.delivered, account.dropped.len()), (2_500, 0));
    assert_eq!(arrived(&intake), (0..2_500).map(|number| (number, 1)).collect());
    assert!(agent.terminate().success());
}

fn kills_lose_no_log(journal: &str) {
    let Some(redis) = Redis::start_durable() else {
        return;
    };
    let intake = Intake::start();
    let mut random = fastrand::Rng::new();
    let mut agent = log_agent(&redis, &intake, journal);
    for round in 0..6 {
        write(&redis, round * 1_000..(round + 1) * 1_000);
        agent.launch();
        pause_random(&mut random, 100..1_200);
        agent.kill_9();
    }
    agent.start_again();
    wait_queue_taken(&redis, "chouette", "logs:wrapped");
    wait_for("all logs to arrive", PATIENCE, || {
        (arrived(&intake).len() == 6_000).then_some(())
    });
    // From Redis into the journal each went once, whatever was killed; only a request may have been repeated.
    let account = wait_all(&agent, 6_000);
    assert_eq!((account.delivered, account.dropped.len()), (6_000, 0));
    assert!(agent.terminate().success());
}

#[test]
fn kills_lose_no_log_through_the_journal_in_redis() {
    kills_lose_no_log("redis");
}

#[test]
fn kills_lose_no_log_through_the_journal_on_disk() {
    kills_lose_no_log("disk");
}
