//! Which keywords tell the level of whose lines: a file in the original agent's format.
//!
//! ```json
//! { "default_mapping": {"warning_keywords": […], "error_keywords": […], "messages_to_ignore_errors": […]},
//!   "mappings": [ {"container_keywords": […], "warning_keywords": […], "error_keywords": […]} ] }
//! ```

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::logs::classify::{Classifier, TooManyKeywords};

/// The classifiers of all containers.
#[derive(Clone, Debug)]
pub struct Mapping {
    fallback: Arc<Classifier>,
    /// Keywords of containers' names, in the file's order.
    mappings: Vec<(Vec<String>, Arc<Classifier>)>,
}

/// Why a file is no mapping.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// It is not JSON, or a field is missing or of the wrong type.
    #[error("{field}: {reason}")]
    Field {
        /// Where in the file: `mappings[0].error_keywords`; `line 3` where it is not JSON.
        field: String,
        /// What is wrong there.
        reason: String,
    },
    /// See [`TooManyKeywords`].
    #[error(transparent)]
    Keywords(#[from] TooManyKeywords),
}

#[derive(Deserialize)]
struct File {
    default_mapping: Words,
    #[serde(default)]
    mappings: Vec<Entry>,
}

#[derive(Deserialize)]
struct Words {
    warning_keywords: Vec<String>,
    error_keywords: Vec<String>,
    #[serde(default)]
    messages_to_ignore_errors: Vec<String>,
}

#[derive(Deserialize)]
struct Entry {
    container_keywords: Vec<String>,
    // Not flattened: then an error would not know its field.
    warning_keywords: Vec<String>,
    error_keywords: Vec<String>,
    #[serde(default)]
    messages_to_ignore_errors: Vec<String>,
}

impl Words {
    fn classifier(&self) -> Result<Arc<Classifier>, TooManyKeywords> {
        let ignored = &self.messages_to_ignore_errors;
        Classifier::new(&self.error_keywords, ignored, &self.warning_keywords).map(Arc::new)
    }
}

/// The keys of a file that none of the structures above has.
fn unknown(text: &str) -> Vec<String> {
    const WORDS: [&str; 3] = ["warning_keywords", "error_keywords", "messages_to_ignore_errors"];
    let Ok(Value::Object(file)) = serde_json::from_str(text) else {
        return Vec::new();
    };
    let mut unknown = Vec::new();
    let mut look = |place: &str, value: &Value, known: &[&str]| {
        let keys = value.as_object().into_iter().flat_map(|map| map.keys());
        let strange = keys.filter(|key| !known.contains(&key.as_str()));
        unknown.extend(strange.map(|key| format!("{place}{key}")));
    };
    for (key, value) in &file {
        match (key.as_str(), value) {
            ("default_mapping", words) => look("default_mapping.", words, &WORDS),
            ("mappings", Value::Array(entries)) => {
                for (index, entry) in entries.iter().enumerate() {
                    let known = [&WORDS[..], &["container_keywords"]].concat();
                    look(&format!("mappings[{index}]."), entry, &known);
                }
            }
            _ => {}
        }
    }
    look("", &Value::Object(file), &["default_mapping", "mappings"]);
    unknown
}

impl Mapping {
    /// The mapping where no file is given: warnings have `WARNING` or `WARN`, errors `ERROR`.
    ///
    /// # Errors
    /// See [`TooManyKeywords`].
    pub fn standard() -> Result<Self, TooManyKeywords> {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let made = Classifier::new(&words(&["ERROR"]), &[], &words(&["WARNING", "WARN"]))?;
        Ok(Self {
            fallback: Arc::new(made),
            mappings: Vec::new(),
        })
    }

