//! The published client without a Redis: the agent itself answers it.

use serde_json::{Value, json};

use crate::redis_feed::ago;
use crate::support::account::Account;
use crate::support::agent::Agent;
use crate::support::client;
use crate::support::intake::{Intake, KEY};
use crate::support::process::Port;
use crate::support::wait::{PATIENCE, pause_random, wait_for};
use crate::support::workload::Workload;

const HOST: &str = "edge-7";
const GLOBAL: [&str; 1] = ["fleet:test"];

/// An agent that answers the client on this port.
fn agent(port: &Port, intake: &Intake) -> Agent {
    Agent::new(&[
        ("API_KEY", KEY),
        ("DATADOG_URL", &intake.datadog_url()),
        ("HOST", HOST),
        ("GLOBAL_TAGS", &json!(GLOBAL).to_string()),
        ("COLLECTOR_PLUGINS", "[]"),
        ("RELEASE_INTERVAL", "1"),
        ("SEND_SELF_METRICS", "false"),
        ("TAWNY_RESP_LISTEN", &port.address()),
    ])
}

fn calls(workload: &Workload) -> Vec<Value> {
    workload.records.iter().map(client::call).collect()
}

#[test]
fn the_published_client_needs_no_redis() {
    let Some(python) = client::python() else { return };
    let (port, intake) = (Port::reserve(), Intake::start());
    let mut agent = agent(&port, &intake);
    agent.start_again();
    let workload = Workload::new(3, 2_000, 50, ago(120), 60);
    let port = port.number().to_string();
    assert_eq!(client::write(&python, &port, &calls(&workload)), 2_000);
    let counts = |kept: &mut dyn Iterator<Item = f64>| kept.sum::<f64>();
    let truth = workload.truth(10, HOST, &GLOBAL);
    let wanted = counts(
        &mut truth
            .iter()
            .filter(|(key, _)| key.name.starts_with("app.count"))
            .map(|(_, value)| *value),
    );
    wait_for("all counts to arrive", PATIENCE, || {
        let points = intake.points();
        let mut sums = points
            .iter()
            .filter(|(key, _)| key.name.starts_with("app.count"))
            .map(|(_, kept)| kept.value);
        (counts(&mut sums) == wanted).then_some(())
    });
    Account::wait_settled(&agent);
    assert_eq!(intake.counts().rewritten, 0);
    assert!(agent.terminate().success());
}

#[test]
fn what_the_client_was_told_is_stored_survives_kills() {
    let Some(python) = client::python() else { return };
    let (port, intake) = (Port::reserve(), Intake::start());
    let number = port.number().to_string();
    let mut random = fastrand::Rng::new();
    let mut agent = agent(&port, &intake);
    let mut stored = 0;
    for _ in 0..8 {
        agent.start_again();
        let part = Workload::ones(300, 20, ago(600), 500);
        stored += client::write(&python, &number, &calls(&part));
        pause_random(&mut random, 0..1_500);
        agent.kill_9();
    }
    assert_eq!(stored, 2_400);
    agent.start_again();
    wait_for("all that was stored to arrive", PATIENCE, || {
        let points = intake.points();
        let sum: f64 = points
            .iter()
            .filter(|(key, _)| key.name == "app.ones")
            .map(|(_, kept)| kept.value)
            .sum();
        (sum >= stored as f64).then_some(())
    });
    Account::wait_settled(&agent);
    let sum: f64 = intake
        .points()
        .iter()
        .filter(|(key, _)| key.name == "app.ones")
        .map(|(_, kept)| kept.value)
        .sum();
    assert_eq!(sum, stored as f64);
    assert_eq!(intake.counts().rewritten, 0);
    assert!(agent.terminate().success());
}
