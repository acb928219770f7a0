//! The v2 body: protobuf `MetricPayload`, written straight from the series.
//!
//! Source: `agent-payload`'s `metrics/agent_payload.proto`, which the public API takes as `application/x-protobuf`.
//! A payload is its repeated field `series` and nothing else, so entries are written one after the other.

use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use crate::component::output::{Series, Speaker};
use crate::model::point::PointKind;
use crate::outputs::datadog::series::body::Format;
use crate::outputs::datadog::series::names;

/// Writes `MetricPayload`s.
///
/// Fields stand in the order that compresses best (protobuf leaves it open): what most series share comes first and
/// the name last, so that one match reaches from a series' head over its points; in a point the time stands before
/// the value, and a value of 0 is written, so that all points are of one size. Together that saves a tenth.
pub(super) struct V2 {
    /// The resource `host` as a field of a series, with its key; empty for no host.
    host: Vec<u8>,
    /// The global tags as the intake keeps them; they come before a series' own.
    global: Vec<String>,
}

impl V2 {
    /// Series of one speaker; an empty host is left out.
    pub(super) fn new(speaker: &Speaker) -> Self {
        let mut field = Vec::new();
        if !speaker.host.is_empty() {
            let mut resource = Vec::new();
            text(1, "host", &mut resource);
            text(2, &speaker.host, &mut resource);
            bytes(1, &resource, &mut field);
        }
        Self {
            host: field,
            global: names::tags([("", ""); 0], &speaker.tags),
        }
    }

    /// What stands before the points and what stands behind them.
    fn frame(&self, series: &Series) -> (Vec<u8>, Vec<u8>) {
        let name = &series.name;
        let (kind, has_interval) = match name.kind {
            PointKind::Count => (1, true),
            PointKind::Rate => (2, true),
            PointKind::Gauge => (3, false),
        };
        let mut before = Vec::with_capacity(128);
        encode_key(5, WireType::Varint, &mut before);
        encode_varint(kind, &mut before);
        if has_interval {
            encode_key(8, WireType::Varint, &mut before);
            encode_varint(u64::from(name.interval), &mut before);
        }
        before.extend_from_slice(&self.host);
        let mut behind = Vec::with_capacity(128);
        text(2, &name.metric, &mut behind);
        for tag in &name.tags {
            let shared = self.global.binary_search(tag).is_ok();
            text(3, tag, if shared { &mut before } else { &mut behind });
        }
        (before, behind)
    }
}

impl Format for V2 {
    const HEAD: &'static [u8] = b"";
    const TAIL: &'static [u8] = b"";

    fn entry(&self, series: &Series, from: usize, _first: bool, room: usize, out: &mut Vec<u8>) -> usize {
        let (before, behind) = self.frame(series);
        let mut length = before.len() + behind.len();
        let (mut taken, mut finite) = (0, 0);
        for (time, value) in &series.points[from..] {
            if value.is_finite() {
                let longer = length + 2 + point_len(*time);
                if 1 + encoded_len_varint(longer as u64) + longer > room {
                    break;
                }
                length = longer;
                finite += 1;
            }
            taken += 1;
        }
        if finite == 0 {
            return taken;
        }
        encode_key(1, WireType::LengthDelimited, out);
        encode_varint(length as u64, out);
        out.extend_from_slice(&before);
        let points = &series.points[from..from + taken];
        for (time, value) in points.iter().filter(|point| point.1.is_finite()) {
            point(*time, *value, out);
        }
        out.extend_from_slice(&behind);
        taken
    }
}

/// A time before 1970 is a ten-byte varint: its two's complement.
const fn varint_of(time: i64) -> u64 {
    time.cast_unsigned()
}

/// Bytes of a point without its key and length, which are one byte each.
fn point_len(time: i64) -> usize {
    1 + encoded_len_varint(varint_of(time)) + 9
}

fn point(time: i64, value: f64, out: &mut Vec<u8>) {
    encode_key(4, WireType::LengthDelimited, out);
    encode_varint(point_len(time) as u64, out);
    encode_key(2, WireType::Varint, out);
    encode_varint(varint_of(time), out);
    encode_key(1, WireType::SixtyFourBit, out);
    out.extend_from_slice(&value.to_le_bytes());
}

fn text(field: u32, value: &str, out: &mut Vec<u8>) {
    bytes(field, value.as_bytes(), out);
}

fn bytes(field: u32, value: &[u8], out: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}
