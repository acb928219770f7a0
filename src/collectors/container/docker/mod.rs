//! The containers of an engine: Docker, or Podman, whose API is the same in what is asked for here.
//!
//! * `settings`: which engine, which containers, which groups of metrics
//! * `session`: what is asked of the engine, of which `watch` says about which containers
//! * `inspect`, `stats` (with `json`): its answers
//! * `values`: from an answer to what is told of it; `metrics`: what can be told
//! * `fleet`: the containers that are known, those that stopped and those that were removed among them
//!
//! A pass asks for one reading of each container that runs, and compares it with the one before: an engine that is
//! asked for two would take a second for each. The first reading of a run therefore tells no CPU usage.

mod fleet;
mod inspect;
mod json;
mod metrics;
mod session;
mod settings;
mod stats;
mod values;
mod watch;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tracing::warn;

use crate::collectors::container::docker::fleet::Fleet;
use crate::collectors::container::docker::session::{Asked, Session};
use crate::collectors::container::docker::settings::{Group, Settings};
use crate::component::collector::{CollectError, Collector};
use crate::component::descriptor::{Descriptor, Role};
use crate::component::entry::Entry;
use crate::component::settings::{Problems, Section};
use crate::component::sighting::Sighting;
use crate::model::sample::Samples;
use crate::support::engine::Engine;
use crate::support::engine::error::EngineError;
use crate::support::engine::reach::Reach;
use crate::support::time::Clock;

/// What this collector says of itself.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "docker",
    role: Role::Collector,
    summary: "Reads CPU, memory and state of the containers of a Docker or Podman engine.",
    sample: SAMPLE,
    metrics: metrics::ALL,
};

/// How it is made.
pub static ENTRY: Entry<dyn Collector> = Entry {
    descriptor: &DESCRIPTOR,
    build: |section, cx, findings| {
        Some(Box::new(build(
            section,
            cx.machine,
            cx.engine,
            &mut findings.problems,
        )?))
    },
    effective,
    find: Some(|section, cx| find(section, cx.engine)),
};

const SAMPLE: &str = "\
# Another engine than the one of the section `docker`: unix:///PATH, tcp://HOST:PORT or https://HOST:PORT.
endpoint: null
# Which containers, by patterns of their names in which * stands for any text; all of them unless one is given.
# Leave out those that are meant to end: the end of any other is what an alert fires on.
include: []
exclude: []
# What is told beside when a container was started and last seen running: also network, io, processes, state.
groups: [cpu, memory]
# How long the series of a removed container stay, standing still.
keep_removed: 10m
# How many containers are asked about at once. An engine answers at its next reading, a second later at most, so a low
# number takes that long for each. (MAX_COLLECTOR_THREADS)
max_concurrent: 100
# A file that gets the time of each reading, in whole seconds since 1970.
last_collected_file: null
";

/// How long the engine's events are trusted before every container is asked about again.
const TRUST: Duration = Duration::from_secs(300);

/// Makes the collector from its section of the settings, the name of this machine and the agent's engine; `None` where
/// the section cannot be used, the reason being among `problems`. It connects to nothing yet.
pub fn build(section: &Section, machine: &str, engine: &Engine, problems: &mut Problems) -> Option<Docker> {
    let settings = Settings::read(section, problems)?;
    let engine = settings.engine(engine);
    if let Err(error) = engine.address() {
        problems.add(section.path.as_str(), error.to_string());
        return None;
    }
    Some(Docker {
        settings,
        machine: machine.to_string(),
        engine,
        clock: Clock::system(),
        session: None,
        listed: None,
        fleet: Fleet::default(),
        hinted: false,
    })
}

/// The section as it takes effect, with every default; `None` where it cannot be used.
pub fn effective(section: &Section) -> Option<Value> {
    Some(Settings::read(section, &mut Problems::default())?.shown())
}

/// Looks whether an engine is there, and connects to nothing.
pub fn find(section: &Section, engine: &Engine) -> Sighting {
    // One whose settings are wrong is there all the same: else nobody would hear of the settings.
    let settings = Settings::read(section, &mut Problems::default());
    let engine = settings.map_or_else(|| engine.clone(), |settings| settings.engine(engine));
    let engine = engine.or_podman();
    let what = engine.endpoint.clone();
    match engine.reach() {
        Reach::Absent => Sighting::Absent,
        Reach::Open => Sighting::Readable { what },
        Reach::Closed { remedy } => Sighting::Unreadable { what, remedy },
    }
}

/// Reads an engine's containers.
#[derive(Debug)]
pub struct Docker {
    settings: Settings,
    machine: String,
    engine: Engine,
    clock: Clock,
    /// `None` before the first pass, and after one to which the engine did not answer.
    session: Option<Session>,
    /// When all containers were last asked about, since boot; `None` where that has to be done.
    listed: Option<Duration>,
    fleet: Fleet,
    /// Whether the hint about the kernel's settings was given.
    hinted: bool,
}

#[async_trait]
impl Collector for Docker {
    async fn collect(&mut self, out: &mut Samples) -> Result<(), CollectError> {
        let session = match self.session.take() {
            Some(session) => session,
            None => {
                self.listed = None;
                Session::open(&self.engine.or_podman()).await.map_err(said)?
            }
        };
        let mut faults = Faults::default();
        self.refresh(&session, &mut faults).await.map_err(said)?;
        self.read(&session, &mut faults).await;
        // An engine that went meanwhile knows nothing, and so do we.
        if let Some(error) = faults.fatal {
            return Err(said(error));
        }
        self.session = Some(session);
        self.fleet
            .expire(self.clock.uptime(), self.settings.keep_removed.0);
        for (container, (def, value)) in self.fleet.told(&self.settings.groups) {
            out.push(def, &[container, &self.machine], value);
        }
        out.push(&metrics::COLLECTOR_UP, &[&self.machine], self.seconds());
        self.note().await?;
        faults.ended()
    }
}

