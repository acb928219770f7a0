//! The feed's section of the settings, checked.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::component::settings::{Problems, Section};
use crate::feeds::container_logs::ContainerLogs;
use crate::feeds::container_logs::shared::Plan;
use crate::logs::mapping::Mapping;
use crate::logs::rotate::Limits;
use crate::support::engine::Engine;
use crate::support::filter::Filter;
use crate::support::quantity::{Size, Span, text_or_number};

/// A folder with more files of one container is hard to list.
const MOST_FILES: u32 = 1000;
const MOST_CONCURRENT: usize = 256;
/// A mapping file is never longer.
const LONGEST_MAPPING: u64 = 4 << 20;

/// A size; a bare number is bytes, as the original agent's variables have it. 0 is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

/// A duration; a bare number is seconds, as the original agent's variables have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(pub Duration);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text_or_number(deserializer)?;
        match text.trim().parse() {
            Ok(bytes) => Ok(Self(bytes)),
            Err(_) => Size::parse(&text)
                .map(|size| Self(size.0))
                .map_err(serde::de::Error::custom),
        }
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Size(self.0).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text_or_number(deserializer)?;
        match text.trim().parse() {
            Ok(seconds) => Ok(Self(Duration::from_secs(seconds))),
            Err(_) => Span::parse(&text)
                .map(|span| Self(span.0))
                .map_err(serde::de::Error::custom),
        }
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Span(self.0).serialize(serializer)
    }
}

/// The section of the container logs.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the files go: `<directory>/<container>/<container>.log`. Default `/tmp/logs`, as the original agent has it;
    /// it is made if it is missing. A folder that survives a restart of the device is better.
    pub directory: PathBuf,
    /// How many rotated files of a container are kept beside the one in use; default 10. 0: it is never rotated.
    pub max_files: u32,
    /// When a file is rotated; default `10MiB`. A longer line has a file of its own. 0: it is never rotated. A number is
    /// bytes.
    pub max_file_size: Bytes,
    /// Most bytes of the files of all containers together; default `1GiB`. Beyond it the oldest rotated ones are
    /// deleted, and counted. 0: no bound.
    pub total_size: Bytes,
    /// Whether rotated files are compressed; default false. It saves about nine tenths of their room.
    pub compress: bool,
    /// How far back the log of a container is read that is there when the agent starts for the first time; default
    /// `60s`. Those made later are read from their beginning.
    pub since_at_first: Seconds,
    /// How often what was read is brought to the medium and remembered; default `5s`. Lines are in the files at once. A
    /// longer one spares flash; after a power cut that much is read again, and neither lost nor repeated.
    pub interval: Seconds,
    /// A file that says by which words a line is a warning or an error, in the original agent's format. Default: none;
    /// warnings then have `WARNING` or `WARN`, errors `ERROR`.
    pub mapping_file: Option<PathBuf>,
    /// A file that holds the second in which logs were collected last, for whoever watches the agent. Default: none.
    pub last_collected_file: Option<PathBuf>,
    /// How many containers' lines are worked on at a time; default 5.
    pub max_concurrent: usize,
    /// Whether each line also goes to the outputs that take logs; default false.
    pub forward: bool,
    /// Names of containers to follow, in which `*` stands for any text. Default: all.
    pub include: Vec<String>,
    /// Names of containers not to follow. Default: none.
    pub exclude: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("/tmp/logs"),
            max_files: 10,
            max_file_size: Bytes(10 << 20),
            total_size: Bytes(1 << 30),
            compress: false,
            since_at_first: Seconds(Duration::from_secs(60)),
            interval: Seconds(Duration::from_secs(5)),
            mapping_file: None,
            last_collected_file: None,
            max_concurrent: 5,
            forward: false,
            include: Vec::new(),
            exclude: Vec::new(),
        }
    }
}

/// What the feed needs beside its section.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder that its state has for itself.
    pub state: PathBuf,
    /// The container engine.
    pub engine: Engine,
    /// How this machine is called.
    pub machine: String,
    /// Whether an output takes logs.
    pub logs: bool,
}

/// The section as it takes effect, with every default; `None` where it cannot be used.
pub fn effective(section: &Section) -> Option<Value> {
    serde_json::to_value(section.read::<Config>(&mut Problems::default())?).ok()
}

