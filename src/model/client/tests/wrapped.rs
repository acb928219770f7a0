//! Points of the original agent.

use std::sync::Arc;

use crate::model::client::record::{MOST_BYTES, Unreadable};
use crate::model::client::wrapped::parse;
use crate::model::labels::Labels;
use crate::model::metric::Names;
use crate::model::point::{Point, PointKind};

fn with(field: &str) -> String {
    let mut fields = vec![
        ("metric", "\"m\""),
        ("type", "\"count\""),
        ("points", "[[10, 1]]"),
        ("tags", "[]"),
        ("interval", "10"),
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

fn read(field: &str) -> Result<Vec<Point>, Unreadable> {
    parse(with(field).as_bytes(), 30)
}

#[test]
fn every_point_of_a_wrapped_metric_is_read() {
    let json = br#"{"metric": "app.hits", "type": "count", "points": [[1588669200.9, 2.5], [1588669210, -1]], "tags": ["app:shop", "url:http://x"], "interval": 10}"#;
    let point = |time, value| Point {
        names: Arc::new(Names::given("app.hits")),
        suffix: None,
        labels: Labels::new([("app", "shop"), ("url", "http://x")]),
        kind: PointKind::Count,
        interval: 10,
        time,
        value,
    };
    let expected = vec![point(1_588_669_200, 2.5), point(1_588_669_210, -1.0)];
    assert_eq!(parse(json, 30), Ok(expected));
}

#[test]
fn a_gauge_and_a_record_without_an_interval_have_the_windows() {
    let interval = |json: &str| parse(json.as_bytes(), 30).map(|points| points[0].interval);
    assert_eq!(interval(&with("type=\"gauge\"")), Ok(30));
    assert_eq!(interval(&with("type=\"rate\"")), Ok(10));
    assert_eq!(interval(&with("interval=60.0")), Ok(60));
    for none in ["", "null", "0", "-10", "1.5", "\"10\"", "1e300"] {
        assert_eq!(interval(&with(&format!("interval={none}"))), Ok(30), "{none}");
    }
    assert_eq!(
        parse(with("interval=").as_bytes(), 0).map(|points| points[0].interval),
        Ok(1)
    );
}

#[test]
fn tags_become_labels() {
    let labels = |tags: &str| read(&format!("tags={tags}")).map(|points| points[0].labels.text().to_string());
    assert_eq!(labels(r#"["b:1:2", "a:x"]"#).as_deref(), Ok(r#"a="x",b="1:2""#));
    assert_eq!(
        labels(r#"["urgent", "late:", ":early", "", ":"]"#).as_deref(),
        Ok(r#"early=":",late=":",urgent=":""#)
    );
    assert_eq!(labels("null").as_deref(), Ok(""));
    assert_eq!(labels("").as_deref(), Ok(""));
}

#[test]
fn every_fault_has_its_name() {
    use Unreadable::{BadTags, BadTime, BadType, BadValue, NoMetric};
    let cases = [
        ("metric=", NoMetric),
        ("metric=\"\"", NoMetric),
        ("type=", BadType),
        ("type=\"set\"", BadType),
        ("points=", BadValue),
        ("points=[]", BadValue),
        ("points=1", BadValue),
        ("points=[1, 2]", BadValue),
        ("points=[[1, 2, 3]]", BadValue),
        ("points=[[1, null]]", BadValue),
        ("points=[[1, 1e999]]", BadValue),
        ("points=[[1, [2]]]", BadValue),
        ("points=[[1, 2], [3, \"x\"]]", BadValue),
        ("points=[[null, 2]]", BadTime),
        ("points=[[1e999, 2]]", BadTime),
        ("points=[[null, 2], [1, null]]", BadValue),
        ("tags={\"a\": \"b\"}", BadTags),
        ("tags=[1]", BadTags),
        ("tags=\"a:b\"", BadTags),
        ("more={", Unreadable::NotJson),
    ];
    for (field, expected) in cases {
        assert_eq!(read(field), Err(expected), "{field}");
    }
    assert_eq!(parse(&vec![b' '; MOST_BYTES + 1], 10), Err(Unreadable::TooLong));
    assert_eq!(parse(b"\xff", 10), Err(Unreadable::NotJson));
    assert_eq!(
        read("points=[[1e308, 2]]").map(|points| points[0].time),
        Ok(9_000_000_000_000)
    );
}
