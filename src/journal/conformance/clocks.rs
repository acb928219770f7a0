//! Cases about clocks: ages, wrong clocks, re-dating.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{BOUND, NOW, Place, all, balance, block, id};
use crate::component::journal::{DropReason, ReadRequest};
use crate::model::block::BlockKind;
use crate::model::time::{ClockStamp, Timestamp};
use crate::support::time::Clock;

pub(crate) async fn blocks_of_this_boot_age_by_the_time_since_boot(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_seconds(NOW));
    let journal = place.open(&["a"], BOUND, &clock).await;
    let _ = journal.append(block(&clock, 3, vec![1])).await.unwrap();
    let hour = Duration::from_secs(3600);
    let expire = |now: ClockStamp| journal.expire(BlockKind::Points, hour, now);
    clock.step_to(Timestamp::from_seconds(NOW + 365 * 86_400));
    assert_eq!(expire(clock.stamp(true)).await.unwrap(), BTreeMap::new());
    clock.advance(Duration::from_secs(3590));
    assert_eq!(expire(clock.stamp(true)).await.unwrap(), BTreeMap::new());
    clock.advance(Duration::from_secs(1));
    assert_eq!(expire(clock.stamp(false)).await.unwrap(), BTreeMap::new());
    assert_eq!(
        expire(clock.stamp(true)).await.unwrap(),
        BTreeMap::from([(id("a"), 3)])
    );
    let account = balance(&*journal, "a", &clock).await;
    assert_eq!(account.dropped, BTreeMap::from([(DropReason::TooOld, 3)]));
}

pub(crate) async fn blocks_of_other_boots_age_by_the_wall_clock(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_seconds(NOW));
    let journal = place.open(&["a"], BOUND, &clock).await;
    let _ = journal.append(block(&clock, 3, vec![1])).await.unwrap();
    let mut undated = block(&clock, 5, vec![1]);
    undated.stamp.plausible = false;
    undated.stamp.boot.0 += 77;
    let _ = journal.append(undated).await.unwrap();
    drop(journal);
    clock.reboot_at(Timestamp::from_seconds(NOW + 3590));
    let journal = place.open(&["a"], BOUND, &clock).await;
    let hour = Duration::from_secs(3600);
    let expire = |now: ClockStamp| journal.expire(BlockKind::Points, hour, now);
    assert_eq!(expire(clock.stamp(true)).await.unwrap(), BTreeMap::new());
    // A step forward of a clock that was believed expires nothing at once.
    let mut right = block(&clock, 1, vec![1]);
    right.newest = NOW + 3590;
    let _ = journal.append(right).await.unwrap();
    clock.step_to(Timestamp::from_seconds(NOW + 90_000_000));
    assert_eq!(expire(clock.stamp(true)).await.unwrap(), BTreeMap::new());
    clock.advance(Duration::from_secs(1));
    assert_eq!(
        expire(clock.stamp(true)).await.unwrap(),
        BTreeMap::from([(id("a"), 3)])
    );
    assert_eq!(balance(&*journal, "a", &clock).await.pending(), 6);
}

pub(crate) async fn blocks_from_1970_are_re_dated(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_seconds(1000));
    let journal = place.open(&["a"], BOUND, &clock).await;
    let mut early = block(&clock, 2, vec![1]);
    early.stamp.plausible = false;
    let _ = journal.append(early).await.unwrap();
    let read = |now: ClockStamp| ReadRequest { now, ..all(&clock) };
    assert_eq!(
        journal.read(&id("a"), &read(clock.stamp(false))).await.unwrap()[0].shift,
        None
    );
    clock.advance(Duration::from_secs(300));
    clock.step_to(Timestamp::from_seconds(NOW));
    let shift = Some((NOW - 1300) * 1000);
    assert_eq!(
        journal.read(&id("a"), &read(clock.stamp(true))).await.unwrap()[0].shift,
        shift
    );
    let lane = |from: i64| ReadRequest {
        not_before: Some(Timestamp::from_seconds(from)),
        ..all(&clock)
    };
    assert_eq!(journal.read(&id("a"), &lane(NOW - 310)).await.unwrap().len(), 1);
    assert_eq!(journal.read(&id("a"), &lane(NOW - 309)).await.unwrap().len(), 0);
    journal.date_boot(clock.stamp(true)).await.unwrap();
    drop(journal);
    clock.reboot_at(Timestamp::from_seconds(NOW + 50));
    let journal = place.open(&["a"], BOUND, &clock).await;
    assert_eq!(
        journal.read(&id("a"), &all(&clock)).await.unwrap()[0].shift,
        shift
    );
    let depth = journal
        .depth(&id("a"), BlockKind::Points, clock.stamp(true))
        .await;
    assert_eq!(depth.oldest, Some(Timestamp::from_seconds(NOW - 320)));
    assert_eq!(
        journal.newest_time(clock.stamp(true)).await,
        Some(Timestamp::from_seconds(NOW - 310))
    );
}

/// Two clocks are read one after the other, and the right one is disciplined: neither may move two windows differently.
pub(crate) async fn blocks_of_one_wrong_clock_are_all_moved_alike(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_seconds(1000));
    let journal = place.open(&["a"], BOUND, &clock).await;
    for jitter in [0, 1, -1, 2] {
        clock.advance(Duration::from_secs(10));
        let mut early = block(&clock, 1, vec![1]);
        early.stamp.plausible = false;
        early.stamp.wall = early.stamp.wall.shifted(jitter);
        let _ = journal.append(early).await.unwrap();
    }
    clock.step_to(Timestamp::from_seconds(NOW));
    journal.date_boot(clock.stamp(true)).await.unwrap();
    for drift in [0, 1, -1, 300] {
        clock.step_to(Timestamp::from_millis(NOW * 1000 + drift));
        let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
        let shifts = read.iter().map(|entry| entry.shift).collect::<Vec<_>>();
        assert_eq!(shifts, [Some((NOW - 1040) * 1000); 4], "{drift}");
    }
}

pub(crate) async fn a_clock_that_ran_ahead_does_not_speak_against_the_right_one(place: &dyn Place) {
    let clock = Clock::manual(Timestamp::from_seconds(NOW));
    let journal = place.open(&["a"], BOUND, &clock).await;
    assert_eq!(journal.newest_time(clock.stamp(true)).await, None);
    let _ = journal.append(block(&clock, 1, vec![1])).await.unwrap();
    let right = Some(Timestamp::from_seconds(NOW - 10));
    assert_eq!(journal.newest_time(clock.stamp(true)).await, right);
    let year = 365 * 86_400;
    clock.step_to(Timestamp::from_seconds(NOW + year));
    let _ = journal.append(block(&clock, 1, vec![1])).await.unwrap();
    assert_eq!(
        journal.newest_time(clock.stamp(true)).await,
        Some(Timestamp::from_seconds(NOW + year - 10))
    );
    clock.step_to(Timestamp::from_seconds(NOW));
    assert_eq!(journal.newest_time(clock.stamp(true)).await, right);
    let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
    assert_eq!(
        read.iter().map(|entry| entry.shift).collect::<Vec<_>>(),
        [Some(0), Some(-year * 1000)]
    );
    // Blocks of an earlier boot count as long as nobody says that its clock was wrong.
    drop(journal);
    clock.reboot_at(Timestamp::from_seconds(100));
    let journal = place.open(&["a"], BOUND, &clock).await;
    assert!(journal.newest_time(clock.stamp(false)).await >= right);
}
