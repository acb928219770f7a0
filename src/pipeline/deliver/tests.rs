mod logs;
mod refusals;

use super::*;
use crate::model::block::BlockKind;
use crate::model::point::{Point, PointKind};
use crate::model::time::ClockStamp;
use crate::pipeline::fakes::{Answer, MemoryJournal, NOW, ScriptedOutput, block_of, dated, point};
use crate::registry::board::OutputState;
use crate::support::shutdown::Stopper;
use crate::support::time::Clock;

const HOUR: i64 = 3600;

struct Bench<U = Series> {
    clock: Clock,
    journal: Arc<MemoryJournal>,
    output: Arc<ScriptedOutput>,
    timekeeper: Arc<Timekeeper>,
    board: Arc<Board>,
    delivery: Task<U>,
    stop: Shutdown,
    _stopper: Stopper,
}

impl Bench {
    async fn new() -> Self {
        Self::with(ScriptedOutput::new(), 100).await
    }

    async fn with(output: ScriptedOutput, bulk_size: usize) -> Self {
        Self::of(output, bulk_size).await
    }
}

impl<U: Unit> Bench<U> {
    async fn of(output: ScriptedOutput, bulk_size: usize) -> Self {
        let clock = Clock::manual(Timestamp::from_seconds(NOW));
        // Long after the boot, so that items of hours ago belong to it.
        clock.advance(Duration::from_secs(100_000));
        clock.step_to(Timestamp::from_seconds(NOW));
        let (output, journal) = (Arc::new(output), Arc::new(MemoryJournal::default()));
        let (timekeeper, board) = (
            Arc::new(Timekeeper::new(clock.clone())),
            Arc::new(Board::default()),
        );
        let settings = DeliverySettings {
            release_interval: Duration::from_secs(60),
            release_delay: Duration::from_secs(3),
            bulk_size,
            time_to_live: Duration::from_secs(14_400),
            interval: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(5),
        };
        let delivery = Task::new(
            OutputId::new("test"),
            output.clone(),
            Speaker::default(),
            journal.clone(),
            timekeeper.clone(),
            board.clone(),
            settings,
        );
        timekeeper.tick(Some(journal.as_ref()), &board).await;
        let (stopper, stop) = Stopper::new();
        Self {
            clock,
            journal,
            output,
            timekeeper,
            board,
            delivery,
            stop,
            _stopper: stopper,
        }
    }

    /// What the clocks said at a wall-clock second of this boot.
    fn stamp(&self, wall: i64) -> ClockStamp {
        let now = self.timekeeper.stamp();
        let ago = now.wall.since(Timestamp::from_seconds(wall));
        ClockStamp {
            wall: Timestamp::from_seconds(wall),
            uptime: now.uptime - ago,
            ..now
        }
    }

    async fn append(&self, points: &[Point]) {
        let newest = points.iter().map(|point| point.time).max().unwrap();
        let _ = self
            .journal
            .append(block_of(points, self.stamp(newest)))
            .await
            .unwrap();
    }

    /// Appends one block with one point a name.
    async fn gauges(&self, time: i64, names: impl IntoIterator<Item = impl AsRef<str>>) {
        let points: Vec<Point> = names
            .into_iter()
            .map(|name| point(name.as_ref(), PointKind::Gauge, time, 1.0))
            .collect();
        self.append(&points).await;
    }

    async fn turn(&mut self) {
        self.delivery.turn(&self.stop.clone()).await;
    }

    /// Lets seconds pass, then has a turn.
    async fn after(&mut self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.timekeeper
            .tick(Some(self.journal.as_ref()), &self.board)
            .await;
        self.turn().await;
    }

    fn state(&self) -> OutputState {
        self.board.facts().outputs["test"].state.clone()
    }

    fn names(&self) -> Vec<String> {
        self.output.accepted().into_iter().map(|point| point.0).collect()
    }
}

#[tokio::test]
async fn live_data_is_sent_at_once_at_the_start_and_then_at_aligned_moments() {
    let mut bench = Bench::new().await;
    bench.gauges(NOW - 10, ["a"]).await;
    bench.turn().await;
    assert_eq!(bench.output.accepted(), [("a".to_string(), NOW - 10, 1.0)]);
    assert_eq!(bench.journal.totals(), (1, 1, 0, 0, 0));

    bench.gauges(NOW, ["b"]).await;
    bench.after(2).await;
    assert_eq!(bench.names(), ["a"]);
    bench.after(1).await;
    assert_eq!(
        bench.names(),
        ["a", "b"],
        "three seconds after the aligned minute"
    );
    bench.gauges(NOW + 10, ["c"]).await;
    bench.after(59).await;
    assert_eq!(bench.names(), ["a", "b"]);
    bench.after(1).await;
    assert_eq!(bench.names(), ["a", "b", "c"]);
    let facts = bench.board.facts().outputs["test"].clone();
    assert_eq!(facts.requests["accepted"], 3);
    assert_eq!(facts.balance[&BlockKind::Points].delivered, 3);
    assert_eq!(facts.last_success, Some(Timestamp::from_seconds(NOW + 62 + 1)));
}

