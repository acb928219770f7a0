//! A log record as the intake reads it: the application's own keys, and what is added on the way.
//!
//! Source: Datadog's API reference, "Send logs" v2, and its reserved attributes: `ddsource`, `ddtags`, `hostname`,
//! `service` and `message`; the status is read from `status` or `level`, the time from `date`. Every other key becomes
//! an attribute. So `level` and all that is not named below goes as the application wrote it, byte for byte.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use serde_json::value::RawValue;

use crate::component::output::{LogEntry, Speaker};
use crate::model::log::LogRecord;
use crate::outputs::datadog::logs::{Version, cut};

/// Most bytes of an entry: documented as 1 MB, which is read as the smaller of its two meanings. Longer ones are taken
/// and cut, and nobody is told.
pub(super) const MOST_BYTES: usize = 1_000_000;
/// The first second of the year 10000, beyond which no date is written.
const FAR: u64 = 253_402_300_800;

/// The keys of an entry, each with the JSON of its value.
pub(super) type Fields<'a> = BTreeMap<String, Cow<'a, str>>;

/// The entry of a record; `None` where the record is no JSON object.
pub(super) fn of(record: &LogRecord, redated: bool, speaker: &Speaker, version: Version) -> Option<LogEntry> {
    let read: BTreeMap<String, &RawValue> = serde_json::from_str(&record.json).ok()?;
    let mut fields: Fields<'_> = read
        .into_iter()
        .map(|(key, value)| (key, Cow::Borrowed(value.get())))
        .collect();

    // A record that names its own host was written about that one.
    if is_empty(fields.get("hostname")) && !speaker.host.is_empty() {
        fields.insert("hostname".to_string(), quoted(&speaker.host));
    }
    let tags = tags(fields.get("ddtags").map(AsRef::as_ref), &speaker.tags);
    match tags.is_empty() {
        true => fields.remove("ddtags"),
        false => fields.insert("ddtags".to_string(), quoted(&tags)),
    };
    // Without a date the intake takes the time of arrival; a date by a wrong clock would be worse.
    if redated || is_empty(fields.get("date")) {
        match date(record.time) {
            Some(date) => fields.insert("date".to_string(), quoted(&date)),
            None => fields.remove("date"),
        };
    }
    if version == Version::V2 {
        let message = match fields.get("message") {
            Some(text) if text.starts_with('"') => None,
            Some(other) => Some(quoted(other)),
            // The key is required; whatever the record says instead, this way it is found.
            None => Some(quoted(&record.json)),
        };
        if let Some(message) = message {
            fields.insert("message".to_string(), message);
        }
    }
    let cut = cut::fit(&mut fields, MOST_BYTES);
    Some(LogEntry {
        time: record.time,
        json: written(&fields).into(),
        cut,
    })
}

/// Whether there is no value, or one that says nothing.
fn is_empty(value: Option<&Cow<'_, str>>) -> bool {
    value.is_none_or(|value| matches!(value.as_ref(), "null" | "\"\""))
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> Cow<'static, str> {
    Cow::Owned(Value::from(text).to_string())
}

/// The record's own tags, a list or a text with commas, then the speaker's; each once.
fn tags(own: Option<&str>, global: &[String]) -> String {
    let own = match own.map(serde_json::from_str) {
        Some(Ok(Value::Array(tags))) => tags
            .into_iter()
            .map(|tag| match tag {
                Value::String(tag) => tag,
                other => other.to_string(),
            })
            .collect(),
        Some(Ok(Value::String(tags))) => tags.split(',').map(str::to_string).collect(),
        _ => Vec::new(),
    };
    let mut seen = BTreeSet::new();
    let mut joined = String::new();
    for tag in own.iter().chain(global) {
        let tag = tag.trim();
        if tag.is_empty() || !seen.insert(tag) {
            continue;
        }
        if !joined.is_empty() {
            joined.push(',');
        }
        // The intake takes a comma for the end of a tag, and turns what else a tag may not have into `_`.
        joined.extend(tag.chars().map(|char| if char == ',' { '_' } else { char }));
    }
    joined
}

/// A second since 1970-01-01 UTC as the intake reads it.
fn date(time: i64) -> Option<String> {
    let seconds = u64::try_from(time).ok().filter(|seconds| *seconds < FAR)?;
    let mut text = String::new();
    let moment = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds));
    write!(text, "{moment}").ok()?;
    Some(text)
}

