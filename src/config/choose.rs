//! Decides which collectors and outputs there are, and splits their sections into what is common and what is theirs.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::catalog::Catalog;
use crate::component::settings::{Problems, Section, did_you_mean};
use crate::config::found::{Found, HOST};
use crate::config::layers::{Layers, Origin};
use crate::config::settings::{CollectorSettings, OutputSettings};
use crate::config::variables::Setting;
use crate::support::quantity::Span;

/// The output that takes logs to Datadog.
pub(super) const LOGS: &str = "datadog_logs";

/// Settles the list of collectors in the tree: exactly the variable's, else the file's, else Chouette-IoT's empty one
/// where global tags come from its variable, else `host` and what `look` finds. Then lays the variables of those that
/// are left over them. Gives what was found.
pub(super) fn collectors(
    layers: &mut Layers,
    plugins: Option<(String, Vec<String>)>,
    settings: &[Setting],
    look: impl FnOnce(&Layers) -> Vec<Found>,
    warnings: &mut Problems,
) -> Vec<Found> {
    let mut found = Vec::new();
    let sections = layers.get(&["collectors"]).cloned();
    let in_file: Vec<String> = match &sections {
        None => Vec::new(),
        Some(Value::Object(map)) => map.keys().cloned().collect(),
        Some(Value::Null) => Vec::new(),
        // Not a map: reported where it is read.
        Some(_) => return found,
    };
    let tagged = settings.iter().any(|setting| setting.path == ["global_tags"]);
    let original = plugins.is_some();
    let chosen = match plugins {
        Some((variable, names)) => {
            for name in in_file.iter().filter(|name| !names.contains(name)) {
                warnings.add(
                    format!("collectors.{name}"),
                    format!("is left out, because {variable} does not name it"),
                );
            }
            keep(layers, sections, &names, &Origin::Variable(variable));
            names
        }
        None if sections.is_some() => in_file,
        None if tagged => {
            warnings.add_with_hint(
                "GLOBAL_TAGS",
                "without COLLECTOR_PLUGINS means that nothing is collected, as it did for Chouette-IoT",
                "set COLLECTOR_PLUGINS='[\"host\"]' to collect",
            );
            keep(layers, None, &[], &Origin::Default);
            Vec::new()
        }
        None => {
            found = look(layers);
            let host = HOST.to_string();
            keep(layers, None, std::slice::from_ref(&host), &Origin::Default);
            let readable = found.iter().filter(|one| one.is_collected());
            let mut names: Vec<String> = readable.map(|one| one.collector.to_string()).collect();
            for name in &names {
                let origin = Origin::Found("found on this device");
                layers.set(&["collectors", name], Value::Null, origin.clone());
                layers.origins.set(format!("collectors.{name}.type"), origin);
            }
            names.push(host);
            names
        }
    };
    for setting in settings {
        if let ["collectors", name, ..] = setting.path
            && chosen.iter().any(|chosen| chosen == name)
        {
            layers.set(setting.path, setting.value.clone(), setting.origin.clone());
        }
    }
    host_as_original(layers, original);
    found
}

/// Under the original's variables the host gives the original's metrics and no more, because a custom metric costs
/// its users money.
fn host_as_original(layers: &mut Layers, original: bool) {
    let groups = layers.get(&["collectors", HOST, "groups"]).cloned();
    let origin = layers.origins.of("collectors.host.groups").clone();
    let by_variable = groups.is_some() && matches!(origin, Origin::Variable(_));
    if by_variable && groups == Some(json!([])) {
        if let Some(Value::Object(collectors)) = layers.tree.get_mut("collectors") {
            collectors.remove(HOST);
        }
        return;
    }
    let there = layers.get(&["collectors", HOST]).is_some();
    if there && (original || by_variable) && layers.get(&["collectors", HOST, "metrics"]).is_none() {
        let found = Origin::Found("as Chouette-IoT, whose variables are used");
        layers.set(&["collectors", HOST, "metrics"], "original".into(), found);
    }
}

/// Leaves just these sections, empty ones for those that are not there.
fn keep(layers: &mut Layers, sections: Option<Value>, names: &[String], origin: &Origin) {
    let mut sections = sections.unwrap_or(Value::Null);
    layers.set(&["collectors"], Value::Object(Map::new()), origin.clone());
    for name in names {
        match sections.get_mut(name).map(Value::take) {
            Some(section) => {
                if let Some(Value::Object(map)) = layers.tree.get_mut("collectors") {
                    map.insert(name.clone(), section);
                }
            }
            None => layers.set(&["collectors", name], Value::Null, origin.clone()),
        }
    }
}

/// The path that API_KEY sets.
const KEY: [&str; 3] = ["outputs", "datadog", "api_key"];

