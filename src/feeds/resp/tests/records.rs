use super::recorder::Mood;
use super::*;

async fn feed() -> (tempfile::TempDir, Arc<Fake>, Running) {
    let folder = tempfile::tempdir().unwrap();
    let into = Fake::new(NOW);
    let running = Running::start(folder.path(), json!({}), &into).await;
    (folder, into, running)
}

fn sums<const N: usize>(pairs: [(&str, f64); N]) -> std::collections::BTreeMap<String, f64> {
    pairs
        .into_iter()
        .map(|(name, sum)| (name.to_string(), sum))
        .collect()
}

#[tokio::test]
async fn a_record_is_handed_over_when_its_window_is_closed() {
    let (folder, into, feed) = feed().await;
    let mut client = feed.connect().await;
    for (key, value, time) in [("a", 1.0, NOW), ("b", 2.0, NOW), ("c", 4.0, NOW + 10)] {
        client.send(stored(key, time, &count("n", value, time))).await;
        client.expect(STORED).await;
    }
    into.wait(|journal| journal.facts.waiting == 3).await;
    assert_eq!(into.journal().blocks, 0);
    into.set_now(NOW + 7);
    let journal = into
        .wait(|journal| journal.blocks == 1 && journal.remembered.is_empty())
        .await;
    assert_eq!(journal.sums, sums([("n", 3.0)]));
    assert_eq!(journal.windows["n"], [NOW - 5].into());
    let journal = into.wait(|journal| journal.facts.waiting == 1).await;
    assert_eq!(journal.facts.records, [("metrics", 2)].into());
    // Late, of the window that was handed over; and the one that is open goes early.
    client.send(stored("d", NOW, &count("n", 8.0, NOW))).await;
    client.expect(STORED).await;
    feed.stop().await;
    let journal = into.journal();
    assert_eq!((journal.sums, journal.blocks), (sums([("n", 15.0)]), 3));
    assert_eq!(journal.facts.waiting, 0);
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains('-'))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn an_hour_of_backlog_is_one_block_and_the_future_is_now() {
    let (_folder, into, feed) = feed().await;
    let mut client = feed.connect().await;
    for index in 0..360 {
        let time = NOW - 3600 + index * 10 - 10;
        client
            .send(stored(&format!("k{index}"), time, &count("n", 1.0, time)))
            .await;
        client.expect(STORED).await;
    }
    client
        .send(stored("ahead", NOW, &count("ahead", 1.0, NOW + 601)))
        .await;
    client.expect(STORED).await;
    feed.stop().await;
    let journal = into.journal();
    assert_eq!((journal.blocks, journal.widest), (2, 360));
    assert_eq!(journal.sums, sums([("ahead", 1.0), ("n", 360.0)]));
    assert_eq!(journal.windows["ahead"], [NOW - 5].into());
    assert_eq!(journal.facts.ahead, 1);
}

#[tokio::test]
async fn halves_find_each_other_in_either_order_and_across_a_restart() {
    let (folder, into, feed) = feed().await;
    let mut client = feed.connect().await;
    let time = NOW.to_string();
    client
        .ask(&["ZADD", KEYS, &time, "a", &time, "b", &time, "b"], ":2\r\n")
        .await;
    client.ask(&["ZADD", KEYS, &time, "a"], ":0\r\n").await;
    client
        .ask(&["HSET", VALUES, "a", &count("n", 1.0, NOW)], ":1\r\n")
        .await;
    client
        .ask(
            &[
                "HMSET",
                VALUES,
                "c",
                &count("n", 2.0, NOW),
                "d",
                &count("n", 99.0, NOW),
            ],
            "+OK\r\n",
        )
        .await;
    client
        .ask(&["HSET", VALUES, "d", &count("n", 4.0, NOW)], ":0\r\n")
        .await;
    feed.stop().await;
    assert_eq!(into.journal().sums, sums([("n", 1.0)]));
    assert_eq!(into.journal().facts.waiting, 3);
    let feed = Running::start(folder.path(), json!({}), &into).await;
    let mut client = feed.connect().await;
    client
        .ask(&["ZADD", KEYS, &time, "c", &time, "d"], ":2\r\n")
        .await;
    client
        .ask(&["HSET", VALUES, "b", &count("n", 8.0, NOW)], ":1\r\n")
        .await;
    feed.stop().await;
    assert_eq!(into.journal().sums, sums([("n", 15.0)]));
    assert_eq!(into.journal().facts.waiting, 0);
}

#[tokio::test]
async fn a_record_that_is_sent_again_counts_once() {
    let (folder, into, feed) = feed().await;
    let mut client = feed.connect().await;
    let sent = stored("a", NOW, &count("n", 1.0, NOW));
    let known = STORED.replace(":1", ":0");
    client.send(&sent).await;
    client.expect(STORED).await;
    client.send(&sent).await;
    client.expect(&known).await;
    // Another content under the same key is another record.
    client.send(stored("a", NOW, &count("n", 2.0, NOW))).await;
    client.expect(&known).await;
    // The answer may have been lost with the process, too.
    feed.kill().await;
    let feed = restart(folder.path(), &into).await;
    let mut client = feed.connect().await;
    client.send(stored("a", NOW, &count("n", 2.0, NOW))).await;
    client.expect(&known).await;
    feed.stop().await;
    assert_eq!(into.journal().sums, sums([("n", 3.0)]));
}

