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
use crate::config::found::{Fate, Found};
use crate::config::load::{Components, Loaded};
use crate::config::settings::Settings;
use crate::journal::redis::RedisJournal;
use crate::model::block::BlockKind;
use crate::pipeline::clock::Timekeeper;
use crate::pipeline::close::Closer;
use crate::pipeline::deliver::Delivery;
use crate::registry::Registry;
use crate::registry::board::Board;
use crate::registry::own::OwnMetrics;
use crate::runtime::adoption::{self, Heirs};
use crate::runtime::feeding;
use crate::runtime::journals::Journals;
use crate::runtime::scheduler::{self, Scheduled, Sinks};
use crate::runtime::self_metrics::SelfMetrics;
use crate::runtime::server::{self, Bounds};
use crate::runtime::signals::Signals;
use crate::runtime::stage::Stage;
use crate::runtime::told::{closer_settings, delivery_settings, registry_settings, time_to_live};
use crate::runtime::web::{self, Web};
use crate::support::time::Clock;

/// What feeds may take of the time for stopping: a Redis that is slow must not cost what only memory holds.
const FEEDS_SHARE: f64 = 0.25;
/// What one answer of the journal's Redis may take of it.
const REDIS_SHARE: f64 = 0.1;
/// The outputs whose dispatches the original's metrics about itself tell of.
const DISPATCHING: [&str; 2] = ["datadog", "datadog_logs"];

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
    feeding: Stage,
    closing: Stage,
    delivering: Stage,
    serving: Stage,
    journals: Journals,
    /// How long feeds may take to stop.
    feeds_end: Duration,
    /// How long an answer of the journal's Redis is waited for while the agent stops.
    redis_answers: Duration,
}

/// The outputs by name.
type Outputs = BTreeMap<OutputId, Arc<dyn Output>>;

/// What several stages share.
struct Shared {
    clock: Clock,
    registry: Arc<Registry>,
    board: Arc<Board>,
    timekeeper: Arc<Timekeeper>,
}

impl Agent {
    async fn start(mut loaded: Loaded, dry_run: bool) -> Result<Self, RunError> {
        let clock = Clock::system();
        let shared = Shared {
            registry: Arc::new(Registry::new(registry_settings(&loaded.settings), clock.clone())),
            board: Arc::default(),
            timekeeper: Arc::new(Timekeeper::new(clock.clone())),
            clock,
        };
        // The page is there before anything that may have to wait for a network.
        shared
            .board
            .facts()
            .not_ready
            .insert("agent", "it is starting".to_string());
        let serving = serve(&loaded.settings, &shared).await?;
        tell_found(&loaded.found);
        feeding::settle_name(&mut loaded).await;
        let redis = loaded.redis.as_ref().or(loaded.redis_by_name.as_ref()).cloned();
        let in_redis = loaded.journal_in_redis().then(|| loaded.redis.clone()).flatten();
        let Loaded {
            settings, components, ..
        } = loaded;
        let Components {
            collectors,
            feeds,
            wrapper,
            outputs,
            ..
        } = components;
        let outputs: Outputs = outputs
            .into_iter()
            .map(|(name, output)| (OutputId::new(&name), output.into()))
            .collect();
        let kinds: BTreeMap<OutputId, BlockKind> = outputs
            .iter()
            .map(|(id, output)| (id.clone(), output.traits().takes))
            .collect();
        let takes_logs = kinds.values().any(|kind| *kind == BlockKind::Logs);
        let journals = match dry_run {
            true => Journals::printing(&settings),
            false => Journals::open(&settings, &kinds, in_redis.as_ref(), &shared.clock).await?,
        };
        let mut collecting = collect(&settings, collectors, &shared);
        if settings.send_self_metrics && !dry_run {
            let told = self_metrics(&settings, &shared);
            collecting.spawn(|stop| told.run(stop));
        }
        let (mut feeding, mut closing) = (Stage::new("feeds"), Stage::new("closer"));
        if let Some(wrapper) = wrapper {
            let closer = Closer::new(
                shared.registry.clone(),
                wrapper.into(),
                journals.journal.clone(),
                shared.timekeeper.clone(),
                shared.board.clone(),
                closer_settings(&settings, takes_logs),
            );
            if !dry_run {
                feeding = feeding::start(
                    feeds,
                    journals.agent,
                    &closer.hands(),
                    &shared.registry,
                    &shared.board,
                );
                if let Some(redis) = redis {
                    let board = shared.board.clone();
                    feeding.spawn(|stop| feeding::look_at_redis(redis, board, stop));
                }
            }
            closing.spawn(|stop| closer.run(stop));
        }
        let delivering = match &journals.journal {
            Some(journal) if !dry_run => deliver(&settings, &outputs, journal, &journals.in_redis, &shared),
            _ => Stage::new("delivery"),
        };
        shared.board.facts().not_ready.remove("agent");
        Ok(Self {
            collecting,
            feeding,
            closing,
            delivering,
            serving,
            journals,
            feeds_end: settings.shutdown_timeout.0.mul_f64(FEEDS_SHARE),
            redis_answers: settings.shutdown_timeout.0.mul_f64(REDIS_SHARE),
        })
    }

