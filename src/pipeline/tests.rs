//! Closer, journal and delivery together, under clocks that are wrong.

mod chaos;
mod disk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::clock::Timekeeper;
use super::close::{Closer, CloserSettings};
use super::deliver::{DeliverySettings, Task};
use super::fakes::{Answer, CountWrapper, MemoryJournal, MemoryWindows, NOW, ScriptedOutput, wind};
use crate::component::journal::{Journal, OutputId};
use crate::component::output::{Series, Speaker};
use crate::model::block::BlockKind;
use crate::model::time::Timestamp;
use crate::registry::board::Board;
use crate::support::shutdown::{Shutdown, Stopper};
use crate::support::time::Clock;

const YEAR: i64 = 31_536_000;

/// A device that counts one a second, and knows the true time.
struct Device {
    clock: Clock,
    truth: i64,
    windows: Arc<MemoryWindows>,
    journal: Arc<dyn Journal>,
    output: Arc<ScriptedOutput>,
    board: Arc<Board>,
    closer: Closer,
    delivery: Task<Series>,
    stop: Shutdown,
    _stopper: Stopper,
    recorded: f64,
}

impl Device {
    /// Boots (or starts its process again) at the true time, with its clock showing `wall`.
    fn start(clock: Clock, truth: i64, journal: Arc<dyn Journal>, output: Arc<ScriptedOutput>) -> Self {
        let (windows, board) = (Arc::new(MemoryWindows::default()), Arc::new(Board::default()));
        let timekeeper = Arc::new(Timekeeper::new(clock.clone()));
        let interval = Duration::from_secs(10);
        let closer = Closer::new(
            windows.clone(),
            Arc::new(CountWrapper),
            Some(journal.clone()),
            timekeeper.clone(),
            board.clone(),
            CloserSettings {
                interval,
                grace: Duration::from_secs(2),
                takes_logs: true,
                time_to_live: BTreeMap::from([(BlockKind::Points, Duration::from_secs(14_400))]),
            },
        );
        let delivery = Task::new(
            OutputId::new("test"),
            output.clone(),
            Speaker::default(),
            journal.clone(),
            timekeeper,
            board.clone(),
            DeliverySettings {
                release_interval: interval,
                release_delay: Duration::from_secs(3),
                bulk_size: 1000,
                time_to_live: Duration::from_secs(14_400),
                interval,
                request_timeout: Duration::from_secs(30),
                stop_timeout: Duration::from_secs(5),
            },
        );
        let (stopper, stop) = Stopper::new();
        Self {
            clock,
            truth,
            windows,
            journal,
            output,
            board,
            closer,
            delivery,
            stop,
            _stopper: stopper,
            recorded: 0.0,
        }
    }

    async fn live(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            self.truth += 1;
            self.windows.record(self.clock.now(), 1.0);
            self.recorded += 1.0;
            self.closer.tick().await;
            self.delivery.turn(&self.stop).await;
        }
    }

    /// Closes what is open, and delivers it.
    async fn finish(&mut self) {
        self.closer.finish().await;
        self.clock.advance(Duration::from_secs(15));
        self.truth += 15;
        self.delivery.turn(&self.stop).await;
        self.truth -= 15;
    }

    /// Everything that was recorded from `begin` to now was accepted: once, and at the right time.
    async fn assert_complete(&self, begin: i64, recorded: f64) {
        let accepted = self.output.accepted();
        let sum: f64 = accepted.iter().map(|point| point.2).sum();
        assert_eq!(sum, recorded);
        let seconds: BTreeSet<i64> = accepted.iter().map(|point| point.1).collect();
        assert_eq!(seconds.len(), accepted.len(), "no second is used twice");
        let (first, last) = (seconds.first().unwrap(), seconds.last().unwrap());
        assert!(*first >= begin - 10 && *last <= self.truth, "{first} {last}");
        // Up to any second, as much was accepted as was recorded: a window is ten seconds, a re-dated one may slip by
        // one more.
        for second in (begin..self.truth).step_by(10) {
            let sum: f64 = accepted
                .iter()
                .filter(|point| point.1 < second)
                .map(|point| point.2)
                .sum();
            let expected = (second - begin) as f64;
            assert!((sum - expected).abs() <= 20.0, "{sum} for {expected} at {second}");
        }
        let balance = self
            .journal
            .balance(&OutputId::new("test"), BlockKind::Points)
            .await;
        assert_eq!((balance.delivered, balance.pending()), (balance.wrapped, 0));
    }
}

