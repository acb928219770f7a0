//! Follows one container's log to its end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::feeds::container_logs::api::{self, Listed, Looked};
use crate::feeds::container_logs::book::Position;
use crate::feeds::container_logs::frames::{Event, Frames};
use crate::feeds::container_logs::scribe::{Scribe, ScribeError, Whose};
use crate::feeds::container_logs::shared::{Failure, Shared};
use crate::support::engine::chunks::Chunks;
use crate::support::engine::error::EngineError;
use crate::support::engine::link::Link;
use crate::support::shutdown::Shutdown;

/// Bytes that are worked on at once.
const BATCH: usize = 1 << 20;
/// The wait after a log that ended although its container runs.
const AGAIN: Duration = Duration::from_secs(1);

/// How it ended.
#[derive(Debug)]
pub(super) enum End {
    /// The container has ended, and everything was read.
    Finished,
    /// It was removed before anything of its log could be read.
    Removed,
    /// The log driver of the container cannot be read.
    Unreadable(String),
    /// It was told to stop.
    Stopped,
    /// Something failed. What was committed holds.
    Failed {
        failure: Failure,
        reason: String,
        /// Whether something was read before.
        progressed: bool,
    },
}

/// What is known before a log is read.
struct Begun {
    looked: Looked,
    /// Its log from its beginning, where that was asked for already.
    stream: Option<Chunks>,
}

/// Why reading a stream ended.
enum Ended {
    Stream,
    Stopped,
}

enum FollowError {
    Engine(EngineError),
    Scribe(ScribeError),
}

impl From<EngineError> for FollowError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<ScribeError> for FollowError {
    fn from(error: ScribeError) -> Self {
        Self::Scribe(error)
    }
}

/// A scribe and what takes the stream apart for it.
struct Reader {
    scribe: Scribe,
    frames: Frames,
}

impl Reader {
    fn take_in(&mut self, chunks: &[Bytes]) -> Result<(), ScribeError> {
        for chunk in chunks {
            let mut input = &chunk[..];
            while let Some(event) = self.frames.next(&mut input)? {
                match event {
                    Event::Begin { stream, time } => self.scribe.begin(stream, time)?,
                    Event::Content { bytes, ends } => self.scribe.content(bytes, ends)?,
                }
            }
        }
        self.scribe.show()
    }
}

/// Follows one container.
pub(super) struct Follower {
    pub(super) shared: Arc<Shared>,
    pub(super) link: Link,
    pub(super) container: Listed,
    /// Whether it was started this moment, and may be removed the next.
    pub(super) is_fresh: bool,
    /// The word to stop for this one alone.
    pub(super) quit: Shutdown,
    progressed: bool,
}

impl Follower {
    pub(super) fn new(
        shared: Arc<Shared>,
        link: Link,
        container: Listed,
        is_fresh: bool,
        quit: Shutdown,
    ) -> Self {
        Self {
            shared,
            link,
            container,
            is_fresh,
            quit,
            progressed: false,
        }
    }

    /// Follows until the container has ended and everything is read, or until it is told to stop.
    pub(super) async fn run(mut self) -> End {
        match self.follow().await {
            Ok(end) => end,
            Err(FollowError::Scribe(ScribeError::Stopped)) => End::Stopped,
            Err(FollowError::Engine(error)) if error.is_gone() => {
                match self.shared.book.position(&self.container.id) {
                    Some(_) => End::Finished,
                    None => End::Removed,
                }
            }
            Err(FollowError::Engine(EngineError::Refused { message, .. }))
                if message.contains("does not support reading") =>
            {
                End::Unreadable(message)
            }
            Err(FollowError::Engine(error)) => self.failed(Failure::Engine, error.to_string()),
            Err(FollowError::Scribe(error)) => {
                let failure = match error {
                    ScribeError::Stream(_) => Failure::Engine,
                    ScribeError::State(_) => Failure::State,
                    ScribeError::File(_) | ScribeError::Stopped => Failure::File,
                };
                self.failed(failure, error.to_string())
            }
        }
    }

