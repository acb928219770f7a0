//! A medium that is full or fails.

use super::memory::Memory;
use super::*;
use crate::journal::disk::record::{Found, scan};

const PAYLOAD: usize = 2_000;

fn journal(medium: &Arc<Memory>, clock: &Clock) -> DiskJournal {
    let medium = Arc::clone(medium) as Arc<dyn Medium>;
    let store = open_store(medium, Layout::of(64 << 20), 0, &[id("a")], clock.clone()).unwrap();
    DiskJournal::of(store, Sync::Batch, None)
}

fn some_block(clock: &Clock) -> Block {
    block(clock, 10, vec![1; PAYLOAD])
}

#[tokio::test]
async fn a_full_medium_refuses_blocks_and_takes_them_again_when_some_were_delivered() {
    let clock = noon();
    let medium = Arc::new(Memory::default());
    medium.inner().capacity = Some(200_000);
    let journal = journal(&medium, &clock);
    for round in 0..20 {
        let mut stored = 0;
        let error = loop {
            match journal.append(some_block(&clock)).await {
                Ok(_) => stored += 1,
                Err(error) => {
                    for (segment, bytes) in &medium.inner().segments {
                        scan(*segment, bytes, |_, found| {
                            assert!(!matches!(found, Found::Torn | Found::Damaged))
                        });
                    }
                    break error;
                }
            }
        };
        assert!(stored > 30, "{round}: {stored}");
        assert!(
            error
                .to_string()
                .starts_with("the journal in memory cannot write: "),
            "{error}"
        );
        assert_eq!(journal.status().await.write_error, Some(error.to_string()));
        let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
        assert!(read.len() >= stored);
        for entry in &read {
            journal.settle(&id("a"), &[delivered(entry)]).await.unwrap();
        }
        assert_eq!(balance(&journal, "a", &clock).await.pending(), 0);
        let _ = journal.append(some_block(&clock)).await.unwrap();
        assert_eq!(journal.status().await.write_error, None);
        balance(&journal, "a", &clock).await;
    }
}

#[tokio::test]
async fn a_medium_that_is_full_from_the_start_opens_and_recovers() {
    let clock = noon();
    let medium = Arc::new(Memory::default());
    medium.inner().capacity = Some(100);
    let journal = journal(&medium, &clock);
    let error = journal.append(some_block(&clock)).await.unwrap_err();
    assert!(
        matches!(error, JournalError::Medium { action: "write", .. }),
        "{error}"
    );
    medium.inner().capacity = None;
    let _ = journal.append(some_block(&clock)).await.unwrap();
    assert_eq!(balance(&journal, "a", &clock).await.pending(), 10);
}

#[tokio::test]
async fn a_write_that_fails_half_way_leaves_nothing_and_settles_nothing() {
    let clock = noon();
    let medium = Arc::new(Memory::default());
    let journal = journal(&medium, &clock);
    let _ = journal.append(some_block(&clock)).await.unwrap();
    let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
    let before = medium.inner().segments.clone();
    medium.inner().broken = true;
    let _ = journal.append(some_block(&clock)).await.unwrap_err();
    let _ = journal
        .settle(&id("a"), &[delivered(&read[0])])
        .await
        .unwrap_err();
    assert!(medium.inner().segments == before, "nothing is left of it");
    assert_eq!(balance(&journal, "a", &clock).await.pending(), 10);
    medium.inner().broken = false;
    journal.settle(&id("a"), &[delivered(&read[0])]).await.unwrap();
    let _ = journal.append(some_block(&clock)).await.unwrap();
    let account = balance(&journal, "a", &clock).await;
    assert_eq!((account.delivered, account.pending()), (10, 10));
}
