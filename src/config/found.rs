//! Finds by itself what this device has to collect, where no list of collectors says what runs.

use std::fmt;

use serde_json::{Map, Value};

use crate::catalog::Catalog;
use crate::component::entry::Context;
use crate::component::settings::Section;
use crate::component::sighting::Sighting;
use crate::config::choose::COMMON;
use crate::config::variables::Setting;

/// The collector that is there without being looked for.
pub(super) const HOST: &str = "host";

/// What was seen of a collector's target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The collector's name.
    pub collector: &'static str,
    /// What was seen, with its place: `/usr/bin/tegrastats`.
    pub what: String,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a target that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is collected.
    Collected {
        /// The setting that leaves it out, and what else that changes.
        off: String,
    },
    /// This user may not read it: it is left alone.
    Unreadable {
        /// What a person can do, beginning with a verb.
        remedy: String,
    },
}

impl Found {
    /// Whether it is collected.
    pub fn is_collected(&self) -> bool {
        matches!(self.fate, Fate::Collected { .. })
    }
}

impl fmt::Display for Found {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fate {
            Fate::Collected { off } => write!(
                out,
                "{}: found by itself, and collected; to leave it out, set {off}",
                self.what
            ),
            Fate::Unreadable { remedy } => {
                write!(
                    out,
                    "{}: found, and may not be read; to collect it, {remedy}",
                    self.what
                )
            }
        }
    }
}

/// Looks for the targets of all collectors but the host, each told of the variables that belong to it.
pub(super) fn look(catalog: &Catalog, settings: &[Setting], context: &Context<'_>) -> Vec<Found> {
    let others = catalog
        .collectors
        .iter()
        .filter(|entry| entry.descriptor.name != HOST);
    let seen: Vec<(&'static str, Sighting)> = others
        .filter_map(|entry| {
            let name = entry.descriptor.name;
            Some((name, (entry.find?)(&section(name, settings), context)))
        })
        .collect();
    let running: Vec<&str> = seen
        .iter()
        .filter(|(_, sighting)| matches!(sighting, Sighting::Readable { .. }))
        .map(|(name, _)| *name)
        .collect();
    let told = |(collector, sighting)| {
        let (what, fate) = match sighting {
            Sighting::Absent => return None,
            Sighting::Readable { what } => {
                let off = without(collector, &running);
                (what, Fate::Collected { off })
            }
            Sighting::Unreadable { what, remedy } => (what, Fate::Unreadable { remedy }),
        };
        Some(Found {
            collector,
            what,
            fate,
        })
    };
    seen.into_iter().filter_map(told).collect()
}

/// The section that a collector's variables alone make, without the keys that all collectors have.
fn section(name: &str, settings: &[Setting]) -> Section {
    let mut own = Map::new();
    for setting in settings {
        if let ["collectors", collector, key] = setting.path
            && *collector == name
            && !COMMON.contains(key)
        {
            own.insert((*key).to_string(), setting.value.clone());
        }
    }
    let value = match own.is_empty() {
        true => Value::Null,
        false => Value::Object(own),
    };
    Section::new(format!("collectors.{name}"), value)
}

/// The list of all that runs but one, as a file and as the variable have it. Under the variable the host gives a tenth of
/// its series: who follows the advice must know.
fn without(collector: &str, running: &[&str]) -> String {
    let left = || {
        let others = running.iter().copied().filter(|name| *name != collector);
        std::iter::once(HOST).chain(others)
    };
    let sections: Vec<String> = left().map(|name| format!("{name}: {{}}")).collect();
    let names: Vec<String> = left().map(|name| format!("\"{name}\"")).collect();
    format!(
        "`collectors: {{{}}}`, or COLLECTOR_PLUGINS='[{}]', under which the host gives only what Chouette-IoT's did",
        sections.join(", "),
        names.join(", ")
    )
}