    /// Reads a file's text. Also gives the keys that mean nothing: the original passed over them, and so do we, but a
    /// person should know.
    ///
    /// # Errors
    /// See [`MappingError`].
    pub fn parse(text: &str) -> Result<(Self, Vec<String>), MappingError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let file: File = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            let inner = error.into_inner();
            let field = match inner.is_data() && path != "." {
                true => path,
                false => format!("line {}", inner.line()),
            };
            MappingError::Field {
                field,
                reason: inner.to_string(),
            }
        })?;
        let fallback = file.default_mapping.classifier()?;
        let mut mappings = Vec::with_capacity(file.mappings.len());
        for entry in file.mappings {
            let words = Words {
                warning_keywords: entry.warning_keywords,
                error_keywords: entry.error_keywords,
                messages_to_ignore_errors: entry.messages_to_ignore_errors,
            };
            mappings.push((entry.container_keywords, words.classifier()?));
        }
        Ok((Self { fallback, mappings }, unknown(text)))
    }

    /// The classifier of a container: of the first entry that has a keyword which is in its name, else the default.
    pub fn of(&self, container: &str) -> Arc<Classifier> {
        let found = self
            .mappings
            .iter()
            .find(|(keywords, _)| keywords.iter().any(|word| container.contains(word.as_str())));
        Arc::clone(found.map_or(&self.fallback, |(_, classifier)| classifier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::classify::Level;

    const FILE: &str = r#"{
      "default_mapping": {"warning_keywords": ["WARNING", "WARN"], "error_keywords": ["ERROR"]},
      "mappings": [
        {"container_keywords": ["db", "cache"], "warning_keywords": [], "error_keywords": ["PANIC"],
         "messages_to_ignore_errors": ["TODO"]},
        {"container_keywords": ["web"], "warning_keywords": ["slow"], "error_keywords": ["500"]}
      ]}"#;

    fn level(container: &str, line: &str) -> Level {
        Mapping::parse(FILE)
            .unwrap()
            .0
            .of(container)
            .level(line.as_bytes())
    }

    fn error(text: &str) -> String {
        Mapping::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_first_entry_with_a_keyword_in_the_name_is_taken() {
        assert_eq!(level("my-db-1", "PANIC"), Level::Error);
        assert_eq!(level("my-db-1", "PANIC TODO"), Level::Info);
        assert_eq!(level("my-db-1", "ERROR"), Level::Info);
        assert_eq!(level("web-db", "500"), Level::Info);
        assert_eq!(level("web", "slow"), Level::Warning);
        assert_eq!(level("other", "ERROR"), Level::Error);
        assert_eq!(level("other", "WARN"), Level::Warning);
    }

    #[test]
    fn without_a_file_warnings_and_errors_are_found_by_their_usual_words() {
        let standard = Mapping::standard().unwrap().of("any");
        assert_eq!(standard.level(b"WARN"), Level::Warning);
        assert_eq!(standard.level(b"WARNING"), Level::Warning);
        assert_eq!(standard.level(b"ERROR"), Level::Error);
        assert_eq!(standard.level(b"INFO"), Level::Info);
    }

    #[test]
    fn errors_name_the_field() {
        assert_eq!(
            error("{}"),
            "line 1: missing field `default_mapping` at line 1 column 2"
        );
        let missing = error(r#"{"default_mapping": {"warning_keywords": []}}"#);
        assert!(missing.starts_with("default_mapping: missing field `error_keywords`"));
        assert!(
            error(r#"{"default_mapping": {"warning_keywords": [], "error_keywords": []}, "mappings": [{"warning_keywords": [], "error_keywords": []}]}"#)
                .starts_with("mappings[0]: missing field `container_keywords`")
        );
        assert!(error("{").starts_with("line 1: EOF"));
        assert!(
            error(r#"{"default_mapping": {"warning_keywords": "WARN", "error_keywords": []}}"#)
                .starts_with("default_mapping.warning_keywords: invalid type: string")
        );
    }

    #[test]
    fn keys_that_mean_nothing_are_named_and_do_no_harm() {
        let text = r#"{"_comment": 1, "default_mapping": {"warning_keywords": [], "error_keywords": [], "x": 2},
          "mappings": [{"container_keywords": [], "warning_keywords": [], "error_keywords": [], "y": {}}]}"#;
        let (_, unknown) = Mapping::parse(text).unwrap();
        assert_eq!(unknown, ["default_mapping.x", "mappings[0].y", "_comment"]);
    }
}
