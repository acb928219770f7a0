//! What cannot be read, each with its outcome, and none in the way of the rest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::recorder::{Fake, Kept};
use super::server::{Given, Server, ask, write};
use super::{T, count, emptied, quick, run, until};

const EXPIRY: Duration = Duration::from_secs(30);

fn given(key: &str, value: impl Into<Vec<u8>>) -> Given {
    Given {
        key: key.to_owned(),
        score: T as f64,
        value: value.into(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_record_is_counted_kept_as_a_sample_and_removed() {
    let Some(server) = Server::start("every_bad_record_is_counted_kept_as_a_sample_and_removed") else {
        return;
    };
    let to = server.connect().await;
    let kept = Arc::new(Kept::default());
    let fake = Fake::new("a", T + 25, kept.clone(), None);
    let record = |metric: &str, value: &str, timestamp: &str, tags: &str| {
        format!(r#"{{{metric}"type": "count", "value": {value}, "timestamp": {timestamp}, "tags": {tags}}}"#)
    };
    let (metric, time) = (r#""metric": "m", "#, T.to_string());
    let mut long = record(metric, "\"", &time, "{}").into_bytes();
    long.extend(vec![b'x'; 10_000_000]);
    let records = [
        given("no_json", b"\xff{oops".to_vec()),
        given("no_metric", record("", "1", &time, "{}")),
        given("text", record(metric, "\"x\"", &time, "{}")),
        given("nan", record(metric, "NaN", &time, "{}")),
        given("long", long),
        given("list", record(metric, "1", &time, "[\"a:b\"]")),
        given("huge_time", record(r#""metric": "ahead", "#, "7", "1e308", "{}")),
        given("lost", "{}"),
        count("good", "good", 5, T as f64),
    ];
    write(&to, "metrics:raw", &records).await;
    let _: u64 = ask(&to, &["HDEL", "chouette:metrics:raw.values", "lost"]).await;
    let _: u64 = ask(&to, &["ZREM", "chouette:metrics:raw.keys", "good"]).await;
    let feed = run(&server, &fake, EXPIRY, quick());
    until("the value without a key has its key back", async || {
        let keys: u64 = ask(&to, &["ZCARD", "chouette:metrics:raw.keys"]).await;
        keys == 1 && kept.counts().len() == 1
    })
    .await;
    fake.set_now(T + 35);
    emptied(&to, "metrics:raw").await;
    until("all is read", async || kept.counts().len() == 2).await;
    feed.stop().await;
    assert_eq!(
        kept.windows(),
        [(T + 10, "ahead".to_owned(), 7.0), (T, "good".to_owned(), 5.0)]
    );
    let facts = fake.facts();
    let reasons = [
        ("bad_tags", 1),
        ("bad_value", 2),
        ("no_metric", 1),
        ("no_value", 1),
        ("not_json", 1),
        ("too_long", 1),
    ];
    assert_eq!(facts.unreadable, BTreeMap::from(reasons));
    assert_eq!((facts.ahead, facts.records["metrics"]), (1, 2));
    let dead: Vec<String> = ask(&to, &["LRANGE", "chouette:dead", "0", "-1"]).await;
    assert_eq!(dead.len(), 7);
    assert!(dead.iter().all(|sample| sample.len() <= 4096));
    let sample: serde_json::Value = serde_json::from_str(&dead[0]).unwrap();
    assert_eq!(sample["key"], "text");
    assert_eq!(sample["queue"], "metrics:raw");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_nobody_can_read_and_that_has_no_key_becomes_a_dead_letter() {
    let test = "a_value_that_nobody_can_read_and_that_has_no_key_becomes_a_dead_letter";
    let Some(server) = Server::start(test) else {
        return;
    };
    let to = server.connect().await;
    let fake = Fake::new("a", T + 25, Arc::default(), None);
    for queue in ["metrics:raw", "metrics:wrapped", "logs:wrapped"] {
        let _: u64 = ask(
            &to,
            &["HSET", &format!("chouette:{queue}.values"), "x", "no json"],
        )
        .await;
    }
    let feed = run(&server, &fake, EXPIRY, quick());
    for queue in ["metrics:raw", "metrics:wrapped", "logs:wrapped"] {
        emptied(&to, queue).await;
    }
    until("they are counted", async || {
        fake.facts().unreadable == BTreeMap::from([("no_key", 3)])
    })
    .await;
    until("they are kept", async || {
        let dead: u64 = ask(&to, &["LLEN", "chouette:dead"]).await;
        dead == 3
    })
    .await;
    feed.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_keep_to_their_bounds() {
    let Some(server) = Server::start("dead_letters_keep_to_their_bounds") else {
        return;
    };
    let to = server.connect().await;
    let fake = Fake::new("a", T + 25, Arc::default(), None);
    let short: Vec<Given> = (0..2500).map(|index| given(&format!("s{index}"), "{")).collect();
    write(&to, "metrics:raw", &short).await;
    let feed = run(&server, &fake, EXPIRY, quick());
    emptied(&to, "metrics:raw").await;
    let dead: Vec<String> = ask(&to, &["LRANGE", "chouette:dead", "0", "-1"]).await;
    assert_eq!(dead.len(), 1000);
    let long: Vec<Given> = (0..1200)
        .map(|index| given(&format!("l{index}"), vec![b'x'; 6000]))
        .collect();
    write(&to, "metrics:raw", &long).await;
    fake.set_now(T + 45);
    emptied(&to, "metrics:raw").await;
    feed.stop().await;
    let dead: Vec<String> = ask(&to, &["LRANGE", "chouette:dead", "0", "-1"]).await;
    let bytes: usize = dead.iter().map(String::len).sum();
    assert!(bytes <= 1 << 20 && bytes > (1 << 20) - 4096, "{bytes}");
    // The newest come first; older ones fill what is left of the room.
    let newest = dead
        .iter()
        .take_while(|sample| sample.contains(r#""key":"l"#))
        .count();
    let newest: usize = dead[..newest].iter().map(String::len).sum();
    assert!(newest > (1 << 20) - 4096, "{newest}");
    assert_eq!(fake.facts().unreadable, BTreeMap::from([("not_json", 3700)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_a_wrong_type_stops_its_queue_alone_until_it_is_gone() {
    let Some(server) = Server::start("a_key_of_a_wrong_type_stops_its_queue_alone_until_it_is_gone") else {
        return;
    };
    let to = server.connect().await;
    let kept = Arc::new(Kept::default());
    let fake = Fake::new("a", T + 25, kept.clone(), None);
    let _: String = ask(&to, &["SET", "chouette:metrics:wrapped.keys", "text"]).await;
    let _: u64 = ask(&to, &["LPUSH", "chouette:logs:wrapped.values", "text"]).await;
    let _: u64 = ask(&to, &["ZADD", "chouette:logs:wrapped.keys", "1", "l"]).await;
    write(&to, "metrics:raw", &[count("k", "jobs", 3, T as f64)]).await;
    let feed = run(&server, &fake, EXPIRY, quick());
    emptied(&to, "metrics:raw").await;
    until("both troubles are known", async || {
        let warnings = fake.facts().warnings;
        let wrong = |queue: &str| {
            warnings
                .get(queue)
                .is_some_and(|reason| reason.contains("WRONGTYPE"))
        };
        wrong("metrics:wrapped") && wrong("logs:wrapped")
    })
    .await;
    assert_eq!(kept.counts(), BTreeMap::from([("jobs".to_owned(), 3.0)]));
    let keys: u64 = ask(&to, &["ZCARD", "chouette:logs:wrapped.keys"]).await;
    assert_eq!(keys, 1, "nothing is moved while its values cannot be read");
    let _: u64 = ask(
        &to,
        &[
            "DEL",
            "chouette:metrics:wrapped.keys",
            "chouette:logs:wrapped.values",
        ],
    )
    .await;
    until("both are read again", async || fake.facts().warnings.is_empty()).await;
    assert_eq!(fake.facts().trouble, None);
    feed.stop().await;
}
