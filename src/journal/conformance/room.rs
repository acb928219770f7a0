//! Cases about the bound.

use std::collections::BTreeMap;

use super::{BOUND, NOW, Place, all, balance, block, delivered, id, ids};
use crate::component::journal::{DropReason, JournalError};
use crate::model::time::Timestamp;
use crate::support::time::Clock;

pub(crate) async fn the_oldest_blocks_make_room_and_are_counted(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_seconds(NOW));
    let journal = place.open(&["a", "b"], BOUND, &clock).await;
    let mut lost = BTreeMap::new();
    let mut numbers = Vec::new();
    let mut random = fastrand::Rng::with_seed(5);
    for round in 0..40u64 {
        let payload: Vec<u8> = std::iter::once(1)
            .chain((1..50_000).map(|_| random.u8(..)))
            .collect();
        let appended = journal.append(block(&clock, 100, payload)).await.unwrap();
        numbers.push(appended.id.0);
        for (output, items) in appended.evicted {
            *lost.entry(output).or_insert(0) += items;
        }
        let status = journal.status().await;
        assert!(status.bytes <= status.bound, "{status:?}");
        if round == 0 {
            let read = journal.read(&id("b"), &all(&clock)).await.unwrap();
            journal.settle(&id("b"), &[delivered(&read[0])]).await.unwrap();
        }
        let account = balance(&*journal, "a", &clock).await;
        assert_eq!(account.wrapped, 100 * (round + 1));
        assert_eq!(account.dropped.get(&DropReason::Evicted), lost.get(&id("a")));
    }
    let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
    assert!((14..=20).contains(&read.len()), "{}", read.len());
    assert_eq!(ids(&read), numbers[40 - read.len()..]);
    assert_eq!(lost[&id("a")], (40 - read.len() as u64) * 100);
    // What was delivered before is not lost.
    assert_eq!(lost[&id("b")], lost[&id("a")] - 100);
    drop(journal);
    let journal = place.open(&["a", "b"], BOUND, &clock).await;
    assert_eq!(
        balance(&*journal, "a", &clock).await.pending(),
        read.len() as u64 * 100
    );
    assert_eq!(balance(&*journal, "b", &clock).await.delivered, 100);
}

pub(crate) async fn a_block_larger_than_the_bound_is_refused(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_seconds(NOW));
    let journal = place.open(&["a"], BOUND, &clock).await;
    let _ = journal.append(block(&clock, 1, vec![1])).await.unwrap();
    let error = journal
        .append(block(&clock, 1, vec![1; 1 << 20]))
        .await
        .unwrap_err();
    assert!(
        matches!(error, JournalError::TooLarge { bound: BOUND, .. }),
        "{error}"
    );
    assert_eq!(balance(&*journal, "a", &clock).await.pending(), 1);
    // Nearly as large is taken, and makes all others go.
    let appended = journal.append(block(&clock, 1, vec![1; 900_000])).await.unwrap();
    assert_eq!(appended.evicted, BTreeMap::new());
    let appended = journal.append(block(&clock, 1, vec![1; 900_000])).await.unwrap();
    assert_eq!(appended.evicted, BTreeMap::from([(id("a"), 2)]));
}
