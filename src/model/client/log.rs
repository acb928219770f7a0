//! A log record as the client library writes it: JSON with `date`, `ddsource`, `ddtags`, `level`, `message`, `service`.

use serde::de::{IgnoredAny, MapAccess};
use serde_json::value::RawValue;

use crate::model::client::date;
use crate::model::client::json::{Fields, object, text};
use crate::model::client::record::{Unreadable, moment};
use crate::model::log::LogRecord;

/// Reads a log record. `score` (seconds) is its time where it has no readable `date`, which is ISO 8601 as Python writes
/// it, and UTC where it names no offset. Its text is kept byte for byte. It may have any length: the caller bounds it.
///
/// # Errors
/// [`Unreadable::NotJson`]: it is no JSON object. [`Unreadable::BadTime`]: neither is finite.
pub fn parse(json: &[u8], score: f64) -> Result<LogRecord, Unreadable> {
    let json = std::str::from_utf8(json).map_err(|_| Unreadable::NotJson)?;
    let fields = object::<LogFields<'_>>(json).ok_or(Unreadable::NotJson)?;
    let written = fields.date.and_then(text).and_then(|date| date::seconds(&date));
    let time = match written {
        Some(seconds) => seconds,
        None if score.is_finite() => moment(score).seconds(),
        None => return Err(Unreadable::BadTime),
    };
    Ok(LogRecord {
        time,
        json: json.into(),
    })
}

#[derive(Default)]
struct LogFields<'a> {
    date: Option<&'a RawValue>,
}

impl<'a> Fields<'a> for LogFields<'a> {
    fn take<M: MapAccess<'a>>(&mut self, key: &str, map: &mut M) -> Result<(), M::Error> {
        if key == "date" {
            self.date = Some(map.next_value()?);
        } else {
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}
