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
    let pairs = match pairs {
        Pairs::Absent => return Ok(Tags::new()),
        Pairs::Other => return Err(Unreadable::BadTags),
        Pairs::Map(pairs) => pairs,
    };
    let mut tags = Tags::new();
    for (key, raw) in pairs {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn with(field: &str) -> String {
        let mut fields = vec![
            ("metric", r#""a.b""#),
            ("type", r#""count""#),
            ("value", "1"),
            ("timestamp", "1588669200.25"),
            ("tags", "{}"),
        ];
        let (key, value) = field.split_once('=').unwrap();
        fields.retain(|known| known.0 != key);
        if !value.is_empty() {
            fields.push((key, value));
        }
        let fields: Vec<_> = fields
            .iter()
            .map(|(key, value)| format!("\"{key}\": {value}"))
            .collect();
        format!("{{{}}}", fields.join(", "))
    }

    fn fault(field: &str) -> Option<Unreadable> {
        parse(with(field).as_bytes()).err()
    }

    #[test]
    fn a_record_of_the_client_is_read_without_a_copy() {
        let json = br#"{"metric": "app.requests", "type": "count", "value": -2, "timestamp": 1588669200.2509, "tags": {"path": "/", "app": "shop"}}"#;
        let record = parse(json).unwrap();
        assert_eq!(
            record,
            Record {
                metric: "app.requests".into(),
                value: RecordValue::Count(-2.0),
                time: Timestamp::from_millis(1_588_669_200_250),
                seconds: 1_588_669_200.2509,
                tags: [("app".into(), "shop".into()), ("path".into(), "/".into())]
                    .into_iter()
                    .collect(),
            }
        );
        assert!(matches!(record.metric, Cow::Borrowed(_)));
        assert!(
            record
                .tags
                .iter()
                .all(|tag| matches!(tag, (Cow::Borrowed(_), Cow::Borrowed(_))))
        );
    }

    #[test]
    fn every_type_has_its_value() {
        let value = |kind: &str, value: &str| {
            let json = with("value=").replace("\"count\"", &format!("\"{kind}\", \"value\": {value}"));
            parse(json.as_bytes()).map(|record| format!("{:?}", record.value))
        };
        let cases = [
            ("count", "1.5e3", "Count(1500.0)"),
            ("gauge", "9007199254740993", "Gauge(9007199254740992.0)"),
            (
                "gauge",
                "123456789012345678901234567890",
                "Gauge(1.2345678901234568e29)",
            ),
            ("rate", "-0", "Rate(-0.0)"),
            ("histogram", "0.1", "Histogram(0.1)"),
            ("set", "[]", "Set([])"),
            (
                "set",
                r#"["a", 1, 1.50, true, null, "\u00e9", 123456789012345678901]"#,
                r#"Set(["a", "1", "1.50", "true", "null", "é", "123456789012345678901"])"#,
            ),
            ("set", "\"alone\"", "Set([\"alone\"])"),
            ("set", "7", "Set([\"7\"])"),
        ];
        for (kind, given, expected) in cases {
            assert_eq!(value(kind, given).as_deref(), Ok(expected), "{kind} {given}");
        }
        for kind in ["count", "gauge", "rate", "histogram"] {
            for given in [
                "\"x\"",
                "\"1\"",
                "true",
                "null",
                "[1]",
                "{}",
                "1e400",
                "NaN",
                "-Infinity",
                "Infinity",
            ] {
                assert_eq!(value(kind, given), Err(Unreadable::BadValue), "{kind} {given}");
            }
        }
        for given in ["[[1]]", "[{}]", "{}", "null", "true", "[NaN]", r#"["\ud800"]"#] {
            assert_eq!(value("set", given), Err(Unreadable::BadValue), "{given}");
        }
        for kind in ["Count", "", "timer"] {
            assert_eq!(value(kind, "1"), Err(Unreadable::BadType), "{kind}");
        }
    }

    #[test]
    fn every_fault_has_its_name() {
        use Unreadable::{BadTags, BadTime, BadType, BadValue, NoMetric};
        let cases = [
            ("metric=", NoMetric),
            ("metric=\"\"", NoMetric),
            ("metric=null", NoMetric),
            ("metric=5", NoMetric),
            ("metric=NaN", NoMetric),
            ("metric=[\"a\"]", NoMetric),
            ("type=", BadType),
            ("type=1", BadType),
            ("value=", BadValue),
            ("timestamp=", BadTime),
            ("timestamp=null", BadTime),
            ("timestamp=\"1588669200\"", BadTime),
            ("timestamp=true", BadTime),
            ("timestamp=NaN", BadTime),
            ("timestamp=1e309", BadTime),
            ("tags=[\"a:b\"]", BadTags),
            ("tags=[]", BadTags),
            ("tags=\"a:b\"", BadTags),
            ("tags=1", BadTags),
            ("tags=-1.5", BadTags),
            ("tags=true", BadTags),
            ("tags={\"a\": [\"b\"]}", BadTags),
            ("tags={\"a\": {}}", BadTags),
            ("tags={\"a\": NaN}", BadTags),
            ("tags={\"\": \"b\"}", BadTags),
        ];
        for (field, expected) in cases {
            assert_eq!(fault(field), Some(expected), "{field}");
        }
    }

    #[test]
    fn what_is_no_object_is_not_json() {
        let whole = with("tags={}");
        for json in [
            "",
            "null",
            "[]",
            "1",
            "\"a\"",
            "{",
            "{} {}",
            "{\"metric\": nan}",
            "\u{feff}{}",
            "{'metric': 1}",
        ] {
            assert_eq!(parse(json.as_bytes()), Err(Unreadable::NotJson), "{json}");
        }
        assert_eq!(
            parse(&whole.as_bytes()[..whole.len() - 1]),
            Err(Unreadable::NotJson)
        );
        assert_eq!(parse(b"{\"metric\": \"\xff\"}"), Err(Unreadable::NotJson));
        assert_eq!(fault("more=NaN"), Some(Unreadable::NotJson));
        assert_eq!(fault("more=\"NaN\""), None);
        let deep = "[".repeat(200_000);
        assert_eq!(fault(&format!("tags={deep}")), Some(Unreadable::NotJson));
    }

    #[test]
    fn of_several_faults_the_first_is_told() {
        use Unreadable::{BadTags, BadTime, BadType, BadValue, NoMetric};
        let fields = [
            (NoMetric, "\"metric\": 1", "\"metric\": \"m\""),
            (BadType, "\"type\": 1", "\"type\": \"gauge\""),
            (BadValue, "\"value\": NaN", "\"value\": 1"),
            (BadTime, "\"timestamp\": NaN", "\"timestamp\": 1"),
            (BadTags, "\"tags\": []", "\"tags\": null"),
        ];
        for first in 0..fields.len() {
            let text = |(index, field): (usize, &(Unreadable, &'static str, &'static str))| {
                if index < first { field.2 } else { field.1 }
            };
            let texts: Vec<_> = fields.iter().enumerate().map(text).rev().collect();
            let json = format!("{{{}}}", texts.join(","));
            assert_eq!(parse(json.as_bytes()), Err(fields[first].0), "{json}");
        }
    }

    #[test]
    fn a_long_record_is_not_even_looked_at() {
        let padding = MOST_BYTES - with("metric=\"\"").len();
        let most = with(&format!("metric=\"{}\"", "x".repeat(padding)));
        assert_eq!(most.len(), MOST_BYTES);
        assert_eq!(parse(most.as_bytes()).unwrap().metric.len(), padding);
        assert_eq!(parse(format!("{most} ").as_bytes()), Err(Unreadable::TooLong));
        assert_eq!(parse(&[b'x'; 10_000_000]), Err(Unreadable::TooLong));
    }

    #[test]
    fn times_beyond_any_calendar_are_brought_to_its_end() {
        let time = |seconds: &str| {
            parse(with(&format!("timestamp={seconds}")).as_bytes())
                .unwrap()
                .time
                .millis()
        };
        assert_eq!(time("1e308"), 9_000_000_000_000_000);
        assert_eq!(time("-1e308"), -9_000_000_000_000_000);
        assert_eq!(time("0"), 0);
        assert_eq!(time("-0.0005"), -1);
        assert_eq!(time("1588669200"), 1_588_669_200_000);
    }

    #[test]
    fn tags_are_sorted_and_the_later_of_two_counts() {
        let tags = |tags: &str| {
            let json = with(&format!("tags={tags}"));
            let record = parse(json.as_bytes()).unwrap();
            let pairs = record.tags.iter().map(|(key, value)| format!("{key}={value}"));
            pairs.collect::<Vec<_>>().join(",")
        };
        assert_eq!(tags("null"), "");
        assert_eq!(tags(r#"{"b": "2", "a": "1", "c": "3"}"#), "a=1,b=2,c=3");
        assert_eq!(tags(r#"{"b": "1", "a": "1", "b": "2", "b": "3"}"#), "a=1,b=3");
        assert_eq!(tags(r#"{"a": "1", "a": null, "b": "", "c": "x", "c": ""}"#), "");
        assert_eq!(tags(r#"{"a": "", "a": "1"}"#), "a=1");
        assert_eq!(
            tags(r#"{"n": 1, "f": 1.50, "t": true, "e": "a\"\u00e9\n"}"#),
            "e=a\"é\n,f=1.50,n=1,t=true"
        );
        assert_eq!(tags(r#"{"\u0061": "1", "a": "2"}"#), "a=2");
    }

    #[test]
    fn keys_are_told_apart_whatever_their_order_and_spelling() {
        let json = br#" { "timestamp":1,"more":{"metric":"no"},"value":1,"value":2,"tags":{},"m\u0065tric":"m","type":"gauge","metric":"n" } "#;
        let record = parse(json).unwrap();
        assert_eq!((&*record.metric, record.value), ("n", RecordValue::Gauge(2.0)));
    }
}
