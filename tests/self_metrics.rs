//! The original's metrics about itself, at the intake and on the page.

use std::collections::BTreeSet;

use serde_json::json;

use crate::redis_feed::{agent, ago, wait_taken};
use crate::support::account::{Account, reading};
use crate::support::intake::{Intake, Kind};
use crate::support::redis::Redis;
use crate::support::wait::{PATIENCE, wait_for};
use crate::support::workload::{self, Workload};

/// The sum of all values of one name at the intake.
fn sum(intake: &Intake, name: &str) -> f64 {
    let points = intake.points();
    let named = points.iter().filter(|(key, _)| key.name == name);
    named.map(|(_, kept)| kept.value).sum()
}

/// What was taken after each request: 0, the first's, the first two's, and so on.
fn running(amounts: impl Iterator<Item = usize>) -> BTreeSet<u64> {
    let mut total = 0;
    let mut totals = BTreeSet::from([0]);
    for amount in amounts {
        total += amount as u64;
        totals.insert(total);
    }
    totals
}

#[test]
fn the_five_names_of_the_original_arrive_with_what_was_dispatched() {
    let Some(redis) = Redis::start() else { return };
    let intake = Intake::start();
    intake.down();
    let workload = Workload::ones(2_000, 20, ago(300), 60);
    workload.write(&redis);
    let points = workload.truth(10, "edge-7", &[]).len() as f64;
    let log = json!({"ddsource": "python", "ddtags": [], "level": "INFO", "message": {"msg": "a"}, "service": "oven"});
    let start = ago(300) as f64;
    workload::put(
        &redis,
        "chouette:logs:wrapped",
        (0..300).map(|_| (start, log.to_string())),
    );

    let mut agent = agent(&redis, &intake, "redis");
    // As it is where nobody sets it.
    agent.unset("SEND_SELF_METRICS");
    agent.set("AGGREGATE_INTERVAL", "1");
    agent.set("DATADOG_LOGS_URL", &intake.logs_url());
    agent.start_again();
    wait_taken(&redis);
    wait_for("the page to say what waits", PATIENCE, || {
        (reading(&agent, "tawny_queued_metrics")? >= 20.0).then_some(())
    });
    Account::wait(&agent, "what waits to be known", |account| account.pending > 100);
    wait_for("a dispatch to find it waiting", PATIENCE, || {
        (reading(&agent, "tawny_queued_metrics")? > 100.0).then_some(())
    });
    intake.up();

    wait_for("all logs to be told of", PATIENCE, || {
        (sum(&intake, "chouette.dispatched.logs.number") == 300.0).then_some(())
    });
    wait_for("all points to be told of", PATIENCE, || {
        (sum(&intake, "chouette.dispatched.metrics.number") >= points).then_some(())
    });
    assert_eq!(reading(&agent, "tawny_dispatched_logs_total"), Some(300.0));
    assert!(reading(&agent, "tawny_dispatched_metrics_total").is_some_and(|told| told >= points));
    for name in [
        "tawny_dispatched_metrics_bytes_total",
        "tawny_dispatched_logs_bytes_total",
    ] {
        assert!(reading(&agent, name).is_some_and(|told| told > 0.0), "{name}");
    }
    assert!(agent.terminate().success());

    assert_eq!(sum(&intake, "chouette.dispatched.logs.number"), 300.0);
    let logs = intake.log_requests();
    let bytes: usize = logs
        .iter()
        .filter(|request| request.logs > 0)
        .map(|request| request.raw)
        .sum();
    assert_eq!(sum(&intake, "chouette.dispatched.logs.bytes"), bytes as f64);
    // What tells of points is points itself, so the telling is always some requests behind.
    let requests = intake.series_requests();
    let numbers = running(requests.iter().map(|request| request.points()));
    let told = sum(&intake, "chouette.dispatched.metrics.number");
    assert!(numbers.contains(&(told as u64)), "{told} of {numbers:?}");
    let bytes = running(requests.iter().map(|request| request.raw));
    let told = sum(&intake, "chouette.dispatched.metrics.bytes");
    assert!(bytes.contains(&(told as u64)), "{told} of {bytes:?}");

    let kept = intake.points();
    let own = |name: &str| {
        let named = kept.iter().filter(|(key, _)| key.name == name);
        named
            .map(|(key, kept)| (key.kind, kept.interval, kept.value))
            .collect::<Vec<_>>()
    };
    let queued = own("chouette.queued.metrics");
    assert!(queued.iter().all(|(kind, ..)| *kind == Kind::Gauge));
    assert!(queued.iter().any(|(.., value)| *value > 100.0), "{queued:?}");
    for name in [
        "chouette.dispatched.metrics.number",
        "chouette.dispatched.metrics.bytes",
        "chouette.dispatched.logs.number",
        "chouette.dispatched.logs.bytes",
    ] {
        assert!(own(name).iter().all(|(kind, ..)| *kind == Kind::Count), "{name}");
    }
    let strange: BTreeSet<&str> = kept.keys().map(|key| key.name.as_str()).collect();
    let expected = [
        "app.ones",
        "chouette.dispatched.logs.bytes",
        "chouette.dispatched.logs.number",
        "chouette.dispatched.metrics.bytes",
        "chouette.dispatched.metrics.number",
        "chouette.queued.metrics",
    ];
    assert_eq!(strange, BTreeSet::from(expected));
}
