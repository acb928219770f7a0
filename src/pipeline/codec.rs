//! Stands in for the journal's point format until that is there.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::component::journal::JournalError;
use crate::model::labels::Labels;
use crate::model::metric::Names;
use crate::model::point::{Point, PointKind};

pub(crate) fn encode(points: &[Point]) -> Bytes {
    let rows: Vec<Value> = points
        .iter()
        .map(|point| {
            let labels: Vec<(String, String)> = point
                .labels
                .iter()
                .map(|(key, value)| (key.into_owned(), value.into_owned()))
                .collect();
            json!([
                *point.names.name,
                point.names.dotted.as_deref(),
                point.names.scale,
                point.suffix.as_deref(),
                labels,
                point.kind.name(),
                point.interval,
                point.time,
                point.value.to_bits()
            ])
        })
        .collect();
    Value::Array(rows).to_string().into()
}

pub(crate) fn decode(payload: &[u8]) -> Result<Vec<Point>, JournalError> {
    let broken = || JournalError::Undecodable {
        reason: "not points".to_string(),
    };
    let rows: Vec<Value> = serde_json::from_slice(payload).map_err(|_| broken())?;
    let point = |row: &Value| {
        let labels: Vec<(String, String)> = serde_json::from_value(row[4].clone()).ok()?;
        Some(Point {
            names: Arc::new(Names {
                name: row[0].as_str()?.into(),
                dotted: row[1].as_str().map(Into::into),
                scale: row[2].as_f64()?,
            }),
            suffix: row[3].as_str().map(Into::into),
            labels: Labels::new(labels),
            kind: match row[5].as_str()? {
                "gauge" => PointKind::Gauge,
                "count" => PointKind::Count,
                _ => PointKind::Rate,
            },
            interval: u32::try_from(row[6].as_u64()?).ok()?,
            time: row[7].as_i64()?,
            value: f64::from_bits(row[8].as_u64()?),
        })
    };
    rows.iter().map(point).collect::<Option<_>>().ok_or_else(broken)
}
