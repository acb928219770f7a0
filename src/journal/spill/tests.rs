use async_trait::async_trait;

use super::*;
use crate::component::journal::Fence;
use crate::journal::conformance::{self, BOUND, Place, all, balance, block, delivered, id};
use crate::journal::disk::{DiskSettings, Sync};
use crate::journal::redis::tests::{RedisPlace, asleep, noon, receipt, settings};
use crate::support::redis::fixture::Fixture;
use crate::support::redis::target::Target;
use crate::support::time::Clock;

struct SpillPlace {
    redis: Option<RedisPlace>,
    folder: tempfile::TempDir,
}

impl SpillPlace {
    fn up() -> Option<Self> {
        Some(Self {
            redis: Some(RedisPlace::start()?),
            folder: tempfile::tempdir().unwrap(),
        })
    }

    fn down() -> Self {
        Self {
            redis: None,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn open(&self, outputs: &[&str], clock: &Clock) -> Spill {
        let settings = match &self.redis {
            Some(place) => place.settings(outputs),
            // The port of discarding, where nobody listens.
            None => settings(Target::server("127.0.0.1", 9), outputs),
        };
        let disk = DiskSettings {
            directory: self.folder.path().join("journal"),
            bound: BOUND,
            sync: Sync::Every(Duration::from_secs(3600)),
            outputs: settings.outputs.clone(),
        };
        // A server that another test starts has the lock too, from its fork to its exec.
        let begun = std::time::Instant::now();
        let disk = loop {
            match DiskJournal::open(disk.clone(), clock.clone()) {
                Err(JournalError::InUse { .. }) if begun.elapsed() < Duration::from_secs(5) => {
                    std::thread::yield_now();
                }
                opened => break opened.unwrap(),
            }
        };
        Spill::new(Arc::new(RedisJournal::open(settings, clock.clone())), Some(disk))
    }

    fn server(&mut self) -> &mut Fixture {
        &mut self.redis.as_mut().unwrap().server
    }
}

#[async_trait]
impl Place for SpillPlace {
    async fn open(&self, outputs: &[&str], _: u64, clock: &Clock) -> Box<dyn Journal> {
        let journal = self.open(outputs, clock);
        let _ = journal.redis.connect().await;
        // As one medium's: the suite looks at the bound.
        Box::new(journal)
    }
}

mod conforms_with_redis {
    use super::*;

    conformance::conformance!(match SpillPlace::up() {
        Some(place) => place,
        None => return,
    });
}

mod conforms_without_redis {
    use super::*;

    conformance::conformance!(SpillPlace::down());
}

#[tokio::test]
async fn blocks_go_to_disk_while_redis_is_away_and_numbers_grow_over_both() {
    let Some(mut place) = SpillPlace::up() else { return };
    let clock = noon();
    let journal = place.open(&["a"], &clock);
    let mut numbers = Vec::new();
    let mut generations = vec![journal.generation()];
    for round in 0..3u8 {
        for step in 0..3u8 {
            let appended = journal
                .append(block(&clock, 1, vec![1, round, 0, step]))
                .await
                .unwrap();
            numbers.push(appended.id.0);
        }
        generations.push(journal.generation());
        place.server().stop();
        for step in 0..3u8 {
            let appended = journal
                .append(block(&clock, 1, vec![1, round, 1, step]))
                .await
                .unwrap();
            assert_eq!(appended.id.0 % 2, 1);
            numbers.push(appended.id.0);
        }
        // Those on disk are delivered meanwhile.
        let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
        assert_eq!(read.len(), 3);
        journal.settle(&id("a"), &[delivered(&read[0])]).await.unwrap();
        place.server().restart();
        while journal.redis.connect().await.is_err() {}
        // This one comes back empty: three blocks are lost, and counted.
        let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
        let settled: Vec<_> = read.iter().map(delivered).collect();
        journal.settle(&id("a"), &settled).await.unwrap();
    }
    assert!(numbers.is_sorted_by(|left, right| left < right), "{numbers:?}");
    assert!(
        generations.is_sorted_by(|left, right| left < right),
        "{generations:?}"
    );
    let account = balance(&journal, "a", &clock).await;
    assert_eq!(
        (account.wrapped, account.delivered, account.pending()),
        (18, 9, 0)
    );
}

#[tokio::test]
async fn what_has_a_fence_waits_for_redis_and_what_has_a_receipt_does_not() {
    let clock = noon();
    let place = SpillPlace::down();
    let journal = place.open(&["a"], &clock);
    let fence = Fence {
        lease: "p:lease:1".to_string(),
        token: "mine".to_string(),
        table: "p:claims".to_string(),
        entry: "1".to_string(),
        done: "done".to_string(),
    };
    let fenced = Receipt {
        id: ReceiptId(1),
        fence: Some(fence),
    };
    let error = journal
        .append_with(block(&clock, 1, vec![1]), &fenced)
        .await
        .unwrap_err();
    assert!(matches!(error, JournalError::Medium { .. }), "{error}");
    let _ = journal
        .append_with(block(&clock, 1, vec![1]), &receipt(2))
        .await
        .unwrap();
    assert!(journal.remembers(ReceiptId(2)).await);
    // An earlier process may have handed this one over to the Redis that is away.
    assert!(!journal.remembers(ReceiptId(3)).await);
    journal
        .append_with(block(&clock, 1, vec![1]), &receipt(3))
        .await
        .unwrap_err();
    assert_eq!(balance(&journal, "a", &clock).await.wrapped, 1);
}

#[tokio::test]
async fn a_block_that_redis_takes_without_saying_so_is_on_disk_alone() {
    for killed in [false, true] {
        let Some(mut place) = SpillPlace::up() else { return };
        let clock = noon();
        let journal = place.open(&["a"], &clock);
        let _ = journal.append(block(&clock, 1, vec![1, 1])).await.unwrap();
        let server = &place.redis.as_ref().unwrap().server;
        asleep(server, async {
            let appended = journal.append(block(&clock, 1, vec![1, 2])).await.unwrap();
            assert_eq!(appended.id.0 % 2, 1);
        })
        .await;
        // Redis has it too, by now.
        let redis = place.redis.as_ref().unwrap();
        while redis.ask::<u64>(&["XLEN", "p:journal:here:blocks"]).await < 2 {}
        let journal = if killed {
            drop(journal);
            place.open(&["a"], &clock)
        } else {
            journal
        };
        let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
        let payloads: Vec<_> = read.iter().map(|entry| entry.block.payload.to_vec()).collect();
        assert_eq!(payloads, [vec![1, 1], vec![1, 2]], "{killed}");
        assert_eq!(balance(&journal, "a", &clock).await.wrapped, 2, "{killed}");
        journal.flush().await.unwrap();
        let length: u64 = place
            .redis
            .as_ref()
            .unwrap()
            .ask(&["XLEN", "p:journal:here:blocks"])
            .await;
        assert_eq!(length, 1);
        place.server().stop();
    }
}

/// With a Redis that hangs while the agent stops, the last windows were lost: the append took all the time there was.
#[tokio::test]
async fn where_there_is_no_time_a_redis_that_hangs_is_not_waited_for() {
    let Some(place) = SpillPlace::up() else { return };
    let clock = noon();
    let spill = place.open(&["a"], &clock);
    let _ = spill.append(block(&clock, 1, vec![1, 0])).await.unwrap();
    let server = &place.redis.as_ref().unwrap().server;
    let took = asleep(server, async {
        let begun = tokio::time::Instant::now();
        let hurry = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            spill.redis().hurry(Duration::from_secs(1));
        };
        let (appended, ()) = tokio::join!(spill.append(block(&clock, 2, vec![1, 1])), hurry);
        assert_eq!(appended.unwrap().id.0 % 2, 1, "it is on disk");
        begun.elapsed()
    })
    .await;
    assert_eq!(took.as_secs(), 3);
    asleep(server, async { spill.flush().await.unwrap() }).await;
    while spill.redis().flush().await.is_err() {}
    let read = spill.read(&id("a"), &all(&clock)).await.unwrap();
    assert_eq!(read.len(), 2, "it is there once");
}