#[tokio::test]
async fn a_request_holds_no_more_points_than_the_bulk_size() {
    let mut bench = Bench::with(ScriptedOutput::new(), 4).await;
    bench
        .gauges(NOW - 10, (0..10).map(|index| format!("m{index}")))
        .await;
    bench.turn().await;
    assert_eq!(bench.output.requests(), [(4, true), (4, true), (2, true)]);
    assert_eq!(bench.journal.totals(), (10, 10, 0, 0, 0));
}

#[tokio::test]
async fn live_data_goes_first_and_the_backlog_has_every_other_request() {
    let mut bench = Bench::with(ScriptedOutput::new(), 2).await;
    bench
        .gauges(NOW - HOUR, (0..8).map(|index| format!("old{index}")))
        .await;
    bench
        .gauges(NOW - 10, (0..6).map(|index| format!("new{index}")))
        .await;
    bench.turn().await;
    let order: Vec<String> = bench.names().into_iter().step_by(2).collect();
    assert_eq!(order, ["new0", "old0", "new2", "old2", "new4", "old4", "old6"]);
    assert_eq!(bench.journal.totals(), (14, 14, 0, 0, 0));
}

#[tokio::test]
async fn an_output_that_reads_oldest_first_gets_everything_in_order() {
    let mut output = ScriptedOutput::new();
    output.traits.fresh_first = false;
    let mut bench = Bench::with(output, 1).await;
    bench.gauges(NOW - HOUR, ["old1", "old2"]).await;
    bench.gauges(NOW - 10, ["new"]).await;
    bench.turn().await;
    assert_eq!(bench.names(), ["old1", "old2", "new"]);
}

#[tokio::test]
async fn after_an_outage_live_data_is_first_and_all_of_it_arrives_once() {
    let mut bench = Bench::new().await;
    bench.output.always(Some(Answer::retry(None)));
    for minute in 0..30 {
        bench.gauges(NOW + minute * 60, [format!("m{minute}")]).await;
        bench.after(60).await;
    }
    assert_eq!(bench.names(), [""; 0]);
    assert!(matches!(bench.state(), OutputState::Retrying { .. }));
    assert!(bench.output.requests().len() < 30, "it backs off");
    bench.output.always(None);
    bench.after(300).await;
    bench.gauges(NOW + 2100, ["live"]).await;
    bench.after(60).await;
    assert_eq!(bench.state(), OutputState::Active);
    let mut names = bench.names();
    names.sort();
    names.dedup();
    assert_eq!((names.len(), bench.names().len()), (31, 31));
    assert_eq!(bench.journal.totals(), (31, 31, 0, 0, 0));
    assert_eq!(bench.board.facts().outputs["test"].resent, 0);
}

#[tokio::test]
async fn what_the_destination_asks_to_wait_is_honoured() {
    let mut bench = Bench::new().await;
    bench.gauges(NOW - 10, ["a"]).await;
    bench.output.script([Answer::retry(Some(120))]);
    bench.turn().await;
    bench.after(119).await;
    assert_eq!(bench.output.requests().len(), 1);
    bench.after(2).await;
    assert_eq!(bench.names(), ["a"]);
}

