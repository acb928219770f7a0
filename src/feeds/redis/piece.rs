//! A part of a claim as a script gives it: keys, values, and what else is known of them.

use redis::Value;

/// What a script says of a part of a claim.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// Records; some may wait behind them.
    Piece(Piece),
    /// There are no more.
    None,
    /// Somebody else has the claim.
    Lost,
}

/// Some records.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Piece {
    /// The index of the first one in the claim's list.
    pub(super) start: u64,
    /// Whether others may wait behind them.
    pub(super) more: bool,
    /// The score of the last one, in seconds.
    pub(super) last: f64,
    /// Their keys.
    pub(super) keys: Vec<Vec<u8>>,
    /// Their values; `None` where there is none.
    pub(super) values: Vec<Option<Vec<u8>>>,
    /// Indexes of the values that are too long to be read, of which only the beginning is there; ascending.
    pub(super) long: Vec<usize>,
    /// Their scores in seconds; empty where they were not asked for.
    pub(super) scores: Vec<f64>,
}

impl Answer {
    /// `None` where it is no such answer.
    pub(super) fn parse(value: Value) -> Option<Self> {
        let Value::Array(parts) = value else {
            return None;
        };
        let mut parts = parts.into_iter();
        match bytes(parts.next()?)?.as_slice() {
            b"lost" => return Some(Self::Lost),
            b"none" => return Some(Self::None),
            _ => {}
        }
        let more = number(parts.next()?)? == 1;
        let start = u64::try_from(number(parts.next()?)?).ok()?;
        let last = score(parts.next()?)?;
        let keys: Vec<Vec<u8>> = list(parts.next()?)?
            .into_iter()
            .map(bytes)
            .collect::<Option<_>>()?;
        let values: Vec<Option<Vec<u8>>> = list(parts.next()?)?.into_iter().map(bytes).collect();
        let long = list(parts.next()?)?
            .into_iter()
            // Lua counts from 1.
            .map(|index| usize::try_from(number(index)?.checked_sub(1)?).ok())
            .collect::<Option<_>>()?;
        let scores: Vec<f64> = list(parts.next()?)?
            .into_iter()
            .map(score)
            .collect::<Option<_>>()?;
        let fits = values.len() == keys.len() && (scores.is_empty() || scores.len() == keys.len());
        fits.then_some(Self::Piece(Piece {
            start,
            more,
            last,
            keys,
            values,
            long,
            scores,
        }))
    }
}

fn list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

fn number(value: Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(number),
        _ => None,
    }
}

/// Redis writes scores as text, endless ones as `inf`.
fn score(value: Value) -> Option<f64> {
    std::str::from_utf8(&bytes(value)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn a_piece_is_read_with_its_gaps() {
        let value = Value::Array(vec![
            text("ok"),
            Value::Int(1),
            Value::Int(7),
            text("-inf"),
            Value::Array(vec![text("a"), text("b")]),
            Value::Array(vec![Value::Nil, text("{}")]),
            Value::Array(vec![Value::Int(2)]),
            Value::Array(vec![]),
        ]);
        let piece = Piece {
            start: 7,
            more: true,
            last: f64::NEG_INFINITY,
            keys: vec![b"a".to_vec(), b"b".to_vec()],
            values: vec![None, Some(b"{}".to_vec())],
            long: vec![1],
            scores: vec![],
        };
        assert_eq!(Answer::parse(value), Some(Answer::Piece(piece)));
    }

    #[test]
    fn what_does_not_fit_together_is_no_answer() {
        let lost = Value::Array(vec![text("lost")]);
        assert_eq!(Answer::parse(lost), Some(Answer::Lost));
        let uneven = Value::Array(vec![
            text("ok"),
            Value::Int(0),
            Value::Int(0),
            text("1"),
            Value::Array(vec![text("a")]),
            Value::Array(vec![]),
            Value::Array(vec![]),
            Value::Array(vec![]),
        ]);
        assert_eq!(Answer::parse(uneven), None);
        assert_eq!(Answer::parse(Value::Nil), None);
    }
}
