//! The logs of containers: followed at the engine, counted by level, written to rotated files, and perhaps forwarded.
//!
//! ```text
//! engine: events, list ─► watch ─► a follower for each container
//! engine: log stream ─► frames ─► lines ─► desk: level and count │ file │ records ─► journal
//!                                             scribe: keeps position and file length together in the book
//! ```
//!
//! The book says for each container how far its log was read and how long its file was then. Whenever the agent dies, it
//! cuts the file to that and reads on from there: no line is lost, none is there twice. Where the engine is away,
//! everything waits.
//!
//! * [`settings`]: what is followed, and where it goes
//! * `api`, `frames`, `stamp`: what the engine says
//! * `watch`, `events`, `follow`: tasks
//! * `scribe`, `desk`, `record`: what is done with lines
//! * `book`: what is kept across restarts; `shared`, [`metrics`]: what all have in common

mod api;
mod book;
mod desk;
mod events;
#[cfg(test)]
mod fake;
mod follow;
mod frames;
pub mod metrics;
mod record;
mod scribe;
pub mod settings;
mod shared;
mod stamp;
mod watch;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{error, info, warn};

use crate::component::descriptor::{Descriptor, Role};
use crate::component::entry::Entry;
use crate::component::feed::{Feed, FeedError, Recorder};
use crate::feeds::container_logs::book::Book;
use crate::feeds::container_logs::shared::{Failure, Plan, Shared};
use crate::feeds::container_logs::watch::Watch;
use crate::support::engine::Engine;
use crate::support::filter::Filter;
use crate::support::shutdown::{Shutdown, Stopper};

pub use settings::{Place, build, effective};

/// What the feed says of itself.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "container_logs",
    role: Role::Feed,
    summary: "Follows the logs of containers: counts their lines by level, writes rotated files, and can forward them.",
    sample: SAMPLE,
    metrics: &[&metrics::LINES, &metrics::REMOVED, &metrics::FAILURES],
};

/// How it is made.
pub static ENTRY: Entry<dyn Feed> = Entry {
    descriptor: &DESCRIPTOR,
    build: |section, cx, findings| {
        let place = Place {
            state: cx.directory.join("container_logs"),
            engine: cx.engine.clone(),
            machine: cx.machine.to_string(),
            logs: cx.logs,
        };
        let made = build(section, place, &mut findings.problems, &mut findings.warnings)?;
        Some(Box::new(made))
    },
    effective,
    find: None,
};

const SAMPLE: &str = "\
# The logs of all containers, from the engine of the section docker.
# Where files go: DIRECTORY/CONTAINER/CONTAINER.log. (LOGS_DIR)
directory: /tmp/logs
# Rotated files of each container: CONTAINER.log.1 is the newest. 0: never rotate. (LOGS_CONTAINER_MAX_FILES)
max_files: 10
# When a file is rotated, always between lines; a number is bytes. 0: never. (LOGS_CONTAINER_MAX_FILE_SIZE)
max_file_size: 10MiB
# Most bytes of all files; beyond it the oldest rotated ones are deleted. 0: no bound.
total_size: 1GiB
# Compress rotated files.
compress: false
# How far back to read the log of a container that is there at the very first start. (DEFAULT_LOGS_SINCE_NOW)
since_at_first: 60s
# How often what was read is brought to the medium and remembered. Lines are in the files at once, for logs are followed
# and not polled. (LOGS_COLLECTION_INTERVAL)
interval: 5s
# Which words make a line a warning or an error; none: WARNING, WARN and ERROR. (LOG_LEVELS_MAPPING_PATH)
mapping_file: null
# Where to write the second of the last collection, for a watchdog. (LAST_LOGS_COLLECTED_AT_FILE)
last_collected_file: null
# How many containers' lines are worked on at a time. (MAX_COLLECTOR_THREADS)
max_concurrent: 5
# Hand each line to the outputs that take logs, too.
forward: false
# Names of containers to follow, and not to follow; * stands for any text. Nothing to include: all.
include: []
exclude: []
";

/// How long until a folder that cannot be used is looked at again.
const AGAIN: Duration = Duration::from_secs(10);
/// How many intervals pass between two looks at the size of all files.
const LOOKS: u32 = 12;

/// The feed.
#[derive(Debug)]
pub struct ContainerLogs {
    plan: Plan,
    choice: Filter,
    concurrent: usize,
    last_collected: Option<PathBuf>,
    state: PathBuf,
    engine: Engine,
}