/// Makes the feed from its section; reads the mapping file and connects to nothing. `None` where a problem was found.
pub fn build(
    section: &Section,
    place: Place,
    problems: &mut Problems,
    warnings: &mut Problems,
) -> Option<ContainerLogs> {
    let before = problems.iter().count();
    let config: Config = section.read(problems)?;
    let at = |key: &str| format!("{}.{key}", section.path);
    if config.directory.as_os_str().is_empty() {
        problems.add_with_hint(
            at("directory"),
            "expected a folder",
            "such as /var/log/containers-of-docker",
        );
    }
    if config.max_files > MOST_FILES {
        problems.add(at("max_files"), format!("expected at most {MOST_FILES}"));
    }
    if !(Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&config.interval.0) {
        problems.add(at("interval"), "expected from 100ms to 1h");
    }
    if !(1..=MOST_CONCURRENT).contains(&config.max_concurrent) {
        problems.add(
            at("max_concurrent"),
            format!("expected a number from 1 to {MOST_CONCURRENT}"),
        );
    }
    let one = config.max_file_size.0;
    if config.total_size.0 > 0 && config.total_size.0 < one {
        problems.add_with_hint(
            at("total_size"),
            "is less than `max_file_size`, which one container alone may have",
            "raise it, or set it to 0 for no bound",
        );
    }
    if config.forward && !place.logs {
        warnings.add_with_hint(
            at("forward"),
            "has no effect: no output takes logs",
            "add the output datadog_logs",
        );
    }
    let mapping = match mapping(config.mapping_file.as_deref(), &at("mapping_file"), warnings) {
        Ok(mapping) => Some(mapping),
        Err(reason) => {
            problems.add(at("mapping_file"), reason);
            None
        }
    };
    let mapping = mapping.filter(|_| problems.iter().count() == before)?;
    Some(ContainerLogs {
        plan: Plan {
            directory: config.directory,
            limits: Limits {
                max_size: config.max_file_size.0,
                max_files: config.max_files,
                compress: config.compress,
            },
            total_size: Some(config.total_size.0).filter(|most| *most > 0),
            mapping,
            interval: config.interval.0,
            since_at_first: config.since_at_first.0,
            forward: config.forward,
            machine: place.machine,
        },
        choice: Filter::new(config.include, Some(config.exclude), Vec::new()),
        concurrent: config.max_concurrent,
        last_collected: config.last_collected_file,
        state: place.state,
        engine: place.engine,
    })
}

fn mapping(file: Option<&Path>, path: &str, warnings: &mut Problems) -> Result<Mapping, String> {
    let Some(file) = file else {
        return Mapping::standard().map_err(|error| error.to_string());
    };
    let failed = |reason: String| format!("cannot use {}: {reason}", file.display());
    let metadata = fs::metadata(file).map_err(|error| failed(error.to_string()))?;
    if metadata.len() > LONGEST_MAPPING {
        return Err(failed("it is longer than 4 MiB".to_string()));
    }
    let text = fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    let (mapping, unknown) = Mapping::parse(&text).map_err(|error| failed(error.to_string()))?;
    for key in unknown {
        warnings.add(path, format!("{}: `{key}` means nothing", file.display()));
    }
    Ok(mapping)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::feeds::container_logs::DESCRIPTOR;

    fn built(value: Value) -> (Option<ContainerLogs>, Vec<String>, Vec<String>) {
        let (mut problems, mut warnings) = (Problems::default(), Problems::default());
        let place = Place {
            state: PathBuf::from("/nowhere"),
            engine: Engine::default(),
            machine: "pi".to_string(),
            logs: false,
        };
        let section = Section::new("container_logs", value);
        let built = build(&section, place, &mut problems, &mut warnings);
        let texts = |problems: &Problems| problems.iter().map(ToString::to_string).collect();
        (built, texts(&problems), texts(&warnings))
    }

    #[test]
    fn the_sample_reads_back_as_the_defaults() {
        let value: Value = serde_saphyr::from_str(DESCRIPTOR.sample).unwrap();
        let mut problems = Problems::default();
        let read: Option<Config> = Section::new("container_logs", value).read(&mut problems);
        assert_eq!((read, problems), (Some(Config::default()), Problems::default()));
        let keys = effective(&Section::new("x", Value::Null)).unwrap();
        for key in keys.as_object().unwrap().keys() {
            assert!(DESCRIPTOR.sample.contains(&format!("\n{key}:")), "{key}");
        }
    }

    #[test]
    fn bare_numbers_are_bytes_and_seconds_as_in_the_originals_variables() {
        let value =
            json!({"max_file_size": 1000, "total_size": "2MiB", "since_at_first": 30, "interval": "1s"});
        let (built, problems, _) = built(value);
        assert_eq!(problems, [""; 0]);
        let plan = built.unwrap().plan;
        assert_eq!((plan.limits.max_size, plan.total_size), (1000, Some(2 << 20)));
        assert_eq!((plan.since_at_first.as_secs(), plan.interval.as_secs()), (30, 1));
    }

    #[test]
    fn every_wrong_setting_is_reported_at_once() {
        let value = json!({"max_files": 1001, "interval": "0s", "max_concurrent": 0, "total_size": 5, "forward": true,
            "mapping_file": "/nowhere/mapping.json", "typo": 1});
        let (built, problems, warnings) = built(value);
        assert!(built.is_none());
        assert_eq!(problems.len(), 6, "{problems:?}");
        assert!(problems[5].starts_with(
            "container_logs.mapping_file: cannot use /nowhere/mapping.json: No such file or directory"
        ));
        assert_eq!(
            warnings,
            ["container_logs.forward: has no effect: no output takes logs (add the output datadog_logs)"]
        );
    }

    #[test]
    fn a_mapping_file_with_a_fault_names_file_and_field() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mapping.json");
        fs::write(&path, r#"{"default_mapping": {"warning_keywords": []}}"#).unwrap();
        let (_, problems, _) = built(json!({"mapping_file": path}));
        assert!(
            problems[0].contains("mapping.json: default_mapping: missing field `error_keywords`"),
            "{problems:?}"
        );
    }
}
