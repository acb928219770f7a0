use super::*;
use crate::journal::points::decode;
use crate::pipeline::fakes::{CountWrapper, MemoryJournal, MemoryWindows, NOW};
use crate::support::time::Clock;

struct Bench {
    clock: Clock,
    windows: Arc<MemoryWindows>,
    journal: Arc<MemoryJournal>,
    board: Arc<Board>,
    closer: Closer,
}

impl Bench {
    fn at(wall: i64) -> Self {
        let clock = Clock::manual(Timestamp::from_seconds(wall));
        Self::with(clock, Arc::default())
    }

    fn with(clock: Clock, journal: Arc<MemoryJournal>) -> Self {
        let (windows, board) = (Arc::new(MemoryWindows::default()), Arc::new(Board::default()));
        let settings = CloserSettings {
            interval: Duration::from_secs(10),
            grace: Duration::from_secs(2),
            takes_logs: true,
            time_to_live: BTreeMap::from([(BlockKind::Points, Duration::from_secs(14_400))]),
        };
        let closer = Closer::new(
            windows.clone(),
            Arc::new(CountWrapper),
            Some(journal.clone()),
            Arc::new(Timekeeper::new(clock.clone())),
            board.clone(),
            settings,
        );
        Self {
            clock,
            windows,
            journal,
            board,
            closer,
        }
    }

    /// Lets seconds pass, with one count and one tick in each.
    async fn live(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            self.windows.record(self.clock.now(), 1.0);
            self.closer.tick().await;
        }
    }

    /// (time, value, wall clock of the stamp believed) of everything that was appended.
    fn points(&self) -> Vec<(i64, f64, bool)> {
        let mut all = Vec::new();
        for block in self.journal.appended() {
            for point in decode(&block.payload).unwrap() {
                all.push((point.time, point.value, block.stamp.plausible));
            }
        }
        all
    }
}

#[tokio::test]
async fn a_window_is_closed_at_its_end_plus_grace_in_one_block() {
    let mut bench = Bench::at(NOW);
    bench.live(11).await;
    assert_eq!(bench.points(), []);
    bench.live(1).await;
    assert_eq!(bench.points(), [(NOW, 9.0, true)]);
    let block = &bench.journal.appended()[0];
    assert_eq!(
        (block.items, block.oldest, block.newest, &block.windows[..]),
        (1, NOW, NOW, &[(NOW, 0)][..])
    );
    assert_eq!(block.stamp.wall, Timestamp::from_seconds(NOW + 12));
    let facts = bench.board.facts().clone();
    assert_eq!((facts.windows_closed, facts.points_wrapped), (1, 1));
}

#[tokio::test]
async fn late_samples_make_one_amendment_an_interval_and_numbers_survive_a_restart() {
    let mut bench = Bench::at(NOW);
    bench.live(13).await;
    for _ in 0..5 {
        bench.windows.record(Timestamp::from_seconds(NOW), 1.0);
        bench.live(1).await;
    }
    assert_eq!(bench.points(), [(NOW, 9.0, true)]);
    bench.live(5).await;
    assert_eq!(
        bench.points()[1..],
        [(NOW + 1, 5.0, true), (NOW + 10, 10.0, true)]
    );

    let mut again = Bench::with(bench.clock.clone(), bench.journal.clone());
    again.windows.record(Timestamp::from_seconds(NOW), 1.0);
    again.closer.tick().await;
    assert_eq!(again.points()[3..], [(NOW + 2, 1.0, true)]);
}

/// The numbers were learnt once, at the start: with Redis away then, those in it were given twice.
#[tokio::test]
async fn numbers_that_come_to_light_later_are_not_given_again() {
    let mut bench = Bench::at(NOW);
    bench.live(13).await;
    let mut earlier = bench.journal.appended()[0].clone();
    earlier.windows = vec![(NOW, 3)];
    bench.journal.reveal(earlier);
    bench.windows.record(Timestamp::from_seconds(NOW), 1.0);
    bench.live(10).await;
    assert_eq!(
        bench.points()[1..],
        [(NOW + 4, 1.0, true), (NOW + 10, 10.0, true)]
    );
}

#[tokio::test]
async fn when_no_second_is_left_the_rest_is_late() {
    let mut bench = Bench::at(NOW);
    bench.closer.tick().await;
    for _ in 0..12 {
        bench.windows.record(Timestamp::from_seconds(NOW - 100), 1.0);
        bench.clock.advance(Duration::from_secs(10));
        bench.closer.tick().await;
    }
    let times: Vec<i64> = bench.points().iter().map(|point| point.0).collect();
    assert_eq!(times, (NOW - 100..=NOW - 92).collect::<Vec<_>>());
    assert_eq!(bench.board.facts().lost["late"], 3);
    assert_eq!(*bench.windows.folded.lock().unwrap(), 3);
}

