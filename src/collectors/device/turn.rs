//! Readings that may block, one at a time: a device that hangs holds one thread and no more.

use tokio::task::{JoinHandle, spawn_blocking};

use crate::component::collector::CollectError;
use crate::model::sample::Samples;

/// Reads a device's files; it may block.
pub(super) trait Reader: Clone + Send + 'static {
    /// Reads once and adds what it knows.
    fn read(&mut self, out: &mut Samples) -> Result<(), CollectError>;
}

type Run<R> = (R, Samples, Result<(), CollectError>);

/// A reader and the reading that is under way.
#[derive(Debug)]
pub(super) struct Turn<R> {
    /// What reads, with what it remembers from reading to reading.
    reader: R,
    run: Option<JoinHandle<Run<R>>>,
}

impl<R: Reader> Turn<R> {
    pub(super) fn new(reader: R) -> Self {
        let run = None;
        Self { reader, run }
    }

    /// Reads on a thread that may block. A reading that the driver gave up is waited for before another one is begun.
    pub(super) async fn read(&mut self, out: &mut Samples) -> Result<(), CollectError> {
        if let Some(run) = self.run.take_if(|run| run.is_finished()) {
            // Its samples are old by now.
            if let Ok((reader, ..)) = run.await {
                self.reader = reader;
            }
        }
        if self.run.is_some() {
            return Err(failed(
                "an earlier reading still hangs, on a sensor that does not answer",
            ));
        }
        let (mut reader, mut samples) = (self.reader.clone(), std::mem::take(out));
        let run = self.run.insert(spawn_blocking(move || {
            let result = reader.read(&mut samples);
            (reader, samples, result)
        }));
        let joined = run.await;
        self.run = None;
        match joined {
            Ok((reader, samples, result)) => {
                self.reader = reader;
                *out = samples;
                result
            }
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(failed("the agent stops")),
            },
        }
    }
}

fn failed(reason: &str) -> CollectError {
    CollectError::Unreachable {
        target: "the device".to_string(),
        reason: reason.to_string(),
    }
}
