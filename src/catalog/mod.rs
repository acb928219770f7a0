//! The one list of every component. From it follow `tawny list`, the reference, and the checks of the settings.
//!
//! A new component is one line here; a test compares the lines with the folders.
//!
//! * [`mod@reference`]: the reference page, generated

use crate::collectors::container::{docker, k8s};
use crate::collectors::device::{raspberrypi, tegrastats};
use crate::collectors::host;
use crate::collectors::queue::dramatiq;
use crate::component::collector::Collector;
use crate::component::descriptor::Descriptor;
use crate::component::entry::Entry;
use crate::component::feed::Feed;
use crate::component::output::Output;
use crate::component::wrapper::Wrapper;
use crate::feeds;
use crate::outputs;
use crate::wrappers;

pub mod reference;

/// Every component of a build, each with how it is made.
pub struct Catalog {
    /// Polled.
    pub collectors: &'static [&'static Entry<dyn Collector>],
    /// What applications hand in to.
    pub feeds: &'static [&'static Entry<dyn Feed>],
    /// Which points a window becomes.
    pub wrappers: &'static [&'static Entry<dyn Wrapper>],
    /// Destinations.
    pub outputs: &'static [&'static Entry<dyn Output>],
}

/// Every component of this program.
pub static CATALOG: Catalog = Catalog {
    collectors: &[
        &host::ENTRY,
        &tegrastats::ENTRY,
        &raspberrypi::ENTRY,
        &dramatiq::ENTRY,
        &k8s::ENTRY,
        &docker::ENTRY,
    ],
    feeds: &[
        &feeds::redis::ENTRY,
        &feeds::resp::ENTRY,
        &feeds::container_logs::ENTRY,
    ],
    wrappers: &[&wrappers::datadog::ENTRY, &wrappers::simple::ENTRY],
    outputs: &[
        &outputs::datadog::ENTRY,
        &outputs::datadog::logs::ENTRY,
        &outputs::console::ENTRY,
    ],
};

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
        self.collectors
            .iter()
            .copied()
            .find(|entry| entry.descriptor.name == name)
    }

    /// The feed of that name.
    pub fn feed(&self, name: &str) -> Option<&'static Entry<dyn Feed>> {
        self.feeds
            .iter()
            .copied()
            .find(|entry| entry.descriptor.name == name)
    }

    /// The wrapper of that name.
    pub fn wrapper(&self, name: &str) -> Option<&'static Entry<dyn Wrapper>> {
        self.wrappers
            .iter()
            .copied()
            .find(|entry| entry.descriptor.name == name)
    }

    /// The output of that name.
    pub fn output(&self, name: &str) -> Option<&'static Entry<dyn Output>> {
        self.outputs
            .iter()
            .copied()
            .find(|entry| entry.descriptor.name == name)
    }
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
