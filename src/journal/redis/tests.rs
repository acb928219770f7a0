use super::*;
use crate::component::journal::{Balance, DropReason, Fence};
use crate::journal::conformance::{self, BOUND, NOW, Place, all, balance, block, delivered, id};
use crate::model::block::BlockKind;
use crate::model::time::Timestamp;
use crate::support::redis::fixture::Fixture;

mod doubt;
pub(crate) use doubt::asleep;
mod owners;

use async_trait::async_trait;

pub(crate) const AGENT: AgentId = AgentId(0xa);

/// A Redis in which one journal is kept.
pub(crate) struct RedisPlace {
    pub(crate) server: Fixture,
}

impl RedisPlace {
    pub(crate) fn start() -> Option<Self> {
        Self::with(&[])
    }

    pub(crate) fn with(arguments: &[&str]) -> Option<Self> {
        Some(Self {
            server: Fixture::start(std::thread::current().name().unwrap_or_default(), arguments)?,
        })
    }

    pub(crate) fn settings(&self, outputs: &[&str]) -> RedisSettings {
        settings(self.server.target(), outputs)
    }

    pub(crate) fn journal(&self, outputs: &[&str], clock: &Clock) -> RedisJournal {
        RedisJournal::open(self.settings(outputs), clock.clone())
    }

    pub(crate) async fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut asked = redis::cmd(command[0]);
        asked.arg(&command[1..]);
        Link::new(self.server.target()).query(&asked).await.unwrap()
    }
}

pub(crate) fn settings(target: crate::support::redis::target::Target, outputs: &[&str]) -> RedisSettings {
    RedisSettings {
        link: Arc::new(Link::new(target)),
        prefix: "p".to_string(),
        name: "here".to_string(),
        kind_suffix: String::new(),
        agent: AGENT,
        speaker: Speaker {
            host: "here".to_string(),
            tags: vec!["site:a".to_string()],
        },
        outputs: outputs.iter().map(|output| id(output)).collect(),
        bound: BOUND,
        lease: Duration::from_secs(3600),
        take_over_after: Duration::from_secs(600),
    }
}

#[async_trait]
impl Place for RedisPlace {
    async fn open(&self, outputs: &[&str], bound: u64, clock: &Clock) -> Box<dyn Journal> {
        assert_eq!(bound, BOUND);
        let journal = self.journal(outputs, clock);
        journal.connect().await.unwrap();
        Box::new(journal)
    }
}

mod conforms {
    use super::*;

    conformance::conformance!(match RedisPlace::start() {
        Some(place) => place,
        None => return,
    });
}

pub(crate) fn noon() -> Clock {
    Clock::manual(Timestamp::from_seconds(NOW))
}

pub(crate) fn receipt(number: u128) -> Receipt {
    Receipt {
        id: ReceiptId(number),
        fence: None,
    }
}

fn fenced(number: u128, token: &str) -> Receipt {
    Receipt {
        id: ReceiptId(number),
        fence: Some(Fence {
            lease: "p:lease:1".to_string(),
            token: token.to_string(),
            table: "p:claims".to_string(),
            entry: "1".to_string(),
            done: "done|a".to_string(),
        }),
    }
}

#[tokio::test]
async fn a_fence_that_does_not_hold_lets_nothing_be_stored() {
    let Some(place) = RedisPlace::start() else { return };
    let clock = noon();
    let journal = place.journal(&["a"], &clock);
    let () = place.ask(&["SET", "p:lease:1", "other"]).await;
    let _: u64 = place.ask(&["HSET", "p:claims", "1", "open|a"]).await;
    let error = journal
        .append_with(block(&clock, 3, vec![1]), &fenced(7, "mine"))
        .await
        .unwrap_err();
    assert!(matches!(error, JournalError::Fenced), "{error}");
    let claim: String = place.ask(&["HGET", "p:claims", "1"]).await;
    let blocks: u64 = place.ask(&["XLEN", "p:journal:here:blocks"]).await;
    assert_eq!((claim.as_str(), blocks), ("open|a", 0));
    assert_eq!(balance(&journal, "a", &clock).await, Balance::default());
    assert!(!journal.remembers(ReceiptId(7)).await);
}

