//! A Raspberry Pi: what keeps it from running well, and what wears out.
//!
//! * `supply`: under-voltage and throttling
//! * `soc`: temperature and clock
//! * `storage`: wear of eMMC
//! * `wifi`: the signal
//!
//! All of it stands in files that everybody may read. No model has all of them: what is missing is left out.

mod soc;
mod storage;
mod supply;
mod wifi;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::collectors::device::files::{Files, is_compatible};
use crate::component::collector::{CollectError, Collector};
use crate::component::descriptor::{Descriptor, Role};
use crate::component::entry::Entry;
use crate::component::settings::{Problems, Section};
use crate::component::sighting::Sighting;
use crate::component::turn::{Reader, Turn};
use crate::model::metric::MetricDef;
use crate::model::sample::Samples;
use crate::support::root::Roots;

/// What this collector says of itself.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "raspberrypi",
    role: Role::Collector,
    summary: "Reads a Raspberry Pi's under-voltage, throttling, temperature, clock, flash wear and Wi-Fi signal.",
    sample: SAMPLE,
    metrics: METRICS,
};

/// How it is made.
pub static ENTRY: Entry<dyn Collector> = Entry {
    descriptor: &DESCRIPTOR,
    build: |section, cx, findings| {
        Some(Box::new(build(
            section,
            cx.roots.clone(),
            &mut findings.problems,
        )?))
    },
    effective,
    find: Some(|section, cx| find(section, cx.roots)),
};

const SAMPLE: &str = "\
# What is read. A group that the board does not have gives nothing.
groups: [supply, soc, storage, wifi]
";

static METRICS: &[&MetricDef] = &[
    &supply::UNDER_VOLTAGE,
    &supply::THROTTLED,
    &soc::TEMPERATURE,
    &soc::CLOCK,
    &storage::LIFE_USED,
    &storage::PRE_EOL,
    &wifi::QUALITY,
    &wifi::SIGNAL,
    &wifi::NOISE,
];

/// What one group reads.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
enum Group {
    Supply,
    Soc,
    Storage,
    Wifi,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Which groups are read. Default: all. An empty list is an error. Leave out what costs you money or tells you
    /// nothing.
    groups: Vec<Group>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            groups: vec![Group::Supply, Group::Soc, Group::Storage, Group::Wifi],
        }
    }
}

fn read(section: &Section, problems: &mut Problems) -> Option<Config> {
    let mut config: Config = section.read(problems)?;
    config.groups.sort_unstable();
    config.groups.dedup();
    if config.groups.is_empty() {
        problems.add_with_hint(
            format!("{}.groups", section.path),
            "names no group; expected at least one",
            "leave the key out for all of them, or the collector out for none",
        );
        return None;
    }
    Some(config)
}

/// Makes the collector from its section of the settings and the roots that it reads below; `None` where the section
/// cannot be used, the reason being among `problems`. It reads nothing yet.
pub fn build(section: &Section, roots: Roots, problems: &mut Problems) -> Option<RaspberryPi> {
    let config = read(section, problems)?;
    Some(RaspberryPi(Turn::new(Board { config, roots })))
}

/// The section as it takes effect, with every default; `None` where it cannot be used.
pub fn effective(section: &Section) -> Option<Value> {
    Some(json!(read(section, &mut Problems::default())?))
}

/// Looks for a Raspberry Pi: by the device tree, or by the voltage sensor that no other board has.
pub fn find(_: &Section, roots: &Roots) -> Sighting {
    let named = is_compatible(roots, &["raspberrypi,", "brcm,bcm2"]);
    if named || supply::sensor(&Files::new(roots)).is_some() {
        return Sighting::Readable {
            what: "the Raspberry Pi's files below /sys".to_string(),
        };
    }
    Sighting::Absent
}

/// Reads the board.
#[derive(Debug)]
pub struct RaspberryPi(Turn<Board>);

#[async_trait]
impl Collector for RaspberryPi {
    async fn collect(&mut self, out: &mut Samples) -> Result<(), CollectError> {
        self.0.read(out).await
    }
}

#[derive(Clone, Debug)]
struct Board {
    config: Config,
    roots: Roots,
}

impl Reader for Board {
    fn read(&mut self, out: &mut Samples) -> Result<(), CollectError> {
        let mut files = Files::new(&self.roots);
        for group in &self.config.groups {
            match group {
                Group::Supply => supply::fetch(&mut files, out),
                Group::Soc => soc::fetch(&mut files, out),
                Group::Storage => storage::fetch(&mut files, out),
                Group::Wifi => wifi::fetch(&mut files, out),
            }
        }
        files.faults()?;
        if out.is_empty() {
            let target = "the Raspberry Pi".to_string();
            return Err(CollectError::NoData { target });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
