use super::*;
use crate::component::journal::Fence;
use crate::journal::{logs, points};
use crate::model::block::BlockKind;
use crate::model::labels::Labels;
use crate::model::metric::Names;
use crate::model::point::PointKind;
use crate::model::tally::Tally;
use crate::model::window::{Aggregate, WindowSeries};
use crate::pipeline::close::Closer;
use crate::pipeline::fakes::{CountWrapper, MemoryJournal, MemoryWindows, NOW, log, point};
use crate::support::time::Clock;

mod nowhere;

struct Bench {
    clock: Clock,
    journal: Arc<MemoryJournal>,
    windows: Arc<MemoryWindows>,
    board: Arc<Board>,
    hands: Arc<Hands>,
    closer: Closer,
}

impl Bench {
    fn at(wall: i64) -> Self {
        Self::with(Clock::manual(Timestamp::from_seconds(wall)), Arc::default(), true)
    }

    fn with(clock: Clock, journal: Arc<MemoryJournal>, journalled: bool) -> Self {
        Self::taking(clock, journal, journalled, true)
    }

    fn taking(clock: Clock, journal: Arc<MemoryJournal>, journalled: bool, takes_logs: bool) -> Self {
        let (windows, board) = (Arc::new(MemoryWindows::default()), Arc::new(Board::default()));
        let closer = Closer::new(
            windows.clone(),
            Arc::new(CountWrapper),
            journalled.then(|| journal.clone() as Arc<dyn Journal>),
            Arc::new(Timekeeper::new(clock.clone())),
            board.clone(),
            CloserSettings {
                interval: Duration::from_secs(10),
                grace: Duration::from_secs(2),
                takes_logs,
                time_to_live: BTreeMap::new(),
            },
        );
        Self {
            clock,
            journal,
            windows,
            board,
            hands: closer.hands(),
            closer,
        }
    }

    async fn take(&self, receipt: u128, windows: Vec<TalliedWindow>) -> Result<usize, HandOverError> {
        let taken = self.hands.take(Handed::Windows(windows), &bare(receipt)).await?;
        Ok(taken.iter().map(|taken| taken.window.series.len()).sum())
    }

    /// (time, metric and value) of everything that was appended, a list a block.
    fn points(&self) -> Vec<Vec<(i64, String)>> {
        let blocks = self.journal.appended();
        let of = |block: &Block| {
            let points = points::decode(&block.payload).unwrap().into_iter();
            points
                .map(|point| (point.time, format!("{} {}", point.names.name, point.value)))
                .collect()
        };
        blocks.iter().map(of).collect()
    }
}

fn bare(id: u128) -> Receipt {
    Receipt {
        id: ReceiptId(id),
        fence: None,
    }
}

fn fenced(id: u128, token: &str) -> Receipt {
    let fence = Fence {
        lease: "lease".to_string(),
        token: token.to_string(),
        table: "claims".to_string(),
        entry: "1".to_string(),
        done: "done".to_string(),
    };
    Receipt {
        id: ReceiptId(id),
        fence: Some(fence),
    }
}

fn series(name: &str, aggregate: Aggregate) -> Tally {
    Tally {
        series: WindowSeries {
            names: Arc::new(Names::given(name)),
            labels: Labels::empty(),
            aggregate,
        },
        shown: Shown::Counter { up: 0.0, down: 0.0 },
    }
}

fn count(name: &str, sum: f64) -> Tally {
    series(name, Aggregate::Delta { sum, count: 1 })
}

fn gauge() -> Tally {
    let aggregate = Aggregate::Gauge {
        last: 1.0,
        sum: 1.0,
        count: 1,
    };
    series("g", aggregate)
}

fn window(start: i64, series: Vec<Tally>) -> TalliedWindow {
    TalliedWindow {
        start: Timestamp::from_seconds(start),
        interval: Duration::from_secs(10),
        series,
    }
}

fn told(time: i64, text: &str) -> (i64, String) {
    (time, text.to_string())
}

#[tokio::test]
async fn what_is_handed_over_becomes_one_block_with_its_receipt() {
    let bench = Bench::at(NOW);
    let large = (0..60_000).map(|number| count(&format!("c{number}"), 1.0));
    let windows = vec![
        window(NOW - 30, large.collect()),
        window(NOW - 20, vec![count("a", 2.0), gauge()]),
    ];
    assert_eq!(bench.take(7, windows).await, Ok(60_002));
    let blocks = bench.journal.appended();
    assert_eq!(blocks.len(), 1);
    assert_eq!(
        (blocks[0].items, blocks[0].oldest, blocks[0].newest),
        (60_001, NOW - 30, NOW - 20)
    );
    assert_eq!(blocks[0].windows, [(NOW - 30, 0), (NOW - 20, 0)]);
    assert!(bench.journal.remembers(ReceiptId(7)).await);
    let facts = bench.board.facts().clone();
    assert_eq!((facts.windows_closed, facts.points_wrapped), (2, 60_001));
}

