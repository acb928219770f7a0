//! A metric record as the client library writes it: JSON with `metric`, `type`, `value`, `timestamp`, `tags`.

use std::borrow::Cow;

use serde::de::{IgnoredAny, MapAccess};
use serde_json::value::RawValue;
use smallvec::SmallVec;

use crate::model::client::json::{
    Fields, Pairs, is_null, list, number, object, text, without_python_numbers, word,
};
use crate::model::time::Timestamp;

/// A metric record.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<'a> {
    /// Its name, as written.
    pub metric: Cow<'a, str>,
    /// What it says.
    pub value: RecordValue<'a>,
    /// When it was observed, in milliseconds; what lies beyond ±285,000 years is brought to there.
    pub time: Timestamp,
    /// The same as written, in seconds: it tells the order of records of one millisecond.
    pub seconds: f64,
    /// Its tags, sorted by key, unique, without empty values.
    pub tags: Tags<'a>,
}

/// Tags of a record: keys and values.
pub type Tags<'a> = SmallVec<[(Cow<'a, str>, Cow<'a, str>); 8]>;

/// The value of a record by its `type`.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordValue<'a> {
    /// `count`.
    Count(f64),
    /// `gauge`.
    Gauge(f64),
    /// `rate`.
    Rate(f64),
    /// `histogram`.
    Histogram(f64),
    /// `set`: its members as text; numbers, `true`, `false` and `null` as their JSON text, so that 1 and "1" are told
    /// apart by nobody but the client. One text or number that stands without a list is one member.
    Set(Vec<Cow<'a, str>>),
}

/// Why a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unreadable {
    /// It is no JSON object.
    NotJson,
    /// There is no `metric`, or it is no text, or empty.
    NoMetric,
    /// There is no `type`, or an unknown one.
    BadType,
    /// There is no `value`, or none of its type, or it is not finite.
    BadValue,
    /// There is no `timestamp`, or it is not a finite number.
    BadTime,
    /// `tags` are there and no map from names to texts or numbers.
    BadTags,
    /// The record is longer than [`MOST_BYTES`].
    TooLong,
}

/// The longest record that is read, in bytes of JSON.
pub const MOST_BYTES: usize = 1 << 20;

impl Unreadable {
    /// The word for this reason in labels and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NoMetric => "no_metric",
            Self::BadType => "bad_type",
            Self::BadValue => "bad_value",
            Self::BadTime => "bad_time",
            Self::BadTags => "bad_tags",
            Self::TooLong => "too_long",
        }
    }
}

/// Reads a record. Its keys may stand in any order, keys that are not known are passed over, and of a key that stands
/// twice the later value counts. Of several faults the one that [`Unreadable`] lists first is told, [`Unreadable::TooLong`]
/// before all. Numbers are doubles; what Python writes beyond JSON (`NaN`, `Infinity`) is a fault of the field it stands in.
///
/// # Errors
/// See [`Unreadable`].
pub fn parse(json: &[u8]) -> Result<Record<'_>, Unreadable> {
    if json.len() > MOST_BYTES {
        return Err(Unreadable::TooLong);
    }
    let json = std::str::from_utf8(json).map_err(|_| Unreadable::NotJson)?;
    match object::<RecordFields<'_>>(json) {
        Some(fields) => fields.read(),
        None => Err(fault_beyond_json(json)),
    }
}

/// Why what is no JSON cannot be read: for the field that holds `NaN` or `Infinity`, or for not being JSON at all.
#[cold]
fn fault_beyond_json(json: &str) -> Unreadable {
    let repaired = without_python_numbers(json);
    let fields = repaired.as_deref().and_then(object::<RecordFields<'_>>);
    // Where it stands in a key that nobody reads, no field is at fault, and it is no JSON all the same.
    fields
        .and_then(|fields| fields.read().err())
        .unwrap_or(Unreadable::NotJson)
}

#[derive(Default)]
struct RecordFields<'a> {
    metric: Option<&'a RawValue>,
    kind: Option<&'a RawValue>,
    value: Option<&'a RawValue>,
    timestamp: Option<&'a RawValue>,
    tags: Pairs<'a>,
}

impl<'a> Fields<'a> for RecordFields<'a> {
    fn take<M: MapAccess<'a>>(&mut self, key: &str, map: &mut M) -> Result<(), M::Error> {
        match key {
            "metric" => self.metric = Some(map.next_value()?),
            "type" => self.kind = Some(map.next_value()?),
            "value" => self.value = Some(map.next_value()?),
            "timestamp" => self.timestamp = Some(map.next_value()?),
            "tags" => self.tags = map.next_value()?,
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'a> RecordFields<'a> {
    fn read(self) -> Result<Record<'a>, Unreadable> {
        let metric = name(self.metric)?;
        let kind = self.kind.and_then(text).ok_or(Unreadable::BadType)?;
        let make: fn(f64) -> RecordValue<'a> = match &*kind {
            "count" => RecordValue::Count,
            "gauge" => RecordValue::Gauge,
            "rate" => RecordValue::Rate,
            "histogram" => RecordValue::Histogram,
            "set" => |_| RecordValue::Set(Vec::new()),
            _ => return Err(Unreadable::BadType),
        };
        let value = self.value.ok_or(Unreadable::BadValue)?;
        let value = match &*kind {
            "set" => RecordValue::Set(members(value).ok_or(Unreadable::BadValue)?),
            _ => make(number(value).ok_or(Unreadable::BadValue)?),
        };
        let seconds = self.timestamp.and_then(number).ok_or(Unreadable::BadTime)?;
        Ok(Record {
            metric,
            value,
            time: moment(seconds),
            seconds,
            tags: tags(self.tags)?,
        })
    }
}

/// A metric's name.
pub(super) fn name(raw: Option<&RawValue>) -> Result<Cow<'_, str>, Unreadable> {
    raw.and_then(text)
        .filter(|name| !name.is_empty())
        .ok_or(Unreadable::NoMetric)
}

fn members(raw: &RawValue) -> Option<Vec<Cow<'_, str>>> {
    match list(raw) {
        Some(members) => members.into_iter().map(word).collect(),
        // A number or a text; of what else stands alone nobody knows whether it is meant as a member.
        None => (number(raw).is_some() || raw.get().starts_with('"'))
            .then(|| word(raw).map(|member| vec![member]))?,
    }
}

/// Finite seconds as a moment.
pub(super) fn moment(seconds: f64) -> Timestamp {
    const FURTHEST: i64 = 9_000_000_000_000_000;
    let beyond = if seconds < 0.0 { -FURTHEST } else { FURTHEST };
    Timestamp::from_seconds_f64(seconds).unwrap_or(Timestamp::from_millis(beyond))
}

fn tags(pairs: Pairs<'_>) -> Result<Tags<'_>, Unreadable> {
    let mut tags = Tags::new();
    for (key, raw) in pairs.0.ok_or(Unreadable::BadTags)? {
        // A label without a name would spoil the whole page.
        if key.is_empty() {
            return Err(Unreadable::BadTags);
        }
        // `null` is an empty value until the later of two with one key has won.
        let value = if is_null(raw) {
            Cow::Borrowed("")
        } else {
            word(raw).ok_or(Unreadable::BadTags)?
        };
        tags.push((key, value));
    }
    if !tags.is_sorted_by(|left, right| left.0 < right.0) {
        tags.sort_by(|left, right| left.0.cmp(&right.0));
        // Keeps the later of two, which `dedup` would drop.
        tags.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
    }
    tags.retain(|(_, value)| !value.is_empty());
    Ok(tags)
}
