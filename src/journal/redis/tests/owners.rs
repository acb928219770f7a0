//! Whose a stream is.

use super::*;

fn other(place: &RedisPlace, agent: u128, name: &str, outputs: &[&str]) -> RedisSettings {
    RedisSettings {
        agent: AgentId(agent),
        name: name.to_string(),
        speaker: Speaker {
            host: name.to_string(),
            tags: vec!["site:b".to_string()],
        },
        ..place.settings(outputs)
    }
}

async fn length(place: &RedisPlace, stream: &str) -> u64 {
    place.ask(&["XLEN", &format!("p:journal:{stream}:blocks")]).await
}

#[tokio::test]
async fn agents_of_one_name_have_streams_of_their_own() {
    let Some(place) = RedisPlace::start() else { return };
    let clock = noon();
    let first = place.journal(&["a"], &clock);
    let second = RedisJournal::open(other(&place, 0xb, "here", &["a"]), clock.clone());
    let _ = first.append(block(&clock, 1, vec![1])).await.unwrap();
    for _ in 0..2 {
        let _ = second.append(block(&clock, 1, vec![1])).await.unwrap();
    }
    assert_eq!(
        (length(&place, "here").await, length(&place, "here~2").await),
        (1, 2)
    );
    // Each finds its own again, whoever comes first.
    drop((first, second));
    let second = RedisJournal::open(other(&place, 0xb, "here", &["a"]), clock.clone());
    second.connect().await.unwrap();
    let first = place.journal(&["a"], &clock);
    first.connect().await.unwrap();
    assert_eq!(balance(&first, "a", &clock).await.pending(), 1);
    assert_eq!(balance(&second, "a", &clock).await.pending(), 2);
}

#[tokio::test]
async fn an_agent_whose_stream_was_taken_writes_nothing_more_into_it() {
    let Some(place) = RedisPlace::start() else { return };
    let clock = noon();
    let old = RedisJournal::open(
        RedisSettings {
            lease: Duration::from_secs(3600),
            ..place.settings(&["a"])
        },
        clock.clone(),
    );
    let _ = old.append(block(&clock, 1, vec![1, 1])).await.unwrap();
    let generation = old.generation();
    // It sleeps: its lease expires.
    let _: u64 = place.ask(&["DEL", "p:journal:here:owner"]).await;
    let thief = RedisJournal::open(
        RedisSettings {
            take_over_after: Duration::ZERO,
            ..other(&place, 0xb, "there", &["a"])
        },
        clock.clone(),
    );
    let adopted = thief.adopt().await.unwrap();
    assert_eq!(adopted.len(), 1);
    let read = adopted[0].journal.read(&id("a"), &all(&clock)).await.unwrap();
    assert_eq!(read[0].block.payload[..], [1, 1]);
    // What it had read it can no longer read, and what it settles is passed over.
    assert_eq!(old.read(&id("a"), &all(&clock)).await.unwrap(), []);
    assert_ne!(old.generation(), generation);
    old.settle(&id("a"), &[delivered(&read[0])]).await.unwrap();
    let _ = old.append(block(&clock, 1, vec![1, 2])).await.unwrap();
    assert_eq!(
        (length(&place, "here").await, length(&place, "here~2").await),
        (1, 1)
    );
    let own = old.read(&id("a"), &all(&clock)).await.unwrap();
    assert_eq!(own[0].block.payload[..], [1, 2]);
    assert!(own[0].id > read[0].id);
    adopted[0]
        .journal
        .settle(&id("a"), &[delivered(&read[0])])
        .await
        .unwrap();
    assert_eq!(balance(&*adopted[0].journal, "a", &clock).await.delivered, 1);
}

#[tokio::test]
async fn an_agent_that_slept_while_nobody_wanted_its_stream_goes_on() {
    let Some(place) = RedisPlace::start() else { return };
    let clock = noon();
    let journal = place.journal(&["a"], &clock);
    let _ = journal.append(block(&clock, 1, vec![1])).await.unwrap();
    let _: u64 = place.ask(&["DEL", "p:journal:here:owner"]).await;
    let _ = journal.append(block(&clock, 1, vec![1])).await.unwrap();
    assert_eq!(length(&place, "here").await, 2);
    let lease: String = place.ask(&["GET", "p:journal:here:owner"]).await;
    assert!(lease.starts_with(&format!("{AGENT}:")));
}

