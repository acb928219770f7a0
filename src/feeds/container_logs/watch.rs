//! Keeps an eye on the engine: which containers there are, and that each is followed.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};
use tracing::{debug, info, warn};

use crate::feeds::container_logs::api::{self, EVENTS, Listed};
use crate::feeds::container_logs::follow::{End, Follower};
use crate::feeds::container_logs::shared::{Failure, Shared};
use crate::support::engine::Engine;
use crate::support::engine::chunks::Chunks;
use crate::support::engine::error::EngineError;
use crate::support::engine::link::Link;
use crate::support::filter::Filter;
use crate::support::shutdown::Stopper;

/// The first wait after the engine did not answer, or a container could not be followed; it doubles.
const RETRY: Duration = Duration::from_secs(1);
/// The longest.
const RETRY_MOST: Duration = Duration::from_secs(60);
/// How often the list is asked for though no event said that it changed.
const RELIST: Duration = Duration::from_secs(60);
/// How often it is looked whether a container's wait is over.
const LOOK: Duration = Duration::from_millis(500);
/// An event is never longer.
const LONGEST_EVENT: usize = 1 << 20;

/// A container that is followed.
struct Followed {
    name: String,
    quit: Stopper,
}

/// When a container that could not be followed is tried again.
struct Later {
    at: Instant,
    wait: Duration,
}

/// Follows every container.
pub(super) struct Watch {
    shared: Arc<Shared>,
    engine: Engine,
    choice: Filter,
    tasks: JoinSet<(Listed, End)>,
    followed: HashMap<String, Followed>,
    /// Ended, and read to the end.
    finished: HashSet<String>,
    unreadable: HashSet<String>,
    later: HashMap<String, Later>,
}

impl Watch {
    pub(super) fn new(shared: Arc<Shared>, engine: Engine, choice: Filter) -> Self {
        Self {
            shared,
            engine,
            choice,
            tasks: JoinSet::new(),
            followed: HashMap::new(),
            finished: HashSet::new(),
            unreadable: HashSet::new(),
            later: HashMap::new(),
        }
    }

    /// Runs until stop is said; then every follower has committed.
    pub(super) async fn run(mut self) {
        let mut stop = self.shared.stop.clone();
        let mut wait = RETRY;
        let mut is_away = false;
        while !stop.is_stopped() {
            let linked = tokio::select! {
                () = stop.stopped() => break,
                linked = self.engine.link() => linked,
            };
            let failed = match linked {
                Ok(link) => {
                    self.shared.note("engine", None);
                    if std::mem::take(&mut is_away) {
                        info!(engine = link.endpoint(), "The container engine is back.");
                    }
                    wait = RETRY;
                    self.attend(&link).await
                }
                Err(error) => Err(error),
            };
            let Err(error) = failed else {
                break;
            };
            self.shared.count_failure(Failure::Engine);
            self.shared.note(
                "engine",
                Some(format!(
                    "no container's log can be followed: {error}; it is tried again"
                )),
            );
            if !std::mem::replace(&mut is_away, true) {
                warn!(%error, "The container engine is away; its logs are read on when it is back.");
            }
            tokio::select! {
                () = stop.stopped() => {}
                () = sleep(wait.mul_f64(0.5 + 0.5 * fastrand::f64())) => {}
            }
            wait = RETRY_MOST.min(wait * 2);
        }
        while let Some(ended) = self.tasks.join_next().await {
            if let Ok((container, end)) = ended {
                self.ended(container, end);
            }
        }
    }

    /// # Errors
    /// The engine is away. `Ok`: stop was said.
    async fn attend(&mut self, link: &Link) -> Result<(), EngineError> {
        let mut stop = self.shared.stop.clone();
        let mut look = interval(LOOK);
        let mut list_at = Instant::now();
        let mut events = Events::Asked(Box::pin(ask(link.clone())));
        loop {
            if Instant::now() >= list_at {
                self.list(link).await?;
                list_at = Instant::now() + RELIST;
            }
            tokio::select! {
                () = stop.stopped() => return Ok(()),
                _ = look.tick() => {
                    // Only then is somebody to be tried again.
                    if self.later.values().any(|later| later.at <= Instant::now()) {
                        list_at = Instant::now();
                    }
                }
                Some(ended) = self.tasks.join_next() => {
                    if let Ok((container, end)) = ended {
                        self.ended(container, end);
                    }
                    // One of the same name may wait.
                    list_at = Instant::now();
                }
                happened = events.next() => {
                    list_at = Instant::now();
                    for happened in happened?.into_iter().filter(|happened| happened.is_start) {
                        // Not after the list: by then it may have ended and be removed.
                        self.finished.remove(&happened.id);
                        let container = Listed {
                            id: happened.id,
                            name: happened.name,
                            image: happened.image,
                            is_running: true,
                            has_run: true,
                        };
                        self.consider(link, &container);
                    }
                }
            }
        }
    }

