//! The one list of every component. From it follow `tawny list`, the reference, and the checks of the settings.
//!
//! A new component is one line here; a test compares the lines with the folders.
//!
//! * [`mod@reference`]: the reference page, generated

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use serde_json::Value;

use crate::collectors::container::{docker, k8s};
use crate::collectors::device::raspberrypi;
use crate::collectors::device::tegrastats;
use crate::collectors::host;
use crate::collectors::queue::dramatiq;
use crate::component::collector::Collector;
use crate::component::descriptor::Descriptor;
use crate::component::feed::Feed;
use crate::component::output::Output;
use crate::component::settings::{Problems, Section};
use crate::component::sighting::Sighting;
use crate::component::wrapper::Wrapper;
use crate::feeds;
use crate::outputs;
use crate::support::engine::Engine;
use crate::support::proxy::Proxies;
use crate::support::redis::target::Target;
use crate::support::root::Roots;
use crate::wrappers;
use crate::wrappers::Aggregation;

pub mod reference;

/// What a component may need beside its own section.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Where the device's own files are.
    pub roots: &'a Roots,
    /// How this machine is called on the series of its containers.
    pub machine: &'a str,
    /// The container engine.
    pub engine: &'a Engine,
    /// How often live points are sent.
    pub release_interval: Duration,
    /// The Redis that is set, if one is.
    pub redis: Option<&'a Target>,
    /// What the keys of the Redis begin with.
    pub prefix: &'a str,
    /// The folder of the journal, in which a feed may have one of its own.
    pub directory: &'a Path,
    /// Whether an output takes logs.
    pub logs: bool,
    /// The environment, for what every program reads there (`HTTPS_PROXY`).
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// What making components found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What is wrong: nothing may be started.
    pub problems: Problems,
    /// What a person should know, though it works.
    pub warnings: Problems,
}

/// A component and how it is made from its section. `None` where the section cannot be used; the reasons are then
/// among the problems.
pub struct Entry<T: ?Sized> {
    /// What it says of itself.
    pub descriptor: &'static Descriptor,
    /// Makes it, and connects to nothing.
    pub build: fn(&Section, &Context<'_>, &mut Findings) -> Option<Box<T>>,
    /// Its section as it takes effect, with every default, to be shown.
    pub effective: fn(&Section) -> Option<Value>,
    /// Looks whether its target is there, where no list of collectors says what runs; `None` for what only runs when it
    /// is asked for.
    pub find: Option<fn(&Section, &Context<'_>) -> Sighting>,
}

/// Every component of a build.
pub struct Catalog {
    /// Polled.
    pub collectors: &'static [Entry<dyn Collector>],
    /// What applications hand in to.
    pub feeds: &'static [Entry<dyn Feed>],
    /// Which points a window becomes.
    pub wrappers: &'static [Entry<dyn Wrapper>],
    /// Destinations.
    pub outputs: &'static [Entry<dyn Output>],
}

/// Every component of this program.
pub static CATALOG: Catalog = Catalog {
    collectors: &[
        Entry {
            descriptor: &host::DESCRIPTOR,
            build: |section, cx, findings| {
                boxed(host::build(section, cx.roots.clone(), &mut findings.problems))
            },
            effective: host::effective,
            find: Some(|_, _| Sighting::Readable {
                what: "this device".to_string(),
            }),
        },
        Entry {
            descriptor: &tegrastats::DESCRIPTOR,
            build: |section, cx, findings| {
                boxed(tegrastats::build(
                    section,
                    cx.roots.clone(),
                    &mut findings.problems,
                ))
            },
            effective: tegrastats::effective,
            find: Some(|section, cx| tegrastats::find(section, cx.roots)),
        },
        Entry {
            descriptor: &raspberrypi::DESCRIPTOR,
            build: |section, cx, findings| {
                boxed(raspberrypi::build(
                    section,
                    cx.roots.clone(),
                    &mut findings.problems,
                ))
            },
            effective: raspberrypi::effective,
            find: Some(|section, cx| raspberrypi::find(section, cx.roots)),
        },
        Entry {
            descriptor: &dramatiq::DESCRIPTOR,
            build: |section, cx, findings| boxed(dramatiq::build(section, cx.redis, &mut findings.problems)),
            effective: dramatiq::effective,
            find: None,
        },
        Entry {
            descriptor: &k8s::DESCRIPTOR,
            build: |section, cx, findings| boxed(k8s::build(section, cx.variable, &mut findings.problems)),
            effective: k8s::effective,
            find: None,
        },
        Entry {
            descriptor: &docker::DESCRIPTOR,
            build: |section, cx, findings| {
                boxed(docker::build(
                    section,
                    cx.machine,
                    cx.engine,
                    &mut findings.problems,
                ))
            },
            effective: docker::effective,
            find: Some(|section, cx| docker::find(section, cx.engine)),
        },
    ],
    feeds: &[
        Entry {
            descriptor: &feeds::redis::DESCRIPTOR,
            build: |section, cx, findings| {
                let server = feeds::redis::Server {
                    target: cx.redis?.clone(),
                    prefix: cx.prefix.to_string(),
                };
                let wants = feeds::redis::Wants { logs: cx.logs };
                let made = feeds::redis::build(section, server, wants, &mut findings.problems)?;
                Some(Box::new(made))
            },
            effective: feeds::redis::effective,
            find: None,
        },
        Entry {
            descriptor: &feeds::resp::DESCRIPTOR,
            build: |section, cx, findings| {
                let made = feeds::resp::build(section, &cx.directory.join("resp"), &mut findings.problems)?;
                Some(Box::new(made))
            },
            effective: feeds::resp::effective,
            find: None,
        },
    ],
    wrappers: &[
        Entry {
            descriptor: &wrappers::datadog::DESCRIPTOR,
            build: |section, _, findings| {
                let histograms: Histograms = section.read(&mut findings.problems)?;
                Some(Box::new(wrappers::datadog::Datadog::new(
                    &histograms.histogram_aggregates,
                    &histograms.histogram_percentiles,
                )))
            },
            effective: |_| None,
            find: None,
        },
        Entry {
            descriptor: &wrappers::simple::DESCRIPTOR,
            build: |_, _, _| Some(Box::new(wrappers::simple::Simple::new())),
            effective: |_| None,
            find: None,
        },
    ],
    outputs: &[
        Entry {
            descriptor: &outputs::datadog::DESCRIPTOR,
            build: |section, cx, findings| {
                let made = outputs::datadog::build(section, &datadog(cx), &mut findings.problems)?;
                warn(section, made.warnings(), findings);
                Some(Box::new(made))
            },
            effective: outputs::datadog::effective,
            find: None,
        },
        Entry {
            descriptor: &outputs::datadog::logs::DESCRIPTOR,
            build: |section, cx, findings| {
                let made = outputs::datadog::logs::build(section, &datadog(cx), &mut findings.problems)?;
                warn(section, made.warnings(), findings);
                Some(Box::new(made))
            },
            effective: outputs::datadog::logs::effective,
            find: None,
        },
        Entry {
            descriptor: &outputs::console::DESCRIPTOR,
            build: |section, _, findings| {
                let made = outputs::console::build(section, &mut findings.problems)?;
                Some(Box::new(made))
            },
            effective: outputs::console::effective,
            find: None,
        },
    ],
};

fn datadog(cx: &Context<'_>) -> outputs::datadog::Defaults {
    outputs::datadog::Defaults {
        timeout: cx.release_interval * 4 / 5,
        proxies: Proxies::from_env(cx.variable),
    }
}

fn warn(section: &Section, warnings: &[String], findings: &mut Findings) {
    for warning in warnings {
        findings.warnings.add(section.path.as_str(), warning.as_str());
    }
}

/// What the wrapper `datadog` tells of observations.
#[derive(Deserialize)]
struct Histograms {
    histogram_aggregates: Vec<Aggregation>,
    histogram_percentiles: Vec<f64>,
}

impl Catalog {
    /// What every component says of itself: collectors, feeds, wrappers, outputs, each in the order of the list.
    pub fn descriptors(&self) -> impl Iterator<Item = &'static Descriptor> {
        let collectors = self.collectors.iter().map(|entry| entry.descriptor);
        let feeds = self.feeds.iter().map(|entry| entry.descriptor);
        let wrappers = self.wrappers.iter().map(|entry| entry.descriptor);
        let outputs = self.outputs.iter().map(|entry| entry.descriptor);
        collectors.chain(feeds).chain(wrappers).chain(outputs)
    }

    /// The collector of that name.
    pub fn collector(&self, name: &str) -> Option<&'static Entry<dyn Collector>> {
        self.collectors.iter().find(|entry| entry.descriptor.name == name)
    }