#[async_trait]
impl Feed for ContainerLogs {
    async fn run(self: Box<Self>, into: Arc<dyn Recorder>, mut stop: Shutdown) -> Result<(), FeedError> {
        let Some((book, broken)) = open(&self.state, into.as_ref(), &mut stop).await else {
            return Ok(());
        };
        let place = self.state.display().to_string();
        let directory = self.plan.directory.display().to_string();
        let shared = Shared::new(self.plan, book, into, stop, self.concurrent);
        if let Some(reason) = broken {
            shared.count_failure(Failure::State);
            error!(
                place,
                reason,
                "The state of the container logs was broken and is laid aside as state.json.broken: lines may be missing \
                 or there twice."
            );
        }
        info!(
            directory,
            engine = self.engine.endpoint,
            "Container logs are followed."
        );
        let shared = Arc::new(shared);
        let watch = Watch::new(Arc::clone(&shared), self.engine, self.choice);
        // It ends after the followers, so that what they committed last is saved.
        let (ended, until) = Stopper::new();
        let watched = async {
            watch.run().await;
            ended.stop();
        };
        tokio::join!(watched, keep(shared, self.last_collected, until));
        Ok(())
    }
}

/// Opens the book. Where its folder cannot be used it says so and tries again, and the rest of the agent goes on; `None`
/// where stop was said first.
async fn open(folder: &Path, into: &dyn Recorder, stop: &mut Shutdown) -> Option<(Book, Option<String>)> {
    let mut told = false;
    loop {
        let now = into.now().millis().saturating_mul(1_000_000);
        let path = folder.to_path_buf();
        let opened = spawn_blocking(move || Book::open(&path, now)).await;
        let reason = match opened {
            Ok(Ok(opened)) => {
                into.note(&mut |facts| {
                    facts.warnings.remove("state");
                });
                return Some(opened);
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        let place = folder.display();
        let text = format!(
            "no container logs are followed: {place} cannot be used: {reason}; each agent needs a folder of its own, \
             `journal.directory` (TAWNY_JOURNAL_DIR)"
        );
        if !std::mem::replace(&mut told, true) {
            warn!("{text}");
        }
        into.note(&mut |facts| {
            facts.warnings.insert("state", text.clone());
        });
        tokio::select! {
            () = stop.stopped() => return None,
            () = sleep(AGAIN) => {}
        }
    }
}

/// Saves the book in time, and tells the counts, until it is told that nothing comes any more.
async fn keep(shared: Arc<Shared>, last_collected: Option<PathBuf>, mut until: Shutdown) {
    let mut tick = interval(shared.plan.interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looks = 0;
    loop {
        let is_last = tokio::select! {
            () = until.stopped() => true,
            _ = tick.tick() => false,
        };
        shared.record();
        // A watchdog is to see that nothing is collected while the engine is away.
        let note = last_collected
            .clone()
            .filter(|_| shared.attended.load(Ordering::Relaxed));
        save(&shared, note, looks % LOOKS == 0).await;
        looks += 1;
        if is_last {
            return;
        }
    }
}

async fn save(shared: &Arc<Shared>, last_collected: Option<PathBuf>, look: bool) {
    let done = shared.book.done();
    let work = Arc::clone(shared);
    let now = shared.into.now().seconds();
    let saved = spawn_blocking(move || {
        let saved = work.book.save().map_err(|error| error.to_string());
        if look {
            // A folder that is not there yet has nothing in it.
            let _ = work.enforce_total();
        }
        let noted = last_collected.map_or(Ok(()), |path| note_time(&path, now));
        saved.and(noted)
    });
    let trouble = match saved.await {
        Ok(Ok(())) => None,
        Ok(Err(reason)) => Some(reason),
        Err(error) => Some(error.to_string()),
    };
    if let Some(reason) = trouble {
        shared.count_failure(Failure::State);
        let text = format!("the state of the container logs cannot be written: {reason}");
        let mut is_new = false;
        shared
            .into
            .note(&mut |facts| is_new = facts.warnings.insert("state", text.clone()).is_none());
        if is_new {
            warn!(reason, "The state of the container logs cannot be written.");
        }
        return;
    }
    shared.note("state", None);
    if !done.is_empty() && shared.into.forget(&done).await.is_ok() {
        shared.book.forgotten(&done);
    }
}

/// Writes the second as the original agent does: the digits alone.
fn note_time(path: &Path, now: i64) -> Result<(), String> {
    fs::write(path, now.to_string()).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feeds::container_logs::fake::Fake;

    #[tokio::test(start_paused = true)]
    async fn a_folder_that_cannot_be_used_is_told_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let (way, into) = (folder.path().join("way"), Fake::default());
        fs::write(&way, "no folder").unwrap();
        let (stopper, mut stop) = Stopper::new();
        let warned = |into: &Fake| into.facts.lock().unwrap().warnings.get("state").cloned();
        let state = way.join("state");
        let opening = open(&state, &into, &mut stop);
        let mend = async {
            while warned(&into).is_none() {
                tokio::task::yield_now().await;
            }
            let text = warned(&into).unwrap();
            assert!(
                text.contains(&format!("{} cannot be used: Not a directory", state.display())),
                "{text}"
            );
            fs::remove_file(&way).unwrap();
        };
        let (opened, ()) = tokio::join!(opening, mend);
        assert!(opened.is_some_and(|(_, broken)| broken.is_none()));
        assert_eq!(warned(&into), None);
        fs::remove_dir_all(&way).unwrap();
        fs::write(&way, "no folder").unwrap();
        stopper.stop();
        assert!(open(&state, &into, &mut stop).await.is_none());
    }
}