fn written(fields: &Fields<'_>) -> String {
    let mut json = String::with_capacity(cut::length(fields));
    json.push('{');
    for (index, (key, value)) in fields.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        json.push_str(&quoted(key));
        json.push(':');
        json.push_str(value);
    }
    json.push('}');
    json
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn speaker() -> Speaker {
        Speaker {
            host: "pi".to_string(),
            tags: vec!["env:prod".to_string(), "site:a,b".to_string()],
        }
    }

    fn record(json: impl Into<String>) -> LogRecord {
        LogRecord {
            time: 1_800_000_000,
            json: json.into().into(),
        }
    }

    fn sent(json: &str, redated: bool, speaker: &Speaker, version: Version) -> Value {
        let entry = of(&record(json), redated, speaker, version).unwrap();
        assert!(!entry.cut);
        serde_json::from_str(&entry.json).unwrap()
    }

    /// As the client library writes it.
    const CLIENT: &str = r#"{"date": "2026-11-21T05:03:13.250000+00:00", "ddsource": "python", "ddtags": ["a:b", "env:prod"],
        "level": "WARNING", "message": {"msg": "too \"hot\""}, "service": "oven", "exc_info": "Trace\n back", "n": 1.10}"#;

    #[test]
    fn the_clients_record_is_read_as_it_was_meant() {
        let entry = of(&record(CLIENT), false, &speaker(), Version::V2).unwrap();
        assert_eq!(
            &*entry.json,
            r#"{"date":"2026-11-21T05:03:13.250000+00:00","ddsource":"python","ddtags":"a:b,env:prod,site:a_b","exc_info":"Trace\n back","hostname":"pi","level":"WARNING","message":"{\"msg\": \"too \\\"hot\\\"\"}","n":1.10,"service":"oven"}"#
        );
        assert_eq!((entry.time, entry.cut), (1_800_000_000, false));
    }

    #[test]
    fn the_old_intake_gets_the_message_as_it_was_written() {
        let entry = sent(CLIENT, false, &speaker(), Version::V1);
        assert_eq!(entry["message"], json!({"msg": "too \"hot\""}));
        assert_eq!(entry["ddtags"], "a:b,env:prod,site:a_b");
        assert_eq!(entry["hostname"], "pi");
        assert_eq!(
            sent("{}", false, &Speaker::default(), Version::V1).get("message"),
            None
        );
    }

    #[test]
    fn a_message_is_text_whatever_it_was() {
        let table = [
            (r#"{"message": "hé\u0041"}"#, "héA"),
            (r#"{"message": [1, {"a": null}]}"#, r#"[1, {"a": null}]"#),
            (r#"{"message": 1e400}"#, "1e400"),
            (r#"{"message": null}"#, "null"),
            (r#"{"msg":"x"}"#, r#"{"msg":"x"}"#),
        ];
        for (json, expected) in table {
            let entry = sent(json, false, &Speaker::default(), Version::V2);
            assert_eq!(entry["message"], expected, "{json}");
        }
    }

    #[test]
    fn a_record_keeps_its_own_host_and_date() {
        let own = r#"{"hostname": "other", "date": 5, "message": "x"}"#;
        let entry = sent(own, false, &speaker(), Version::V2);
        assert_eq!((&entry["hostname"], &entry["date"]), (&json!("other"), &json!(5)));
        let without = sent(
            r#"{"hostname": "", "message": "x"}"#,
            false,
            &speaker(),
            Version::V2,
        );
        assert_eq!(
            (&without["hostname"], &without["date"]),
            (&json!("pi"), &json!("2027-01-15T08:00:00Z"))
        );
        let nobody = sent(r#"{"message": "x"}"#, false, &Speaker::default(), Version::V2);
        assert_eq!(nobody, json!({"message": "x", "date": "2027-01-15T08:00:00Z"}));
    }

    #[test]
    fn a_date_by_a_wrong_clock_is_replaced() {
        let entry = sent(CLIENT, true, &speaker(), Version::V2);
        assert_eq!(entry["date"], "2027-01-15T08:00:00Z");
        assert_eq!(date(-1), None);
        assert_eq!(date(i64::MAX), None);
        assert_eq!(date(253_402_300_799).as_deref(), Some("9999-12-31T23:59:59Z"));
    }

    #[test]
    fn tags_come_as_a_list_or_as_text() {
        let global = ["g:1".to_string()];
        let table = [
            (None, "g:1"),
            (Some("null"), "g:1"),
            (Some(r#"["a:b", "", " c ", 7, "a:b", "x,y"]"#), "a:b,c,7,x_y,g:1"),
            (Some(r#""a:b, c,,g:1""#), "a:b,c,g:1"),
            (Some("{}"), "g:1"),
        ];
        for (own, expected) in table {
            assert_eq!(tags(own, &global), expected, "{own:?}");
        }
        assert_eq!(tags(Some("[]"), &[]), "");
    }

    #[test]
    fn what_is_no_object_has_no_entry() {
        for json in ["", "[]", "\"x\"", "{", "{\"a\":NaN}", "null"] {
            assert_eq!(of(&record(json), false, &speaker(), Version::V2), None, "{json}");
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000));
        assert!(of(&record(deep), false, &speaker(), Version::V2).is_some());
    }

    #[test]
    fn an_entry_over_a_megabyte_is_cut_and_says_so() {
        let exact = |extra: usize| {
            let frame = r#"{"date":1,"message":""}"#.len();
            let json = format!(
                r#"{{"date":1,"message":"{}"}}"#,
                "x".repeat(1_000_000 - frame + extra)
            );
            of(&record(json), false, &Speaker::default(), Version::V2).unwrap()
        };
        let whole = exact(0);
        assert_eq!((whole.json.len(), whole.cut), (1_000_000, false));
        let cut = exact(1);
        assert_eq!((cut.json.len(), cut.cut), (1_000_000, true));
        assert!(cut.json.ends_with("xxx… [cut]\"}"));
        let read: Value = serde_json::from_str(&cut.json).unwrap();
        assert_eq!(read["date"], 1);
    }
}
