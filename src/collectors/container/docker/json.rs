//! Answers of an engine, read field by field: Podman leaves some out, and writes others in its own way.

use std::time::Duration;

use serde_json::Value;

/// Reads an answer that must be an object.
pub(super) fn object(text: &[u8]) -> Result<Value, String> {
    let value: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    match value.is_object() {
        true => Ok(value),
        false => Err("expected an object".to_string()),
    }
}

/// The number at a place (`/cpu_stats/online_cpus`).
pub(super) fn number(value: &Value, place: &str) -> Option<f64> {
    value.pointer(place)?.as_f64()
}

/// The number at a place, where it is more than nothing: what zero says is then `not set`.
pub(super) fn positive(value: &Value, place: &str) -> Option<f64> {
    number(value, place).filter(|number| *number > 0.0)
}

/// The text at a place.
pub(super) fn text<'a>(value: &'a Value, place: &str) -> Option<&'a str> {
    value.pointer(place)?.as_str()
}

/// Whether it says true at a place.
pub(super) fn flag(value: &Value, place: &str) -> bool {
    value.pointer(place).and_then(Value::as_bool) == Some(true)
}

/// The time at a place in seconds since 1970; `None` for none, which engines write as the year 1.
pub(super) fn time(value: &Value, place: &str) -> Option<f64> {
    seconds(text(value, place)?)
}

/// Reads RFC 3339 with its offset, which Podman gives in local time.
fn seconds(text: &str) -> Option<f64> {
    let (local, offset) = match text.strip_suffix(['Z', 'z']) {
        Some(local) => (local, 0),
        None => {
            let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
            let (hours, minutes) = offset.get(1..)?.split_once(':')?;
            let minutes = hours.parse::<i32>().ok()? * 60 + minutes.parse::<i32>().ok()?;
            match offset.as_bytes()[0] {
                b'+' => (local, -minutes),
                b'-' => (local, minutes),
                _ => return None,
            }
        }
    };
    let time = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    let since: Duration = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(since.as_secs_f64() + f64::from(offset) * 60.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_its_offset() {
        assert_eq!(seconds("2024-02-05T16:00:00Z"), Some(1_707_148_800.0));
        assert_eq!(seconds("2024-02-05T16:00:00.5Z"), Some(1_707_148_800.5));
        assert_eq!(seconds("2024-02-05T18:00:00.25+02:00"), Some(1_707_148_800.25));
        assert_eq!(seconds("2024-02-05T10:30:00-05:30"), Some(1_707_148_800.0));
    }

    #[test]
    fn no_time_is_none() {
        for text in [
            "0001-01-01T00:00:00Z",
            "",
            "Z",
            "now",
            "2024-02-05T16:00:00",
            "+02:00",
            "ä+02:00",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
