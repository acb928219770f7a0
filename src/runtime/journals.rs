//! Opens the journal where the settings say: on disk, or in Redis with the disk for the time that Redis is away; logs
//! apart from everything else.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::component::journal::{Journal, JournalError, OutputId};
use crate::config::redis::Server;
use crate::config::settings::Settings;
use crate::journal::disk::{DiskJournal, DiskSettings};
use crate::journal::kinds::{ByKind, LOGS_FOLDER, shares};
use crate::journal::redis::{LEASE, RedisJournal, RedisSettings};
use crate::journal::spill::Spill;
use crate::model::block::BlockKind;
use crate::outputs::console::Format;
use crate::runtime::dry_run::Printing;
use crate::support::identity::AgentId;
use crate::support::redis::link::Link;
use crate::support::time::Clock;

/// How long the first try to reach Redis may hold up the start.
const CONNECT: Duration = Duration::from_millis(500);

/// What is journalled where.
pub(super) struct Journals {
    /// The journal; none where nothing is journalled.
    pub(super) journal: Option<Arc<dyn Journal>>,
    /// Those that lie in Redis.
    pub(super) in_redis: Vec<Arc<RedisJournal>>,
    /// This agent's own name.
    pub(super) agent: AgentId,
}

impl Journals {
    fn without_redis(journal: Option<Arc<dyn Journal>>, agent: AgentId) -> Self {
        Self {
            journal,
            in_redis: Vec::new(),
            agent,
        }
    }

    /// A journal that prints what it is given.
    pub(super) fn printing(settings: &Settings) -> Self {
        info!("This is a dry run: points are printed, nothing is journalled or sent, and no feed runs.");
        let printing = Printing::new(Format::Text, settings.speaker(), Box::new(io::stdout()));
        Self::without_redis(Some(Arc::new(printing)), AgentId::random())
    }

    /// Opens the journal for these outputs. `redis` is where it lies; without one it lies on disk.
    pub(super) async fn open(
        settings: &Settings,
        outputs: &BTreeMap<OutputId, BlockKind>,
        redis: Option<&Server>,
        clock: &Clock,
    ) -> Result<Self, JournalError> {
        let directory = &settings.journal.directory;
        if !["datadog", "datadog_logs"]
            .iter()
            .any(|name| settings.outputs.contains_key(*name))
        {
            info!("No Datadog key is set, so nothing is delivered to Datadog; API_KEY=… sets one.");
        }
        if outputs.is_empty() {
            info!(directory = %directory.display(), "No output is configured, so nothing is journalled; this is where the journal would lie.");
            // Feeds claim under the name, and find what they had claimed before a kill.
            let agent = match settings.feeds.is_empty() {
                true => AgentId::random(),
                false => name(Some(directory)),
            };
            return Ok(Self::without_redis(None, agent));
        }
        let of_logs = |kind: &BlockKind| *kind == BlockKind::Logs;
        let named = |logs: bool| -> Vec<OutputId> {
            let wanted = outputs.iter().filter(|(_, kind)| of_logs(kind) == logs);
            wanted.map(|(id, _)| id.clone()).collect()
        };
        let bound = settings.journal.bound.0;
        let parts = if named(true).is_empty() {
            vec![(directory.clone(), "", named(false), bound)]
        } else {
            let (points, logs) = shares(bound);
            vec![
                (directory.clone(), "", named(false), points),
                (directory.join(LOGS_FOLDER), ":logs", named(true), logs),
            ]
        };
        let mut opened: Vec<Arc<dyn Journal>> = Vec::new();
        let mut in_redis = Vec::new();
        let mut agent = None;
        for (directory, suffix, outputs, bound) in parts {
            let disk = DiskSettings {
                directory: directory.clone(),
                bound,
                sync: settings.journal.sync.into(),
                outputs: outputs.clone(),
            };
            let disk = match DiskJournal::open(disk, clock.clone()) {
                Err(error @ JournalError::Medium { .. }) if redis.is_some() => {
                    warn!(%error, "There is no journal on disk for the time that Redis is away; what does not fit into memory then is lost.");
                    None
                }
                opened => Some(opened?),
            };
            // The folder's lock makes sure that nobody else bears the name.
            let agent = *agent.get_or_insert_with(|| name(disk.is_some().then_some(&directory)));
            let Some(redis) = redis else {
                opened.extend(disk.map(|disk| Arc::new(disk) as Arc<dyn Journal>));
                continue;
            };
            let journal = Arc::new(RedisJournal::open(
                RedisSettings {
                    link: Arc::new(Link::new(redis.target.clone())),
                    prefix: redis.prefix.clone(),
                    name: settings.host.clone(),
                    kind_suffix: suffix.to_string(),
                    agent,
                    speaker: settings.speaker(),
                    outputs,
                    bound,
                    lease: LEASE.min(settings.journal.take_over_after.0),
                    take_over_after: settings.journal.take_over_after.0,
                },
                clock.clone(),
            ));
            // Whoever is slow to answer is waited for elsewhere: the agent has to start.
            // It says itself why it is not there.
            let _ = tokio::time::timeout(CONNECT, journal.connect()).await;
            in_redis.push(journal.clone());
            opened.push(Arc::new(Spill::new(journal, disk)));
        }
        match redis {
            Some(redis) => {
                info!(redis = %redis.target, bound = %settings.journal.bound, spill = %directory.display(), "The journal is in Redis; while that is away, blocks go to the disk.");
            }
            None => {
                info!(directory = %directory.display(), bound = %settings.journal.bound, "The journal is open.");
            }
        }
        let mut opened = opened.into_iter();
        let journal = match (opened.next(), opened.next()) {
            (Some(points), Some(logs)) => {
                Some(Arc::new(ByKind::new(points, logs, outputs.clone())) as Arc<dyn Journal>)
            }
            (points, _) => points,
        };
        Ok(Self {
            journal,
            in_redis,
            agent: agent.unwrap_or_else(AgentId::random),
        })
    }

    /// Says that there is no time to wait for a Redis that does not answer.
    pub(super) fn hurry(&self, most: Duration) {
        for journal in &self.in_redis {
            journal.hurry(most);
        }
    }

    /// Gives streams in Redis back, so that a successor may have them at once.
    pub(super) async fn close(&self) {
        for journal in &self.in_redis {
            if let Err(error) = journal.close().await {
                warn!(%error, "The journal in Redis could not be closed; its lease expires by itself.");
            }
        }
    }
}

/// The name that is kept in this folder, or a new one that lasts as long as the process.
fn name(directory: Option<&Path>) -> AgentId {
    let Some(directory) = directory else {
        return AgentId::random();
    };
    AgentId::read_or_make(directory).unwrap_or_else(|error| {
        warn!(%error, "This agent has a new name; what it had claimed in Redis under the old one waits until that expires.");
        AgentId::random()
    })
}
