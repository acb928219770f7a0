use std::collections::BTreeMap;

use super::*;
use crate::component::journal::Journal;
use crate::model::distribution::Distribution;
use crate::model::labels::Labels;
use crate::model::metric::Names;
use crate::model::point::PointKind;
use crate::model::tally::{Shown, TalliedWindow, Tally};
use crate::model::window::{Aggregate, WindowSeries};
use crate::pipeline::clock::Timekeeper;
use crate::pipeline::close::{Closer, CloserSettings};
use crate::pipeline::fakes::{CountWrapper, MemoryJournal, NOW, log, point};
use crate::registry::view::{Position, Running, View};
use crate::registry::{Buckets, RegistrySettings};
use crate::support::time::Clock;

struct Bench {
    journal: Arc<MemoryJournal>,
    registry: Arc<Registry>,
    board: Arc<Board>,
    recorder: FeedRecorder,
    _closer: Closer,
}

impl Bench {
    fn new(journalled: bool) -> Self {
        let clock = Clock::manual(Timestamp::from_seconds(NOW + 12));
        let rules = vec![("http.*".to_string(), vec![1.0, 2.0])];
        let settings = RegistrySettings {
            buckets: Buckets::with_rules(rules, Buckets::default()),
            ..RegistrySettings::default()
        };
        let registry = Arc::new(Registry::new(settings, clock.clone()));
        let (journal, board) = (Arc::new(MemoryJournal::default()), Arc::new(Board::default()));
        let closer = Closer::new(
            registry.clone(),
            Arc::new(CountWrapper),
            journalled.then(|| journal.clone() as Arc<dyn Journal>),
            Arc::new(Timekeeper::new(clock)),
            board.clone(),
            CloserSettings {
                interval: Duration::from_secs(10),
                grace: Duration::from_secs(2),
                takes_logs: true,
                time_to_live: BTreeMap::new(),
            },
        );
        let recorder = FeedRecorder::new(
            "redis",
            AgentId(0xabc),
            closer.hands(),
            registry.clone(),
            board.clone(),
        );
        Self {
            journal,
            registry,
            board,
            recorder,
            _closer: closer,
        }
    }

    async fn hand_over(&self, handed: Handed) -> Result<(), HandOverError> {
        let receipt = Receipt {
            id: ReceiptId(1),
            fence: None,
        };
        self.recorder.hand_over(handed, receipt).await
    }

    /// How many numbers stand on the page, and their sum.
    fn page(&self) -> (usize, f64) {
        let (mut series, mut sum) = (0, 0.0);
        for family in self.registry.families() {
            self.registry
                .walk(family.id, &mut Position::default(), 10, &mut |one| {
                    series += 1;
                    if let Running::Number(number) = one.running {
                        sum += number;
                    }
                });
        }
        (series, sum)
    }
}

fn windows(series: usize) -> Handed {
    let count = |number: usize| Tally {
        series: WindowSeries {
            names: Arc::new(Names::given(&format!("c{number}"))),
            labels: Labels::empty(),
            aggregate: Aggregate::Delta { sum: 2.0, count: 3 },
        },
        shown: Shown::Counter { up: 5.0, down: 3.0 },
    };
    Handed::Windows(vec![TalliedWindow {
        start: Timestamp::from_seconds(NOW),
        interval: Duration::from_secs(10),
        series: (0..series).map(count).collect(),
    }])
}