#[tokio::test]
async fn block_receipt_and_claim_change_in_one_write() {
    let Some(place) = RedisPlace::start() else { return };
    let clock = noon();
    let journal = place.journal(&["a"], &clock);
    assert!(journal.takes_fences());
    let () = place.ask(&["SET", "p:lease:1", "mine"]).await;
    let _ = journal
        .append_with(block(&clock, 3, vec![1]), &fenced(7, "mine"))
        .await
        .unwrap();
    let claim: String = place.ask(&["HGET", "p:claims", "1"]).await;
    assert_eq!(claim, "done|a");
    drop(journal);
    let journal = place.journal(&["a"], &clock);
    assert!(journal.remembers(ReceiptId(7)).await);
    assert_eq!(balance(&journal, "a", &clock).await.pending(), 3);
    // Handed over again, it is not stored again.
    let _ = journal
        .append_with(block(&clock, 3, vec![1]), &receipt(7))
        .await
        .unwrap();
    let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
    assert_eq!(read.len(), 1);
    journal.settle(&id("a"), &[delivered(&read[0])]).await.unwrap();
    assert!(journal.remembers(ReceiptId(7)).await);
    journal.forget(&[ReceiptId(7), ReceiptId(8)]).await.unwrap();
    drop(journal);
    assert!(!place.journal(&["a"], &clock).remembers(ReceiptId(7)).await);
}

#[tokio::test]
async fn a_claim_that_no_block_comes_of_is_marked_where_its_fence_holds() {
    let Some(place) = RedisPlace::start() else { return };
    let clock = noon();
    let journal = place.journal(&["a"], &clock);
    let () = place.ask(&["SET", "p:lease:1", "mine"]).await;
    let _: u64 = place.ask(&["HSET", "p:claims", "1", "open|a"]).await;
    let lost = journal.acknowledge(&fenced(7, "other")).await.unwrap_err();
    assert!(matches!(lost, JournalError::Fenced), "{lost}");
    let claim: String = place.ask(&["HGET", "p:claims", "1"]).await;
    assert_eq!(claim, "open|a");
    journal.acknowledge(&fenced(7, "mine")).await.unwrap();
    let claim: String = place.ask(&["HGET", "p:claims", "1"]).await;
    let blocks: u64 = place.ask(&["XLEN", "p:journal:here:blocks"]).await;
    assert_eq!((claim.as_str(), blocks), ("done|a", 0));
}

#[tokio::test]
async fn what_everybody_settled_leaves_redis() {
    let Some(place) = RedisPlace::start() else { return };
    let clock = noon();
    let journal = place.journal(&["a", "b"], &clock);
    for _ in 0..3 {
        let _ = journal.append(block(&clock, 1, vec![1; 5000])).await.unwrap();
    }
    let length = async || place.ask::<u64>(&["XLEN", "p:journal:here:blocks"]).await;
    let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
    let settled: Vec<_> = read.iter().map(delivered).collect();
    journal.settle(&id("a"), &settled).await.unwrap();
    assert_eq!(length().await, 3);
    journal.settle(&id("b"), &settled[..2]).await.unwrap();
    assert_eq!(length().await, 1);
    assert_eq!(journal.status().await.blocks, 1);
}

#[tokio::test]
async fn a_redis_that_is_killed_and_keeps_its_file_loses_nothing_and_doubles_nothing() {
    let Some(mut place) = RedisPlace::with(&["--appendonly", "yes", "--appendfsync", "always"]) else {
        return;
    };
    let clock = noon();
    let journal = place.journal(&["a"], &clock);
    let mut wrapped = 0;
    let mut seen = Vec::new();
    for round in 0..6u8 {
        for step in 0..5u8 {
            let made = block(&clock, 2, vec![1, round, step]);
            while let Err(error) = journal.append(made.clone()).await {
                assert!(matches!(error, JournalError::Medium { .. }), "{error}");
            }
            wrapped += 2;
        }
        place.server.restart();
        let request = crate::component::journal::ReadRequest {
            most_items: 6,
            ..all(&clock)
        };
        let read = loop {
            match journal.read(&id("a"), &request).await {
                Ok(read) => break read,
                Err(error) => assert!(matches!(error, JournalError::Medium { .. }), "{error}"),
            }
        };
        seen.extend(read.iter().map(|entry| entry.block.payload.to_vec()));
        place.server.stop();
        let settled: Vec<_> = read.iter().map(delivered).collect();
        journal.settle(&id("a"), &settled).await.unwrap();
        place.server.restart();
    }
    while journal.flush().await.is_err() {}
    drop(journal);
    let journal = place.journal(&["a"], &clock);
    while journal.connect().await.is_err() {}
    let rest = journal.read(&id("a"), &all(&clock)).await.unwrap();
    seen.extend(rest.iter().map(|entry| entry.block.payload.to_vec()));
    let expected: Vec<Vec<u8>> = (0..6)
        .flat_map(|round| (0..5).map(move |step| vec![1, round, step]))
        .collect();
    assert_eq!(seen, expected);
    let account = balance(&journal, "a", &clock).await;
    assert_eq!(
        (account.wrapped, account.delivered, account.dropped.len()),
        (wrapped, 36, 0)
    );
}