#[tokio::test]
async fn windows_of_the_clock_before_a_step_are_stamped_with_it() {
    let mut bench = Bench::at(100);
    bench.live(15).await;
    bench.clock.step_to(Timestamp::from_seconds(NOW + 3));
    bench.live(30).await;
    assert_eq!(
        bench.points(),
        [
            (100, 9.0, false),
            (110, 6.0, false),
            (NOW, 6.0, true),
            (NOW + 10, 10.0, true),
            (NOW + 20, 10.0, true),
        ]
    );
    let old = &bench.journal.appended()[1].stamp;
    assert_eq!(
        (old.wall, old.uptime, old.plausible),
        (Timestamp::from_seconds(116), Duration::from_secs(116), false)
    );
}

#[tokio::test]
async fn a_year_ahead_and_back_gives_every_window_its_own_clock() {
    let year = 31_536_000;
    let mut bench = Bench::at(NOW);
    bench.live(4).await;
    bench.clock.step_to(Timestamp::from_seconds(NOW + 5 + year));
    bench.live(4).await;
    bench.clock.step_to(Timestamp::from_seconds(NOW + 9));
    bench.live(13).await;
    let by_clock: Vec<(i64, f64, i64)> = bench
        .journal
        .appended()
        .iter()
        .flat_map(|block| {
            decode(&block.payload)
                .unwrap()
                .into_iter()
                .map(|point| (point.time, point.value, block.stamp.wall.seconds()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(
        by_clock,
        [
            (NOW, 4.0, NOW + 5),
            (NOW + year, 4.0, NOW + 10 + year),
            (NOW + 10, 1.0, NOW + 10),
            (NOW + 11, 9.0, NOW + 22),
        ]
    );
}

#[tokio::test]
async fn while_the_journal_fails_blocks_wait_in_memory() {
    let mut bench = Bench::at(NOW);
    bench.live(2).await;
    bench.journal.fail(true);
    bench.live(30).await;
    assert_eq!(bench.points(), []);
    assert_eq!(
        bench.board.facts().not_ready["journal"],
        "the journal in memory cannot write: full"
    );
    bench.journal.fail(false);
    bench.live(1).await;
    let times: Vec<i64> = bench.points().iter().map(|point| point.0).collect();
    assert_eq!(times, [NOW, NOW + 10, NOW + 20]);
    assert!(bench.board.facts().not_ready.is_empty());
    assert!(bench.board.facts().lost.is_empty());
}

#[tokio::test]
async fn beyond_the_bound_the_oldest_waiting_blocks_are_counted_as_lost() {
    let mut bench = Bench::at(NOW);
    bench.live(2).await;
    bench.journal.fail(true);
    let now = bench.closer.timekeeper.stamp();
    for items in [1, 2, 3] {
        bench.closer.unwritten.push_back(Block {
            kind: BlockKind::Points,
            items,
            oldest: NOW,
            newest: NOW,
            windows: Vec::new(),
            stamp: now,
            payload: vec![0; WAITING_BYTES / 2].into(),
        });
    }
    bench.closer.write(now).await;
    assert_eq!(bench.board.facts().lost["journal_failed"], 1);
    assert_eq!(bench.closer.unwritten.len(), 2);
}

#[tokio::test]
async fn without_a_journal_windows_are_closed_and_thrown_away() {
    let mut bench = Bench::at(NOW);
    bench.closer.journal = None;
    bench.live(25).await;
    let facts = bench.board.facts().clone();
    assert_eq!((facts.windows_closed, facts.points_wrapped), (2, 0));
    assert_eq!(bench.points(), []);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_open_windows_close_early() {
    let bench = Bench::at(NOW + 3);
    bench.windows.record(Timestamp::from_seconds(NOW + 3), 7.0);
    let (journal, windows) = (bench.journal.clone(), bench.windows.clone());
    let (stopper, stop) = crate::support::shutdown::Stopper::new();
    let task = tokio::spawn(bench.closer.run(stop));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(journal.appended(), []);
    stopper.stop();
    task.await.unwrap();
    assert_eq!(journal.appended().len(), 1);
    assert_eq!(journal.appended()[0].windows, [(NOW, 0)]);
    assert_eq!(*windows.swept.lock().unwrap(), 1);
}

#[tokio::test]
async fn nothing_expires_while_the_clock_is_in_doubt() {
    let mut bench = Bench::at(NOW);
    bench.live(13).await;
    bench.clock.step_to(Timestamp::from_seconds(NOW + 31_536_000));
    bench.live(120).await;
    assert_eq!(bench.journal.totals().3, 0);
    assert!(bench.board.facts().clock_doubt.is_some());
}

/// The fault: the account on the page stood still until the output's next turn, a minute later.
#[tokio::test]
async fn what_was_journalled_is_on_the_board_at_once() {
    let mut bench = Bench::at(NOW);
    bench.board.facts().outputs.entry("test".to_string()).or_default();
    bench.live(13).await;
    let facts = bench.board.facts().clone();
    let output = &facts.outputs["test"];
    assert_eq!(output.balance[&BlockKind::Points].wrapped, 1);
    assert_eq!((output.depth.blocks, output.depth.items), (1, 1));
}
