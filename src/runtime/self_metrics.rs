//! The original agent's metrics about itself, under the names that its users' dashboards hold: how much waited when a
//! dispatch began, and what was dispatched.
//!
//! They are recorded as a collector's samples are, so that they stand on `/metrics` too, and are pushed like any other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::model::block::BlockKind;
use crate::model::metric::MetricDef;
use crate::model::sample::Samples;
use crate::model::time::Timestamp;
use crate::registry::board::{Board, Facts};
use crate::registry::{Origin, Registry};
use crate::support::shutdown::Shutdown;
use crate::support::time::Clock;

/// How often the clock is looked at.
const TICK: Duration = Duration::from_secs(1);
/// Whom the registry counts the samples under.
const ORIGIN: &str = "tawny";

static QUEUED: MetricDef = MetricDef::gauge(
    "tawny_queued_metrics",
    "Points that waited for Datadog when the last dispatch began.",
)
.dotted("chouette.queued.metrics");
static METRICS: MetricDef = MetricDef::total(
    "tawny_dispatched_metrics_total",
    "Points that Datadog has acknowledged, across restarts.",
)
.dotted("chouette.dispatched.metrics.number");
static METRICS_BYTES: MetricDef = MetricDef::total(
    "tawny_dispatched_metrics_bytes_total",
    "Compressed bodies with points that Datadog took.",
)
.dotted("chouette.dispatched.metrics.bytes");
static LOGS: MetricDef = MetricDef::total(
    "tawny_dispatched_logs_total",
    "Log entries that Datadog has acknowledged, across restarts.",
)
.dotted("chouette.dispatched.logs.number");
static LOGS_BYTES: MetricDef = MetricDef::total(
    "tawny_dispatched_logs_bytes_total",
    "Compressed bodies with log entries that Datadog took.",
)
.dotted("chouette.dispatched.logs.bytes");

/// All of them, for the reference page.
pub static ALL: [&MetricDef; 5] = [&QUEUED, &METRICS, &METRICS_BYTES, &LOGS, &LOGS_BYTES];

/// Records the metrics.
#[derive(Debug)]
pub struct SelfMetrics {
    /// Takes them.
    pub registry: Arc<Registry>,
    /// Says what the outputs did.
    pub board: Arc<Board>,
    /// Says when.
    pub clock: Clock,
    /// Names of the outputs to Datadog, which each take one kind.
    pub outputs: Vec<String>,
    /// How often a dispatch begins, aligned to the wall clock.
    pub release_interval: Duration,
    /// How long after that.
    pub release_delay: Duration,
}

/// What was recorded before.
#[derive(Debug, Default)]
struct Last {
    release: Option<Timestamp>,
    accounts: usize,
}

impl SelfMetrics {
    /// Records at each dispatch until stop is said.
    pub async fn run(self, mut stop: Shutdown) {
        let origin = self.registry.origin(ORIGIN);
        self.registry
            .origin_stale_after(origin, self.release_interval.saturating_mul(3));
        let mut last = Last::default();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.stopped() => break,
                _ = ticks.tick() => self.tick(origin, &mut last),
            }
        }
        // What the last dispatch did goes with the windows that close early.
        self.record(origin);
    }

    /// Records where a dispatch begins, and where an output's account is known first: a total grows from there.
    fn tick(&self, origin: Origin, last: &mut Last) {
        let now = self.clock.now();
        let release = now.before(self.release_delay).window_start(self.release_interval);
        let accounts = accounts(&self.board.facts(), &self.outputs).len();
        let due = last.release.replace(release) != Some(release);
        let new = std::mem::replace(&mut last.accounts, accounts) < accounts;
        if due || new {
            self.record(origin);
        }
    }

    fn record(&self, origin: Origin) {
        let now = self.clock.now();
        let mut samples = Samples::default();
        let accounts = accounts(&self.board.facts(), &self.outputs);
        if let Some(points) = accounts.get(&BlockKind::Points) {
            samples.push(&QUEUED, &[], points.pending as f64);
            samples.push(&METRICS, &[], points.delivered as f64);
            samples.push(&METRICS_BYTES, &[], points.bytes as f64);
        }
        if let Some(logs) = accounts.get(&BlockKind::Logs) {
            samples.push(&LOGS, &[], logs.delivered as f64);
            samples.push(&LOGS_BYTES, &[], logs.bytes as f64);
        }
        self.registry.record_collected(origin, now, &samples);
    }
}

/// What all outputs for one kind come to.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    pending: u64,
    delivered: u64,
    bytes: u64,
}