#[tokio::test]
async fn late_windows_are_amendments_and_the_registrys_are_numbered_apart() {
    let mut bench = Bench::at(NOW + 12);
    bench.windows.record(Timestamp::from_seconds(NOW), 1.0);
    bench.closer.tick().await;
    for receipt in 1..=2 {
        bench
            .take(receipt, vec![window(NOW, vec![count("a", 1.0)])])
            .await
            .unwrap();
    }
    assert_eq!(
        bench.points().concat(),
        [told(NOW, "c 1"), told(NOW, "a 1"), told(NOW + 1, "a 1")]
    );
    let again = Bench::with(bench.clock.clone(), bench.journal.clone(), true);
    again
        .take(3, vec![window(NOW, vec![count("a", 1.0)])])
        .await
        .unwrap();
    assert_eq!(
        again.points()[3],
        [told(NOW + 2, "a 1")],
        "the journal knows the numbers"
    );
}

/// The numbers were learnt once, at the start: with Redis away then, those in it were given twice.
#[tokio::test]
async fn numbers_that_come_to_light_later_are_not_given_again() {
    let bench = Bench::at(NOW + 12);
    let one = || vec![window(NOW, vec![count("a", 1.0)])];
    bench.take(1, one()).await.unwrap();
    let mut earlier = bench.journal.appended()[0].clone();
    earlier.windows = vec![(NOW, 3)];
    bench.journal.reveal(earlier.clone());
    bench.take(2, one()).await.unwrap();
    earlier.windows = vec![(NOW, 6)];
    bench.journal.hide(earlier);
    bench.take(3, one()).await.unwrap();
    let times: Vec<i64> = bench.points().concat().iter().map(|point| point.0).collect();
    assert_eq!(times, [NOW, NOW + 4, NOW + 7]);
}

#[tokio::test]
async fn what_failed_bears_the_same_seconds_when_it_is_handed_over_again() {
    let bench = Bench::at(NOW);
    let hand = |receipt| bench.take(receipt, vec![window(NOW - 20, vec![count("a", 1.0)])]);
    bench.journal.mute(true);
    let error = hand(1).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the journal in memory cannot write: full",
        "it was stored all the same"
    );
    bench.journal.mute(false);
    hand(2).await.unwrap();
    hand(1).await.unwrap();
    assert_eq!(
        bench.points().concat(),
        [
            told(NOW - 20, "a 1"),
            told(NOW - 19, "a 1"),
            told(NOW - 20, "a 1")
        ]
    );
    assert_eq!(bench.board.facts().points_wrapped, 2);
}

#[tokio::test]
async fn a_fence_that_does_not_hold_is_a_loss_and_gives_its_seconds_back() {
    let bench = Bench::at(NOW);
    bench.journal.fence("mine");
    let hand = async |receipt| {
        let windows = vec![window(NOW - 20, vec![count("a", 1.0)])];
        let taken = bench.hands.take(Handed::Windows(windows), &receipt).await;
        taken.map(|_| ())
    };
    assert_eq!(hand(fenced(1, "theirs")).await, Err(HandOverError::Lost));
    assert_eq!(bench.points().concat(), []);
    assert_eq!(hand(fenced(2, "mine")).await, Ok(()));
    assert_eq!(bench.points().concat(), [told(NOW - 20, "a 1")]);
}

#[tokio::test]
async fn counts_without_a_second_go_to_a_window_that_has_one_in_the_same_block() {
    let bench = Bench::at(NOW + 2);
    let full = BTreeMap::from([(NOW - 40, 8), (NOW - 50, 8), (NOW - 20, 1)]);
    bench.hands.learn(&full, 0, Duration::from_secs(100));
    let rate = |sum| series("r", Aggregate::Rate { sum, count: 1 });
    let windows = vec![
        window(NOW - 50, vec![count("a", 1.0), gauge(), rate(5.0)]),
        window(NOW - 40, vec![count("b", 1.0), count("a", 2.0)]),
    ];
    assert_eq!(bench.take(1, windows).await, Ok(5), "a page shows them all");
    assert_eq!(bench.points(), [[told(NOW - 18, "a 3"), told(NOW - 18, "b 1")]]);
    assert_eq!(bench.journal.appended()[0].windows, [(NOW - 20, 2)]);
    assert_eq!(bench.board.facts().lost, BTreeMap::from([("late", 1)]));
    assert_eq!(
        *bench.windows.folded.lock().unwrap(),
        0,
        "nothing goes to windows in memory"
    );
}

#[tokio::test]
async fn what_is_late_is_counted_once_it_is_journalled() {
    let bench = Bench::at(NOW);
    bench
        .hands
        .learn(&BTreeMap::from([(NOW - 40, 8)]), 0, Duration::from_secs(100));
    let hand = || bench.take(1, vec![window(NOW - 40, vec![gauge(), count("a", 1.0)])]);
    bench.journal.fail(true);
    assert!(hand().await.is_err());
    assert!(bench.board.facts().lost.is_empty());
    bench.journal.fail(false);
    hand().await.unwrap();
    assert_eq!(bench.board.facts().lost["late"], 1);
}