#[tokio::test]
async fn unreadable_records_are_answered_counted_and_sampled() {
    let (folder, into, feed) = feed().await;
    let mut client = feed.connect().await;
    for (key, record) in [
        ("1", "nonsense".to_string()),
        ("2", r#"{"type":"count","value":1,"timestamp":1}"#.to_string()),
        ("3", count("n", 1.0, NOW).replace("1.0", "\"x\"")),
        ("4", count("n", 1.0, NOW).replace("1.0", "NaN")),
        ("5", format!("\"{}\"", "x".repeat(10_000))),
    ] {
        client.send(stored(key, NOW, &record)).await;
        client.expect(STORED).await;
    }
    client.send(stored("6", NOW, &count("n", 1.0, NOW))).await;
    client.expect(STORED).await;
    feed.stop().await;
    let journal = into.journal();
    assert_eq!(journal.sums, sums([("n", 1.0)]));
    assert_eq!(journal.facts.unreadable.values().sum::<u64>(), 5);
    assert_eq!(journal.facts.unreadable["no_metric"], 1);
    let dead = std::fs::read_to_string(folder.path().join("dead.jsonl")).unwrap();
    let lines: Vec<Value> = dead
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(
        (&lines[0]["key"], &lines[0]["record"]),
        (&json!("1"), &json!("nonsense"))
    );
    assert_eq!(lines[4]["record"].as_str().unwrap().len(), 4096);
}

#[tokio::test]
async fn logs_go_as_they_are_in_blocks_of_a_bounded_size() {
    let (_folder, into, feed) = feed().await;
    let mut client = feed.connect().await;
    let text = "x".repeat(900_000);
    for index in 0..10 {
        let key = format!("k{index}");
        let log = json!({"date": "2027-01-15T08:00:05Z", "message": {"msg": text}, "n": index}).to_string();
        client
            .ask(
                &["ZADD", "chouette:logs:wrapped.keys", "1800000005.5", &key],
                ":1\r\n",
            )
            .await;
        client
            .ask(&["HSET", "chouette:logs:wrapped.values", &key, &log], ":1\r\n")
            .await;
    }
    let journal = into.wait(|journal| journal.logs.len() == 10).await;
    let mut numbers: Vec<u64> = journal
        .logs
        .iter()
        .map(|log| serde_json::from_str::<Value>(log).unwrap()["n"].as_u64().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..10).collect::<Vec<_>>());
    assert!(journal.blocks >= 3, "{}", journal.blocks);
    feed.stop().await;
    assert_eq!(into.journal().facts.records, [("logs", 10)].into());
}

#[tokio::test]
async fn beyond_the_bound_records_are_refused_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let into = Fake::new(NOW);
    let feed = Running::within(folder.path(), json!({}), &into, |bounds| bounds.bytes = 10_000).await;
    let mut client = feed.connect().await;
    let refused =
        "-OOM command not allowed: the records that wait for the journal have reached feeds.resp.bound\r\n";
    let large = "x".repeat(9_000);
    client.send(stored(&large, NOW, &count("n", 1.0, NOW))).await;
    client.expect(STORED).await;
    let another = "y".repeat(9_000);
    client.send(stored(&another, NOW, &count("n", 2.0, NOW))).await;
    client
        .expect(&format!("+OK\r\n+QUEUED\r\n+QUEUED\r\n{refused}"))
        .await;
    client.ask(&["ZADD", KEYS, "1", &another], refused).await;
    let journal = into.wait(|journal| journal.facts.trouble.is_some()).await;
    assert_eq!(journal.facts.refused, [("bound", 2)].into());
    into.set_now(NOW + 7);
    into.wait(|journal| journal.facts.trouble.is_none()).await;
    client.send(stored(&another, NOW, &count("n", 4.0, NOW))).await;
    client.expect(STORED).await;
    feed.stop().await;
    assert_eq!(into.journal().sums, sums([("n", 5.0)]));
}

#[tokio::test]
async fn what_the_journal_does_not_take_is_handed_over_again() {
    for mood in [Mood::Fails, Mood::Forgets] {
        let (_folder, into, feed) = feed().await;
        let mut client = feed.connect().await;
        client.send(stored("a", NOW, &count("n", 1.0, NOW))).await;
        client.expect(STORED).await;
        into.set_mood(mood);
        into.set_now(NOW + 7);
        into.wait(|journal| journal.facts.warnings.contains_key("journal"))
            .await;
        client.send(stored("b", NOW, &count("n", 2.0, NOW))).await;
        client.expect(STORED).await;
        into.set_mood(Mood::Takes);
        into.set_now(NOW + 20);
        let journal = into
            .wait(|journal| journal.blocks == 2 && journal.facts.warnings.is_empty())
            .await;
        assert_eq!(journal.sums, sums([("n", 3.0)]));
        feed.stop().await;
    }
}
