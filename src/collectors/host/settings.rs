//! The settings of the collector `host`, as they stand in a file and as they are used.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::component::settings::{Problems, Section};
use crate::support::filter::Filter;

/// What one group reads; the first five are the predecessor's words.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub(super) enum Group {
    Cpu,
    Fs,
    La,
    Ram,
    Network,
    Swap,
    Disk,
    Pressure,
    Temperature,
    Uptime,
}

impl Group {
    pub(super) const ALL: [Self; 10] = [
        Self::Cpu,
        Self::Fs,
        Self::La,
        Self::Ram,
        Self::Network,
        Self::Swap,
        Self::Disk,
        Self::Pressure,
        Self::Temperature,
        Self::Uptime,
    ];

    /// What the predecessor collects unless told otherwise.
    const ORIGINAL: [Self; 4] = [Self::Cpu, Self::Fs, Self::La, Self::Ram];
}

/// How much the predecessor's five groups give.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Extent {
    /// Everything that this collector knows.
    #[default]
    All,
    /// The predecessor's metrics and nothing else: a custom metric costs its users money.
    Original,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// Which groups are read. Default: all, and with `metrics: original` cpu, fs, la and ram. An empty list is an
    /// error. Leave out what costs you money or tells you nothing.
    groups: Option<Vec<Group>>,
    /// `all` (the default), or `original`: the predecessor's metrics only from its five groups, about every device,
    /// unless the lists below say otherwise. For dashboards and bills that must not change.
    metrics: Extent,
    /// Which mounted filesystems, by device.
    filesystems: Filesystems,
    /// Which network interfaces, by name. `lo` is never among them.
    interfaces: Choice,
    /// Which disks, by name. Partitions are never among them.
    disks: Choice,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Filesystems {
    /// Patterns of devices to report; empty for every one. Given, the default of `exclude` is empty.
    include: Vec<String>,
    /// Patterns of devices to leave out. Default: images on loop devices, which are always full.
    exclude: Option<Vec<String>>,
    /// Types that are reported although no device under `/dev` bears them. Adding a network filesystem means that
    /// its server can hold up this collector.
    types: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Choice {
    /// Patterns of names to report; empty for every one. Given, the default of `exclude` is empty.
    include: Vec<String>,
    /// Patterns of names to leave out. Default for interfaces: the host's ends of containers' links, which come and
    /// go; for disks: what lies in memory or in a file, and drives for media.
    exclude: Option<Vec<String>>,
}

/// Checked settings.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) groups: Vec<Group>,
    pub(super) extent: Extent,
    pub(super) filesystems: Filter,
    pub(super) filesystem_types: Vec<String>,
    pub(super) interfaces: Filter,
    pub(super) disks: Filter,
}

impl Settings {
    /// Reads and checks a section; `None` where it cannot be used, the reason being among `problems`.
    pub(super) fn read(section: &Section, problems: &mut Problems) -> Option<Self> {
        let config: Config = section.read(problems)?;
        let path = format!("{}.groups", section.path);
        if config.groups.as_ref().is_some_and(Vec::is_empty) {
            problems.add_with_hint(
                path,
                "names no group; expected at least one",
                "leave the key out for all of them, or the collector out for none",
            );
            return None;
        }
        let defaults = |all: &[&str]| match config.metrics {
            Extent::All => all.iter().map(ToString::to_string).collect(),
            Extent::Original => Vec::new(),
        };
        let mut groups = config.groups.unwrap_or_else(|| match config.metrics {
            Extent::All => Group::ALL.to_vec(),
            Extent::Original => Group::ORIGINAL.to_vec(),
        });
        groups.sort_unstable();
        groups.dedup();
        Some(Self {
            groups,
            extent: config.metrics,
            filesystems: Filter::new(
                config.filesystems.include,
                config.filesystems.exclude,
                defaults(&["/dev/loop*"]),
            ),
            filesystem_types: config
                .filesystems
                .types
                .unwrap_or_else(|| ["jffs2", "ubifs", "zfs"].map(String::from).to_vec()),
            interfaces: Filter::new(
                config.interfaces.include,
                config.interfaces.exclude,
                defaults(&["veth*", "cali*"]),
            ),
            disks: Filter::new(
                config.disks.include,
                config.disks.exclude,
                defaults(&["loop*", "ram*", "zram*", "fd*", "sr*"]),
            ),
        })
    }

    /// The section with every default in its place.
    pub(super) fn shown(&self) -> Value {
        let choice = |filter: &Filter| json!({ "include": filter.include, "exclude": filter.exclude });
        let mut filesystems = choice(&self.filesystems);
        filesystems["types"] = json!(self.filesystem_types);
        json!({
            "groups": self.groups,
            "metrics": self.extent,
            "filesystems": filesystems,
            "interfaces": choice(&self.interfaces),
            "disks": choice(&self.disks),
        })
    }

    pub(super) fn has(&self, group: Group) -> bool {
        self.groups.contains(&group)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> (Option<Settings>, Vec<String>) {
        let mut problems = Problems::default();
        let settings = Settings::read(&Section::new("collectors.host", value), &mut problems);
        (settings, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn unconfigured_every_group_is_on() {
        let (settings, problems) = read(Value::Null);
        let settings = settings.unwrap();
        assert_eq!(
            (settings.groups, settings.extent),
            (Group::ALL.to_vec(), Extent::All)
        );
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn the_original_set_is_four_groups_and_leaves_no_device_out() {
        let settings = read(json!({"metrics": "original"})).0.unwrap();
        assert_eq!(settings.groups, [Group::Cpu, Group::Fs, Group::La, Group::Ram]);
        assert!(settings.interfaces.takes("veth1"));
        assert!(settings.filesystems.takes("/dev/loop3"));
    }

    #[test]
    fn groups_are_kept_once() {
        let settings = read(json!({"groups": ["uptime", "cpu", "uptime"]})).0.unwrap();
        assert_eq!(settings.groups, [Group::Cpu, Group::Uptime]);
    }

    #[test]
    fn every_problem_is_named() {
        let value = json!({"groups": ["cpu", "rams"], "metric": "all", "disks": {"exclude": 3}});
        let mut problems = read(value).1;
        problems.sort();
        assert_eq!(
            problems,
            [
                "collectors.host.disks.exclude: invalid type: integer `3`, expected a sequence",
                "collectors.host.groups[1]: unknown value `rams`; expected one of: cpu, fs, la, ram, network, swap, \
                 disk, pressure, temperature, uptime (did you mean `ram`?)",
                "collectors.host.metric: unknown key; known here: groups, metrics, filesystems, interfaces, disks \
                 (did you mean `metrics`?)",
            ]
        );
        let (settings, problems) = read(json!({"groups": []}));
        assert!(settings.is_none());
        assert_eq!(
            problems,
            [
                "collectors.host.groups: names no group; expected at least one (leave the key out for all of them, \
                 or the collector out for none)"
            ]
        );
    }

    #[test]
    fn what_is_included_by_name_is_not_left_out_by_default() {
        let settings = read(json!({"interfaces": {"include": ["eth*", "veth1"]}}))
            .0
            .unwrap();
        let taken = ["eth0", "veth1", "veth2", "wlan0"].map(|name| settings.interfaces.takes(name));
        assert_eq!(taken, [true, true, false, false]);
        let settings = read(json!({"interfaces": {"exclude": ["wlan*"]}})).0.unwrap();
        let taken = ["eth0", "veth1", "wlan0"].map(|name| settings.interfaces.takes(name));
        assert_eq!(taken, [true, true, false]);
    }
}
