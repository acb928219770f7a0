//! Delivers to Datadog, and to intakes that speak its protocols.
//!
//! * [`series`]: points, as series
//! * [`logs`]: log records
//! * `account`: the key and the way to the account, which both need
//! * `answer`: what each answer means

mod account;
mod answer;
pub mod logs;
pub mod series;

pub use account::{Defaults, MaxAge, SITES};
pub use series::{Config, DESCRIPTOR, Datadog, ENTRY, Version, build, effective};
