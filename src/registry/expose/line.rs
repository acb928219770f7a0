//! The lines of a page: a family's head, and the samples of its series.

use crate::model::time::Timestamp;
use crate::registry::expose::names::{NameOf, quote};
use crate::registry::expose::negotiate::PageRequest;
use crate::registry::expose::plan::{PageType, Planned};
use crate::registry::view::Running;

/// Writes the lines of one family. What all its series share is made once.
#[derive(Debug)]
pub(super) struct Lines {
    kind: PageType,
    openmetrics: bool,
    head: Vec<u8>,
    value: Start,
    buckets: Start,
    sum: Start,
    count: Start,
    created: Option<Start>,
}

/// How the lines of one sample name begin.
#[derive(Debug, Default)]
struct Start {
    /// Up to the value, where there are no labels.
    bare: Vec<u8>,
    /// Up to the first label.
    open: Vec<u8>,
}

impl Start {
    fn new(name: &str) -> Self {
        let (bare, open) = if NameOf::Metric.is_legacy(name) {
            (format!("{name} "), format!("{name}{{"))
        } else {
            let quoted = quote(name);
            (format!("{{{quoted}}} "), format!("{{{quoted},"))
        };
        Self {
            bare: bare.into(),
            open: open.into(),
        }
    }

    fn write(&self, labels: &str, out: &mut Vec<u8>) {
        if labels.is_empty() {
            out.extend_from_slice(&self.bare);
        } else {
            out.extend_from_slice(&self.open);
            out.extend_from_slice(labels.as_bytes());
            out.extend_from_slice(b"} ");
        }
    }
}

impl Lines {
    /// Prepares a family's lines.
    pub(super) fn new(planned: &Planned, request: &PageRequest) -> Self {
        let openmetrics = request.format.is_openmetrics();
        let start = |suffix: &str| Start::new(&format!("{}{suffix}", planned.family));
        let mut lines = Self {
            kind: planned.kind,
            openmetrics,
            head: head(planned, openmetrics),
            value: Start::default(),
            buckets: Start::default(),
            sum: Start::default(),
            count: Start::default(),
            created: None,
        };
        if planned.kind == PageType::Histogram {
            (lines.buckets, lines.sum, lines.count) = (start("_bucket"), start("_sum"), start("_count"));
        } else {
            lines.value = Start::new(&planned.sample);
        }
        if openmetrics
            && request.created == Some(true)
            && matches!(planned.kind, PageType::Counter | PageType::Histogram)
        {
            lines.created = Some(start("_created"));
        }
        lines
    }

    /// Writes `# TYPE`, `# UNIT` and `# HELP`.
    pub(super) fn head(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
    }

    /// Whether the label `le` is taken for the family's own use.
    pub(super) fn has_buckets(&self) -> bool {
        self.kind == PageType::Histogram
    }

    /// Writes the samples of one series. `labels` is text as [`crate::model::labels::Labels`] keeps it, names escaped.
    ///
    /// A counter that is negative or not a number is no count: it has no sample.
    #[inline]
    pub(super) fn series(
        &self,
        labels: &str,
        running: Running<'_>,
        created: Option<Timestamp>,
        out: &mut Vec<u8>,
    ) {
        match running {
            Running::Number(value) => {
                if self.kind == PageType::Counter && (value.is_nan() || value < 0.0) {
                    return;
                }
                self.value.write(labels, out);
                number(value, out);
                out.push(b'\n');
            }
            Running::Histogram { bounds, counts, sum } => self.histogram(labels, bounds, counts, sum, out),
        }
        if let (Some(start), Some(created)) = (&self.created, created) {
            start.write(labels, out);
            out.extend_from_slice(created.to_string().as_bytes());
            out.push(b'\n');
        }
    }

