//! The settings of the collector `tegrastats`, as they stand in a file and as they are used.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::component::settings::{Problems, Section};
use crate::support::command::Program;
use crate::support::quantity::Span;

/// What is reported; the first two are the predecessor's words.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub(super) enum Group {
    Ram,
    Temp,
    Swap,
    Iram,
    Cpu,
    Emc,
    Gpu,
    Power,
    Engines,
}

/// tegrastats takes less, and is then a load of its own.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// A longer one has no use: a collection shows the newest line only.
const MOST_INTERVAL: Duration = Duration::from_secs(3600);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Where the program is. Default: `/usr/bin/tegrastats`. Where it is missing and the device is a Jetson, the
    /// kernel's files are read instead. Who keeps it elsewhere, or has it in a container, should change it.
    path: PathBuf,
    /// Which groups are reported. Default: ram and temp, as the predecessor; the others are swap, iram, cpu, emc, gpu,
    /// power and engines. An empty list is an error. A group that a board does not have gives nothing.
    metrics: Vec<Group>,
    /// How often the program looks. Default: 1s; from 100ms to 1h. Its loads are those of this time, so a longer one
    /// smooths them.
    sample_interval: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: "/usr/bin/tegrastats".into(),
            metrics: vec![Group::Ram, Group::Temp],
            sample_interval: Span::seconds(1),
        }
    }
}

/// Checked settings.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) path: PathBuf,
    pub(super) groups: Vec<Group>,
    pub(super) sample_interval: Duration,
}

impl Settings {
    /// Reads and checks a section; `None` where it cannot be used, the reason being among `problems`.
    pub(super) fn read(section: &Section, problems: &mut Problems) -> Option<Self> {
        let config: Config = section.read(problems)?;
        let at = |key: &str| format!("{}.{key}", section.path);
        let mut fine = true;
        if config.metrics.is_empty() {
            problems.add_with_hint(
                at("metrics"),
                "names no group; expected at least one",
                "leave the key out for ram and temp, or the collector out for none",
            );
            fine = false;
        }
        if config.path.as_os_str().is_empty() {
            problems.add(
                at("path"),
                "is empty; expected the path of the program tegrastats",
            );
            fine = false;
        }
        let sample_interval = config.sample_interval.0;
        if !(LEAST_INTERVAL..=MOST_INTERVAL).contains(&sample_interval) {
            problems.add(
                at("sample_interval"),
                format!("expected 100ms to 1h, found {}", config.sample_interval),
            );
            fine = false;
        }
        let mut groups = config.metrics;
        groups.sort_unstable();
        groups.dedup();
        fine.then_some(Self {
            path: config.path,
            groups,
            sample_interval,
        })
    }

    /// The section with every default in its place.
    pub(super) fn shown(&self) -> Value {
        json!({
            "path": self.path,
            "metrics": self.groups,
            "sample_interval": Span(self.sample_interval),
        })
    }

    /// How old a line may be, and how long the program may say nothing.
    pub(super) fn patience(&self) -> Duration {
        self.sample_interval * 3 + Duration::from_secs(10)
    }

    /// The program and what it is told.
    pub(super) fn program(&self) -> Program {
        let millis = self.sample_interval.as_millis().to_string();
        Program {
            path: self.path.clone(),
            arguments: vec!["--interval".to_string(), millis],
            patience: self.patience(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> (Option<Settings>, Vec<String>) {
        let mut problems = Problems::default();
        let settings = Settings::read(&Section::new("collectors.tegrastats", value), &mut problems);
        (settings, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_seeds_two_groups_are_the_default() {
        let settings = read(Value::Null).0.unwrap();
        assert_eq!(settings.groups, [Group::Ram, Group::Temp]);
        assert_eq!(settings.program().arguments, ["--interval", "1000"]);
        assert_eq!(settings.patience(), Duration::from_secs(13));
    }

    #[test]
    fn every_problem_is_named() {
        let value = json!({"metrics": [], "path": "", "sample_interval": "50ms"});
        let (settings, problems) = read(value);
        assert_eq!(settings, None);
        assert_eq!(
            problems,
            [
                "collectors.tegrastats.metrics: names no group; expected at least one (leave the key out for ram and \
                 temp, or the collector out for none)",
                "collectors.tegrastats.path: is empty; expected the path of the program tegrastats",
                "collectors.tegrastats.sample_interval: expected 100ms to 1h, found 50ms",
            ]
        );
        assert_eq!(
            read(json!({"metrics": ["ram", "tmp"]})).1,
            [
                "collectors.tegrastats.metrics[1]: unknown value `tmp`; expected one of: ram, temp, swap, iram, cpu, \
                 emc, gpu, power, engines (did you mean `temp`?)"
            ]
        );
    }
}
