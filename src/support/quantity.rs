//! Durations and sizes as people write them: `10s`, `1h 30m`, `64MiB`.

use std::fmt;
use std::time::Duration;

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration in settings, as text with a unit: `10s`, `500ms`, `1h 30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// A span of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Reads text with a unit.
    ///
    /// # Errors
    /// Says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text.trim())
            .map(Self)
            .map_err(|_| format!("expected a duration with a unit such as `10s` or `1h 30m`, found `{text}`"))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(out)
    }
}

/// A size in settings, as text with a unit: `64MiB`, `512KiB`, `1GB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// A size of whole MiB.
    pub const fn mebibytes(mebibytes: u64) -> Self {
        Self(mebibytes * 1024 * 1024)
    }

    /// Reads text with a unit.
    ///
    /// # Errors
    /// Says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bare = text.trim().bytes().all(|byte| byte.is_ascii_digit());
        match text.trim().parse::<ByteSize>() {
            Ok(size) if !bare => Ok(Self(size.as_u64())),
            _ => Err(format!(
                "expected a size with a unit such as `64MiB` or `512KiB`, found `{text}`"
            )),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units
            .into_iter()
            .find(|(unit, _)| self.0 > 0 && self.0.is_multiple_of(*unit))
        {
            Some((unit, name)) => write!(out, "{}{name}", self.0 / unit),
            None => write!(out, "{}B", self.0),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text_or_number(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text_or_number(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Reads text; of anything else its JSON, so that the error can say what was expected (of a bare number, that its unit
/// is missing).
///
/// # Errors
/// The deserializer's own.
pub fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Ok(text),
        other => Ok(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_required_and_text_reads_back() {
        assert_eq!(
            Span::parse("1h 30m").map(|span| span.to_string()),
            Ok("1h 30m".to_string())
        );
        assert_eq!(
            Size::parse("64MiB").map(|size| size.to_string()),
            Ok("64MiB".to_string())
        );
        assert_eq!(Size::parse("1500B"), Ok(Size(1500)));
        for bare in ["10", "", "x"] {
            assert!(Span::parse(bare).unwrap_err().contains("such as `10s`"));
            assert!(Size::parse(bare).unwrap_err().contains("such as `64MiB`"));
        }
    }
}
