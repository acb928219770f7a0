//! The settings of the collector `docker`, as they stand in a file and as they are used.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::component::settings::{Problems, Section};
use crate::support::engine::Engine;
use crate::support::filter::Filter;
use crate::support::quantity::Span;

/// What is told of a container beside that it is up.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub(super) enum Group {
    Cpu,
    Memory,
    Network,
    Io,
    Processes,
    State,
}

impl Group {
    /// What the predecessors tell.
    const DEFAULT: [Self; 2] = [Self::Cpu, Self::Memory];
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// The engine, as `DOCKER_HOST` is written. Default: the one of the section `docker`. For a second engine beside
    /// it; its certificates are those of that section.
    endpoint: Option<String>,
    /// Patterns of the names of containers to report; empty for every one.
    include: Vec<String>,
    /// Patterns of the names of containers to leave out. For those that are meant to end, whose end is no alert.
    exclude: Vec<String>,
    /// What is told beside when the container was started and seen running. A metric more is money at some backends.
    groups: Vec<Group>,
    /// How long the series of a removed container stay, standing still, so that an alert has time to fire. `0s` ends
    /// them at once.
    keep_removed: Span,
    /// How many containers are asked about at once; default 100, at least 1. An engine answers at its next reading, up
    /// to a second later (before 20.10 at the one after that), however many ask.
    max_concurrent: usize,
    /// A file that gets the time of each reading, in whole seconds since 1970. For a watchdog; none by default.
    last_collected_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: None,
            include: Vec::new(),
            exclude: Vec::new(),
            groups: Group::DEFAULT.to_vec(),
            keep_removed: Span::seconds(600),
            max_concurrent: 100,
            last_collected_file: None,
        }
    }
}

/// Checked settings.
#[derive(Debug)]
pub(super) struct Settings {
    /// The engine's own address, where it is not the agent's.
    pub(super) endpoint: Option<Engine>,
    pub(super) names: Filter,
    pub(super) groups: Vec<Group>,
    pub(super) keep_removed: Span,
    pub(super) max_concurrent: usize,
    pub(super) last_collected_file: Option<PathBuf>,
}

impl Settings {
    /// Reads and checks a section; `None` where it cannot be used, the reason being among `problems`.
    pub(super) fn read(section: &Section, problems: &mut Problems) -> Option<Self> {
        let config: Config = section.read(problems)?;
        let mut usable = true;
        if config.max_concurrent == 0 {
            let path = format!("{}.max_concurrent", section.path);
            problems.add(
                path,
                "is 0 (MAX_COLLECTOR_THREADS sets it too); expected at least 1",
            );
            usable = false;
        }
        let endpoint = match config.endpoint.as_deref().map(Engine::parse).transpose() {
            Ok(endpoint) => endpoint,
            Err(error) => {
                problems.add(format!("{}.endpoint", section.path), error.to_string());
                return None;
            }
        };
        let mut groups = config.groups;
        groups.sort_unstable();
        groups.dedup();
        usable.then_some(Self {
            endpoint,
            names: Filter::new(config.include, Some(config.exclude), Vec::new()),
            groups,
            keep_removed: config.keep_removed,
            max_concurrent: config.max_concurrent,
            last_collected_file: config.last_collected_file,
        })
    }

    /// The section with every default in its place.
    pub(super) fn shown(&self) -> Value {
        json!({
            "endpoint": self.endpoint.as_ref().map(|engine| engine.endpoint.clone()),
            "include": self.names.include,
            "exclude": self.names.exclude,
            "groups": self.groups,
            "keep_removed": self.keep_removed,
            "max_concurrent": self.max_concurrent,
            "last_collected_file": self.last_collected_file,
        })
    }

    /// Which engine is read, where the agent's is `ours`.
    pub(super) fn engine(&self, ours: &Engine) -> Engine {
        match &self.endpoint {
            Some(own) => Engine {
                endpoint: own.endpoint.clone(),
                tls: own.tls,
                ..ours.clone()
            },
            None => ours.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> (Option<Settings>, Vec<String>) {
        let mut problems = Problems::default();
        let settings = Settings::read(&Section::new("collectors.docker", value), &mut problems);
        (settings, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn another_engine_keeps_the_certificates_and_not_the_address() {
        let ours = Engine {
            ca_file: Some("/ca.pem".into()),
            ..Engine::default()
        };
        let settings = read(json!({"endpoint": "https://other:1"})).0.unwrap();
        let engine = settings.engine(&ours);
        assert_eq!((engine.endpoint.as_str(), engine.tls), ("tcp://other:1", true));
        assert_eq!(engine.ca_file, ours.ca_file);
        assert_eq!(read(Value::Null).0.unwrap().engine(&ours), ours);
    }

    #[test]
    fn every_problem_is_named() {
        let (settings, problems) =
            read(json!({"max_concurrent": 0, "endpoint": "ftp://x", "keepremoved": "1m"}));
        assert!(settings.is_none());
        let paths: Vec<_> = problems
            .iter()
            .map(|text| text.split(": ").next().unwrap())
            .collect();
        assert_eq!(
            paths,
            [
                "collectors.docker.keepremoved",
                "collectors.docker.max_concurrent",
                "collectors.docker.endpoint"
            ]
        );
        assert!(
            problems[0].ends_with("(did you mean `keep_removed`?)"),
            "{}",
            problems[0]
        );
    }
}
