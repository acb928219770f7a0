//! The v1 body: JSON, `{"series":[…]}`, for intakes that speak no v2.
//!
//! Source: Datadog's API reference, "Submit metrics" v1. Values are written with as many digits as they need to read
//! back the same.

use crate::component::output::Series;
use crate::model::point::PointKind;
use crate::outputs::datadog::series::body::Format;

/// Writes JSON series.
pub(super) struct V1 {
    /// `"host":"…",` or nothing.
    host: Vec<u8>,
}

impl V1 {
    /// Series of one host; an empty one is left out.
    pub(super) fn new(host: &str) -> Self {
        let mut field = Vec::new();
        if !host.is_empty() {
            field.extend_from_slice(b"\"host\":");
            text(host, &mut field);
            field.push(b',');
        }
        Self { host: field }
    }

    fn frame(&self, series: &Series, first: bool, out: &mut Vec<u8>) {
        let name = &series.name;
        out.extend_from_slice(if first { b"{" } else { b",{" });
        out.extend_from_slice(&self.host);
        out.extend_from_slice(b"\"metric\":");
        text(&name.metric, out);
        out.extend_from_slice(b",\"tags\":[");
        for (index, tag) in name.tags.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            text(tag, out);
        }
        let (kind, has_interval): (&[u8], bool) = match name.kind {
            PointKind::Gauge => (b"gauge", false),
            PointKind::Count => (b"count", true),
            PointKind::Rate => (b"rate", true),
        };
        out.extend_from_slice(b"],\"type\":\"");
        out.extend_from_slice(kind);
        if has_interval {
            out.extend_from_slice(b"\",\"interval\":");
            out.extend_from_slice(itoa::Buffer::new().format(name.interval).as_bytes());
        } else {
            out.push(b'"');
        }
        out.extend_from_slice(b",\"points\":[");
    }
}

impl Format for V1 {
    const HEAD: &'static [u8] = b"{\"series\":[";
    const TAIL: &'static [u8] = b"]}";

    fn entry(&self, series: &Series, from: usize, first: bool, room: usize, out: &mut Vec<u8>) -> usize {
        const END: &[u8] = b"]}";
        let start = out.len();
        self.frame(series, first, out);
        let (mut taken, mut finite) = (0, 0);
        for (time, value) in &series.points[from..] {
            if value.is_finite() {
                let before = out.len();
                out.extend_from_slice(if finite > 0 { b",[" } else { b"[" });
                out.extend_from_slice(itoa::Buffer::new().format(*time).as_bytes());
                out.push(b',');
                let mut digits = zmij::Buffer::new();
                let digits = digits.format_finite(*value);
                out.extend_from_slice(digits.strip_suffix(".0").unwrap_or(digits).as_bytes());
                out.push(b']');
                if out.len() - start + END.len() > room {
                    out.truncate(before);
                    break;
                }
                finite += 1;
            }
            taken += 1;
        }
        if finite == 0 {
            out.truncate(start);
            return taken;
        }
        out.extend_from_slice(END);
        taken
    }
}

/// A JSON string. A `str` always has one, so there is no error to pass on.
fn text(value: &str, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, value);
}
