//! The agent's parts: how they are put together, started, and stopped in the order of the flow.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::component::collector::Collector;
use crate::component::journal::{Journal, JournalError, OutputId};
use crate::component::output::Output;
use crate::config::load::{Components, Loaded};
use crate::config::settings::Settings;
use crate::journal::disk::{DiskJournal, DiskSettings};
use crate::model::block::BlockKind;
use crate::model::time::Timestamp;
use crate::outputs::console::Format;
use crate::pipeline::clock::Timekeeper;
use crate::pipeline::close::{Closer, CloserSettings};
use crate::pipeline::deliver::{Delivery, DeliverySettings};
use crate::registry::board::Board;
use crate::registry::own::OwnMetrics;
use crate::registry::{Buckets, Registry, RegistrySettings};
use crate::runtime::dry_run::Printing;
use crate::runtime::scheduler::{self, Scheduled, Sinks};
use crate::runtime::server::{self, Bounds};
use crate::runtime::signals::Signals;
use crate::runtime::stage::Stage;
use crate::runtime::web::{self, Web};
use crate::support::time::Clock;

/// An output has a shorter timeout of its own; this one only guards against one that forgets it.
const LEAST_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Why the agent did not start, or died.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The metrics page cannot be served where the settings say.
    #[error(
        "cannot listen on {address}: {source}; choose another address with `listen` (TAWNY_LISTEN, --listen)"
    )]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The system refuses a signal handler.
    #[error("cannot listen to signals: {0}")]
    Signals(io::Error),
    /// A vital task ended by itself; the log says why.
    #[error("the part `{0}` died; the log says why")]
    Died(&'static str),
    /// A second signal came while the agent was stopping.
    #[error("stopped at once by a second {0}; what was not journalled is lost")]
    Cut(&'static str),
}

/// Runs the agent until a signal stops it.
///
/// With `dry_run` points are printed; no journal is opened and no destination is touched.
///
/// # Errors
/// See [`RunError`].
pub async fn run(loaded: Loaded, dry_run: bool) -> Result<(), RunError> {
    let mut signals = Signals::listen().map_err(RunError::Signals)?;
    let deadline = loaded.settings.shutdown_timeout.0;
    let mut agent = Agent::start(loaded, dry_run).await?;
    let ended = tokio::select! {
        signal = signals.next() => Ok(signal),
        part = agent.died() => Err(RunError::Died(part)),
    };
    match &ended {
        Ok(signal) => info!(signal, "Stopping."),
        Err(error) => error!(%error, "Stopping."),
    }
    tokio::select! {
        stopped = timeout(deadline, agent.stop()) => {
            if stopped.is_err() {
                warn!(?deadline, "Not everything ended within `shutdown_timeout`; the rest waits in the journal.");
            }
        }
        signal = signals.next() => return Err(RunError::Cut(signal)),
    }
    info!("Stopped.");
    ended.map(|_| ())
}

/// The running agent: its stages, in the order of the flow.
struct Agent {
    collecting: Stage,
    closing: Stage,
    delivering: Stage,
    serving: Stage,
    journal: Option<Arc<dyn Journal>>,
}

/// What several stages share.
struct Shared {
    clock: Clock,
    registry: Arc<Registry>,
    board: Arc<Board>,
    timekeeper: Arc<Timekeeper>,
}

impl Agent {
    async fn start(loaded: Loaded, dry_run: bool) -> Result<Self, RunError> {
        let Loaded {
            settings, components, ..
        } = loaded;
        let Components {
            collectors,
            wrapper,
            outputs,
            ..
        } = components;
        let clock = Clock::system();
        let started = clock.now();
        let shared = Shared {
            registry: Arc::new(Registry::new(registry_settings(&settings), clock.clone())),
            board: Arc::default(),
            timekeeper: Arc::new(Timekeeper::new(clock.clone())),
            clock,
        };
        let names: Vec<OutputId> = outputs.keys().map(|name| OutputId::new(name)).collect();
        let journal = open_journal(&settings, names, dry_run, &shared.clock)?;
        let serving = serve(&settings, &shared, started).await?;
        let collecting = collect(&settings, collectors, &shared);
        let mut closing = Stage::new("closer");
        if let Some(wrapper) = wrapper {
            let closer = Closer::new(
                shared.registry.clone(),
                wrapper.into(),
                journal.clone(),
                shared.timekeeper.clone(),
                shared.board.clone(),
                closer_settings(&settings),
            );
            closing.spawn(|stop| closer.run(stop));
        }
        let delivering = match &journal {
            Some(journal) if !dry_run => deliver(&settings, outputs, journal, &shared),
            _ => Stage::new("delivery"),
        };
        Ok(Self {
            collecting,
            closing,
            delivering,
            serving,
            journal,
        })
    }

    async fn died(&mut self) -> &'static str {
        tokio::select! {
            part = self.collecting.died() => part,
            part = self.closing.died() => part,
            part = self.delivering.died() => part,
            part = self.serving.died() => part,
        }
    }

    /// Each stage ends when nothing comes from the one before it any more; the page is there until the end.
    async fn stop(&mut self) {
        self.collecting.stop().await;
        self.closing.stop().await;
        self.delivering.stop().await;
        if let Some(journal) = &self.journal
            && let Err(error) = journal.flush().await
        {
            error!(%error, "The journal could not be flushed.");
        }
        self.serving.stop().await;
    }
}

