//! Log records as the payload of a block.

use bytes::Bytes;

use crate::component::journal::JournalError;
use crate::model::log::LogRecord;

/// Packs records.
pub fn encode(records: &[LogRecord]) -> Bytes {
    let pairs: Vec<(i64, &str)> = records.iter().map(|one| (one.time, &*one.json)).collect();
    serde_json::to_vec(&pairs).map(Bytes::from).unwrap_or_default()
}

/// Reads them back.
///
/// # Errors
/// [`JournalError::Undecodable`].
pub fn decode(payload: &Bytes) -> Result<Vec<LogRecord>, JournalError> {
    let pairs: Vec<(i64, Box<str>)> =
        serde_json::from_slice(payload).map_err(|error| JournalError::Undecodable {
            reason: error.to_string(),
        })?;
    Ok(pairs
        .into_iter()
        .map(|(time, json)| LogRecord { time, json })
        .collect())
}
