//! The sections of collectors, feeds and outputs: what all of a role have in common, and what is each one's own.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::ser::SerializeMap;

use crate::component::settings::Section;
use crate::support::quantity::Span;

/// One collector. In a file, its keys and those of its own section stand side by side.
#[derive(Clone, Debug)]
pub struct CollectorSettings {
    /// Which collector it is; its name unless `type` says otherwise.
    pub kind: String,
    /// How often it runs; default [`Settings::collect_interval`](crate::config::settings::Settings::collect_interval), at least `1s`.
    pub interval: Span,
    /// How long one run may take; default `10s`, or the interval where that is shorter. Never longer than it.
    pub timeout: Span,
    /// What it reads itself.
    pub section: Section,
}

/// One feed. In a file, `type`, `enabled` and its own section stand side by side.
#[derive(Clone)]
pub struct FeedSettings {
    /// Which feed it is; its name unless `type` says otherwise.
    pub kind: String,
    /// What it reads itself.
    pub section: Section,
}

/// Shows no content, which may hold passwords.
impl fmt::Debug for FeedSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("FeedSettings")
            .field("kind", &self.kind)
            .field("path", &self.section.path)
            .finish_non_exhaustive()
    }
}

/// One output. In a file, `type` and its own section stand side by side.
#[derive(Clone)]
pub struct OutputSettings {
    /// Which output it is; its name unless `type` says otherwise.
    pub kind: String,
    /// What it reads itself.
    pub section: Section,
}

/// Shows no content, which may hold keys.
impl fmt::Debug for OutputSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("OutputSettings")
            .field("kind", &self.kind)
            .field("path", &self.section.path)
            .finish_non_exhaustive()
    }
}

impl CollectorSettings {
    /// How long one run may take where nothing else is said.
    pub(super) fn default_timeout(interval: Span) -> Span {
        Span(interval.0.min(Duration::from_secs(10)))
    }
}

impl Serialize for CollectorSettings {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let own = self.section.value.as_object();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", &self.kind)?;
        map.serialize_entry("interval", &self.interval)?;
        map.serialize_entry("timeout", &self.timeout)?;
        for (key, value) in own.into_iter().flatten() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl Serialize for FeedSettings {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        typed(&self.kind, &self.section, serializer)
    }
}

impl Serialize for OutputSettings {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        typed(&self.kind, &self.section, serializer)
    }
}

fn typed<S: serde::Serializer>(kind: &str, section: &Section, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("type", kind)?;
    for (key, value) in section.value.as_object().into_iter().flatten() {
        map.serialize_entry(key, value)?;
    }
    map.end()
}