#[tokio::test]
async fn a_dead_agents_stream_is_delivered_under_its_name_and_removed() {
    let Some(place) = RedisPlace::start() else { return };
    let clock = noon();
    let dead = RedisJournal::open(other(&place, 0xb, "there", &["a", "its own"]), clock.clone());
    let _ = dead.append(block(&clock, 4, vec![1])).await.unwrap();
    dead.close().await.unwrap();
    drop(dead);
    let patient = place.journal(&["a"], &clock);
    assert_eq!(patient.adopt().await.unwrap().len(), 0);
    let since: String = place.ask(&["HGET", "p:journals", "there"]).await;
    assert!(since.parse::<u64>().unwrap() > 1_600_000_000_000, "{since}");
    drop(patient);
    // As if ten minutes had passed since that look.
    let earlier = (since.parse::<u64>().unwrap() - 600_001).to_string();
    let _: u64 = place.ask(&["HSET", "p:journals", "there", &earlier]).await;
    let journal = place.journal(&["a"], &clock);
    let adopted = journal.adopt().await.unwrap();
    assert_eq!(journal.adopt().await.unwrap().len(), 0);
    let [
        Adopted {
            speaker,
            journal: stream,
        },
    ] = &adopted[..]
    else {
        panic!("one stream");
    };
    assert_eq!(
        (speaker.host.as_str(), &speaker.tags[..]),
        ("there", &["site:b".to_string()][..])
    );
    assert!(!stream.is_drained());
    let read = stream.read(&id("a"), &all(&clock)).await.unwrap();
    stream.settle(&id("a"), &[delivered(&read[0])]).await.unwrap();
    // Another output of its waits on.
    assert!(!stream.is_drained() && !stream.remove().await.unwrap());
    stream
        .settle(&id("its own"), &[delivered(&read[0])])
        .await
        .unwrap();
    assert!(stream.is_drained() && stream.remove().await.unwrap());
    let keys: Vec<String> = place.ask(&["KEYS", "p:journal:there:*"]).await;
    let names: Vec<String> = place.ask(&["HKEYS", "p:journals"]).await;
    assert_eq!(
        (keys, names),
        (
            vec!["p:journal:there:about".to_string()],
            vec!["here".to_string()]
        )
    );
    drop(adopted);
    // Its agent comes back, and has its name again.
    let back = RedisJournal::open(other(&place, 0xb, "there", &["a"]), clock.clone());
    let _ = back.append(block(&clock, 2, vec![1])).await.unwrap();
    assert_eq!(balance(&back, "a", &clock).await.wrapped, 2);
    let expiry: i64 = place.ask(&["PTTL", "p:journal:there:about"]).await;
    assert_eq!(expiry, -1);
}

#[tokio::test]
async fn a_taken_over_stream_is_not_called_lost_by_its_agent() {
    let Some(place) = RedisPlace::start() else { return };
    let clock = noon();
    let sleeper = place.journal(&["a"], &clock);
    let _ = sleeper.append(block(&clock, 4, vec![1])).await.unwrap();
    let _: u64 = place.ask(&["DEL", "p:journal:here:owner"]).await;
    let thief = RedisJournal::open(
        RedisSettings {
            take_over_after: Duration::ZERO,
            ..other(&place, 0xb, "there", &["a"])
        },
        clock.clone(),
    );
    let stream = thief.adopt().await.unwrap().remove(0).journal;
    let read = stream.read(&id("a"), &all(&clock)).await.unwrap();
    stream.settle(&id("a"), &[delivered(&read[0])]).await.unwrap();
    assert!(stream.remove().await.unwrap());
    let _ = sleeper.append(block(&clock, 1, vec![1])).await.unwrap();
    let status = sleeper.status().await;
    assert_eq!((status.damaged_records, status.blocks), (0, 1));
    assert_eq!(balance(&sleeper, "a", &clock).await.dropped.len(), 0);
    assert_eq!(length(&place, "here").await, 1);
}
