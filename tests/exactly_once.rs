//! Whatever dies, sleeps or comes late: the sums of counts at the intake are those that applications wrote.

use std::collections::BTreeMap;

use rustix::process::Signal;

use crate::redis_feed::{agent, ago, wait_taken};
use crate::support::account::Account;
use crate::support::agent::Agent;
use crate::support::intake::Intake;
use crate::support::redis::{Redis, send};
use crate::support::wait::{PATIENCE, pause_random, wait_for};
use crate::support::workload::{Workload, write};

/// The sums of the workload's counts at the intake, by host.
fn sums(intake: &Intake) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for (key, kept) in intake.points() {
        if key.name == "app.ones" {
            *sums.entry(key.host).or_default() += kept.value;
        }
    }
    sums
}

/// Waits until this many records have arrived, and looks whether more come than that.
fn wait_arrived(intake: &Intake, agents: &[&Agent], records: usize) {
    wait_for("all records to arrive", PATIENCE * 3, || {
        let total: f64 = sums(intake).values().sum();
        (total >= records as f64).then_some(())
    });
    for agent in agents {
        Account::wait_settled(agent);
    }
    let sums = sums(intake);
    assert_eq!(sums.values().sum::<f64>(), records as f64, "{sums:?}");
    assert_eq!(intake.counts().rewritten, 0, "a point was overwritten");
}

fn shuffled_and_late_records_arrive(journal: &str) {
    let Some(redis) = Redis::start() else { return };
    let intake = Intake::start();
    let workload = Workload::ones(30_000, 100, ago(400), 300);
    let mut agent = agent(&redis, &intake, journal);
    agent.start_again();
    // Each part has records of all windows: what comes later is late for most of them.
    for (number, part) in workload.records.chunks(10_000).enumerate() {
        write(&redis, part);
        wait_taken(&redis);
        wait_for("a part to arrive", PATIENCE, || {
            let total: f64 = sums(&intake).values().sum();
            (total >= (number as f64 + 1.0) * 10_000.0).then_some(())
        });
    }
    wait_arrived(&intake, &[&agent], 30_000);
    assert!(agent.terminate().success());
}

#[test]
fn shuffled_and_late_records_arrive_through_the_journal_in_redis() {
    shuffled_and_late_records_arrive("redis");
}

#[test]
fn shuffled_and_late_records_arrive_through_the_journal_on_disk() {
    shuffled_and_late_records_arrive("disk");
}

fn fifty_kills_lose_nothing(journal: &str) {
    let Some(redis) = Redis::start_durable() else {
        return;
    };
    let intake = Intake::start();
    let mut random = fastrand::Rng::new();
    let mut agent = agent(&redis, &intake, journal);
    let mut written = 0;
    for _ in 0..50 {
        let part = Workload::ones(2_000, 50, ago(900), 600);
        write(&redis, &part.records);
        written += part.records.len();
        agent.launch();
        pause_random(&mut random, 50..1_500);
        agent.kill_9();
    }
    agent.start_again();
    wait_taken(&redis);
    wait_arrived(&intake, &[&agent], written);
    assert!(agent.terminate().success());
}

#[test]
fn fifty_kills_lose_and_double_nothing_with_the_journal_in_redis() {
    fifty_kills_lose_nothing("redis");
}

#[test]
fn fifty_kills_lose_and_double_nothing_with_the_journal_on_disk() {
    fifty_kills_lose_nothing("disk");
}

fn redis_restarts_in_the_middle(journal: &str) {
    let Some(mut redis) = Redis::start_durable() else {
        return;
    };
    let intake = Intake::start();
    let mut random = fastrand::Rng::new();
    let mut agent = agent(&redis, &intake, journal);
    agent.start_again();
    let mut written = 0;
    for _ in 0..6 {
        let part = Workload::ones(5_000, 50, ago(900), 600);
        write(&redis, &part.records);
        written += part.records.len();
        pause_random(&mut random, 10..1_000);
        redis.kill_9();
        pause_random(&mut random, 10..1_000);
        redis.start_again();
    }
    wait_taken(&redis);
    wait_arrived(&intake, &[&agent], written);
    assert!(agent.terminate().success());
}

#[test]
fn a_redis_that_restarts_in_the_middle_loses_nothing_with_the_journal_in_it() {
    redis_restarts_in_the_middle("redis");
}

#[test]
fn a_redis_that_restarts_in_the_middle_loses_nothing_with_the_journal_on_disk() {
    redis_restarts_in_the_middle("disk");
}