    /// The feed of that name.
    pub fn feed(&self, name: &str) -> Option<&'static Entry<dyn Feed>> {
        self.feeds.iter().find(|entry| entry.descriptor.name == name)
    }

    /// The wrapper of that name.
    pub fn wrapper(&self, name: &str) -> Option<&'static Entry<dyn Wrapper>> {
        self.wrappers.iter().find(|entry| entry.descriptor.name == name)
    }

    /// The output of that name.
    pub fn output(&self, name: &str) -> Option<&'static Entry<dyn Output>> {
        self.outputs.iter().find(|entry| entry.descriptor.name == name)
    }
}

fn boxed<T: Collector + 'static>(made: Option<T>) -> Option<Box<dyn Collector>> {
    made.map(|made| Box::new(made) as Box<dyn Collector>)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::component::descriptor::Role;

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_component_in_the_folders_has_its_line() {
        let mut files = Vec::new();
        for folder in ["collectors", "feeds", "wrappers", "outputs"] {
            sources(
                &Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder),
                &mut files,
            );
        }
        let described = files
            .iter()
            .filter(|file| {
                let text = fs::read_to_string(file).unwrap();
                text.contains("pub static DESCRIPTOR: Descriptor")
            })
            .count();
        let listed: BTreeSet<_> = CATALOG
            .descriptors()
            .map(|descriptor| (descriptor.role, descriptor.name))
            .collect();
        assert!(described > 0);
        assert_eq!(
            listed.len(),
            described,
            "a component is missing in the catalog, or there twice: {listed:?}"
        );
        assert_eq!(CATALOG.descriptors().count(), described);
    }

    #[test]
    fn every_component_stands_where_its_role_belongs() {
        let roles = |descriptors: Vec<&Descriptor>, role| descriptors.iter().all(|one| one.role == role);
        assert!(roles(
            CATALOG.collectors.iter().map(|one| one.descriptor).collect(),
            Role::Collector
        ));
        assert!(roles(
            CATALOG.feeds.iter().map(|one| one.descriptor).collect(),
            Role::Feed
        ));
        assert!(roles(
            CATALOG.wrappers.iter().map(|one| one.descriptor).collect(),
            Role::Wrapper
        ));
        assert!(roles(
            CATALOG.outputs.iter().map(|one| one.descriptor).collect(),
            Role::Output
        ));
        for one in CATALOG.descriptors() {
            assert!(
                one.summary.ends_with('.') && one.summary.lines().count() == 1,
                "{}",
                one.name
            );
        }
    }
}