impl Docker {
    /// Learns which containers there are and how they stand.
    async fn refresh(&mut self, session: &Session, faults: &mut Faults) -> Result<(), EngineError> {
        let now = self.clock.uptime();
        let changes = session.watch.take();
        // Forgotten until all is done: a pass may be given up in the midst of it.
        let listed = self.listed.take();
        let trusted = listed.filter(|listed| !changes.all && now.saturating_sub(*listed) < TRUST);
        let ids = match trusted {
            Some(_) => changes.ids,
            None => {
                let ids = session.list().await?;
                self.fleet.keep(&ids, now);
                ids
            }
        };
        let mut complete = true;
        for (id, asked) in session.inspect(ids, self.settings.max_concurrent).await {
            match asked {
                Asked::Answer(container) if self.settings.names.takes(&container.name) => {
                    self.fleet.put(container);
                }
                // Its name may have been another one before.
                Asked::Answer(_) | Asked::Gone => self.fleet.remove(&id, now),
                Asked::Failed(error) => {
                    complete = false;
                    faults.add(error);
                }
            }
        }
        if complete {
            self.listed = Some(trusted.unwrap_or(now));
        }
        Ok(())
    }

    /// Reads what the running containers use.
    async fn read(&mut self, session: &Session, faults: &mut Faults) {
        let running = self.fleet.running();
        for (id, asked) in session.stats(running, self.settings.max_concurrent).await {
            match asked {
                Asked::Answer(Some(stats)) => {
                    self.hint(session, stats.cpu.is_some() && stats.memory.is_none());
                    let (now, groups) = (self.seconds(), &self.settings.groups);
                    self.fleet.read(&id, stats, now, &session.machine, groups);
                }
                Asked::Answer(None) | Asked::Gone => {}
                Asked::Failed(error) => faults.add(error),
            }
        }
    }

    /// Says once that the kernel was not told to count the memory of containers, as it is not on a Raspberry Pi.
    fn hint(&mut self, session: &Session, is_without_memory: bool) {
        let wanted = self.settings.groups.contains(&Group::Memory);
        if self.hinted || !wanted || !is_without_memory || session.machine.counts_memory == Some(true) {
            return;
        }
        self.hinted = true;
        warn!(
            collector = DESCRIPTOR.name,
            "The kernel does not count the memory of containers, so that nothing is told of it; add cgroup_enable=memory \
             to the kernel's command line (on a Raspberry Pi: /boot/firmware/cmdline.txt) and restart the device."
        );
    }

    /// Writes the time into the file that was asked for.
    async fn note(&self) -> Result<(), CollectError> {
        let Some(path) = &self.settings.last_collected_file else {
            return Ok(());
        };
        let now = self.clock.now().seconds().to_string();
        let written = tokio::fs::write(path, now).await;
        written.map_err(|error| CollectError::Unreachable {
            target: path.display().to_string(),
            reason: format!("{error}; last_collected_file (LAST_METRICS_COLLECTED_AT_FILE) names it"),
        })
    }

    fn seconds(&self) -> f64 {
        self.clock.now().seconds() as f64
    }
}

/// What went wrong with single containers.
#[derive(Debug, Default)]
struct Faults {
    count: usize,
    first: Option<EngineError>,
    /// What says that the engine is not there at all.
    fatal: Option<EngineError>,
}

impl Faults {
    fn add(&mut self, error: EngineError) {
        self.count += 1;
        if matches!(
            error,
            EngineError::Unreachable { .. } | EngineError::Forbidden { .. }
        ) {
            self.fatal.get_or_insert(error);
        } else {
            self.first.get_or_insert(error);
        }
    }

    fn ended(self) -> Result<(), CollectError> {
        match self.first {
            None => Ok(()),
            Some(error) if self.count == 1 => Err(said(error)),
            Some(error) => Err(match said(error) {
                CollectError::Malformed { target, reason } => CollectError::Malformed {
                    target,
                    reason: format!("{reason} (the first of {} faults)", self.count),
                },
                other => other,
            }),
        }
    }
}

fn said(error: EngineError) -> CollectError {
    let reason = error.advice();
    match error {
        EngineError::Forbidden { endpoint, .. }
        | EngineError::Refused {
            endpoint,
            status: 401 | 403,
            ..
        } => CollectError::Forbidden {
            target: endpoint,
            reason,
        },
        EngineError::Malformed { endpoint, .. } => CollectError::Malformed {
            target: endpoint,
            reason,
        },
        EngineError::Unreachable { endpoint, .. }
        | EngineError::Tls { endpoint, .. }
        | EngineError::Slow { endpoint, .. }
        | EngineError::Refused { endpoint, .. } => CollectError::Unreachable {
            target: endpoint,
            reason,
        },
        EngineError::Address { given, .. } => CollectError::Unreachable {
            target: given,
            reason,
        },
        EngineError::Writes { method } => CollectError::Unreachable {
            target: method,
            reason,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use serde_json::json;

    use super::*;

    #[test]
    fn an_engine_is_found_whatever_its_settings() {
        // With MAX_COLLECTOR_THREADS=0 it was not, and nobody heard why.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        let engine = Engine::parse(path.to_str().unwrap()).unwrap();
        let section = Section::new("collectors.docker", json!({"max_concurrent": 0}));
        let what = engine.endpoint.clone();
        assert_eq!(find(&section, &engine), Sighting::Readable { what });
        let mut problems = Problems::default();
        assert!(build(&section, "pi", &engine, &mut problems).is_none());
        assert_eq!(problems.iter().count(), 1);
    }
}