    fn failed(&self, failure: Failure, reason: String) -> End {
        End::Failed {
            failure,
            reason,
            progressed: self.progressed,
        }
    }

    async fn follow(&mut self) -> Result<End, FollowError> {
        loop {
            let Begun { looked, stream } = self.begin().await?;
            let Some(whose) = self.whose(&looked) else {
                return Ok(End::Finished);
            };
            let reader = self.open(whose).await?;
            let follows = looked.is_running || stream.is_some();
            let stream = match stream {
                Some(stream) => stream,
                None => {
                    let path = api::logs(&self.container.id, reader.scribe.since(), looked.is_running);
                    self.heed(self.link.stream(&path)).await?
                }
            };
            let before = self.progressed;
            self.progressed = false;
            let (ended, reader) = self.read(stream, reader).await?;
            let moved = self.progressed;
            self.progressed |= before;
            match ended {
                Ended::Stopped => {
                    self.blocking(reader, |reader| reader.scribe.commit()).await?;
                    return Ok(End::Stopped);
                }
                // It had ended before it was asked, so nothing more will come.
                Ended::Stream if !follows => {
                    self.blocking(reader, |reader| reader.scribe.finish()).await?;
                    return Ok(End::Finished);
                }
                Ended::Stream => {
                    let reader = self.blocking(reader, |reader| reader.scribe.commit()).await?;
                    match self.heed(api::look(&self.link, &self.container.id)).await {
                        Err(FollowError::Engine(error)) if error.is_gone() => {
                            self.blocking(reader, |reader| reader.scribe.finish()).await?;
                            return Ok(End::Finished);
                        }
                        Err(error @ FollowError::Scribe(_)) => return Err(error),
                        // Begins anew where it stands, and reads on if there is more.
                        _ => drop(reader),
                    }
                }
            }
            if !moved && !self.wait(AGAIN).await {
                return Ok(End::Stopped);
            }
        }
    }

    /// Looks at the container, and where it may be gone in a moment, asks for its log at once: what is asked for before
    /// it is removed comes to its end.
    async fn begin(&mut self) -> Result<Begun, FollowError> {
        let id = &self.container.id;
        let look = api::look(&self.link, id);
        let is_fresh = std::mem::take(&mut self.is_fresh);
        if !is_fresh || self.shared.book.position(id).is_some() {
            let looked = self.heed(look).await?;
            return Ok(Begun { looked, stream: None });
        }
        let path = api::logs(id, 0, true);
        let both = async { Ok(tokio::join!(self.link.stream(&path), look)) };
        let began = self.shared.book.began();
        match self.heed(both).await? {
            (Ok(stream), Ok(looked)) if looked.created >= began => Ok(Begun {
                looked,
                stream: Some(stream),
            }),
            // Much may have been written before; not all of it is wanted.
            (Ok(_), Ok(looked)) => Ok(Begun { looked, stream: None }),
            (Ok(mut stream), Err(error)) if error.is_gone() => {
                let tty = self.heed(stream.is_text()).await?;
                let looked = Looked {
                    tty,
                    is_running: false,
                    created: began,
                    finished: began,
                };
                Ok(Begun {
                    looked,
                    stream: Some(stream),
                })
            }
            (Err(error), _) | (_, Err(error)) => Err(error.into()),
        }
    }

    /// Waits for the engine no longer than until it is told to stop: one that hangs must not hold up the agent.
    async fn heed<T>(&self, work: impl Future<Output = Result<T, EngineError>>) -> Result<T, FollowError> {
        let (mut stop, mut quit) = (self.shared.stop.clone(), self.quit.clone());
        tokio::select! {
            () = stop.stopped() => Err(ScribeError::Stopped.into()),
            () = quit.stopped() => Err(ScribeError::Stopped.into()),
            done = work => Ok(done?),
        }
    }