/// The accounts by kind. One that is not known yet is left out: as zero it would look as if all that was delivered
/// before the start were delivered now.
fn accounts(facts: &Facts, outputs: &[String]) -> BTreeMap<BlockKind, Account> {
    let mut all: BTreeMap<BlockKind, Account> = BTreeMap::new();
    let outputs = outputs.iter().filter_map(|name| facts.outputs.get(name));
    for output in outputs {
        if let Some(balance) = output.balance.get(&output.takes) {
            let account = all.entry(output.takes).or_default();
            account.pending += balance.pending();
            account.delivered += balance.delivered;
            account.bytes += output.sent_bytes;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::journal::Balance;
    use crate::model::window::{Aggregate, Window};
    use crate::registry::RegistrySettings;
    use crate::registry::board::OutputFacts;

    const NOW: i64 = 1_800_000_000;

    fn rig() -> SelfMetrics {
        let clock = Clock::manual(Timestamp::from_seconds(NOW));
        SelfMetrics {
            registry: Arc::new(Registry::new(RegistrySettings::default(), clock.clone())),
            board: Arc::default(),
            clock,
            outputs: vec!["datadog".to_string(), "datadog_logs".to_string()],
            release_interval: Duration::from_secs(60),
            release_delay: Duration::from_secs(3),
        }
    }

    fn account(
        rig: &SelfMetrics,
        name: &str,
        takes: BlockKind,
        (wrapped, delivered): (u64, u64),
        bytes: u64,
    ) {
        let balance = Balance {
            wrapped,
            delivered,
            ..Balance::default()
        };
        let facts = OutputFacts {
            takes,
            balance: [(takes, balance)].into(),
            sent_bytes: bytes,
            ..OutputFacts::default()
        };
        rig.board.facts().outputs.insert(name.to_string(), facts);
    }

    /// What would be pushed: second after [`NOW`], dotted name, value.
    fn told(windows: &[Window]) -> Vec<String> {
        let mut lines = Vec::new();
        for window in windows {
            for series in &window.series {
                let value = match series.aggregate {
                    Aggregate::Gauge { last, .. } => last,
                    Aggregate::Increase { sum, .. } => sum,
                    _ => panic!("neither gauge nor total"),
                };
                let second = window.start.seconds() - NOW;
                lines.push(format!("{second} {} {value}", series.names.for_dotted()));
            }
        }
        lines
    }

    #[test]
    fn each_dispatch_is_counted_once_and_none_from_before_the_start() {
        let rig = rig();
        let (origin, mut last) = (rig.registry.origin(ORIGIN), Last::default());
        rig.tick(origin, &mut last);
        assert!(rig.registry.take_all().is_empty(), "nothing is known yet");
        account(&rig, "datadog", BlockKind::Points, (1_000, 900), 50);
        account(&rig, "console", BlockKind::Points, (7, 7), 7);
        rig.clock.advance(Duration::from_secs(1));
        rig.tick(origin, &mut last);
        account(&rig, "datadog_logs", BlockKind::Logs, (5, 4), 10);
        for second in 2..=63 {
            rig.clock.advance(Duration::from_secs(1));
            if second == 50 {
                account(&rig, "datadog", BlockKind::Points, (1_100, 1_050), 80);
                account(&rig, "datadog_logs", BlockKind::Logs, (9, 9), 30);
            }
            rig.tick(origin, &mut last);
        }
        assert_eq!(
            told(&rig.registry.take_all()),
            [
                "0 chouette.queued.metrics 100",
                "0 chouette.dispatched.metrics.number 0",
                "0 chouette.dispatched.metrics.bytes 0",
                "0 chouette.dispatched.logs.number 0",
                "0 chouette.dispatched.logs.bytes 0",
                "60 chouette.queued.metrics 50",
                "60 chouette.dispatched.metrics.number 150",
                "60 chouette.dispatched.metrics.bytes 30",
                "60 chouette.dispatched.logs.number 5",
                "60 chouette.dispatched.logs.bytes 20",
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_dispatch_is_recorded_at_the_stop() {
        let rig = rig();
        account(&rig, "datadog", BlockKind::Points, (10, 5), 1);
        let (board, registry, clock) = (rig.board.clone(), rig.registry.clone(), rig.clock.clone());
        let (stopper, stop) = crate::support::shutdown::Stopper::new();
        let task = tokio::spawn(rig.run(stop));
        tokio::time::sleep(Duration::from_millis(10)).await;
        clock.advance(Duration::from_secs(1));
        board.facts().outputs.get_mut("datadog").unwrap().sent_bytes = 9;
        stopper.stop();
        task.await.unwrap();
        let lines = told(&registry.take_all());
        assert!(
            lines.contains(&"0 chouette.dispatched.metrics.bytes 8".to_string()),
            "{lines:?}"
        );
    }

    #[test]
    fn their_names_follow_the_rules() {
        for def in ALL {
            assert!(def.name.starts_with("tawny_"), "{}", def.name);
            assert!(def.dotted.is_some_and(|dotted| dotted.starts_with("chouette.")));
            assert!(def.help.ends_with('.'), "{}", def.name);
        }
    }
}
