//! What all followed containers have in common.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::component::feed::Recorder;
use crate::feeds::container_logs::book::Book;
use crate::feeds::container_logs::metrics::{FAILURES, LINES, REMOVED};
use crate::logs::classify::Level;
use crate::logs::mapping::Mapping;
use crate::logs::rotate::cap::enforce;
use crate::logs::rotate::{Limits, place::PlaceError};
use crate::model::sample::Samples;
use crate::support::shutdown::Shutdown;

/// What went wrong, as the metric's label says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The log driver cannot be read.
    Driver,
    /// The engine, or a stream of it.
    Engine,
    /// A file.
    File,
    /// The journal took no lines.
    HandOver,
    /// A line was too long to stay one.
    LineCut,
    /// A container was removed before its log could be read.
    Removed,
    /// The state could not be written, or was broken.
    State,
}

impl Failure {
    const ALL: [Self; 7] = [
        Self::Driver,
        Self::Engine,
        Self::File,
        Self::HandOver,
        Self::LineCut,
        Self::Removed,
        Self::State,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Engine => "engine",
            Self::File => "file",
            Self::HandOver => "handover",
            Self::LineCut => "line_cut",
            Self::Removed => "removed",
            Self::State => "state",
        }
    }
}

/// How lines are handled; from the settings.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) directory: PathBuf,
    pub(super) limits: Limits,
    /// Most bytes of all files; `None` for no bound.
    pub(super) total_size: Option<u64>,
    pub(super) mapping: Mapping,
    pub(super) interval: Duration,
    pub(super) since_at_first: Duration,
    pub(super) forward: bool,
    pub(super) machine: String,
}

/// What all followed containers have in common.
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) book: Book,
    pub(super) into: Arc<dyn Recorder>,
    pub(super) stop: Shutdown,
    /// Bounds how many containers' lines are worked on at a time.
    pub(super) permits: Semaphore,
    /// Whether the engine is there.
    pub(super) attended: AtomicBool,
    counts: Mutex<BTreeMap<String, [u64; 3]>>,
    failures: [AtomicU64; 7],
    removed_by_number: AtomicU64,
    removed_by_size: AtomicU64,
    enforcing: Mutex<()>,
}

impl Shared {
    pub(super) fn new(
        plan: Plan,
        book: Book,
        into: Arc<dyn Recorder>,
        stop: Shutdown,
        concurrent: usize,
    ) -> Self {
        let counts = book.counts().into_iter().collect();
        Self {
            plan,
            book,
            into,
            stop,
            permits: Semaphore::new(concurrent),
            attended: AtomicBool::new(false),
            counts: Mutex::new(counts),
            failures: Default::default(),
            removed_by_number: AtomicU64::new(0),
            removed_by_size: AtomicU64::new(0),
            enforcing: Mutex::new(()),
        }
    }

    /// The lines that a container's name has so far.
    pub(super) fn set_counts(&self, name: &str, counts: [u64; 3]) {
        let mut all = self.counts();
        match all.get_mut(name) {
            Some(known) => *known = counts,
            None => {
                all.insert(name.to_string(), counts);
            }
        }
    }

    /// The counts of names that are not told any more.
    pub(super) fn forget_counts(&self, mut is_told: impl FnMut(&str) -> bool) {
        self.counts().retain(|name, _| is_told(name));
    }

    pub(super) fn count_failure(&self, failure: Failure) {
        self.failures[failure as usize].fetch_add(1, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn failed(&self, failure: Failure) -> u64 {
        self.failures[failure as usize].load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn tells(&self, name: &str) -> bool {
        self.counts().contains_key(name)
    }

    pub(super) fn count_removed(&self, files: u64) {
        self.removed_by_number.fetch_add(files, Ordering::Relaxed);
    }

    /// Holds all files together within their bound.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub(super) fn enforce_total(&self) -> Result<(), PlaceError> {
        let Some(most) = self.plan.total_size else {
            return Ok(());
        };
        // Two at once would delete twice what is needed.
        let _one = self.enforcing.lock().unwrap_or_else(PoisonError::into_inner);
        let enforced = enforce(&self.plan.directory, most)?;
        self.removed_by_size
            .fetch_add(enforced.removed, Ordering::Relaxed);
        Ok(())
    }

    /// Says what a person should know, on a topic; `None`: it has passed.
    pub(super) fn note(&self, topic: &'static str, text: Option<String>) {
        self.into.note(&mut |facts| match &text {
            Some(text) => {
                facts.warnings.insert(topic, text.clone());
            }
            None => {
                facts.warnings.remove(topic);
            }
        });
    }

    /// Brings all readings to the registry.
    pub(super) fn record(&self) {
        let mut samples = Samples::default();
        let machine = self.plan.machine.as_str();
        for (name, counts) in self.counts().iter() {
            for level in Level::ALL {
                let count = counts[level.index()];
                samples.push(&LINES, &[name, level.name(), machine], count as f64);
            }
        }
        for (failure, count) in Failure::ALL.iter().zip(&self.failures) {
            let count = count.load(Ordering::Relaxed);
            samples.push(&FAILURES, &[machine, failure.name()], count as f64);
        }
        for (reason, count) in [
            ("number", &self.removed_by_number),
            ("size", &self.removed_by_size),
        ] {
            samples.push(&REMOVED, &[machine, reason], count.load(Ordering::Relaxed) as f64);
        }
        self.into.record(&samples);
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, [u64; 3]>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
