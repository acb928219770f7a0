//! Cases about receipts.

use std::time::Duration;

use super::{BOUND, NOW, Place, all, balance, block, delivered, id};
use crate::component::journal::{DropReason, Journal, Receipt, ReceiptId};
use crate::model::block::BlockKind;
use crate::model::time::Timestamp;
use crate::support::time::Clock;

fn receipt(id: u128) -> Receipt {
    Receipt {
        id: ReceiptId(id),
        fence: None,
    }
}

/// Which of these are remembered.
async fn remembered(journal: &dyn Journal, ids: &[u128]) -> Vec<u128> {
    let mut known = Vec::new();
    for id in ids {
        if journal.remembers(ReceiptId(*id)).await {
            known.push(*id);
        }
    }
    known
}

pub(crate) async fn a_receipt_is_remembered_until_it_is_forgotten(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_seconds(NOW));
    let journal = place.open(&["a"], BOUND, &clock).await;
    // Ids that share their lower and their upper half.
    let ids = [1, 1 << 64, u128::MAX, 77];
    for id in &ids[..3] {
        let wrapped = block(&clock, 3, vec![1]);
        let _ = journal.append_with(wrapped, &receipt(*id)).await.unwrap();
    }
    assert_eq!(remembered(&*journal, &ids).await, ids[..3]);
    drop(journal);
    let journal = place.open(&["a"], BOUND, &clock).await;
    assert_eq!(remembered(&*journal, &ids).await, ids[..3]);
    assert_eq!(balance(&*journal, "a", &clock).await.wrapped, 9);
    // The last one is known to nobody.
    let gone = [1 << 64, 77].map(ReceiptId);
    journal.forget(&gone).await.unwrap();
    assert_eq!(remembered(&*journal, &ids).await, [1, u128::MAX]);
    drop(journal);
    let journal = place.open(&["a"], BOUND, &clock).await;
    assert_eq!(remembered(&*journal, &ids).await, [1, u128::MAX]);
    journal.forget(&gone).await.unwrap();
    // The blocks are untouched by all that.
    assert_eq!(journal.read(&id("a"), &all(&clock)).await.unwrap().len(), 3);
    assert_eq!(balance(&*journal, "a", &clock).await.pending(), 9);
}

pub(crate) async fn receipts_outlive_their_blocks(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_seconds(NOW));
    let journal = place.open(&["a"], BOUND, &clock).await;
    let mut random = fastrand::Rng::with_seed(31);
    let large = |random: &mut fastrand::Rng| -> Vec<u8> {
        std::iter::once(1)
            .chain((1..50_000).map(|_| random.u8(..)))
            .collect()
    };
    for id in [1, 2, 3] {
        let wrapped = block(&clock, 10, large(&mut random));
        let _ = journal.append_with(wrapped, &receipt(id)).await.unwrap();
    }
    // One is settled, one expires, one is evicted.
    let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
    journal.settle(&id("a"), &[delivered(&read[0])]).await.unwrap();
    for _ in 0..40 {
        let wrapped = block(&clock, 1, large(&mut random));
        let _ = journal.append(wrapped).await.unwrap();
    }
    let account = balance(&*journal, "a", &clock).await;
    assert_eq!(account.delivered, 10);
    assert!(account.dropped[&DropReason::Evicted] >= 20, "{account:?}");
    let _ = journal
        .append_with(block(&clock, 10, large(&mut random)), &receipt(4))
        .await
        .unwrap();
    clock.advance(Duration::from_secs(3600));
    let _ = journal
        .expire(BlockKind::Points, Duration::from_secs(600), clock.stamp(true))
        .await
        .unwrap();
    assert_eq!(balance(&*journal, "a", &clock).await.pending(), 0);
    assert_eq!(remembered(&*journal, &[1, 2, 3, 4, 5]).await, [1, 2, 3, 4]);
    drop(journal);
    // Whatever held them is long gone.
    let journal = place.open(&["a"], BOUND, &clock).await;
    for _ in 0..40 {
        let wrapped = block(&clock, 1, large(&mut random));
        let _ = journal.append(wrapped).await.unwrap();
    }
    drop(journal);
    let journal = place.open(&["a"], BOUND, &clock).await;
    assert_eq!(remembered(&*journal, &[1, 2, 3, 4, 5]).await, [1, 2, 3, 4]);
}

pub(crate) async fn a_receipt_is_remembered_where_nobody_waits_for_its_block(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_seconds(NOW));
    let journal = place.open(&[], BOUND, &clock).await;
    let _ = journal
        .append_with(block(&clock, 3, vec![1]), &receipt(9))
        .await
        .unwrap();
    assert_eq!(remembered(&*journal, &[9]).await, [9]);
    drop(journal);
    let journal = place.open(&[], BOUND, &clock).await;
    assert_eq!(remembered(&*journal, &[9]).await, [9]);
    assert_eq!(journal.status().await.blocks, 0);
}

pub(crate) async fn many_receipts_are_forgotten_at_once(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_seconds(NOW));
    let journal = place.open(&["a"], BOUND, &clock).await;
    for id in 0..200 {
        let wrapped = block(&clock, 1, vec![1]);
        let _ = journal.append_with(wrapped, &receipt(id)).await.unwrap();
    }
    let all: Vec<ReceiptId> = (0..10_000).map(ReceiptId).collect();
    journal.forget(&all).await.unwrap();
    drop(journal);
    let journal = place.open(&["a"], BOUND, &clock).await;
    assert_eq!(remembered(&*journal, &(0..200).collect::<Vec<_>>()).await, [0; 0]);
    let status = journal.status().await;
    assert!(status.bytes <= status.bound);
}
