//! A point that the original agent left in its queue of wrapped metrics:
//! `{"metric", "type", "points": [[time, value]], "tags": ["k:v", …], "interval"?}`.

use crate::model::client::record::Unreadable;
use crate::model::point::Point;

/// Reads a wrapped metric; it may hold several points. `interval` is the window's length in seconds, for a gauge or
/// where the record says none.
///
/// # Errors
/// See [`Unreadable`].
pub fn parse(json: &[u8], interval: u32) -> Result<Vec<Point>, Unreadable> {
    let _ = (json, interval);
    Err(Unreadable::NotJson)
}