/// Claims that expire soon.
fn hurried(agent: &mut Agent, host: &str) {
    agent.set("HOST", host);
    agent.configure("feeds: {redis: {claim_expiry: 1s}}\ncollectors: {}\njournal: {take_over_after: 2s}\n");
}

fn one_of_two_agents_sleeps(journal: &str) {
    let Some(redis) = Redis::start() else { return };
    let intake = Intake::start();
    let mut random = fastrand::Rng::new();
    let (mut first, mut second) = (agent(&redis, &intake, journal), agent(&redis, &intake, journal));
    hurried(&mut first, "first");
    hurried(&mut second, "second");
    first.start_again();
    second.start_again();
    let mut written = 0;
    for _ in 0..5 {
        let part = Workload::ones(20_000, 50, ago(900), 600);
        write(&redis, &part.records);
        written += part.records.len();
        pause_random(&mut random, 0..300);
        send(first.id(), Signal::STOP);
        // Longer than a claim lasts.
        pause_random(&mut random, 1_500..3_000);
        send(first.id(), Signal::CONT);
    }
    wait_taken(&redis);
    wait_arrived(&intake, &[], written);
    for agent in [&mut first, &mut second] {
        assert!(agent.terminate().success());
    }
    wait_arrived(&intake, &[], written);
}

#[test]
fn two_agents_of_which_one_sleeps_count_everything_once_with_the_journal_in_redis() {
    one_of_two_agents_sleeps("redis");
}

#[test]
fn two_agents_of_which_one_sleeps_count_everything_once_with_the_journals_on_disk() {
    one_of_two_agents_sleeps("disk");
}

#[test]
fn the_stream_of_a_dead_agent_goes_out_under_its_own_host() {
    let Some(redis) = Redis::start() else { return };
    let intake = Intake::start();
    intake.down();
    let (mut dead, mut heir) = (agent(&redis, &intake, "redis"), agent(&redis, &intake, "redis"));
    hurried(&mut dead, "dead");
    hurried(&mut heir, "heir");
    Workload::ones(10_000, 50, ago(900), 600).write(&redis);
    dead.start_again();
    wait_taken(&redis);
    dead.kill_9();
    intake.up();
    Workload::ones(3_000, 50, ago(900), 600).write(&redis);
    heir.start_again();
    wait_arrived(&intake, &[&heir], 13_000);
    let expected = BTreeMap::from([("dead".to_owned(), 10_000.0), ("heir".to_owned(), 3_000.0)]);
    assert_eq!(sums(&intake), expected);
    assert!(heir.terminate().success());
}

#[test]
fn an_hour_of_records_arrives_where_history_is_taken() {
    let Some(redis) = Redis::start() else { return };
    let intake = Intake::start();
    intake.historical("app.ones");
    Workload::ones(50_000, 20, ago(5_400), 4_800).write(&redis);
    let mut agent = agent(&redis, &intake, "redis");
    agent.configure("collectors: {}\noutputs: {datadog: {historical: ['app.*']}}\n");
    agent.start_again();
    wait_taken(&redis);
    wait_arrived(&intake, &[&agent], 50_000);
    assert_eq!(intake.counts().too_old, 0);
    assert!(agent.terminate().success());
}

#[test]
fn of_an_hour_of_records_what_would_be_forgotten_is_dropped_as_too_old() {
    let Some(redis) = Redis::start() else { return };
    let intake = Intake::start();
    // Of the first half each window is older than an hour, of the second none is older than 50 minutes.
    let (old, young) = (
        Workload::ones(10_000, 20, ago(4_800), 600),
        Workload::ones(10_000, 20, ago(1_200), 600),
    );
    old.write(&redis);
    young.write(&redis);
    let (forgotten, kept) = (
        old.truth(10, "edge-7", &["fleet:test"]).len() as u64,
        young.truth(10, "edge-7", &["fleet:test"]).len() as u64,
    );
    let mut agent = agent(&redis, &intake, "redis");
    agent.set("METRIC_TTL", "3600");
    agent.start_again();
    wait_taken(&redis);
    let account = Account::wait(&agent, "the old points to be dropped", |account| {
        account.dropped.get("too_old") == Some(&forgotten) && account.pending == 0
    });
    assert_eq!((account.wrapped, account.delivered), (forgotten + kept, kept));
    let counts = intake.counts();
    assert_eq!((counts.too_old, counts.rewritten), (0, 0));
    let total: f64 = sums(&intake).values().sum();
    assert_eq!(total, 10_000.0);
    assert!(agent.terminate().success());
}
