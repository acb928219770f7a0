//! What a component says of itself: from it follow `tawny list`, the reference and the checks.

use crate::model::metric::MetricDef;

/// Which part a component plays in the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Polled: asks one target, returns samples.
    Collector,
    /// Runs: accepts samples from applications.
    Feed,
    /// Decides which points a window becomes.
    Wrapper,
    /// One destination.
    Output,
}

impl Role {
    /// The word for this role in the command line and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Collector => "collector",
            Self::Feed => "feed",
            Self::Wrapper => "wrapper",
            Self::Output => "output",
        }
    }
}

/// A component's own description, a `static` in its file.
#[derive(Debug)]
pub struct Descriptor {
    /// Its name in settings, logs and labels.
    pub name: &'static str,
    /// Its part in the flow.
    pub role: Role,
    /// One sentence that says what it does, with a full stop.
    pub summary: &'static str,
    /// A commented section of a settings file (YAML) that a test reads; every key with its default.
    pub sample: &'static str,
    /// The metrics that it can give, in the order of the reference.
    pub metrics: &'static [&'static MetricDef],
}