#[tokio::test]
async fn what_is_journalled_is_shown_and_what_is_not_is_not() {
    let bench = Bench::new(true);
    bench.journal.fail(true);
    let failed = bench.hand_over(windows(1)).await.unwrap_err();
    assert_eq!(failed.to_string(), "the journal in memory cannot write: full");
    assert_eq!(
        (bench.page(), bench.recorder.remembers(ReceiptId(1)).await),
        ((0, 0.0), false)
    );
    bench.journal.fail(false);
    bench.hand_over(windows(1)).await.unwrap();
    assert_eq!(
        (bench.page(), bench.recorder.remembers(ReceiptId(1)).await),
        ((2, 8.0), true)
    );
    assert!(bench.registry.take_all().is_empty(), "the journal has it already");
    assert_eq!(bench.registry.counts().origins[0].name, "redis");
    bench.journal.fail(true);
    assert!(bench.recorder.forget(&[ReceiptId(1)]).await.is_err());
    bench.journal.fail(false);
    bench.recorder.forget(&[ReceiptId(1)]).await.unwrap();
    assert!(!bench.recorder.remembers(ReceiptId(1)).await);
}

#[tokio::test]
async fn many_series_are_shown_away_from_the_runtimes_threads() {
    let bench = Bench::new(true);
    bench.hand_over(windows(BLOCKING_SERIES)).await.unwrap();
    assert_eq!(bench.registry.counts().series, BLOCKING_SERIES as u64);
}

#[tokio::test]
async fn points_and_logs_are_handed_over_beside_windows() {
    let bench = Bench::new(true);
    let mut seen = Distribution::default();
    (0..4).for_each(|value| seen.add(f64::from(value)));
    let observed = Tally {
        series: WindowSeries {
            names: Arc::new(Names::given("http.time")),
            labels: Labels::empty(),
            aggregate: Aggregate::Observations(seen),
        },
        shown: Shown::Histogram {
            counts: [2, 1, 1].into(),
            sum: 6.0,
        },
    };
    let window = TalliedWindow {
        start: Timestamp::from_seconds(NOW),
        interval: Duration::from_secs(10),
        series: vec![observed],
    };
    let points = vec![point("x", PointKind::Gauge, NOW, 1.0)];
    let logs = vec![log("a", NOW), log("b", NOW)];
    for handed in [
        Handed::Windows(vec![window]),
        Handed::Points(points),
        Handed::Logs(logs),
    ] {
        bench.hand_over(handed).await.unwrap();
    }
    assert_eq!(bench.page(), (1, 0.0));
    assert!(bench.recorder.remembers(ReceiptId(1)).await);
}

#[tokio::test]
async fn a_feed_learns_of_time_buckets_and_journal() {
    let bench = Bench::new(true);
    let recorder = &bench.recorder;
    assert_eq!(recorder.now(), Timestamp::from_seconds(NOW + 12));
    assert_eq!(recorder.closed_before(), Timestamp::from_seconds(NOW + 10));
    assert_eq!(recorder.interval(), Duration::from_secs(10));
    assert_eq!(recorder.bounds("http.time")[..], [1.0, 2.0]);
    assert_eq!(recorder.bounds("other").len(), 11);
    assert_eq!(recorder.agent(), "00000000000000000000000000000abc");
    assert!(recorder.is_clock_believed() && !recorder.takes_fences());
    bench.journal.fence("mine");
    assert!(recorder.takes_fences());
}

#[tokio::test]
async fn without_a_journal_a_hand_over_is_shown_all_the_same() {
    let bench = Bench::new(false);
    bench.hand_over(windows(1)).await.unwrap();
    assert_eq!(bench.page(), (2, 8.0));
    assert!(!bench.recorder.takes_fences());
    assert!(!bench.recorder.remembers(ReceiptId(1)).await);
    bench.recorder.forget(&[ReceiptId(1)]).await.unwrap();
}

#[tokio::test]
async fn a_feed_in_trouble_makes_the_agent_unready() {
    let bench = Bench::new(true);
    let trouble = |text: Option<&str>| {
        let text = text.map(ToString::to_string);
        bench.recorder.note(&mut |facts| facts.trouble.clone_from(&text));
        let facts = bench.board.facts();
        let reasons = facts.reasons().into_iter();
        reasons
            .map(|(part, reason)| format!("{part}: {reason}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(trouble(Some("it is away")), ["feed redis: it is away"]);
    assert!(trouble(None).is_empty());
}
