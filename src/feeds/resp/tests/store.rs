use std::time::Instant;

use bytes::Bytes;

use super::*;
use crate::component::feed::Handed;
use crate::feeds::resp::due;
use crate::feeds::resp::halves::{TIME_WAITS, VALUE_WAITS};
use crate::feeds::resp::store::{Moment, Store};
use crate::feeds::resp::write::{Halves, Queue, Refusal, Write};
use crate::model::time::Timestamp;

const AT: Moment = Moment {
    now: Timestamp::from_seconds(NOW),
    closed_before: Timestamp::from_seconds(NOW - 5),
};

fn open(folder: &Path, most: u64) -> Store {
    let bounds = Arc::new(|_: &str| Arc::from([1.0]));
    Store::open(folder, Duration::from_secs(10), bounds, most)
        .unwrap()
        .0
}

fn times(keys: &[String]) -> Write {
    Write {
        queue: Queue::Metrics,
        halves: Halves::Times(
            keys.iter()
                .map(|key| (Bytes::from(key.clone()), NOW as f64))
                .collect(),
        ),
        says_ok: false,
    }
}

fn values(pairs: impl IntoIterator<Item = (String, String)>) -> Write {
    let pairs = pairs
        .into_iter()
        .map(|(key, json)| (Bytes::from(key), Bytes::from(json)));
    Write {
        queue: Queue::Metrics,
        halves: Halves::Values(pairs.collect()),
        says_ok: false,
    }
}

#[test]
fn halves_do_not_wait_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path(), 1 << 20);
    let value = [
        ("v".to_string(), count("n", 1.0, NOW)),
        ("w".to_string(), "x".to_string()),
    ];
    let writes = [values(value), times(&["t".to_string()])];
    assert_eq!(store.accept(&[&writes], AT), [Ok(vec![2, 1])]);
    assert_eq!(store.waiting(), 3);
    store.settle_halves(AT, Instant::now() + VALUE_WAITS);
    // The one became a record, the other cannot be read, the key still waits.
    assert_eq!(store.waiting(), 2);
    assert_eq!(store.counts.unreadable, [("not_json", 1)].into());
    store.settle_halves(AT, Instant::now() + TIME_WAITS);
    assert_eq!(store.counts.unreadable, [("no_value", 1), ("not_json", 1)].into());
    drop(store);
    let mut store = open(folder.path(), 1 << 20);
    assert_eq!(store.waiting(), 1);
    let due = store.next_due(AT, true).unwrap();
    let (handed, unreadable) = due::load(
        &due,
        Duration::from_secs(10),
        Arc::new(|_: &str| Arc::from([1.0])),
    )
    .unwrap();
    let Handed::Windows(windows) = handed else {
        panic!()
    };
    assert_eq!((windows.len(), windows[0].series.len(), unreadable), (1, 1, 0));
}

#[test]
fn what_becomes_one_block_is_bounded_however_much_comes_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path(), 64 << 20);
    let keys: Vec<String> = (0..45_000).map(|index| format!("k{index}")).collect();
    let records = keys.iter().map(|key| (key.clone(), count(key, 1.0, NOW)));
    let writes = [values(records), times(&keys)];
    assert_eq!(store.accept(&[&writes], AT), [Ok(vec![45_000, 45_000])]);
    let mut sizes = Vec::new();
    while let Some(due) = store.next_due(AT, true) {
        sizes.push(due.windows.unwrap()[0].series.len());
        store.left(due.receipt);
    }
    assert_eq!(sizes, [40_000, 5_000]);
}

#[test]
fn halves_that_wait_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path(), 64 << 20);
    let keys: Vec<String> = (0..10_001).map(|index| format!("k{index}")).collect();
    assert_eq!(
        store.accept(&[&[times(&keys)], &[times(&keys[..3])]], AT),
        [Err(Refusal::Halves), Ok(vec![3])]
    );
    assert_eq!((store.waiting(), store.is_full()), (3, false));
}

#[test]
fn what_was_written_is_synced_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path(), 1 << 20);
    let (_, folder_changed) = store.take_dirty();
    assert!(folder_changed);
    let key = "k".to_string();
    let writes = [values([(key.clone(), count("n", 1.0, NOW))]), times(&[key])];
    assert_eq!(store.accept(&[&writes], AT), [Ok(vec![1, 1])]);
    let (files, folder_changed) = store.take_dirty();
    assert_eq!((files.len(), folder_changed), (1, true));
    let (files, folder_changed) = store.take_dirty();
    assert_eq!((files.len(), folder_changed), (0, false));
    store.set_dirty();
    assert_eq!(store.take_dirty().0.len(), 2);
}

#[test]
fn a_closed_store_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path(), 1 << 20);
    store.close();
    assert_eq!(
        store.accept(&[&[times(&["k".to_string()])]], AT),
        [Err(Refusal::Stopping)]
    );
    assert_eq!(store.waiting(), 0);
}
