//! Metric records: every value, every fault.

use std::borrow::Cow;

use crate::model::client::record::{MOST_BYTES, Record, RecordValue, Unreadable, parse};
use crate::model::time::Timestamp;

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
            seconds: 1_588_669_200.250_9,
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