fn registry_settings(settings: &Settings) -> RegistrySettings {
    RegistrySettings {
        interval: settings.interval.0,
        series_limit: settings.limits.series as usize,
        origin_limit: settings.limits.series_per_origin as usize,
        stale_after: settings.stale_after.0,
        buckets: Buckets::default(),
    }
}

fn closer_settings(settings: &Settings) -> CloserSettings {
    let ages = settings.journal.time_to_live;
    CloserSettings {
        interval: settings.interval.0,
        grace: settings.grace.0,
        time_to_live: BTreeMap::from([(BlockKind::Points, ages.points.0), (BlockKind::Logs, ages.logs.0)]),
    }
}

fn delivery_settings(settings: &Settings, takes: BlockKind) -> DeliverySettings {
    let ages = settings.journal.time_to_live;
    DeliverySettings {
        interval: settings.interval.0,
        release_interval: settings.release_interval.0,
        // The closer looks at the clock once a second.
        release_delay: settings.grace.0 + Duration::from_secs(1),
        bulk_size: settings.bulk_size as usize,
        time_to_live: match takes {
            BlockKind::Logs => ages.logs.0,
            BlockKind::Points | BlockKind::Checks | BlockKind::Events => ages.points.0,
        },
        request_timeout: settings.release_interval.0.max(LEAST_REQUEST_TIMEOUT),
        stop_timeout: settings.shutdown_timeout.0.mul_f64(0.7),
    }
}

fn open_journal(
    settings: &Settings,
    outputs: Vec<OutputId>,
    dry_run: bool,
    clock: &Clock,
) -> Result<Option<Arc<dyn Journal>>, RunError> {
    let directory = &settings.journal.directory;
    if dry_run {
        info!("This is a dry run: points are printed, nothing is journalled or sent.");
        return Ok(Some(Arc::new(Printing::new(
            Format::Text,
            settings.speaker(),
            Box::new(io::stdout()),
        ))));
    }
    if !settings.outputs.contains_key("datadog") {
        info!("No Datadog key is set, so nothing is delivered to Datadog; API_KEY=… sets one.");
    }
    if outputs.is_empty() {
        info!(directory = %directory.display(), "No output is configured, so nothing is journalled; this is where the journal would lie.");
        return Ok(None);
    }
    let journal = DiskJournal::open(
        DiskSettings {
            directory: directory.clone(),
            bound: settings.journal.bound.0,
            sync: settings.journal.sync.into(),
            outputs,
        },
        clock.clone(),
    )?;
    info!(directory = %directory.display(), bound = %settings.journal.bound, "The journal is open.");
    Ok(Some(Arc::new(journal)))
}

async fn serve(settings: &Settings, shared: &Shared, started: Timestamp) -> Result<Stage, RunError> {
    let address = settings.listen.to_string();
    let listening = server::bind(&address).await;
    let (listener, bound) = listening.map_err(|source| RunError::Listen { address, source })?;
    let web = Web {
        registry: shared.registry.clone(),
        own: Arc::new(OwnMetrics::new(
            shared.board.clone(),
            shared.registry.clone(),
            shared.clock.clone(),
        )),
        board: shared.board.clone(),
        clock: shared.clock.clone(),
        started,
        host: settings.host.clone(),
        series_limit: u64::from(settings.limits.series),
        created_lines: settings.web.created_lines,
    };
    info!(url = %format!("http://{bound}/metrics"), "Metrics are shown.");
    let mut stage = Stage::new("server");
    stage.spawn(|stop| server::serve(listener, web::router(web), Bounds::default(), stop));
    Ok(stage)
}

fn collect(settings: &Settings, collectors: BTreeMap<String, Box<dyn Collector>>, shared: &Shared) -> Stage {
    let sinks = Sinks {
        registry: shared.registry.clone(),
        board: shared.board.clone(),
        clock: shared.clock.clone(),
    };
    let mut stage = Stage::new("scheduler");
    let names: Vec<&str> = collectors.keys().map(String::as_str).collect();
    match names.is_empty() {
        true => info!("Nothing is collected: the list of collectors is empty."),
        false => info!(collectors = names.join(", "), "Collecting."),
    }
    for (name, collector) in collectors {
        let Some(section) = settings.collectors.get(&name) else {
            continue;
        };
        let (interval, timeout) = (section.interval.0, section.timeout.0);
        let scheduled = Scheduled {
            name,
            collector,
            interval,
            timeout,
        };
        let sinks = sinks.clone();
        stage.spawn(|stop| scheduler::run(scheduled, sinks, stop));
    }
    stage
}

fn deliver(
    settings: &Settings,
    outputs: BTreeMap<String, Box<dyn Output>>,
    journal: &Arc<dyn Journal>,
    shared: &Shared,
) -> Stage {
    let mut stage = Stage::new("delivery");
    for (name, output) in outputs {
        let takes = output.traits().takes;
        let delivery = Delivery::new(
            OutputId::new(&name),
            output.into(),
            settings.speaker(),
            journal.clone(),
            shared.timekeeper.clone(),
            shared.board.clone(),
            delivery_settings(settings, takes),
        );
        info!(output = name, "Delivering.");
        // The closer has stopped when this stage is told to: all windows are journalled then.
        stage.spawn(|stop| delivery.run(stop.clone(), stop));
    }
    stage
}