fn parts() -> (Arc<MemoryJournal>, Arc<ScriptedOutput>) {
    (Arc::default(), Arc::new(ScriptedOutput::new()))
}

#[tokio::test]
async fn a_device_that_boots_in_1970_sends_all_at_right_times_once_it_has_its_time() {
    for (wall, truth) in [(0, NOW), (0, NOW + 3), (1_234_567, NOW + 8), (77, NOW + 9)] {
        let (journal, output) = parts();
        let clock = Clock::manual(Timestamp::from_seconds(wall));
        let mut device = Device::start(clock, truth, journal, output);
        device.live(300).await;
        assert_eq!(device.output.accepted(), []);
        assert!(device.board.facts().clock_doubt.is_some());
        device.clock.step_to(Timestamp::from_seconds(device.truth));
        device.live(2).await;
        let accepted = device.output.accepted().len();
        assert!(accepted >= 29, "sending starts at once: {accepted}");
        assert_eq!(device.board.facts().clock_doubt, None);
        device.live(135).await;
        device.finish().await;
        device.assert_complete(truth, device.recorded).await;
    }
}

#[tokio::test]
async fn a_clock_that_jumps_a_year_ahead_and_back_loses_nothing() {
    for (before, jump) in [(100, YEAR), (103, YEAR + 5), (108, 40_001)] {
        let (journal, output) = parts();
        let clock = Clock::manual(Timestamp::from_seconds(NOW));
        let mut device = Device::start(clock, NOW, journal, output);
        device.live(before).await;
        device.clock.step_to(Timestamp::from_seconds(device.truth + jump));
        device.live(300).await;
        assert!(
            device
                .output
                .accepted()
                .iter()
                .all(|point| point.1 <= device.truth)
        );
        device.clock.step_to(Timestamp::from_seconds(device.truth));
        device.live(100).await;
        device.finish().await;
        device.assert_complete(NOW, device.recorded).await;
    }
}

#[tokio::test]
async fn a_reboot_in_1970_is_dated_by_the_boot_that_knew_the_time() {
    let (journal, output) = parts();
    output.always(Some(Answer::retry(None)));
    let clock = Clock::manual(Timestamp::from_seconds(0));
    let mut first = Device::start(clock.clone(), NOW, journal.clone(), output.clone());
    first.live(100).await;
    clock.step_to(Timestamp::from_seconds(first.truth));
    first.live(20).await;
    first.closer.finish().await;
    let (truth, recorded) = (first.truth, first.recorded);

    clock.reboot_at(Timestamp::from_seconds(0));
    output.always(None);
    let mut second = Device::start(clock.clone(), truth, journal, output);
    second.live(60).await;
    assert_eq!(second.output.accepted(), []);
    clock.step_to(Timestamp::from_seconds(second.truth));
    second.live(30).await;
    second.finish().await;
    second.assert_complete(NOW, recorded + second.recorded).await;
}

#[tokio::test(start_paused = true)]
async fn as_tasks_they_stop_in_order_and_leave_nothing_behind() {
    let (journal, output) = parts();
    let clock = Clock::manual(Timestamp::from_seconds(NOW));
    let device = Device::start(clock.clone(), NOW, journal.clone(), output.clone());
    let hand = wind(&clock);
    let (stopper, stop) = Stopper::new();
    let (closed_stopper, closed) = Stopper::new();
    let windows = device.windows.clone();
    let closer = tokio::spawn(device.closer.run(stop.clone()));
    let delivery = tokio::spawn(device.delivery.run(stop, closed));
    let mut recorded = 0.0;
    for _ in 0..65 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        windows.record(clock.now(), 1.0);
        recorded += 1.0;
    }
    assert_eq!(output.accepted().len(), 6);
    // Windows of ten seconds are closed two seconds, and sent three seconds after their end; both look once a second.
    let times: Vec<u64> = output.times().iter().map(Duration::as_secs).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 9), "{times:?}");
    stopper.stop();
    closer.await.unwrap();
    closed_stopper.stop();
    delivery.await.unwrap();
    hand.abort();
    let sum: f64 = output.accepted().iter().map(|point| point.2).sum();
    assert_eq!(sum, recorded);
    assert_eq!(journal.totals().2, 0);
}
