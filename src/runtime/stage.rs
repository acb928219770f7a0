//! Tasks that are stopped together; one that ends before it was told to is a death.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{error, warn};

use crate::support::shutdown::{Shutdown, Stopper};

/// A stage of the flow with its tasks.
#[derive(Debug)]
pub struct Stage {
    name: &'static str,
    stopper: Stopper,
    shutdown: Shutdown,
    tasks: JoinSet<()>,
}

impl Stage {
    /// A stage without tasks.
    pub fn new(name: &'static str) -> Self {
        let (stopper, shutdown) = Stopper::new();
        Self {
            name,
            stopper,
            shutdown,
            tasks: JoinSet::new(),
        }
    }

    /// Adds a task that ends when it hears stop.
    pub fn spawn<F>(&mut self, task: impl FnOnce(Shutdown) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task(self.shutdown.clone()));
    }

    /// Waits for the first task that ends though nobody told it to, and names the stage. Never ends while all live.
    pub async fn died(&mut self) -> &'static str {
        match self.tasks.join_next().await {
            Some(ended) => {
                if let Err(error) = ended {
                    error!(stage = self.name, %error, "A vital task died.");
                }
                self.name
            }
            None => std::future::pending().await,
        }
    }

    /// Lets go of tasks that have ended, where that is their business.
    pub fn reap(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Err(error) = ended {
                error!(stage = self.name, %error, "A task died.");
            }
        }
    }

    /// Tells the tasks to stop and waits until they have, but not longer than `most`: those that go on are ended
    /// where they stand, so that the stages behind this one have the rest of the time.
    pub async fn stop_within(&mut self, most: Duration) {
        if timeout(most, self.stop()).await.is_err() {
            warn!(
                stage = self.name,
                ?most,
                "A task did not stop in time and was ended."
            );
            self.tasks.shutdown().await;
        }
    }

    /// Tells the tasks to stop and waits until they have.
    pub async fn stop(&mut self) {
        self.stopper.stop();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                error!(stage = self.name, %error, "A task died while it was stopped.");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_or_panics_early_is_a_death() {
        let mut stage = Stage::new("test");
        stage.spawn(|mut stop| async move { stop.stopped().await });
        stage.spawn(|_| async {});
        assert_eq!(stage.died().await, "test");
        let mut stage = Stage::new("test");
        stage.spawn(|_| async { panic!("as told") });
        assert_eq!(stage.died().await, "test");
    }

    #[tokio::test]
    async fn stop_waits_for_every_task() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let mut stage = Stage::new("test");
        stage.spawn(|mut stop| async move {
            stop.stopped().await;
            let _ = sender.send(());
        });
        stage.stop().await;
        assert_eq!(receiver.await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_hears_nothing_is_ended_in_time() {
        let mut stage = Stage::new("test");
        stage.spawn(|_| std::future::pending());
        stage.stop_within(Duration::from_secs(2)).await;
        assert!(stage.tasks.is_empty());
    }
}
