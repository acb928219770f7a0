//! Exactly once, whoever dies, sleeps or fails when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redis::aio::MultiplexedConnection;

use super::recorder::{Fake, Kept, Mood};
use super::server::{Given, Server, ask, write};
use super::{Pace, T, Where, count, emptied, quick, run, run_apart, until};
use crate::feeds::redis::claims::Claims;
use crate::feeds::redis::desk::Desk;
use crate::feeds::redis::keys::Queue;

const LONG: Duration = Duration::from_secs(30);
const SERIES: i64 = 7;

/// Records over `windows` windows, and the sums that they come to.
async fn fill(to: &MultiplexedConnection, records: i64, windows: i64) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    let given: Vec<Given> = (0..records)
        .map(|index| {
            let metric = format!("m{}", index % SERIES);
            *sums.entry(metric.clone()).or_insert(0.0) += index as f64;
            let time = T + index * windows * 10 / records;
            count(&format!("k{index}"), &metric, index, time as f64)
        })
        .collect();
    write(to, "metrics:raw", &given).await;
    sums
}

fn small() -> Pace {
    Pace {
        chunk: 100,
        records: 1000,
        ..quick()
    }
}

fn merged(all: &[&Arc<Kept>]) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for kept in all {
        for (metric, sum) in kept.counts() {
            *sums.entry(metric).or_insert(0.0) += sum;
        }
    }
    sums
}

