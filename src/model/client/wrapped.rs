//! A point that the original agent left in its queue of wrapped metrics:
//! `{"metric", "type", "points": [[time, value]], "tags": ["k:v", …], "interval"?}`.

use std::sync::Arc;

use serde::de::{IgnoredAny, MapAccess};
use serde_json::value::RawValue;

use crate::model::client::json::{Fields, is_null, list, number, object, text};
use crate::model::client::record::{MOST_BYTES, Unreadable, moment, name};
use crate::model::labels::Labels;
use crate::model::metric::Names;
use crate::model::point::{Point, PointKind};

/// The value of a label that was a tag without a value. Datadog's rule cuts colons off a tag's end, so that the tag
/// `urgent` goes out as it came in; an empty value would be an absent label.
const NO_VALUE: &str = ":";

/// Reads a wrapped metric; it may hold several points. `interval` is the window's length in seconds, for a gauge or
/// where the record says none (none that is a number of whole seconds above zero).
///
/// A tag `k:v` becomes the label `k` with the value `v`, cut at its first colon. A tag that has no value becomes a label
/// with the value `:`, of which an output that joins both again cuts the colons.
///
/// # Errors
/// See [`Unreadable`]. [`Unreadable::BadValue`] and [`Unreadable::BadTime`] where one of its points is so, or there is
/// none; [`Unreadable::BadTags`] where the tags are no list of texts.
pub fn parse(json: &[u8], interval: u32) -> Result<Vec<Point>, Unreadable> {
    if json.len() > MOST_BYTES {
        return Err(Unreadable::TooLong);
    }
    let json = std::str::from_utf8(json).map_err(|_| Unreadable::NotJson)?;
    let fields = object::<WrappedFields<'_>>(json).ok_or(Unreadable::NotJson)?;
    let names = Arc::new(Names::given(&name(fields.metric)?));
    let kind = match fields.kind.and_then(text).as_deref() {
        Some("gauge") => PointKind::Gauge,
        Some("count") => PointKind::Count,
        Some("rate") => PointKind::Rate,
        _ => return Err(Unreadable::BadType),
    };
    let interval = match kind {
        PointKind::Gauge => interval,
        PointKind::Count | PointKind::Rate => fields.interval.and_then(whole).unwrap_or(interval),
    };
    let values = values(fields.points)?;
    let labels = labels(fields.tags)?;
    let point = |(time, value)| Point {
        names: Arc::clone(&names),
        suffix: None,
        labels: labels.clone(),
        kind,
        interval: interval.max(1),
        time,
        value,
    };
    Ok(values.into_iter().map(point).collect())
}

#[derive(Default)]
struct WrappedFields<'a> {
    metric: Option<&'a RawValue>,
    kind: Option<&'a RawValue>,
    points: Option<&'a RawValue>,
    tags: Option<&'a RawValue>,
    interval: Option<&'a RawValue>,
}

impl<'a> Fields<'a> for WrappedFields<'a> {
    fn take<M: MapAccess<'a>>(&mut self, key: &str, map: &mut M) -> Result<(), M::Error> {
        let field = match key {
            "metric" => &mut self.metric,
            "type" => &mut self.kind,
            "points" => &mut self.points,
            "tags" => &mut self.tags,
            "interval" => &mut self.interval,
            _ => {
                map.next_value::<IgnoredAny>()?;
                return Ok(());
            }
        };
        *field = Some(map.next_value()?);
        Ok(())
    }
}

fn whole(raw: &RawValue) -> Option<u32> {
    let seconds = number(raw)?;
    // The range is looked at before the conversion.
    (seconds.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&seconds)).then_some(seconds as u32)
}

fn values(points: Option<&RawValue>) -> Result<Vec<(i64, f64)>, Unreadable> {
    let points = points.and_then(list).ok_or(Unreadable::BadValue)?;
    if points.is_empty() {
        return Err(Unreadable::BadValue);
    }
    let mut values = Vec::with_capacity(points.len());
    let mut timeless = false;
    for point in points {
        let pair = list(point).ok_or(Unreadable::BadValue)?;
        let [time, value] = pair[..] else {
            return Err(Unreadable::BadValue);
        };
        let value = number(value).ok_or(Unreadable::BadValue)?;
        match number(time) {
            Some(seconds) => values.push((moment(seconds).seconds(), value)),
            None => timeless = true,
        }
    }
    if timeless {
        Err(Unreadable::BadTime)
    } else {
        Ok(values)
    }
}

fn labels(tags: Option<&RawValue>) -> Result<Labels, Unreadable> {
    let Some(tags) = tags.filter(|raw| !is_null(raw)) else {
        return Ok(Labels::empty());
    };
    let tags = list(tags).ok_or(Unreadable::BadTags)?;
    let tags: Option<Vec<_>> = tags.into_iter().map(text).collect();
    let tags = tags.ok_or(Unreadable::BadTags)?;
    let tags = tags.iter().map(|tag| tag.trim_start_matches(':'));
    Ok(Labels::new(tags.filter(|tag| !tag.is_empty()).map(pair)))
}

/// A tag as a label. It begins with no colon: a label without a name would spoil the whole page.
fn pair(tag: &str) -> (&str, &str) {
    match tag.split_once(':') {
        Some((key, value)) if !value.is_empty() => (key, value),
        Some((key, _)) => (key, NO_VALUE),
        None => (tag, NO_VALUE),
    }
}
