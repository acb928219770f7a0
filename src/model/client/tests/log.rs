//! Log records: their time, their text.

use crate::model::client::log::parse;
use crate::model::client::record::Unreadable;
use crate::model::log::LogRecord;

const CLIENT: &str = r#"{"date": "2020-05-05T09:00:00.123456", "ddsource": "python", "ddtags": ["app:shop"], "level": "INFO", "message": {"msg": "caf\u00e9 \ud83d\ude00"}, "service": "shop", "extra": [1, {"date": "x"}]}"#;

fn time(json: &str, score: f64) -> Result<i64, Unreadable> {
    parse(json.as_bytes(), score).map(|record| record.time)
}

#[test]
fn a_log_is_kept_byte_for_byte_under_its_own_date() {
    let expected = LogRecord {
        time: 1_588_669_200,
        json: CLIENT.into(),
    };
    assert_eq!(parse(CLIENT.as_bytes(), 7.0), Ok(expected));
    let spaced = " { \"message\" : \"ü\" }\n";
    assert_eq!(
        parse(spaced.as_bytes(), 7.9).map(|record| (record.time, record.json.into())),
        Ok((7, spaced.to_string()))
    );
}

#[test]
fn the_score_stands_in_for_a_date_that_is_not_readable() {
    for date in [
        "\"today\"",
        "5",
        "null",
        "[\"2020-05-05T09:00:00\"]",
        "\"\\ud800\"",
    ] {
        assert_eq!(time(&format!("{{\"date\": {date}}}"), -0.5), Ok(-1), "{date}");
        assert_eq!(
            time(&format!("{{\"date\": {date}}}"), f64::INFINITY),
            Err(Unreadable::BadTime),
            "{date}"
        );
    }
    assert_eq!(time("{}", f64::NAN), Err(Unreadable::BadTime));
    assert_eq!(time("{}", 1e308), Ok(9_000_000_000_000));
    assert_eq!(time(CLIENT, f64::NAN), Ok(1_588_669_200));
    assert_eq!(
        time(
            r#"{"date": "2020-05-05T09:00:00", "date": "1970-01-01T00:00:01Z"}"#,
            7.0
        ),
        Ok(1)
    );
}

#[test]
fn what_is_no_json_object_is_no_log() {
    for json in [
        "",
        "text",
        "[]",
        "\"a\"",
        "null",
        "{\"a\": NaN}",
        "{} x",
        &CLIENT[..CLIENT.len() - 1],
    ] {
        assert_eq!(time(json, 7.0), Err(Unreadable::NotJson), "{json}");
    }
    assert_eq!(parse(b"{\"a\": \"\xff\"}", 7.0), Err(Unreadable::NotJson));
}
