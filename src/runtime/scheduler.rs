//! Runs every collector: once at the start, again a second later for rates, then aligned to the wall clock. It times,
//! bounds and catches; a collector only collects.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::component::collector::Collector;
use crate::model::sample::Samples;
use crate::model::time::Timestamp;
use crate::registry::board::{Board, CollectorFacts};
use crate::registry::{Origin, Registry};
use crate::support::shutdown::Shutdown;
use crate::support::time::Clock;

/// How long after its first run a collector runs again, so that rates are there soon after the start.
const SECOND_RUN: Duration = Duration::from_secs(1);

/// A collector and when it runs.
pub struct Scheduled {
    /// Its name in settings, logs and labels.
    pub name: String,
    /// The collector.
    pub collector: Box<dyn Collector>,
    /// How often it runs, aligned to the wall clock; more than zero.
    pub interval: Duration,
    /// How long one run may take.
    pub timeout: Duration,
}

impl std::fmt::Debug for Scheduled {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Scheduled")
            .field("name", &self.name)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

/// What a collector's task writes to.
#[derive(Clone, Debug)]
pub struct Sinks {
    /// Takes the samples.
    pub registry: Arc<Registry>,
    /// Takes how each run went.
    pub board: Arc<Board>,
    /// Says when.
    pub clock: Clock,
}

/// Runs one collector until stop is said. A run that is under way then is given up.
pub async fn run(mut scheduled: Scheduled, sinks: Sinks, mut stop: Shutdown) {
    let origin = sinks.registry.origin(&scheduled.name);
    sinks
        .registry
        .origin_stale_after(origin, scheduled.interval.saturating_mul(3));
    let facts = CollectorFacts {
        interval: scheduled.interval,
        ..CollectorFacts::default()
    };
    sinks
        .board
        .facts()
        .collectors
        .insert(scheduled.name.clone(), facts);
    // Spreads collectors over a twentieth of their interval, the same each time.
    let jitter = scheduled.interval.mul_f64(fastrand::f64() / 20.0);
    let mut samples = Samples::default();
    for run in 0_u64.. {
        let wait = match run {
            0 => Duration::ZERO,
            1 => SECOND_RUN.min(scheduled.interval),
            _ => until_next(sinks.clock.now(), scheduled.interval, jitter),
        };
        let work = async {
            sleep(wait).await;
            collect_once(&mut scheduled, origin, &sinks, &mut samples).await;
        };
        tokio::select! {
            () = work => {}
            () = stop.stopped() => return,
        }
    }
}

/// How long it is from `now` to the next multiple of `interval` plus `jitter`.
fn until_next(now: Timestamp, interval: Duration, jitter: Duration) -> Duration {
    let next = now
        .before(jitter)
        .window_start(interval)
        .after(interval)
        .after(jitter);
    next.since(now)
}

async fn collect_once(scheduled: &mut Scheduled, origin: Origin, sinks: &Sinks, samples: &mut Samples) {
    samples.clear();
    let began = sinks.clock.now();
    let began_uptime = sinks.clock.uptime();
    let collected = AssertUnwindSafe(scheduled.collector.collect(samples)).catch_unwind();
    let error = match timeout(scheduled.timeout, collected).await {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(error))) => Some(error.to_string()),
        Ok(Err(panic)) => Some(format!("it panicked: {}", panic_text(panic.as_ref()))),
        Err(_) => Some(format!(
            "it took longer than its timeout of {:?}",
            scheduled.timeout
        )),
    };
    // What was found before an error counts.
    sinks.registry.record_collected(origin, began, samples);
    let took = sinks.clock.uptime().saturating_sub(began_uptime);
    note(scheduled, sinks, samples.len(), took, error);
}

fn note(scheduled: &Scheduled, sinks: &Sinks, samples: usize, took: Duration, error: Option<String>) {
    let collector = scheduled.name.as_str();
    let now = sinks.clock.now();
    let mut board = sinks.board.facts();
    let facts = board.collectors.entry(scheduled.name.clone()).or_default();
    let before = std::mem::replace(&mut facts.last_error, error.clone());
    facts.last_duration = Some(took);
    facts.last_run = Some(now);
    facts.samples = samples as u64;
    match &error {
        None => {
            facts.succeeded += 1;
            facts.last_success = Some(now);
        }
        Some(_) => facts.failed += 1,
    }
    drop(board);
    match (before, error) {
        (None, Some(error)) => {
            warn!(collector, %error, "Collection failed; it is tried again every interval.")
        }
        (Some(before), Some(error)) if before != error => {
            warn!(collector, %error, "Collection fails differently now.")
        }
        (Some(_), None) => info!(collector, "Collection works again."),
        (_, _) => debug!(collector, samples, ?took, "Collected."),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests;