#[tokio::test]
async fn what_the_destination_forgets_waits_and_is_never_called_delivered() {
    let mut output = ScriptedOutput::new();
    output.traits.max_age = Some(Duration::from_secs(3300));
    let mut bench = Bench::with(output, 100).await;
    bench.output.always(Some(Answer::retry(None)));
    bench.turn().await;
    // Three hours of an outage, a block a minute: one plain and one historical series.
    for minute in 0..180 {
        bench.gauges(NOW + minute * 60, ["plain", "historical"]).await;
        bench.after(60).await;
    }
    bench.output.always(None);
    bench.after(300).await;
    bench.after(60).await;
    let sent = |name: &str| bench.names().iter().filter(|sent| *sent == name).count() as u64;
    assert_eq!(sent("historical"), 180);
    let (wrapped, delivered, pending, too_old, _) = bench.journal.totals();
    assert_eq!((wrapped, too_old), (360, 0));
    assert_eq!(delivered, 180 + sent("plain"));
    assert_eq!(pending, 180 - sent("plain"));
    assert!(sent("plain") <= 55 && sent("plain") >= 48, "{}", sent("plain"));

    let reads = bench.journal.reads();
    for _ in 0..10 {
        bench.after(60).await;
    }
    let read = bench.journal.reads() - reads;
    assert_eq!(
        read, pending,
        "one survey in ten minutes reads waiting blocks, no turn does"
    );

    bench.clock.advance(Duration::from_secs(5 * 3600));
    let now = bench.timekeeper.stamp();
    let ttl = Duration::from_secs(14_400);
    let _ = bench.journal.expire(BlockKind::Points, ttl, now).await.unwrap();
    assert_eq!(bench.journal.totals(), (360, delivered, 0, pending, 0));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_is_given_up_and_counted_as_sent_twice() {
    let mut bench = Bench::new().await;
    bench.gauges(NOW - 10, ["a", "b"]).await;
    bench.output.script([Answer::Hang]);
    bench.turn().await;
    assert!(matches!(bench.state(), OutputState::Retrying { .. }));
    bench.after(2).await;
    let facts = bench.board.facts().outputs["test"].clone();
    assert_eq!((facts.resent, facts.requests["unanswered"]), (2, 1));
    assert_eq!(bench.journal.totals(), (2, 2, 0, 0, 0));
}

#[tokio::test]
async fn what_cannot_be_settled_is_not_sent_twice() {
    let mut bench = Bench::new().await;
    bench.gauges(NOW - 10, ["a"]).await;
    bench.journal.fail(true);
    bench.turn().await;
    for _ in 0..5 {
        bench.after(60).await;
    }
    assert_eq!((bench.names().len(), bench.journal.totals().1), (1, 0));
    bench.journal.fail(false);
    bench.after(60).await;
    assert_eq!((bench.names().len(), bench.journal.totals().1), (1, 1));
}

#[tokio::test]
async fn while_the_clock_is_in_doubt_nothing_is_sent_and_a_date_ends_it() {
    let year = 31_536_000;
    let mut bench = Bench::new().await;
    bench.turn().await;
    bench.gauges(NOW - 10, ["a"]).await;
    bench.clock.step_to(Timestamp::from_seconds(NOW + year));
    bench.after(60).await;
    assert_eq!((bench.names().len(), bench.output.probes()), (0, 1));
    bench.output.probe_with(Ok(Some(dated(NOW + 60))));
    bench.after(60).await;
    assert!(
        bench
            .board
            .facts()
            .clock_doubt
            .as_ref()
            .is_some_and(|doubt| doubt.contains("leapt"))
    );
    bench.after(60).await;
    assert_eq!(bench.names().len(), 0);
    bench.clock.step_to(Timestamp::from_seconds(NOW + 180));
    bench.after(0).await;
    assert_eq!(bench.output.accepted(), [("a".to_string(), NOW - 10, 1.0)]);
    assert_eq!(bench.journal.totals(), (1, 1, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn at_the_end_live_data_is_sent_once_more() {
    let bench = Bench::new().await;
    let (stopper, stop) = Stopper::new();
    let (closer, closed) = Stopper::new();
    let (clock, journal, output) = (bench.clock.clone(), bench.journal.clone(), bench.output.clone());
    let last = block_of(&[point("last", PointKind::Gauge, NOW, 1.0)], bench.stamp(NOW));
    let task = tokio::spawn(bench.delivery.run(stop, closed));
    tokio::time::sleep(Duration::from_secs(1)).await;
    stopper.stop();
    tokio::time::sleep(Duration::from_secs(1)).await;
    clock.advance(Duration::from_secs(1));
    let _ = journal.append(last).await.unwrap();
    closer.stop();
    task.await.unwrap();
    assert_eq!(output.accepted(), [("last".to_string(), NOW, 1.0)]);
    assert_eq!(journal.totals(), (1, 1, 0, 0, 0));
}

/// A window's points bear its start: with releases shorter than windows none was ever live, and the last one stayed.
#[tokio::test(start_paused = true)]
async fn the_last_window_is_live_however_short_releases_are() {
    let mut bench = Bench::new().await;
    bench.delivery.settings.release_interval = Duration::from_secs(1);
    let (stopper, stop) = Stopper::new();
    bench.gauges(NOW - 13, ["last"]).await;
    bench.gauges(NOW - 15, ["backlog"]).await;
    let output = bench.output.clone();
    stopper.stop();
    bench.delivery.run(stop.clone(), stop).await;
    assert_eq!(output.accepted(), [("last".to_string(), NOW - 13, 1.0)]);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_destination_does_not_hold_up_the_end() {
    let bench = Bench::new().await;
    let (stopper, stop) = Stopper::new();
    let (closer, closed) = Stopper::new();
    bench.gauges(NOW - 10, ["a"]).await;
    bench.output.always(Some(Answer::Hang));
    let began = tokio::time::Instant::now();
    let task = tokio::spawn(bench.delivery.run(stop, closed));
    tokio::time::sleep(Duration::from_secs(1)).await;
    stopper.stop();
    closer.stop();
    task.await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(6));
    assert_eq!(bench.journal.totals(), (1, 0, 1, 0, 0));
}
