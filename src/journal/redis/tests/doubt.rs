//! Appends that are not answered.

use super::*;

/// Runs `work` while the server sleeps. Time stands still but for what the work waits for.
pub(crate) async fn asleep<T>(server: &Fixture, work: impl Future<Output = T>) -> T {
    server.signal(true);
    tokio::time::pause();
    let done = work.await;
    tokio::time::resume();
    server.signal(false);
    done
}

#[tokio::test]
async fn an_append_with_a_receipt_that_is_not_answered_is_stored_once() {
    let Some(place) = RedisPlace::start() else { return };
    let clock = noon();
    let journal = place.journal(&["a"], &clock);
    let _ = journal.append(block(&clock, 1, vec![1, 0])).await.unwrap();
    let generation = journal.generation();
    let made = block(&clock, 3, vec![1; 200_000]);
    asleep(&place.server, async {
        let error = journal.append_with(made.clone(), &receipt(5)).await.unwrap_err();
        assert!(matches!(error, JournalError::Medium { .. }), "{error}");
    })
    .await;
    let known = journal.remembers(ReceiptId(5)).await;
    if known {
        assert_ne!(journal.generation(), generation);
    }
    // In or not, now it is in once.
    let _ = journal.append_with(made, &receipt(5)).await.unwrap();
    assert_eq!(balance(&journal, "a", &clock).await.pending(), 4);
    assert_eq!(journal.read(&id("a"), &all(&clock)).await.unwrap().len(), 2);
    drop(journal);
    let journal = place.journal(&["a"], &clock);
    assert!(journal.remembers(ReceiptId(5)).await);
    assert_eq!(journal.read(&id("a"), &all(&clock)).await.unwrap().len(), 2);
    assert_eq!(balance(&journal, "a", &clock).await.wrapped, 4);
}

#[tokio::test]
async fn an_append_without_a_receipt_that_is_not_answered_is_not_stored() {
    let Some(place) = RedisPlace::start() else { return };
    let clock = noon();
    let journal = place.journal(&["a"], &clock);
    let _ = journal.append(block(&clock, 1, vec![1])).await.unwrap();
    asleep(&place.server, async {
        journal.append(block(&clock, 3, vec![1, 2])).await.unwrap_err();
    })
    .await;
    journal.flush().await.unwrap();
    assert_eq!(balance(&journal, "a", &clock).await.wrapped, 1);
    let length: u64 = place.ask(&["XLEN", "p:journal:here:blocks"]).await;
    assert_eq!(length, 1);
    let _ = journal.append(block(&clock, 3, vec![1, 3])).await.unwrap();
    assert_eq!(balance(&journal, "a", &clock).await.wrapped, 4);
}

#[tokio::test]
async fn a_write_that_comes_late_does_nothing() {
    let Some(place) = RedisPlace::start() else { return };
    let clock = noon();
    let journal = place.journal(&["a"], &clock);
    let _ = journal.append(block(&clock, 1, vec![1])).await.unwrap();
    let holder: String = place.ask(&["HGET", "p:journal:here:about", "holder"]).await;
    let link = Link::new(place.server.target());
    let mut late = scripts::WRITE.prepare_invoke();
    for key in ["about", "blocks", "state", "owner"] {
        late.key(format!("p:journal:here:{key}"));
    }
    // It follows the write before the last one.
    late.arg(&holder).arg(30_000).arg("state").arg("9-0").arg("block");
    late.arg("").arg("").arg("").arg(&0u64.to_le_bytes());
    let answer: String = link.invoke(&late).await.unwrap();
    assert_eq!(answer, "stale");
    assert_eq!(balance(&journal, "a", &clock).await.pending(), 1);
    let length: u64 = place.ask(&["XLEN", "p:journal:here:blocks"]).await;
    assert_eq!(length, 1);
}

/// A feed that does not stop in time is ended in the midst of its hand-over: the block was in Redis then, its claim was
/// done, and the next write left it out of the state.
#[tokio::test]
async fn an_append_that_is_dropped_before_its_answer_is_stored_once() {
    let Some(place) = RedisPlace::start() else { return };
    let clock = noon();
    let journal = place.journal(&["a"], &clock);
    let _ = journal.append(block(&clock, 1, vec![1, 0])).await.unwrap();
    asleep(&place.server, async {
        let made = block(&clock, 3, vec![1, 1]);
        let second = std::time::Duration::from_secs(1);
        let dropped = tokio::time::timeout(second, journal.append_with(made, &receipt(5))).await;
        assert!(dropped.is_err());
    })
    .await;
    let _ = journal.append(block(&clock, 5, vec![1, 2])).await.unwrap();
    let stored = u64::from(journal.remembers(ReceiptId(5)).await);
    drop(journal);
    let journal = place.journal(&["a"], &clock);
    assert_eq!(
        u64::from(journal.remembers(ReceiptId(5)).await),
        stored,
        "the next process knows the same"
    );
    let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
    let length: u64 = place.ask(&["XLEN", "p:journal:here:blocks"]).await;
    assert_eq!((read.len() as u64, length), (2 + stored, 2 + stored));
    assert_eq!(balance(&journal, "a", &clock).await.wrapped, 6 + 3 * stored);
}