#[tokio::test]
async fn where_no_point_comes_of_it_only_the_fence_is_marked() {
    let bench = Bench::at(NOW);
    assert_eq!(bench.take(1, vec![window(NOW - 20, vec![gauge()])]).await, Ok(1));
    assert_eq!(bench.journal.acknowledged(), []);
    bench.journal.fence("mine");
    for (receipt, expected) in [
        (fenced(2, "mine"), Ok(())),
        (fenced(3, "theirs"), Err(HandOverError::Lost)),
    ] {
        let windows = vec![window(NOW - 20, vec![gauge()])];
        let taken = bench.hands.take(Handed::Windows(windows), &receipt).await;
        assert_eq!(taken.map(|_| ()), expected);
    }
    assert_eq!(bench.journal.acknowledged(), [ReceiptId(2)]);
    assert_eq!(bench.journal.appended(), []);
}

#[tokio::test]
async fn points_and_logs_are_journalled_as_they_are() {
    let bench = Bench::at(NOW);
    let old = vec![
        point("x", PointKind::Gauge, NOW - 100, 2.0),
        point("x", PointKind::Gauge, NOW - 90, 1.0),
    ];
    bench
        .hands
        .take(Handed::Points(old.clone()), &bare(1))
        .await
        .unwrap();
    let records = vec![log("one", NOW - 5), log("two", NOW - 7)];
    let taken = bench.hands.take(Handed::Logs(records.clone()), &bare(2)).await;
    assert!(taken.unwrap().is_empty());
    let blocks = bench.journal.appended();
    let head = |block: &Block| (block.kind, block.items, block.oldest, block.newest);
    assert_eq!(head(&blocks[0]), (BlockKind::Points, 2, NOW - 100, NOW - 90));
    assert_eq!(head(&blocks[1]), (BlockKind::Logs, 2, NOW - 7, NOW - 5));
    assert_eq!(points::decode(&blocks[0].payload).unwrap(), old);
    assert_eq!(logs::decode(&blocks[1].payload).unwrap(), records);
    assert!(blocks.iter().all(|block| block.windows.is_empty()));
}

#[tokio::test]
async fn windows_of_the_clock_before_a_step_are_stamped_with_it() {
    let mut bench = Bench::at(100);
    bench.closer.tick().await;
    bench.clock.advance(Duration::from_secs(20));
    bench.closer.tick().await;
    bench.clock.step_to(Timestamp::from_seconds(NOW));
    bench.closer.tick().await;
    bench.clock.advance(Duration::from_secs(15));
    for start in [100, NOW] {
        bench
            .take(start as u128, vec![window(start, vec![count("a", 1.0)])])
            .await
            .unwrap();
    }
    let stamps: Vec<_> = bench.journal.appended().iter().map(|block| block.stamp).collect();
    assert_eq!(
        (stamps[0].wall, stamps[0].plausible),
        (Timestamp::from_seconds(135), false)
    );
    assert_eq!(
        (stamps[1].wall, stamps[1].plausible),
        (Timestamp::from_seconds(NOW + 15), true)
    );
}

/// A device that booted into 1970 finds what was written before the boot, under a clock that was right.
#[tokio::test]
async fn what_another_clock_made_is_not_redated_by_a_wrong_one() {
    let bench = Bench::at(100);
    for start in [50, NOW] {
        bench
            .take(start as u128, vec![window(start, vec![count("a", 1.0)])])
            .await
            .unwrap();
    }
    let believed: Vec<bool> = bench
        .journal
        .appended()
        .iter()
        .map(|block| block.stamp.plausible)
        .collect();
    assert_eq!(believed, [false, true]);
}

#[tokio::test]
async fn without_a_journal_everything_is_taken_and_shown() {
    let bench = Bench::with(Clock::manual(Timestamp::from_seconds(NOW)), Arc::default(), false);
    assert_eq!(
        bench.take(1, vec![window(NOW - 20, vec![count("a", 1.0)])]).await,
        Ok(1)
    );
    assert_eq!(bench.board.facts().windows_closed, 1);
    assert_eq!(bench.journal.appended(), []);
}

/// Tasks of several feeds at once: no second is given twice, whatever the order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feeds_that_hand_over_at_once_overwrite_nothing() {
    let bench = Bench::at(NOW);
    let mut tasks = tokio::task::JoinSet::new();
    for receipt in 0..9 {
        let hands = bench.hands.clone();
        tasks.spawn(async move {
            let windows = vec![window(NOW - 20, vec![count("a", 1.0)])];
            hands
                .take(Handed::Windows(windows), &bare(receipt))
                .await
                .unwrap()
                .len()
        });
    }
    assert_eq!(tasks.join_all().await, [1; 9]);
    let mut times: Vec<i64> = bench.points().concat().iter().map(|point| point.0).collect();
    times.sort_unstable();
    assert_eq!(times, (NOW - 20..NOW - 11).collect::<Vec<_>>());
}