#[tokio::test]
async fn a_redis_that_comes_back_empty_costs_what_was_in_it_and_it_is_counted() {
    let Some(mut place) = RedisPlace::start() else {
        return;
    };
    let clock = noon();
    let journal = place.journal(&["a"], &clock);
    for _ in 0..2 {
        let _ = journal.append(block(&clock, 5, vec![1])).await.unwrap();
    }
    place.server.restart();
    while journal.read(&id("a"), &all(&clock)).await.is_err() {}
    let account = balance(&journal, "a", &clock).await;
    assert_eq!((account.wrapped, account.pending()), (10, 0));
    assert_eq!(
        account.dropped,
        std::collections::BTreeMap::from([(DropReason::Damaged, 10)])
    );
    assert_eq!(journal.status().await.damaged_records, 2);
    let _ = journal.append(block(&clock, 1, vec![1])).await.unwrap();
    assert_eq!(journal.read(&id("a"), &all(&clock)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_entry_that_is_damaged_or_gone_is_counted_and_passed_over() {
    let Some(place) = RedisPlace::start() else { return };
    let clock = noon();
    let journal = place.journal(&["a"], &clock);
    let mut numbers = Vec::new();
    for items in 1..=3 {
        numbers.push(journal.append(block(&clock, items, vec![1])).await.unwrap().id.0);
    }
    let gone = format!("{}-0", numbers[0]);
    let _: u64 = place.ask(&["XDEL", "p:journal:here:blocks", &gone]).await;
    let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
    assert_eq!(read.len(), 2);
    let request = crate::component::journal::ReadRequest {
        most_items: 1,
        ..all(&clock)
    };
    assert_eq!(journal.read(&id("a"), &request).await.unwrap()[0].block.items, 2);
    let account = balance(&journal, "a", &clock).await;
    assert_eq!(
        account.dropped,
        std::collections::BTreeMap::from([(DropReason::Damaged, 1)])
    );
    drop(journal);
    let journal = place.journal(&["a"], &clock);
    journal.connect().await.unwrap();
    assert_eq!(balance(&journal, "a", &clock).await, account);
    assert_eq!(journal.balance(&id("a"), BlockKind::Points).await.pending(), 5);
}

#[tokio::test]
async fn a_full_redis_takes_no_more_and_can_be_emptied() {
    let Some(place) = RedisPlace::start() else { return };
    let clock = noon();
    let journal = place.journal(&["a"], &clock);
    let _ = journal.append(block(&clock, 3, vec![1; 5000])).await.unwrap();
    let () = place.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let error = journal.append(block(&clock, 1, vec![1])).await.unwrap_err();
    assert!(error.to_string().contains("OOM"), "{error}");
    assert!(journal.status().await.write_error.is_some());
    let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
    journal.settle(&id("a"), &[delivered(&read[0])]).await.unwrap();
    let length: u64 = place.ask(&["XLEN", "p:journal:here:blocks"]).await;
    assert_eq!((length, balance(&journal, "a", &clock).await.delivered), (0, 3));
    let dangers = checks(&journal.inner().settings.link).await;
    let texts: Vec<&str> = dangers.iter().map(|danger| danger.text.as_str()).collect();
    assert_eq!(
        texts,
        ["a restart of Redis loses all of the queue, because it keeps nothing on disk: set appendonly yes"]
    );
}

#[tokio::test]
async fn a_block_costs_little_more_than_its_items() {
    const BLOCKS: u64 = 400;
    let Some(place) = RedisPlace::start() else { return };
    let clock = noon();
    let used = async || -> u64 {
        let memory: String = place.ask(&["INFO", "memory"]).await;
        let line = memory.lines().find_map(|line| line.strip_prefix("used_memory:"));
        line.unwrap().trim().parse().unwrap()
    };
    for length in [1500, 5000, 20_000] {
        let settings = RedisSettings {
            bound: 64 << 20,
            name: format!("of {length}"),
            ..place.settings(&["a"])
        };
        let journal = RedisJournal::open(settings, clock.clone());
        journal.connect().await.unwrap();
        let mut random = fastrand::Rng::with_seed(length as u64);
        let (before, mut items) = (used().await, 0);
        for _ in 0..BLOCKS {
            let length = random.usize(length * 8 / 10..length * 12 / 10);
            items += length as u64;
            let payload: Vec<u8> = std::iter::once(1)
                .chain((1..length).map(|_| random.u8(..)))
                .collect();
            let _ = journal.append(block(&clock, 1, payload)).await.unwrap();
        }
        let more = (used().await - before).saturating_sub(items);
        println!(
            "{length}: {} bytes a block more, {:.1} %",
            more / BLOCKS,
            100.0 * more as f64 / items as f64
        );
        // Allocators hand out memory in sizes that are up to a quarter apart.
        assert!(more < items / 8 + BLOCKS * 500, "{more} {items}");
    }
}