    async fn died(&mut self) -> &'static str {
        tokio::select! {
            part = self.collecting.died() => part,
            part = self.feeding.died() => part,
            part = self.closing.died() => part,
            part = self.delivering.died() => part,
            part = self.serving.died() => part,
        }
    }

    /// Each stage ends when nothing comes from the one before it any more; the page is there until the end.
    async fn stop(&mut self) {
        self.collecting.stop().await;
        // What a feed has not handed over stays where applications put it; what only memory holds must still close.
        self.feeding.stop_within(self.feeds_end).await;
        // Feeds have their time; from here on a Redis that hangs must not keep from the disk what only memory holds.
        self.journals.hurry(self.redis_answers);
        self.closing.stop().await;
        self.delivering.stop().await;
        if let Some(journal) = &self.journals.journal
            && let Err(error) = journal.flush().await
        {
            error!(%error, "The journal could not be flushed.");
        }
        self.journals.close().await;
        self.serving.stop().await;
    }
}

async fn serve(settings: &Settings, shared: &Shared) -> Result<Stage, RunError> {
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
        started: shared.clock.now(),
        host: settings.host.clone(),
        series_limit: u64::from(settings.limits.series),
        created_lines: settings.web.created_lines,
    };
    info!(url = %format!("http://{bound}/metrics"), "Metrics are shown.");
    let mut stage = Stage::new("server");
    stage.spawn(|stop| server::serve(listener, web::router(web), Bounds::default(), stop));
    Ok(stage)
}

/// Says what was found without being configured, with the setting that leaves it out, and what may not be read.
fn tell_found(found: &[Found]) {
    for one in found {
        let (collector, what) = (one.collector, one.what.as_str());
        match &one.fate {
            Fate::Collected { off } => {
                info!(
                    collector,
                    what, "Found by itself, and collected; to leave it out, set {off}."
                );
            }
            Fate::Unreadable { remedy } => {
                info!(
                    collector,
                    what, "Found, and may not be read; to collect it, {remedy}."
                );
            }
        }
    }
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

fn self_metrics(settings: &Settings, shared: &Shared) -> SelfMetrics {
    let delivery = delivery_settings(settings, BlockKind::Points);
    let outputs = settings.outputs.iter();
    SelfMetrics {
        registry: shared.registry.clone(),
        board: shared.board.clone(),
        clock: shared.clock.clone(),
        outputs: outputs
            .filter(|(_, output)| DISPATCHING.contains(&output.kind.as_str()))
            .map(|(name, _)| name.clone())
            .collect(),
        release_interval: delivery.release_interval,
        release_delay: delivery.release_delay,
    }
}

fn deliver(
    settings: &Settings,
    outputs: &Outputs,
    journal: &Arc<dyn Journal>,
    in_redis: &[Arc<RedisJournal>],
    shared: &Shared,
) -> Stage {
    let mut stage = Stage::new("delivery");
    let mut heirs = BTreeMap::new();
    for (id, output) in outputs {
        let of_output = delivery_settings(settings, output.traits().takes);
        heirs.insert(id.clone(), (output.clone(), of_output.clone()));
        let delivery = Delivery::new(
            id.clone(),
            output.clone(),
            settings.speaker(),
            journal.clone(),
            shared.timekeeper.clone(),
            shared.board.clone(),
            of_output,
        );
        info!(output = %id, "Delivering.");
        // The closer has stopped when this stage is told to: all windows are journalled then.
        stage.spawn(|stop| delivery.run(stop.clone(), stop));
    }
    for (journal, kind) in in_redis.iter().zip([BlockKind::Points, BlockKind::Logs]) {
        let wanted = |output: &Arc<dyn Output>| {
            (output.traits().takes == BlockKind::Logs) == (kind == BlockKind::Logs)
        };
        let heirs = Heirs {
            outputs: heirs
                .iter()
                .filter(|(_, (output, _))| wanted(output))
                .map(|(id, heir)| (id.clone(), heir.clone()))
                .collect(),
            time_to_live: time_to_live(settings),
            take_over_after: settings.journal.take_over_after.0,
            timekeeper: shared.timekeeper.clone(),
            board: shared.board.clone(),
        };
        let journal = journal.clone();
        stage.spawn(|stop| adoption::run(journal, heirs, stop));
    }
    stage
}