    async fn list(&mut self, link: &Link) -> Result<(), EngineError> {
        let listed = api::list(link).await?;
        let ids: HashSet<&str> = listed.iter().map(|container| container.id.as_str()).collect();
        self.finished.retain(|id| ids.contains(id.as_str()));
        self.unreadable.retain(|id| ids.contains(id.as_str()));
        self.later.retain(|id, _| ids.contains(id.as_str()));
        let present: Vec<_> = listed
            .iter()
            .map(|one| (one.id.clone(), one.name.clone()))
            .collect();
        self.shared.book.tidy(&present, self.shared.into.now().seconds());
        let followed: HashSet<&str> = self.followed.values().map(|one| one.name.as_str()).collect();
        self.shared
            .forget_counts(|name| followed.contains(name) || self.shared.book.has(name));
        for container in &listed {
            self.consider(link, container);
        }
        Ok(())
    }

    /// Follows a container that is not followed, if it is to be.
    fn consider(&mut self, link: &Link, container: &Listed) {
        let id = &container.id;
        if let Some(followed) = self.followed.get(id) {
            if followed.name != container.name {
                // It was renamed: it goes on under its new name as soon as it has stopped.
                followed.quit.stop();
            }
            return;
        }
        if container.is_running {
            self.finished.remove(id);
        }
        let is_taken = self
            .followed
            .values()
            .any(|followed| followed.name == container.name);
        let waits = self.later.get(id).is_some_and(|later| later.at > Instant::now());
        if is_taken
            || waits
            || !container.has_run
            || !self.choice.takes(&container.name)
            || self.finished.contains(id)
            || self.unreadable.contains(id)
        {
            return;
        }
        let (quit, quitting) = Stopper::new();
        let name = container.name.clone();
        self.followed.insert(id.clone(), Followed { name, quit });
        let follower = Follower::new(
            Arc::clone(&self.shared),
            link.clone(),
            container.clone(),
            quitting,
        );
        let container = container.clone();
        self.tasks.spawn(async move {
            // One container's fault must not leave its name taken.
            let end = AssertUnwindSafe(follower.run()).catch_unwind().await;
            (
                container,
                end.unwrap_or_else(|_| End::Failed {
                    failure: Failure::State,
                    reason: "a fault of the agent; please report it".to_string(),
                    progressed: false,
                }),
            )
        });
    }

    fn ended(&mut self, container: Listed, end: End) {
        let Listed { id, name, .. } = container;
        self.followed.remove(&id);
        let before = self.later.remove(&id);
        match end {
            End::Stopped => {}
            End::Finished => {
                debug!(
                    container = name,
                    "The container has ended, and its log was read to the end."
                );
                self.finished.insert(id);
            }
            End::Unreadable(reason) => {
                self.shared.count_failure(Failure::Driver);
                self.shared.note(
                    "driver",
                    Some(format!("the log of {name} cannot be read: {reason}")),
                );
                warn!(
                    container = name,
                    reason,
                    "The container's log cannot be read. Give it another log driver, such as json-file or local, or leave \
                     it out with container_logs.exclude."
                );
                self.unreadable.insert(id);
            }
            End::Failed {
                failure,
                reason,
                progressed,
            } => {
                self.shared.count_failure(failure);
                let wait = match before {
                    Some(before) if !progressed => RETRY_MOST.min(before.wait * 2),
                    _ => RETRY,
                };
                if wait == RETRY && failure != Failure::Engine {
                    warn!(
                        container = name,
                        reason, "The container's log waits; it is tried again."
                    );
                } else {
                    debug!(
                        container = name,
                        reason, "The container's log waits; it is tried again."
                    );
                }
                let at = Instant::now() + wait.mul_f64(0.5 + 0.5 * fastrand::f64());
                self.later.insert(id, Later { at, wait });
            }
        }
    }
}

async fn ask(link: Link) -> Result<Chunks, EngineError> {
    link.stream(EVENTS).await
}

/// The engine's events, asked for or coming.
enum Events {
    Asked(std::pin::Pin<Box<dyn Future<Output = Result<Chunks, EngineError>> + Send>>),
    Coming { chunks: Chunks, held: Vec<u8> },
}

impl Events {
    /// What happened; nothing once they begin to come: what happened before shows only the list. Whoever stops waiting
    /// loses none.
    async fn next(&mut self) -> Result<Vec<api::Happened>, EngineError> {
        match self {
            Self::Asked(asked) => {
                let chunks = asked.await?;
                *self = Self::Coming {
                    chunks,
                    held: Vec::new(),
                };
                Ok(Vec::new())
            }
            Self::Coming { chunks, held } => {
                let ended = || EngineError::Unreachable {
                    endpoint: "the container engine".to_string(),
                    reason: "its events ended".to_string(),
                };
                let chunk = chunks.next().await?.ok_or_else(ended)?;
                held.extend_from_slice(&chunk);
                let Some(end) = memchr::memrchr(b'\n', held) else {
                    return match held.len() > LONGEST_EVENT {
                        true => Err(ended()),
                        false => Ok(Vec::new()),
                    };
                };
                let happened = held[..end]
                    .split(|byte| *byte == b'\n')
                    .filter_map(api::event)
                    .collect();
                held.drain(..=end);
                Ok(happened)
            }
        }
    }
}
