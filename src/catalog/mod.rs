//! The one list of every component. From it follow `tawny list`, the reference, and the checks of the settings.
//!
//! A new component is one line here; a test compares the lines with the folders.
//!
//! * [`reference`]: the reference page, generated

use std::path::Path;
use std::time::Duration;

use crate::component::collector::Collector;
use crate::component::descriptor::Descriptor;
use crate::component::output::Output;
use crate::component::settings::{Problems, Section};
use crate::component::wrapper::Wrapper;

pub mod reference;

/// What a component may need beside its own section.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Where `/proc` of the device is.
    pub proc: &'a Path,
    /// Where `/sys` of the device is.
    pub sys: &'a Path,
    /// Where `/` of the device is.
    pub root: &'a Path,
    /// How often live points are sent.
    pub release_interval: Duration,
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
}

/// Every component of a build.
pub struct Catalog {
    /// Polled.
    pub collectors: &'static [Entry<dyn Collector>],
    /// Which points a window becomes.
    pub wrappers: &'static [Entry<dyn Wrapper>],
    /// Destinations.
    pub outputs: &'static [Entry<dyn Output>],
}

/// Every component of this program.
pub static CATALOG: Catalog = Catalog {
    collectors: &[],
    wrappers: &[],
    outputs: &[],
};

impl Catalog {
    /// What every component says of itself: collectors, wrappers, outputs, each in the order of the list.
    pub fn descriptors(&self) -> impl Iterator<Item = &'static Descriptor> {
        let collectors = self.collectors.iter().map(|entry| entry.descriptor);
        let wrappers = self.wrappers.iter().map(|entry| entry.descriptor);
        let outputs = self.outputs.iter().map(|entry| entry.descriptor);
        collectors.chain(wrappers).chain(outputs)
    }

    /// The collector of that name.
    pub fn collector(&self, name: &str) -> Option<&'static Entry<dyn Collector>> {
        self.collectors.iter().find(|entry| entry.descriptor.name == name)
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
