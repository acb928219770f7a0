//! Files, environment and flags to checked settings.
//!
//! Layers lie on top of each other: defaults, a YAML file, the environment, flags; later ones win. Each value remembers
//! where it came from. Whatever is wrong is reported at once, and nothing is started then.
//!
//! * [`settings`]: the settings, one typed tree
//! * [`kinds`]: kinds of values that they have
//! * [`redis`]: which Redis
//! * [`docker`]: which container engine
//! * [`found`]: what this device has to collect, found by itself
//! * [`environment`]: the variables of this process, or of a test
//! * [`layers`]: where each value came from
//! * [`load`]: puts it all together
//! * [`show`]: the settings as they may be shown

pub mod docker;
pub mod environment;
pub mod found;
pub mod kinds;
pub mod layers;
pub mod load;
pub mod redis;
pub mod settings;
pub mod show;

mod build;
mod check;
mod choose;
mod expand;
mod feeds;
mod loaded;
mod place;
mod sections;
mod speaker;
mod variables;
mod words;
mod yaml;

#[cfg(test)]
mod tests;
