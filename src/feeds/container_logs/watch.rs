//! Keeps an eye on the engine: which containers there are, and that each is followed.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};
use tracing::{debug, info, warn};

use crate::feeds::container_logs::api::{self, Happened, Listed};
use crate::feeds::container_logs::events::{Events, Heard};
use crate::feeds::container_logs::follow::{End, Follower};
use crate::feeds::container_logs::shared::{Failure, Shared};
use crate::support::engine::Engine;
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
/// How long the counts of a removed container stay: as long as its other series by default.
const KEEP_REMOVED: Duration = Duration::from_secs(600);
/// How often it is looked whether a container's wait is over.
const LOOK: Duration = Duration::from_millis(500);
/// How often where events cannot be heard: a proxy may keep them back.
const RELIST_ALONE: Duration = Duration::from_secs(5);

/// A container that is followed.
struct Followed {
    name: String,
    quit: Stopper,
    /// Whether it was started again since.
    is_again: bool,
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
    /// Since when there is no container of these names.
    gone: HashMap<String, Instant>,
    /// How long was waited last for an engine that is away.
    away: Option<Duration>,
    /// How often the list is asked for where no events are heard.
    alone: Duration,
    /// Whether it was said that no events are heard.
    is_alone: bool,
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
            gone: HashMap::new(),
            away: None,
            alone: RELIST_ALONE,
            is_alone: false,
        }
    }

    /// Runs until stop is said; then every follower has committed.
    pub(super) async fn run(mut self) {
        let mut stop = self.shared.stop.clone();
        while !stop.is_stopped() {
            let linked = tokio::select! {
                () = stop.stopped() => break,
                linked = async { self.engine.or_podman().link().await } => linked,
            };
            let failed = match linked {
                Ok(link) => self.attend(&link).await,
                Err(error) => Err(error),
            };
            let Err(error) = failed else {
                break;
            };
            let wait = self.is_away(&error);
            tokio::select! {
                () = stop.stopped() => {}
                () = sleep(wait.mul_f64(0.5 + 0.5 * fastrand::f64())) => {}
            }
        }
        while let Some(ended) = self.tasks.join_next().await {
            if let Ok((container, end)) = ended {
                self.ended(container, end);
            }
        }
    }

    /// Takes note that the engine is away, and tells how long to wait.
    fn is_away(&mut self, error: &EngineError) -> Duration {
        self.shared.attended.store(false, Ordering::Relaxed);
        self.shared.count_failure(Failure::Engine);
        self.shared.note(
            "engine",
            Some(format!(
                "no container's log can be followed: {error}; it is tried again"
            )),
        );
        if self.away.is_none() {
            warn!(%error, "The container engine is away; its logs are read on when it is back.");
        }
        let wait = self.away.map_or(RETRY, |wait| RETRY_MOST.min(wait * 2));
        self.away = Some(wait);
        wait
    }

    /// Takes note that the engine is there. Only its list shows that: a proxy may let nothing else through than the
    /// version.
    fn is_there(&mut self, link: &Link) {
        self.shared.attended.store(true, Ordering::Relaxed);
        self.shared.note("engine", None);
        if self.away.take().is_some() {
            info!(engine = link.endpoint(), "The container engine is back.");
        }
    }

    /// # Errors
    /// The engine is away. `Ok`: stop was said.
    async fn attend(&mut self, link: &Link) -> Result<(), EngineError> {
        let mut stop = self.shared.stop.clone();
        let mut look = interval(LOOK);
        let mut list_at = Instant::now();
        let mut listing = None;
        let mut events = Events::ask(link, Duration::ZERO);
        // One of them may have run again meanwhile.
        self.finished.clear();
        loop {
            if listing.is_none() && Instant::now() >= list_at {
                // Beside the events, that none of them waits for it.
                let link = link.clone();
                listing = Some(Box::pin(async move { api::list(&link).await }));
                let alone = events.is_refused();
                list_at = Instant::now() + if alone { self.alone } else { RELIST };
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
                Some(listed) = async { Some(listing.as_mut()?.await) } => {
                    listing = None;
                    let listed = listed?;
                    self.is_there(link);
                    self.listed(link, &listed);
                }
                heard = events.next() => match heard? {
                    Heard::Begun => {
                        self.finished.clear();
                        list_at = Instant::now();
                    }
                    Heard::Ended => {
                        events = Events::ask(link, RETRY);
                        list_at = Instant::now();
                    }
                    Heard::Refused(error) => {
                        self.shared.count_failure(Failure::Engine);
                        list_at = Instant::now() + self.alone;
                        if !std::mem::replace(&mut self.is_alone, true) {
                            warn!(
                                %error,
                                "The engine's events cannot be heard: its containers are asked for every 5 s, and one \
                                 that is removed before that is missed. Let a proxy before it allow /events."
                            );
                        }
                    }
                    Heard::Happened(happened) => {
                        for one in happened {
                            match one.is_start {
                                true => self.started(link, one),
                                false => list_at = Instant::now(),
                            }
                        }
                    }
                }
            }
        }
    }

    /// A container was started. Not only the list tells of it: by then it may have ended and be removed.
    fn started(&mut self, link: &Link, happened: Happened) {
        self.finished.remove(&happened.id);
        if let Some(followed) = self.followed.get_mut(&happened.id) {
            // Its log may just have been read to the end of the run before.
            followed.is_again = true;
        }
        let container = Listed {
            id: happened.id,
            name: happened.name,
            image: happened.image,
            is_running: true,
            has_run: true,
        };
        self.consider(link, &container, true);
    }

    fn listed(&mut self, link: &Link, listed: &[Listed]) {
        let ids: HashSet<&str> = listed.iter().map(|container| container.id.as_str()).collect();
        self.finished.retain(|id| ids.contains(id.as_str()));
        self.unreadable.retain(|id| ids.contains(id.as_str()));
        self.later.retain(|id, _| {
            let is_there = ids.contains(id.as_str());
            if !is_there && self.shared.book.position(id).is_none() {
                self.shared.count_failure(Failure::Removed);
            }
            is_there
        });
        let listed_too = listed.iter().map(|one| (one.id.clone(), one.name.clone()));
        // Those that were started since the list was asked for are not in it.
        let followed_too = self
            .followed
            .iter()
            .map(|(id, one)| (id.clone(), one.name.clone()));
        let present: Vec<_> = listed_too.chain(followed_too).collect();
        self.shared.book.tidy(&present, self.shared.into.now().seconds());
        self.forget_counts(&present.into_iter().map(|(_, name)| name).collect());
        for container in listed {
            self.consider(link, container, false);
        }
    }

    /// The counts of a container that was removed end after a while, as its other series do. The book keeps them: one of
    /// the same name counts on.
    fn forget_counts(&mut self, present: &HashSet<String>) {
        let book = &self.shared.book;
        self.gone
            .retain(|name, _| !present.contains(name) && book.has(name));
        let now = Instant::now();
        let gone = &mut self.gone;
        self.shared.forget_counts(|name| {
            present.contains(name)
                || book.has(name) && now - *gone.entry(name.to_string()).or_insert(now) < KEEP_REMOVED
        });
    }

    /// Follows a container that is not followed, if it is to be.
    /// `is_fresh`: it was started this moment.
    fn consider(&mut self, link: &Link, container: &Listed, is_fresh: bool) {
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
        self.followed.insert(
            id.clone(),
            Followed {
                name,
                quit,
                is_again: false,
            },
        );
        let follower = Follower::new(
            Arc::clone(&self.shared),
            link.clone(),
            container.clone(),
            is_fresh,
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
        let was_again = self
            .followed
            .remove(&id)
            .is_some_and(|followed| followed.is_again);
        let before = self.later.remove(&id);
        match end {
            End::Stopped => {}
            End::Finished => {
                debug!(container = name, "It has ended, and its log was read to the end.");
                if !was_again {
                    self.finished.insert(id);
                }
            }
            End::Removed => {
                self.shared.count_failure(Failure::Removed);
                debug!(
                    container = name,
                    "The container was removed before its log could be read."
                );
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

#[cfg(test)]
mod tests;