/// Lays the variables over the outputs. Without a key there is no Datadog, whatever else is set for it. Logs have an
/// output of their own, with the same key: where logs can come in, or its address is set. Tells whether it is there for
/// the feeds alone.
pub(super) fn outputs(
    layers: &mut Layers,
    settings: &[Setting],
    catalog: &Catalog,
    fed: bool,
    warnings: &mut Problems,
) -> bool {
    let key = settings.iter().find(|setting| setting.path == KEY);
    let there = |layers: &Layers, name: &str| layers.get(&["outputs", name]).is_some();
    let points = key.is_some() || there(layers, "datadog");
    let addressed = settings
        .iter()
        .any(|setting| setting.path.starts_with(&["outputs", LOGS]));
    let asked = there(layers, LOGS) || addressed && key.is_some() && catalog.output(LOGS).is_some();
    let for_feeds = !asked && fed && key.is_some() && catalog.output(LOGS).is_some();
    let logs = asked || for_feeds;
    for setting in settings {
        let set = match setting.path {
            ["outputs", "datadog", ..] => points,
            ["outputs", LOGS, ..] => logs,
            _ => false,
        };
        if set {
            layers.set(setting.path, setting.value.clone(), setting.origin.clone());
        }
    }
    if let Some(key) = key.filter(|_| logs) {
        layers.set(
            &["outputs", LOGS, "api_key"],
            key.value.clone(),
            key.origin.clone(),
        );
    }
    for name in ["datadog", LOGS] {
        let key = ["outputs", name, "api_key"];
        if layers.get(&key) == Some(&Value::String(String::new())) {
            warnings.add(key.join("."), "is empty, so nothing is sent to Datadog");
            if let Some(Value::Object(outputs)) = layers.tree.get_mut("outputs") {
                outputs.remove(name);
            }
        }
    }
    for_feeds
}

/// The keys that every collector has, beside what is its own.
pub(super) const COMMON: [&str; 3] = ["type", "interval", "timeout"];

/// What stands behind these keys.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Common {
    #[serde(rename = "type")]
    kind: Option<String>,
    interval: Option<Span>,
    timeout: Option<Span>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Typed {
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// Reads the collectors' sections.
pub(super) fn read_collectors(
    tree: Option<Value>,
    collect_interval: Span,
    catalog: &Catalog,
    problems: &mut Problems,
) -> BTreeMap<String, CollectorSettings> {
    let known: Vec<&str> = catalog
        .collectors
        .iter()
        .map(|entry| entry.descriptor.name)
        .collect();
    let mut read = BTreeMap::new();
    for (name, value) in sections("collectors", tree, problems) {
        let path = format!("collectors.{name}");
        let (common, own) = split(value, &COMMON);
        let Some(common) = Section::new(&path, common).read::<Common>(problems) else {
            continue;
        };
        let kind = common.kind.unwrap_or_else(|| name.clone());
        if !known.contains(&kind.as_str()) {
            unknown(path, "collector", &kind, &known, problems);
            continue;
        }
        let interval = common.interval.unwrap_or(collect_interval);
        let timeout = common
            .timeout
            .unwrap_or_else(|| CollectorSettings::default_timeout(interval));
        let section = Section::new(path, own);
        read.insert(
            name,
            CollectorSettings {
                kind,
                interval,
                timeout,
                section,
            },
        );
    }
    read
}

/// Reads the outputs' sections.
pub(super) fn read_outputs(
    tree: Option<Value>,
    catalog: &Catalog,
    problems: &mut Problems,
) -> BTreeMap<String, OutputSettings> {
    let known: Vec<&str> = catalog
        .outputs
        .iter()
        .map(|entry| entry.descriptor.name)
        .collect();
    let mut read = BTreeMap::new();
    for (name, value) in sections("outputs", tree, problems) {
        let path = format!("outputs.{name}");
        let (typed, own) = split(value, &["type"]);
        let Some(typed) = Section::new(&path, typed).read::<Typed>(problems) else {
            continue;
        };
        let kind = typed.kind.unwrap_or_else(|| name.clone());
        if !known.contains(&kind.as_str()) {
            unknown(path, "output", &kind, &known, problems);
            continue;
        }
        let section = Section::new(path, own);
        read.insert(name, OutputSettings { kind, section });
    }
    read
}

pub(super) fn unknown(path: String, role: &str, kind: &str, known: &[&str], problems: &mut Problems) {
    let message = format!("no such {role}; there are: {}", known.join(", "));
    match did_you_mean(kind, known.iter().copied()) {
        Some(hint) => problems.add_with_hint(path, message, hint),
        None => problems.add(path, message),
    }
}

pub(super) fn sections(path: &str, tree: Option<Value>, problems: &mut Problems) -> Map<String, Value> {
    match tree {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(map)) => {
            let wrong: Vec<&String> = map
                .iter()
                .filter(|(_, value)| !value.is_null() && !value.is_object())
                .map(|(name, _)| name)
                .collect();
            for name in wrong {
                problems.add(
                    format!("{path}.{name}"),
                    "expected a map of its settings, or nothing",
                );
            }
            map.into_iter()
                .filter(|(_, value)| value.is_null() || value.is_object())
                .collect()
        }
        Some(_) => {
            problems.add(path, "expected a map from names to their settings");
            Map::new()
        }
    }
}

/// The keys that are named, and the rest.
pub(super) fn split(section: Value, named: &[&str]) -> (Value, Value) {
    let Value::Object(map) = section else {
        return (Value::Null, Value::Null);
    };
    let (named, rest): (Map<_, _>, Map<_, _>) = map
        .into_iter()
        .partition(|(key, _)| named.contains(&key.as_str()));
    (Value::Object(named), Value::Object(rest))
}
