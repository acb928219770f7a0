//! What a metric is called and means: declared once for metrics of ours, taken as written from applications.

use std::borrow::Cow;
use std::sync::Arc;

use crate::model::fold::Fold;

/// What a value of a series says, and so what both its faces show (DESIGN: *Values*).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A state that goes up and down; the last one counts.
    Gauge,
    /// A monotonic reading from a target; a fall is a restart of the target.
    Total,
    /// An increment from an application; may be negative.
    Delta,
    /// An increment that is pushed as a rate a second.
    Rate,
    /// Observed values, of which the distribution counts.
    Observations,
    /// Members of a set, of which the number of distinct ones counts.
    Members,
}

impl Kind {
    /// All kinds, in the order of their declaration.
    pub const ALL: [Self; 6] = [
        Self::Gauge,
        Self::Total,
        Self::Delta,
        Self::Rate,
        Self::Observations,
        Self::Members,
    ];

    /// The word for this kind in settings, logs and documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Total => "total",
            Self::Delta => "delta",
            Self::Rate => "rate",
            Self::Observations => "observations",
            Self::Members => "members",
        }
    }
}

/// One metric of ours, declared once as a `static`; collectors, pages, pushes and documents read it from here.
#[derive(Debug, PartialEq)]
pub struct MetricDef {
    /// Prometheus name: `<integration>_<what>_<unit>[_total]` in base units.
    pub name: &'static str,
    /// What its values say.
    pub kind: Kind,
    /// One sentence for `# HELP` and the reference, without a line break.
    pub help: &'static str,
    /// Its label names, sorted, all of them on every series.
    pub labels: &'static [&'static str],
    /// Its name for backends that use dotted names; `None` derives it from `name`.
    pub dotted: Option<&'static str>,
    /// What a value is multiplied by under the dotted name (a ratio shown as a percentage: 100).
    pub scale: f64,
    /// How its labels are told under the dotted name, where a predecessor had others; empty for as they are.
    pub dotted_labels: &'static [Fold],
    /// Push a total as the gauge that a predecessor's dashboards expect instead of as increases.
    pub push_as_gauge: bool,
}

impl MetricDef {
    /// Declares a metric without labels and without a dotted name of its own.
    pub const fn new(kind: Kind, name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            kind,
            help,
            labels: &[],
            dotted: None,
            scale: 1.0,
            dotted_labels: &[],
            push_as_gauge: false,
        }
    }

    /// Declares a [`Kind::Gauge`].
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::new(Kind::Gauge, name, help)
    }

    /// Declares a [`Kind::Total`]; `name` ends in `_total`.
    pub const fn total(name: &'static str, help: &'static str) -> Self {
        Self::new(Kind::Total, name, help)
    }

    /// Adds the label names, which stand sorted.
    pub const fn labels(mut self, labels: &'static [&'static str]) -> Self {
        self.labels = labels;
        self
    }

    /// Adds the dotted name.
    pub const fn dotted(mut self, dotted: &'static str) -> Self {
        self.dotted = Some(dotted);
        self
    }

    /// Sets the factor under the dotted name.
    pub const fn scale(mut self, scale: f64) -> Self {
        self.scale = scale;
        self
    }

    /// Sets how the labels are told under the dotted name.
    pub const fn dotted_labels(mut self, folds: &'static [Fold]) -> Self {
        self.dotted_labels = folds;
        self
    }

    /// Pushes a total as a gauge, as read.
    pub const fn push_as_gauge(mut self) -> Self {
        self.push_as_gauge = true;
        self
    }

    /// The names of the labels that stand with the dotted name.
    pub fn dotted_label_names(&self) -> impl Iterator<Item = &'static str> {
        let folded = |name: &&str| self.dotted_labels.iter().any(|fold| fold.label == **name);
        self.labels.iter().copied().filter(move |name| !folded(name))
    }

    /// The unit that ends the name (before `_total`), for OpenMetrics' `# UNIT`; `None` for a plain number.
    pub fn unit(&self) -> Option<&'static str> {
        const UNITS: [&str; 9] = [
            "seconds", "bytes", "celsius", "ratio", "volts", "amperes", "watts", "joules", "hertz",
        ];
        let stem = self.name.strip_suffix("_total").unwrap_or(self.name);
        let last = stem.rsplit('_').next()?;
        UNITS.into_iter().find(|unit| *unit == last)
    }
}

/// The names of a family, shared by its series and their points: for the page and for the push.
#[derive(Clone, Debug, PartialEq)]
pub struct Names {
    /// The Prometheus name of a metric of ours, or an application's name as written.
    pub name: Arc<str>,
    /// The dotted name, where it differs.
    pub dotted: Option<Arc<str>>,
    /// What a value is multiplied by under the dotted name.
    pub scale: f64,
    /// How labels are told under the dotted name; empty for as they are.
    pub folds: Cow<'static, [Fold]>,
}

impl Names {
    /// The names of an application's metric: one for every place, as written.
    pub fn given(name: &str) -> Self {
        Self {
            name: name.into(),
            dotted: None,
            scale: 1.0,
            folds: Cow::Borrowed(&[]),
        }
    }

    /// The names of a metric of ours. Without a dotted name of its own it is the Prometheus one.
    pub fn defined(def: &MetricDef) -> Self {
        Self {
            name: def.name.into(),
            dotted: def.dotted.map(Into::into),
            scale: def.scale,
            folds: Cow::Borrowed(def.dotted_labels),
        }
    }

    /// The name for backends that use dotted names.
    pub fn for_dotted(&self) -> &Arc<str> {
        self.dotted.as_ref().unwrap_or(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_the_last_word_before_total() {
        assert_eq!(
            MetricDef::total("host_cpu_seconds_total", "h").unit(),
            Some("seconds")
        );
        assert_eq!(
            MetricDef::gauge("host_memory_used_bytes", "h").unit(),
            Some("bytes")
        );
        assert_eq!(MetricDef::gauge("host_load_average", "h").unit(), None);
    }
    #[test]
    fn a_folded_label_does_not_stand_with_the_dotted_name() {
        static FOLDS: [Fold; 1] = [Fold::without("machine")];
        let def = MetricDef::gauge("m", "h").labels(&["container", "machine"]);
        let names = |def: &MetricDef| def.dotted_label_names().collect::<Vec<_>>();
        assert_eq!(names(&def), ["container", "machine"]);
        assert_eq!(names(&def.dotted_labels(&FOLDS)), ["container"]);
    }
}
