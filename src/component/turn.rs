//! Readings that may block, one at a time: a device that hangs holds one thread and no more.

use tokio::task::{JoinHandle, spawn_blocking};

use crate::component::collector::CollectError;
use crate::model::sample::Samples;

/// Reads files of the device; it may block. A reading has a copy of it, which takes its place when it ends.
pub trait Reader: Clone + Send + 'static {
    /// Reads once and adds what it knows.
    ///
    /// # Errors
    /// As those of [`Collector::collect`](crate::component::collector::Collector::collect).
    fn read(&mut self, out: &mut Samples) -> Result<(), CollectError>;
}

const HANGS: &str = "an earlier reading still hangs, on a filesystem or a sensor that does not answer";

type Run<R> = (R, Samples, Result<(), CollectError>);

/// A reader and the reading that is under way.
#[derive(Debug)]
pub struct Turn<R> {
    /// What reads, with what it remembers from reading to reading.
    reader: R,
    run: Option<JoinHandle<Run<R>>>,
}

impl<R: Reader> Turn<R> {
    /// Nothing is read yet.
    pub fn new(reader: R) -> Self {
        let run = None;
        Self { reader, run }
    }

    /// Reads on a thread that may block. A reading that the driver gave up is waited for before another one is begun.
    ///
    /// # Errors
    /// The reader's; `Unreachable` while an earlier reading still hangs.
    ///
    /// # Panics
    /// Where the reader panics, which is as it was before that reading.
    pub async fn read(&mut self, out: &mut Samples) -> Result<(), CollectError> {
        if let Some(run) = self.run.take_if(|run| run.is_finished()) {
            // Its samples are old by now.
            if let Ok((reader, ..)) = run.await {
                self.reader = reader;
            }
        }
        if self.run.is_some() {
            return Err(failed(HANGS));
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Reads what it is sent, and counts.
    #[derive(Clone, Debug)]
    struct Slow {
        sent: Arc<Mutex<Receiver<&'static str>>>,
        readings: u32,
    }

    impl Reader for Slow {
        fn read(&mut self, _: &mut Samples) -> Result<(), CollectError> {
            self.readings += 1;
            let sent = self.sent.lock().unwrap().recv().unwrap();
            assert_ne!(sent, "panic");
            Err(failed(&format!("{sent} {}", self.readings)))
        }
    }

    fn slow() -> (Sender<&'static str>, Turn<Slow>) {
        let (sender, sent) = channel();
        let sent = Arc::new(Mutex::new(sent));
        (sender, Turn::new(Slow { sent, readings: 0 }))
    }

    #[tokio::test]
    async fn a_reading_that_hangs_is_not_begun_again_and_comes_back() {
        let (sender, mut turn) = slow();
        let mut out = Samples::default();
        let given_up = timeout(Duration::ZERO, turn.read(&mut out)).await;
        assert!(given_up.is_err());
        let hangs = || Err(failed(HANGS));
        assert_eq!(turn.read(&mut out).await, hangs());
        sender.send("old").unwrap();
        sender.send("new").unwrap();
        let recovered = async {
            loop {
                let result = turn.read(&mut out).await;
                if result != hangs() {
                    return result;
                }
                tokio::task::yield_now().await;
            }
        };
        let result = timeout(Duration::from_secs(30), recovered).await;
        // What the first reading remembered is kept, its result is not.
        assert_eq!(result, Ok(Err(failed("new 2"))));
    }

    #[tokio::test]
    async fn a_panic_is_handed_on_to_the_driver() {
        let (sender, mut turn) = slow();
        sender.send("panic").unwrap();
        let panicked = tokio::spawn(async move {
            let _ = turn.read(&mut Samples::default()).await;
        });
        assert!(panicked.await.unwrap_err().is_panic());
    }
}
