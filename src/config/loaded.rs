//! What loading gives: settings, the components made from them, and how they came to be.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde_json::Value;

use crate::component::collector::Collector;
use crate::component::feed::Feed;
use crate::component::output::Output;
use crate::component::settings::{Problem, Section};
use crate::component::wrapper::Wrapper;
use crate::config::found::Found;
use crate::config::kinds::JournalKind;
use crate::config::layers::Origins;
use crate::config::redis::Server;
use crate::config::settings::{FeedSettings, Settings};
use crate::config::{choose, feeds};

/// Settings, what was made from them, and how they came to be.
#[derive(Debug)]
pub struct Loaded {
    /// The settings, checked.
    pub settings: Settings,
    /// The components, made and not connected.
    pub components: Components,
    /// The Redis that is set.
    pub redis: Option<Server>,
    /// The Redis by the name that the original relied on, with [`Components::feed_by_name`]. Whoever starts the agent
    /// looks whether the name resolves ([`Target::resolves`](crate::support::redis::target::Target::resolves)) and says
    /// so ([`Loaded::settle_name`]); only the feed uses it then, and the journal does not.
    pub redis_by_name: Option<Server>,
    /// Whether the output for logs is there for that feed alone.
    pub(super) logs_by_name: bool,
    /// What was seen on this device where no list of collectors says what runs.
    pub found: Vec<Found>,
    /// Where each value came from.
    pub origins: Origins,
    /// The file that was read, if any was.
    pub file: Option<PathBuf>,
    /// What is odd and stops nothing.
    pub warnings: Vec<Problem>,
}

impl Loaded {
    /// Says whether the name in [`Loaded::redis_by_name`] resolves: the feed joins the others then, and goes otherwise
    /// with the output that is there for its logs alone.
    pub fn settle_name(&mut self, resolves: bool) {
        let feed = self.components.feed_by_name.take();
        if resolves {
            let section = Section::new(format!("feeds.{}", feeds::REDIS), Value::Null);
            let kind = feeds::REDIS.to_string();
            let name = kind.clone();
            self.settings
                .feeds
                .insert(name.clone(), FeedSettings { kind, section });
            self.components.feeds.extend(feed.map(|feed| (name, feed)));
            return;
        }
        self.redis_by_name = None;
        if self.logs_by_name {
            self.settings.outputs.remove(choose::LOGS);
            self.components.outputs.remove(choose::LOGS);
        }
    }

    /// Whether the journal is in the Redis.
    pub fn journal_in_redis(&self) -> bool {
        match self.settings.journal.kind {
            JournalKind::Auto => self.redis.is_some(),
            JournalKind::Redis => true,
            JournalKind::Disk => false,
        }
    }
}

/// The configured components, each under its name in the settings.
#[derive(Default)]
pub struct Components {
    /// Polled.
    pub collectors: BTreeMap<String, Box<dyn Collector>>,
    /// What applications hand in to.
    pub feeds: BTreeMap<String, Box<dyn Feed>>,
    /// The feed `redis` of [`Loaded::redis_by_name`], beside `feeds` until the name is known to resolve.
    pub feed_by_name: Option<Box<dyn Feed>>,
    /// Which points a window becomes; always there after loading succeeded.
    pub wrapper: Option<Box<dyn Wrapper>>,
    /// Destinations.
    pub outputs: BTreeMap<String, Box<dyn Output>>,
}

impl fmt::Debug for Components {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Components")
            .field("collectors", &self.collectors.keys())
            .field("feeds", &self.feeds.keys())
            .field("outputs", &self.outputs.keys())
            .finish_non_exhaustive()
    }
}

/// Settings that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the settings cannot be used: {} problems", problems.len())]
pub struct Refused {
    /// Everything that is wrong, never empty.
    pub problems: Vec<Problem>,
    /// What is odd beside it.
    pub warnings: Vec<Problem>,
}
