//! Against a real Redis.

mod bad;
mod burden;
mod claims;
mod reading;
mod recorder;
mod server;

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::task::JoinHandle;

use crate::component::feed::{Feed, FeedError};
use crate::feeds::redis::pace::Pace;
use crate::feeds::redis::{Redis, Server as Where};
use crate::support::shutdown::{Shutdown, Stopper};
use recorder::Fake;
use server::{Given, Server, ask};

/// The start of a window; tests' clocks stand a little after it.
const T: i64 = 1_700_000_000;
/// How long a state is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A feed that runs.
struct Running {
    stopper: Stopper,
    task: JoinHandle<Result<(), FeedError>>,
}

impl Running {
    async fn stop(self) {
        self.stopper.stop();
        self.task.await.unwrap().unwrap();
    }

    /// As a kill would: it ends wherever it is.
    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

fn quick() -> Pace {
    Pace {
        look: Duration::from_millis(5),
        claims: Duration::from_millis(20),
        first_wait: Duration::from_millis(5),
        longest_wait: Duration::from_millis(40),
        orphans_first: Duration::ZERO,
        orphans: Duration::from_millis(20),
        orphan_age: Duration::from_millis(20),
        ..Pace::default()
    }
}

fn run(server: &Server, into: &Arc<Fake>, expiry: Duration, pace: Pace) -> Running {
    let (feed, stopper, stop) = built(server, expiry, pace);
    let into = into.clone();
    Running {
        stopper,
        task: tokio::spawn(async move { feed.run(into, stop).await }),
    }
}

/// Runs it in a runtime and thread of its own, which can be held without holding others.
fn run_apart(server: &Server, into: &Arc<Fake>, expiry: Duration, pace: Pace) -> Running {
    let (feed, stopper, stop) = built(server, expiry, pace);
    let into = into.clone();
    let task = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(feed.run(into, stop))
    });
    Running { stopper, task }
}

fn built(server: &Server, expiry: Duration, pace: Pace) -> (Box<Redis>, Stopper, Shutdown) {
    let feed = Box::new(Redis {
        server: Where {
            target: server.target(),
            prefix: "chouette".to_owned(),
        },
        logs: true,
        claim_expiry: expiry,
        pace,
    });
    let (stopper, stop) = Stopper::new();
    (feed, stopper, stop)
}

/// Waits for a state.
async fn until(what: &str, mut state: impl AsyncFnMut() -> bool) {
    let end = tokio::time::Instant::now() + PATIENCE;
    while !state().await {
        assert!(tokio::time::Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until a queue has neither keys nor values, and no claim is left.
async fn emptied(to: &MultiplexedConnection, queue: &str) {
    until("the queue is empty", async || {
        let keys: u64 = ask(to, &["ZCARD", &format!("chouette:{queue}.keys")]).await;
        let values: u64 = ask(to, &["HLEN", &format!("chouette:{queue}.values")]).await;
        let claims: u64 = ask(to, &["HLEN", "chouette:claims"]).await;
        keys + values + claims == 0
    })
    .await;
}

/// A count, as the client library writes it.
fn count(key: &str, metric: &str, value: i64, time: f64) -> Given {
    Given {
        key: key.to_owned(),
        score: time,
        value: format!(
            r#"{{"metric": "{metric}", "type": "count", "value": {value}, "timestamp": {time}, "tags": {{}}}}"#
        )
        .into_bytes(),
    }
}