/// The same with the journal in the same Redis and with one on disk.
async fn both_ways(test: &str, mut check: impl AsyncFnMut(&Server, Option<MultiplexedConnection>)) {
    for fenced in [false, true] {
        let Some(server) = Server::start(test) else {
            return;
        };
        let fences = if fenced {
            Some(server.connect().await)
        } else {
            None
        };
        check(&server, fences).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_agents_share_a_queue() {
    both_ways("two_agents_share_a_queue", async |server, fences| {
        let to = server.connect().await;
        let sums = fill(&to, 30_000, 20).await;
        let (one, two) = (Arc::new(Kept::default()), Arc::new(Kept::default()));
        let first = run(
            server,
            &Fake::new("a", T + 500, one.clone(), fences.clone()),
            LONG,
            small(),
        );
        let second = run(
            server,
            &Fake::new("b", T + 500, two.clone(), fences.clone()),
            LONG,
            small(),
        );
        emptied(&to, "metrics:raw").await;
        first.stop().await;
        second.stop().await;
        assert_eq!(merged(&[&one, &two]), sums);
        assert!(
            !one.kinds().is_empty() && !two.kinds().is_empty(),
            "both had a part"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_agent_that_slept_past_its_claims_expiry_commits_nothing() {
    let test = "an_agent_that_slept_past_its_claims_expiry_commits_nothing";
    both_ways(test, async |server, fences| {
        let to = server.connect().await;
        let sums = fill(&to, 1000, 2).await;
        let histogram = format!(r#"{{"metric": "h", "type": "histogram", "value": 1, "timestamp": {T}}}"#);
        let given = Given {
            key: "h".to_owned(),
            score: T as f64 + 0.5,
            value: histogram.into_bytes(),
        };
        write(&to, "metrics:raw", &[given]).await;
        let (one, two) = (Arc::new(Kept::default()), Arc::new(Kept::default()));
        let sleeper = Fake::new("a", T + 500, one.clone(), fences.clone());
        let (wake, hold) = std::sync::mpsc::channel();
        *sleeper.hold.lock().unwrap() = Some(hold);
        let expiry = Duration::from_millis(150);
        let first = run_apart(server, &sleeper, expiry, small());
        until("the first sleeps", async || {
            sleeper.held.load(Ordering::SeqCst) == 1
        })
        .await;
        let other = Fake::new("b", T + 500, two.clone(), fences.clone());
        let second = run(server, &other, expiry, small());
        emptied(&to, "metrics:raw").await;
        assert_eq!(other.facts().taken_over, 1);
        drop(wake);
        until("the first knows", async || sleeper.facts().lost_claims == 1).await;
        first.stop().await;
        second.stop().await;
        assert_eq!(
            (one.kinds().len(), merged(&[&one, &two])),
            (0, sums),
            "the sleeper has nothing"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lease_that_ends_during_the_hand_over_is_a_fence_that_does_not_hold() {
    let test = "a_lease_that_ends_during_the_hand_over_is_a_fence_that_does_not_hold";
    let Some(server) = Server::start(test) else {
        return;
    };
    let to = server.connect().await;
    let sums = fill(&to, 500, 1).await;
    let fences = Some(server.connect().await);
    let (one, two) = (Arc::new(Kept::default()), Arc::new(Kept::default()));
    let slow = Fake::new("a", T + 500, one.clone(), fences.clone());
    let gate = slow.gate.acquire().await.unwrap();
    let first = run(&server, &slow, LONG, small());
    until("it hands over", async || slow.arrived.load(Ordering::SeqCst) == 1).await;
    let leases: Vec<String> = ask(&to, &["KEYS", "chouette:lease:*"]).await;
    let _: u64 = ask(&to, &["DEL", &leases[0]]).await;
    let other = Fake::new("b", T + 500, two.clone(), fences);
    let second = run(&server, &other, LONG, small());
    emptied(&to, "metrics:raw").await;
    drop(gate);
    until("the first knows", async || slow.facts().lost_claims == 1).await;
    first.stop().await;
    second.stop().await;
    assert_eq!((one.kinds().len(), two.counts()), (0, sums));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_renewed_for_as_long_as_the_journal_takes() {
    let Some(server) = Server::start("a_lease_is_renewed_for_as_long_as_the_journal_takes") else {
        return;
    };
    let to = server.connect().await;
    let sums = fill(&to, 500, 1).await;
    let kept = Arc::new(Kept::default());
    let slow = Fake::new("a", T + 500, kept.clone(), Some(server.connect().await));
    let gate = slow.gate.acquire().await.unwrap();
    let first = run(&server, &slow, Duration::from_millis(100), small());
    until("it hands over", async || slow.arrived.load(Ordering::SeqCst) == 1).await;
    let leases: Vec<String> = ask(&to, &["KEYS", "chouette:lease:*"]).await;
    let (mut renewals, mut before) = (0, 0i64);
    until("it was renewed five times", async || {
        let left: i64 = ask(&to, &["PTTL", &leases[0]]).await;
        assert!(left > 0, "the lease ended");
        renewals += i32::from(left > before);
        before = left;
        renewals == 6
    })
    .await;
    drop(gate);
    emptied(&to, "metrics:raw").await;
    first.stop().await;
    assert_eq!((slow.facts().lost_claims, kept.counts()), (0, sums));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_at_any_moment_neither_lose_nor_double() {
    both_ways(
        "fifty_kills_at_any_moment_neither_lose_nor_double",
        async |server, fences| {
            let to = server.connect().await;
            let sums = fill(&to, 20_000, 40).await;
            let kept = Arc::new(Kept::default());
            let mut kills = 0;
            for _ in 0..50 {
                let fake = Fake::new("a", T + 500, kept.clone(), fences.clone());
                let running = run(server, &fake, LONG, small());
                // Some steps into its work, wherever that is.
                tokio::time::sleep(Duration::from_micros(fastrand::u64(0..12_000))).await;
                running.kill().await;
                kills += 1;
            }
            let last = run(
                server,
                &Fake::new("a", T + 500, kept.clone(), fences.clone()),
                LONG,
                small(),
            );
            emptied(&to, "metrics:raw").await;
            last.stop().await;
            assert_eq!((kills, kept.counts()), (50, sums));
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_fails_or_does_not_say_is_asked_before_it_is_given_again() {
    let test = "a_journal_that_fails_or_does_not_say_is_asked_before_it_is_given_again";
    both_ways(test, async |server, fences| {
        let to = server.connect().await;
        let sums = fill(&to, 5000, 10).await;
        let kept = Arc::new(Kept::default());
        let fake = Fake::new("a", T + 500, kept.clone(), fences);
        fake.feel(Mood::Fails);
        let feed = run(server, &fake, LONG, small());
        until("it failed thrice", async || {
            fake.failed.load(Ordering::SeqCst) >= 3
        })
        .await;
        assert_eq!(
            fake.facts().trouble.as_deref(),
            Some("the journal of metrics: the disk is full; tried again")
        );
        let claims: u64 = ask(&to, &["HLEN", "chouette:claims"]).await;
        assert_eq!(
            claims, 2,
            "the next was gathered meanwhile, and nothing more is claimed"
        );
        fake.feel(Mood::Forgets);
        until("blocks are in", async || kept.kinds().len() >= 3).await;
        fake.feel(Mood::Well);
        emptied(&to, "metrics:raw").await;
        until("the trouble is over", async || fake.facts().trouble.is_none()).await;
        feed.stop().await;
        assert_eq!(kept.counts(), sums);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sealed_claims_are_their_owners_alone_and_done_ones_anybodys() {
    let Some(server) = Server::start("sealed_claims_are_their_owners_alone_and_done_ones_anybodys") else {
        return;
    };
    let to = server.connect().await;
    let ids = ["1", "2", "3"].map(|end| format!("{end:0>32}"));
    for (id, entry) in ids.iter().zip([
        "sealed|b|metrics:raw",
        "done|b|metrics:raw",
        "sealed|a|metrics:raw",
    ]) {
        let _: u64 = ask(&to, &["HSET", "chouette:claims", id, entry]).await;
        let _: u64 = ask(&to, &["RPUSH", &format!("chouette:claim:{id}"), id]).await;
        let value = String::from_utf8(count("x", id, 2, T as f64).value).unwrap();
        let _: u64 = ask(&to, &["HSET", "chouette:metrics:raw.values", id, &value]).await;
    }
    let _: u64 = ask(&to, &["HSET", "chouette:claims", "strange", "what|is|this"]).await;
    let kept = Arc::new(Kept::default());
    let fake = Fake::new("a", T + 500, kept.clone(), None);
    let feed = run(&server, &fake, Duration::from_millis(50), small());
    until("two are gone", async || {
        let claims: u64 = ask(&to, &["HLEN", "chouette:claims"]).await;
        claims == 2
    })
    .await;
    feed.stop().await;
    let left: Vec<String> = ask(&to, &["HKEYS", "chouette:metrics:raw.values"]).await;
    assert_eq!(left, [ids[0].clone()]);
    assert_eq!(kept.counts(), BTreeMap::from([(ids[2].clone(), 2.0)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_and_comes_back_is_read_on_from_where_it_was() {
    let test = "a_redis_that_is_killed_and_comes_back_is_read_on_from_where_it_was";
    let Some(mut server) = Server::start_durable(test) else {
        return;
    };
    let sums = {
        let to = server.connect().await;
        fill(&to, 10_000, 40).await
    };
    let kept = Arc::new(Kept::default());
    let fake = Fake::new("a", T + 500, kept.clone(), None);
    let feed = run(&server, &fake, LONG, small());
    for round in 1..=3 {
        let before = kept.kinds().len();
        until("blocks are in", async || {
            kept.kinds().len() > before || kept.counts() == sums
        })
        .await;
        server.stop();
        until("it is away", async || {
            fake.facts()
                .trouble
                .is_some_and(|text| text.starts_with("Redis: "))
        })
        .await;
        server.restart();
        until("it is back", async || fake.facts().trouble.is_none()).await;
        assert!(round <= 3);
    }
    let to = server.connect().await;
    emptied(&to, "metrics:raw").await;
    feed.stop().await;
    assert_eq!(kept.counts(), sums);
}

/// The look removed the queue's own warning, so that it was logged again at each try.
#[tokio::test]
async fn a_look_at_the_claims_leaves_what_is_known_of_a_queue() {
    let Some(server) = Server::start("a_look_at_the_claims_leaves_what_is_known_of_a_queue") else {
        return;
    };
    let fake = Fake::new("a", T + 25, Arc::new(Kept::default()), None);
    let place = Where {
        target: server.target(),
        prefix: "chouette".to_owned(),
    };
    let desk = Desk::new(place, LONG, quick(), fake.clone());
    for queue in [Queue::Wrapped, Queue::Logs] {
        desk.standing.warning(fake.as_ref(), queue.name(), "WRONGTYPE");
        assert_eq!(Claims::default().look(&desk, &[queue]).await, Ok(None));
        assert_eq!(fake.facts().warnings[queue.name()], "WRONGTYPE");
    }
}
