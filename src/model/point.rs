//! One value of one series at one second, ready to push to any backend.

use std::sync::Arc;

use crate::model::fold::folded;
use crate::model::labels::Labels;
use crate::model::metric::Names;

/// What a point's value says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PointKind {
    /// A state at that second.
    Gauge,
    /// An increase over `interval` seconds.
    Count,
    /// An increase a second, over `interval` seconds.
    Rate,
}

impl PointKind {
    /// The word that backends and exports use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Count => "count",
            Self::Rate => "rate",
        }
    }
}

/// One value, ready to push. Global tags and the host are not in it: they are added when it is sent, so that a
/// corrected configuration corrects the backlog too.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// What its series is called.
    pub names: Arc<Names>,
    /// What the wrapper appends to either name (`.95percentile`); `None` for nothing.
    pub suffix: Option<Arc<str>>,
    /// The labels of its series.
    pub labels: Labels,
    /// What its value says.
    pub kind: PointKind,
    /// Seconds that a count or rate covers; for a gauge, those of its window. At least 1.
    pub interval: u32,
    /// Seconds since 1970-01-01 UTC.
    pub time: i64,
    /// The value in base units; under the dotted name it is multiplied by the names' scale.
    pub value: f64,
}

impl Point {
    /// The name, labels and value under dotted names: suffix appended, labels folded, scale applied.
    pub fn dotted(&self) -> (String, Labels, f64) {
        (
            with_suffix(self.names.for_dotted(), self.suffix.as_deref()),
            folded(&self.labels, &self.names.folds),
            self.value * self.names.scale,
        )
    }

    /// The Prometheus name with its suffix; the value under it is `value`.
    pub fn prometheus_name(&self) -> String {
        with_suffix(&self.names.name, self.suffix.as_deref())
    }
}

fn with_suffix(name: &str, suffix: Option<&str>) -> String {
    let mut text = String::with_capacity(name.len() + suffix.map_or(0, str::len));
    text.push_str(name);
    text.push_str(suffix.unwrap_or_default());
    text
}