    /// Whose log it is, and where to begin; `None` where it ended before that.
    fn whose(&self, looked: &Looked) -> Option<Whose> {
        let shared = &self.shared;
        let time = match looked.created >= shared.book.began() {
            true => 0,
            false => {
                let since = shared.into.now().before(shared.plan.since_at_first);
                since.millis().saturating_mul(1_000_000).max(0)
            }
        };
        let is_known = shared.book.position(&self.container.id).is_some();
        if !is_known && !looked.is_running && looked.finished < time {
            return None;
        }
        Some(Whose {
            id: self.container.id.clone(),
            name: self.container.name.clone(),
            image: self.container.image.clone(),
            tty: looked.tty,
            first: Position { time, count: 0 },
        })
    }

    async fn open(&self, whose: Whose) -> Result<Reader, FollowError> {
        let _permit = self.shared.permits.acquire().await;
        let (shared, runtime) = (Arc::clone(&self.shared), Handle::current());
        let opened = spawn_blocking(move || {
            let frames = Frames::new(whose.tty);
            Scribe::open(&shared, whose, runtime).map(|scribe| Reader { scribe, frames })
        });
        Ok(opened.await.map_err(ended_early)??)
    }

    /// Reads a stream to its end.
    async fn read(&mut self, mut stream: Chunks, mut reader: Reader) -> Result<(Ended, Reader), FollowError> {
        let mut commit = interval(self.shared.plan.interval);
        commit.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = self.shared.stop.clone();
        loop {
            tokio::select! {
                biased;
                () = stop.stopped() => return Ok((Ended::Stopped, reader)),
                () = self.quit.stopped() => return Ok((Ended::Stopped, reader)),
                _ = commit.tick() => {
                    if reader.scribe.is_dirty() {
                        reader = self.blocking(reader, |reader| reader.scribe.commit()).await?;
                    }
                }
                next = stream.next() => {
                    let (batch, rest) = match next {
                        Ok(Some(chunk)) => gather(chunk, &mut stream),
                        other => (Vec::new(), Some(other)),
                    };
                    if !batch.is_empty() {
                        self.progressed = true;
                        reader = self.blocking(reader, move |reader| reader.take_in(&batch)).await?;
                    }
                    match rest {
                        None => {}
                        Some(Ok(_)) => return Ok((Ended::Stream, reader)),
                        Some(Err(error)) => {
                            self.blocking(reader, |reader| reader.scribe.commit()).await?;
                            return Err(error.into());
                        }
                    }
                }
            }
        }
    }

    /// Works on it where that may block, with those many others that are let.
    async fn blocking(
        &self,
        mut reader: Reader,
        work: impl FnOnce(&mut Reader) -> Result<(), ScribeError> + Send + 'static,
    ) -> Result<Reader, FollowError> {
        let _permit = self.shared.permits.acquire().await;
        let done = spawn_blocking(move || work(&mut reader).map(|()| reader));
        Ok(done.await.map_err(ended_early)??)
    }

    /// Waits; `false` when it is told to stop.
    async fn wait(&mut self, time: Duration) -> bool {
        let mut stop = self.shared.stop.clone();
        tokio::select! {
            () = stop.stopped() => false,
            () = self.quit.stopped() => false,
            () = sleep(time) => true,
        }
    }
}

fn ended_early(error: tokio::task::JoinError) -> ScribeError {
    ScribeError::State(std::io::Error::other(error))
}

type Next = Result<Option<Bytes>, EngineError>;

/// What has come already, up to a batch; and what came instead of more, if that is the end.
fn gather(first: Bytes, stream: &mut Chunks) -> (Vec<Bytes>, Option<Next>) {
    let mut bytes = first.len();
    let mut batch = vec![first];
    while bytes < BATCH {
        match stream.next().now_or_never() {
            Some(Ok(Some(chunk))) => {
                bytes += chunk.len();
                batch.push(chunk);
            }
            Some(end) => return (batch, Some(end)),
            None => break,
        }
    }
    (batch, None)
}
