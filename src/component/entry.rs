//! How a component is made: what the one list of all components holds of each.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::component::descriptor::Descriptor;
use crate::component::settings::{Problems, Section};
use crate::component::sighting::Sighting;
use crate::support::engine::Engine;
use crate::support::redis::target::Target;
use crate::support::root::Roots;

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

impl Findings {
    /// Adds what a component at this section says of its own settings.
    pub fn warn(&mut self, section: &Section, warnings: &[String]) {
        for warning in warnings {
            self.warnings.add(section.path.as_str(), warning.as_str());
        }
    }
}
