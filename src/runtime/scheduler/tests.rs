use std::collections::VecDeque;

use async_trait::async_trait;

use super::*;
use crate::component::collector::CollectError;
use crate::model::metric::MetricDef;
use crate::registry::{Buckets, RegistrySettings};
use crate::support::shutdown::Stopper;

static RUNS: MetricDef = MetricDef::gauge("test_runs", "Runs so far.");

/// What one run of the scripted collector does.
enum Step {
    Succeed,
    Fail,
    Panic,
    Hang,
}

struct Scripted {
    steps: VecDeque<Step>,
    runs: u32,
    done: tokio::sync::mpsc::UnboundedSender<Timestamp>,
    clock: Clock,
}

#[async_trait]
impl Collector for Scripted {
    async fn collect(&mut self, out: &mut Samples) -> Result<(), CollectError> {
        self.runs += 1;
        out.push(&RUNS, &[], f64::from(self.runs));
        let _ = self.done.send(self.clock.now());
        match self.steps.pop_front().unwrap_or(Step::Hang) {
            Step::Succeed => Ok(()),
            Step::Fail => Err(CollectError::NoData {
                target: "the test".to_string(),
            }),
            Step::Panic => panic!("as told"),
            Step::Hang => std::future::pending().await,
        }
    }
}

struct Bench {
    sinks: Sinks,
    runs: tokio::sync::mpsc::UnboundedReceiver<Timestamp>,
    stopper: Stopper,
    task: tokio::task::JoinHandle<()>,
}

fn started(steps: impl IntoIterator<Item = Step>) -> Bench {
    let clock = Clock::manual(Timestamp::from_seconds(1_000_003));
    let settings = RegistrySettings {
        interval: Duration::from_secs(10),
        series_limit: 100,
        origin_limit: 100,
        stale_after: Duration::from_secs(300),
        buckets: Buckets::default(),
    };
    let registry = Arc::new(Registry::new(settings, clock.clone()));
    let sinks = Sinks {
        registry,
        board: Arc::default(),
        clock: clock.clone(),
    };
    let (done, runs) = tokio::sync::mpsc::unbounded_channel();
    let collector = Scripted {
        steps: steps.into_iter().collect(),
        runs: 0,
        done,
        clock,
    };
    let scheduled = Scheduled {
        name: "scripted".to_string(),
        collector: Box::new(collector),
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
    };
    let (stopper, stop) = Stopper::new();
    let task = tokio::spawn(run(scheduled, sinks.clone(), stop));
    Bench {
        sinks,
        runs,
        stopper,
        task,
    }
}

impl Bench {
    /// Waits for the start of the next run, and stops before it ends the one after.
    async fn next_run(&mut self) {
        self.runs.recv().await.unwrap();
    }

    async fn facts_after(mut self, runs: usize) -> CollectorFacts {
        for _ in 0..=runs {
            self.next_run().await;
        }
        self.stopper.stop();
        self.task.await.unwrap();
        let facts = self.sinks.board.facts();
        facts.collectors["scripted"].clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_and_a_hang_fail_their_run_only() {
    let facts = started([Step::Panic, Step::Hang, Step::Fail])
        .facts_after(3)
        .await;
    assert_eq!((facts.failed, facts.succeeded), (3, 0));
    assert_eq!(facts.last_error.as_deref(), Some("the test has no data"));
    let facts = started([Step::Panic]).facts_after(1).await;
    assert_eq!(facts.last_error.as_deref(), Some("it panicked: as told"));
    let facts = started([Step::Hang]).facts_after(1).await;
    assert_eq!(
        facts.last_error.as_deref(),
        Some("it took longer than its timeout of 5s")
    );
}

#[tokio::test(start_paused = true)]
async fn a_success_clears_the_error_and_partial_samples_count() {
    let facts = started([Step::Fail, Step::Succeed]).facts_after(2).await;
    assert_eq!((facts.failed, facts.succeeded, facts.samples), (1, 1, 1));
    assert_eq!(
        (facts.last_error, facts.interval),
        (None, Duration::from_secs(10))
    );
}

#[test]
fn runs_are_aligned_and_shifted_by_their_jitter() {
    let ten = Duration::from_secs(10);
    let second = Duration::from_secs(1);
    assert_eq!(
        until_next(Timestamp::from_seconds(103), ten, Duration::ZERO),
        Duration::from_secs(7)
    );
    assert_eq!(until_next(Timestamp::from_seconds(110), ten, Duration::ZERO), ten);
    assert_eq!(until_next(Timestamp::from_seconds(110), ten, second), second);
    assert_eq!(until_next(Timestamp::from_seconds(111), ten, second), ten);
}
