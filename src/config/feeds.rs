//! Decides which feeds there are.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::catalog::Catalog;
use crate::component::settings::{Problems, Section};
use crate::config::choose::{sections, split, unknown};
use crate::config::layers::{Layers, Origin};
use crate::config::redis;
use crate::config::settings::FeedSettings;
use crate::config::variables::Setting;

/// The feed that reads a Redis.
pub(super) const REDIS: &str = "redis";
/// The feed that follows containers' logs.
pub(super) const CONTAINER_LOGS: &str = "container_logs";

/// Feeds that a variable turns on, and the key that it sets.
const BY_VARIABLE: [(&str, &str); 2] = [("resp", "listen"), (CONTAINER_LOGS, "directory")];

/// Settles the list of feeds in the tree: exactly the file's, else `redis` where a Redis is set; and those that their
/// variable turns on. Tells whether `redis` is there only if the host name `redis` resolves: installations of the
/// original that never set `REDIS_HOST` relied on that name.
pub(super) fn choose(
    layers: &mut Layers,
    settings: &[Setting],
    catalog: &Catalog,
    warnings: &mut Problems,
) -> bool {
    let configured = redis::is_configured(layers);
    let listed = layers.get(&["feeds"]).cloned();
    let set = |path: &[&str]| settings.iter().any(|setting| setting.path == path);
    for (feed, key) in BY_VARIABLE {
        let there = layers.get(&["feeds", feed]).is_some();
        if there || set(&["feeds", feed, key]) && catalog.feed(feed).is_some() {
            for setting in settings
                .iter()
                .filter(|one| one.path.starts_with(&["feeds", feed]))
            {
                layers.set(setting.path, setting.value.clone(), setting.origin.clone());
            }
        }
    }
    let known = catalog.feed(REDIS).is_some();
    match listed {
        None if configured && known => {
            layers.set(&["feeds", REDIS], Value::Null, Origin::Found("a Redis is set"));
            false
        }
        None => known && set(&["global_tags"]),
        Some(listed) => {
            let is_redis = |(name, section): (&String, &Value)| match section.get("type") {
                Some(kind) => kind == REDIS,
                None => name == REDIS,
            };
            let named = listed.as_object().is_some_and(|map| map.iter().any(is_redis));
            let asked = listed.as_object().is_some_and(|map| !map.is_empty());
            if configured && asked && !named {
                warnings.add_with_hint(
                    "feeds",
                    "does not name `redis`, so what applications write into the Redis stays there",
                    "add `redis: {}` to read it, or `redis: {enabled: false}` to leave it",
                );
            }
            false
        }
    }
}

/// Whether a feed hands in logs for an output. Containers' logs are kept as files, and go further only where `forward`
/// says so.
pub(super) fn hand_in_logs(layers: &Layers) -> bool {
    let hands_in = |(name, section): (&String, &Value)| {
        let kind = section.get("type").and_then(Value::as_str).unwrap_or(name);
        let forward = section.get("forward");
        kind != CONTAINER_LOGS || forward == Some(&Value::Bool(true)) || forward == Some(&"true".into())
    };
    let listed = layers.get(&["feeds"]).and_then(Value::as_object);
    listed.is_some_and(|map| map.iter().any(hands_in))
}

/// What every feed has, beside what is its own.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Common {
    #[serde(rename = "type")]
    kind: Option<String>,
    enabled: Option<bool>,
}

/// Reads the feeds' sections; those that are switched off are left out.
pub(super) fn read(
    tree: Option<Value>,
    catalog: &Catalog,
    problems: &mut Problems,
) -> BTreeMap<String, FeedSettings> {
    let known: Vec<&str> = catalog.feeds.iter().map(|entry| entry.descriptor.name).collect();
    let mut read = BTreeMap::new();
    for (name, value) in sections("feeds", tree, problems) {
        let path = format!("feeds.{name}");
        let (common, own) = split(value, &["type", "enabled"]);
        let Some(common) = Section::new(&path, common).read::<Common>(problems) else {
            continue;
        };
        let kind = common.kind.unwrap_or_else(|| name.clone());
        if !known.contains(&kind.as_str()) {
            unknown(path, "feed", &kind, &known, problems);
        } else if common.enabled.unwrap_or(true) {
            let section = Section::new(path, own);
            read.insert(name, FeedSettings { kind, section });
        }
    }
    read
}
