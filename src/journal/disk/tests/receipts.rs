//! Receipts on disk, and files that were written before there were any.

use super::memory::Memory;
use super::*;
use crate::component::journal::{Fence, ItemSet};

/// A segment as an agent without receipts wrote it: outputs `a` and `b`; three blocks of ten items; `a` has the first,
/// `b` has item 4 of the second, refused.
const BEFORE: &str = include_str!("before_receipts.hex");

fn receipt(id: u128) -> Receipt {
    Receipt {
        id: ReceiptId(id),
        fence: None,
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn opened(medium: &Arc<Memory>, clock: &Clock) -> DiskJournal {
    let medium = Arc::clone(medium) as Arc<dyn Medium>;
    let outputs = [id("a"), id("b")];
    let store = open_store(medium, Layout::of(BOUND), 0, &outputs, clock.clone()).unwrap();
    DiskJournal::of(store, Sync::Batch, None)
}

#[tokio::test]
async fn a_journal_from_before_receipts_opens_as_it_was_and_takes_them_from_then_on() {
    let clock = Clock::manual(Timestamp::from_seconds(NOW + 60));
    let medium = Arc::new(Memory::of(BTreeMap::from([(1, bytes(BEFORE))])));
    for round in 0..2 {
        let journal = opened(&medium, &clock);
        let status = journal.status().await;
        assert_eq!((status.damaged_records, status.foreign_blocks), (0, 0));
        let (a, b) = (
            balance(&journal, "a", &clock).await,
            balance(&journal, "b", &clock).await,
        );
        assert_eq!(
            (a.wrapped, a.delivered, a.pending()),
            (30 + round, 10, 20 + round)
        );
        assert_eq!((b.wrapped, b.delivered, b.pending()), (30 + round, 0, 29 + round));
        assert_eq!(b.dropped, BTreeMap::from([(DropReason::Refused, 1)]));
        let read = journal.read(&id("b"), &all(&clock)).await.unwrap();
        let payloads: Vec<&[u8]> = read.iter().map(|entry| &entry.block.payload[..]).collect();
        assert_eq!(payloads[..3], [[1, 0, 0], [1, 1, 1], [1, 2, 2]]);
        let mut refused = ItemSet::default();
        refused.insert(4);
        assert_eq!(read[1].settled, refused);
        assert_eq!(journal.remembers(ReceiptId(5)).await, round == 1);
        let wrapped = block(&clock, 1, vec![1]);
        let _ = journal.append_with(wrapped, &receipt(5)).await.unwrap();
    }
}

#[tokio::test]
async fn a_receipt_with_a_fence_is_refused_and_nothing_is_stored() {
    let clock = noon();
    let journal = opened(&Arc::new(Memory::default()), &clock);
    let word = || "x".to_string();
    let fenced = Receipt {
        fence: Some(Fence {
            lease: word(),
            token: word(),
            table: word(),
            entry: word(),
            done: word(),
        }),
        ..receipt(5)
    };
    let error = journal
        .append_with(block(&clock, 1, vec![1]), &fenced)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the journal in memory cannot take a fence: only a journal in the same Redis can check it"
    );
    assert!(!journal.takes_fences() && !journal.remembers(ReceiptId(5)).await);
    assert_eq!(balance(&journal, "a", &clock).await.wrapped, 0);
}

#[tokio::test]
async fn nothing_is_remembered_or_forgotten_that_could_not_be_written() {
    let clock = noon();
    let medium = Arc::new(Memory::default());
    let journal = opened(&medium, &clock);
    let wrapped = || block(&clock, 1, vec![1]);
    let _ = journal.append_with(wrapped(), &receipt(1)).await.unwrap();
    medium.inner().broken = true;
    let _ = journal.append_with(wrapped(), &receipt(2)).await.unwrap_err();
    let _ = journal.forget(&[ReceiptId(1)]).await.unwrap_err();
    assert!(journal.remembers(ReceiptId(1)).await);
    assert!(!journal.remembers(ReceiptId(2)).await);
    medium.inner().broken = false;
    journal.forget(&[ReceiptId(1)]).await.unwrap();
    drop(journal);
    assert!(!opened(&medium, &clock).remembers(ReceiptId(1)).await);
}

#[tokio::test]
async fn receipts_that_are_never_forgotten_leave_room_for_blocks() {
    let clock = noon();
    let medium = Arc::new(Memory::default());
    let journal = opened(&medium, &clock);
    for id in 0..2_000 {
        let wrapped = block(&clock, 1, vec![1; 100]);
        let _ = journal.append_with(wrapped, &receipt(id)).await.unwrap();
    }
    let known = {
        let store = journal.shared.store();
        assert!(store.bytes() <= BOUND);
        store.state.receipts.len()
    };
    assert!((240..=256).contains(&known), "{known}");
    assert!(journal.remembers(ReceiptId(1_999)).await);
    drop(journal);
    // What was forgotten for lack of room stays forgotten.
    let journal = opened(&medium, &clock);
    assert_eq!(journal.shared.store().state.receipts.len(), known);
    assert!(!journal.remembers(ReceiptId(1_700)).await);
}
