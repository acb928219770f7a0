//! Reads a YAML file into a tree whose every value knows its line.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_saphyr::Spanned;

/// A value and the line that it stands on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// The line, from 1.
    pub(super) line: u64,
    /// The value.
    pub(super) content: Content,
}

/// A value of a settings file.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    /// A map, in the order of the file.
    Map(Vec<(String, Node)>),
    /// A list; it is set as a whole, so its items need no lines.
    List(Vec<Value>),
    /// Anything else, null included.
    Scalar(Value),
}

/// Reads a file's text. An empty file is an empty map.
///
/// # Errors
/// `line N, column M: what is wrong`. No text of the file is shown, as it may hold a secret.
pub(super) fn parse(text: &str) -> Result<Node, String> {
    // `yes`, `no` and `on` are words; only `true` and `false` are booleans.
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    match serde_saphyr::from_str_with_options::<Spanned<Content>>(text, options) {
        Ok(read) => Ok(read.into()),
        Err(error) => {
            let message = error.without_snippet().to_string();
            match error.location() {
                // The reader's text ends in its own spelling of the place.
                Some(at) => {
                    let bare = message.split(" at line ").next().unwrap_or(&message);
                    Err(format!("line {}, column {}: {bare}", at.line(), at.column()))
                }
                None => Err(message),
            }
        }
    }
}

impl Content {
    /// The value without its lines.
    pub(super) fn plain(self) -> Value {
        match self {
            Self::Scalar(value) => value,
            Self::List(items) => Value::Array(items),
            Self::Map(entries) => {
                let entries = entries.into_iter().map(|(key, node)| (key, node.content.plain()));
                Value::Object(entries.collect())
            }
        }
    }
}

impl From<Spanned<Content>> for Node {
    fn from(read: Spanned<Content>) -> Self {
        Self {
            line: read.referenced.line(),
            content: read.value,
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyContent)
    }
}

struct AnyContent;

impl<'de> Visitor<'de> for AnyContent {
    type Value = Content;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a map, a list, text, a number, a boolean or nothing")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Content, E> {
        Number::from_f64(value)
            .map(|number| Content::Scalar(number.into()))
            .ok_or_else(|| E::custom("expected a finite number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(value.into()))
    }

    fn visit_unit<E: Error>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        Content::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Content>()? {
            list.push(item.plain());
        }
        Ok(Content::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Content, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = entries.next_entry::<String, Spanned<Content>>()? {
            map.push((key, value.into()));
        }
        Ok(Content::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let read = parse("listen: on\noutputs:\n  datadog:\n    key: \"014\"\n  console:\n").unwrap();
        let Content::Map(top) = read.content.clone() else {
            panic!("a map")
        };
        let lines: Vec<(String, u64)> = top.iter().map(|(key, node)| (key.clone(), node.line)).collect();
        assert_eq!(lines, [("listen".to_string(), 1), ("outputs".to_string(), 3)]);
        assert_eq!(
            read.content.plain(),
            json!({"listen": "on", "outputs": {"datadog": {"key": "014"}, "console": null}})
        );
    }

    #[test]
    fn a_broken_file_names_the_place_and_shows_nothing_of_it() {
        let error = parse("listen: x\napi_key: \"hunter2\n").unwrap_err();
        assert!(error.starts_with("line "), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        let twice = parse("a: 1\na: 2\n").unwrap_err();
        assert!(twice.starts_with("line 2, column 1: "), "{twice}");
    }

    #[test]
    fn an_empty_file_is_nothing() {
        for text in ["", "# only a comment\n", "---\n"] {
            assert_eq!(parse(text).unwrap().content.plain(), Value::Null, "{text:?}");
        }
    }
}