    fn histogram(&self, labels: &str, bounds: &[f64], counts: &[u64], sum: f64, out: &mut Vec<u8>) {
        let mut integers = itoa::Buffer::new();
        let mut cumulative: u64 = 0;
        let last = bounds.len();
        for (index, count) in counts.iter().take(last + 1).enumerate() {
            cumulative = cumulative.saturating_add(*count);
            out.extend_from_slice(&self.buckets.open);
            if !labels.is_empty() {
                out.extend_from_slice(labels.as_bytes());
                out.push(b',');
            }
            out.extend_from_slice(b"le=\"");
            bound(bounds.get(index).copied().unwrap_or(f64::INFINITY), out);
            out.extend_from_slice(b"\"} ");
            out.extend_from_slice(integers.format(cumulative).as_bytes());
            out.push(b'\n');
        }
        // In OpenMetrics the sum is a counter, so there is none where observations can be negative; and there is no
        // count without a sum. The last bucket says as much.
        let grows = sum >= 0.0 && bounds.first().is_none_or(|first| *first >= 0.0);
        if grows || !self.openmetrics {
            self.sum.write(labels, out);
            number(sum, out);
            out.push(b'\n');
            self.count.write(labels, out);
            out.extend_from_slice(integers.format(cumulative).as_bytes());
            out.push(b'\n');
        }
    }
}

fn head(planned: &Planned, openmetrics: bool) -> Vec<u8> {
    let name = if NameOf::Metric.is_legacy(&planned.family) {
        planned.family.clone()
    } else {
        quote(&planned.family)
    };
    let mut text = format!("# TYPE {name} {}\n", planned.kind.name());
    if let Some(unit) = planned.unit.filter(|_| openmetrics) {
        text.push_str(&format!("# UNIT {name} {unit}\n"));
    }
    text.push_str(&format!("# HELP {name} "));
    // Parsers pass over the space around a help text. promtool wants one for every family; and where a name is
    // escaped, ours says how it is written.
    let help = match planned.help.trim() {
        "" => format!("Application metric {}.", planned.name),
        given => given.to_string(),
    };
    for char in help.chars() {
        match char {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if openmetrics => text.push_str("\\\""),
            other => text.push(other),
        }
    }
    text.push('\n');
    text.into_bytes()
}

/// Writes a sample's value: the shortest text that reads back to the same number, whole numbers without a fraction.
#[inline]
fn number(value: f64, out: &mut Vec<u8>) {
    // Beyond this size an exponent is shorter than the digits.
    const WHOLE: f64 = 1e15;
    if value.abs() < WHOLE && value.trunc() == value && (value != 0.0 || value.is_sign_positive()) {
        out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
    } else if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    }
}

/// Writes a bucket's bound in OpenMetrics' canonical form (Go's `%g`, with `.0` after whole numbers), in every format,
/// so that a series is the same one however it was scraped.
fn bound(bound: f64, out: &mut Vec<u8>) {
    if bound == f64::INFINITY {
        out.extend_from_slice(b"+Inf");
    } else if bound == 0.0 || (1e-4..1e6).contains(&bound.abs()) {
        out.extend_from_slice(zmij::Buffer::new().format(bound).as_bytes());
    } else {
        let text = format!("{bound:e}");
        match text.split_once('e') {
            Some((digits, exponent)) => {
                let (sign, exponent) = exponent
                    .strip_prefix('-')
                    .map_or(('+', exponent), |rest| ('-', rest));
                out.extend_from_slice(format!("{digits}e{sign}{exponent:0>2}").as_bytes());
            }
            None => out.extend_from_slice(text.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: fn(f64, &mut Vec<u8>), value: f64) -> String {
        let mut out = Vec::new();
        write(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_the_shortest_that_read_back() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0.0"),
            (1.0, "1"),
            (-42.0, "-42"),
            (0.1, "0.1"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e15, "1000000000000000.0"),
            (1e300, "1e+300"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(text(number, value), expected);
        }
    }

    #[test]
    fn bounds_are_canonical_floats() {
        for (value, expected) in [
            (0.0, "0.0"),
            (1.0, "1.0"),
            (-2.5, "-2.5"),
            (0.005, "0.005"),
            (0.00001, "1e-05"),
            (999_999.0, "999999.0"),
            (1_000_000.0, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (1e100, "1e+100"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(text(bound, value), expected);
        }
    }
}
