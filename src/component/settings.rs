//! A section of the settings: read into a typed structure, with every problem in it and not only the first.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where: `outputs.datadog.api_key`, or the name of a variable or flag.
    pub path: String,
    /// What is wrong and what was expected, without a full stop.
    pub message: String,
    /// What to do about it, if that can be guessed.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.path, self.message)?;
        match &self.hint {
            Some(hint) => write!(out, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with the settings, in the order in which it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    found: Vec<Problem>,
}

impl Problems {
    /// Adds one.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.found.push(Problem {
            path: path.into(),
            message: message.into(),
            hint: None,
        });
    }

    /// Adds one with a hint.
    pub fn add_with_hint(
        &mut self,
        path: impl Into<String>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let (path, message) = (path.into(), message.into());
        self.found.push(Problem {
            path,
            message,
            hint: Some(hint.into()),
        });
    }

    /// Adds all of others behind them.
    pub fn append(&mut self, others: Self) {
        self.found.extend(others.found);
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.found.iter()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

/// A section of the settings and the path at which it stands.
#[derive(Clone, Debug)]
pub struct Section {
    /// Where it stands: `collectors.host`.
    pub path: String,
    /// Its content; null for a section that is there and empty.
    pub value: Value,
}

impl Section {
    /// A section.
    pub fn new(path: impl Into<String>, value: Value) -> Self {
        Self {
            path: path.into(),
            value,
        }
    }

    /// Reads the section into `T`, whose fields have defaults and which denies unknown fields. Each wrong key is
    /// reported and then left out, so that one reading finds all of them; the result then has its default there.
    /// `None` where a required key is missing or nothing could be read.
    pub fn read<T>(&self, problems: &mut Problems) -> Option<T>
    where
        T: DeserializeOwned,
    {
        let mut value = match &self.value {
            Value::Null => Value::Object(serde_json::Map::new()),
            value => value.clone(),
        };
        loop {
            match serde_path_to_error::deserialize::<_, T>(&value) {
                Ok(read) => return Some(read),
                Err(error) => {
                    let steps: Vec<String> = error.path().iter().map(ToString::to_string).collect();
                    let (message, hint) = worded(&error.into_inner().to_string());
                    let found = Problem {
                        path: joined(&self.path, &steps),
                        message,
                        hint,
                    };
                    problems.found.push(found);
                    if steps.is_empty() || !remove(&mut value, &steps) {
                        return None;
                    }
                }
            }
        }
    }
}

/// The closest of `known` to `given`, as a hint; `None` where none is near.
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near = |known: &'a str| {
        (
            strsim::jaro_winkler(&given.to_lowercase(), &known.to_lowercase()),
            known,
        )
    };
    let best = known
        .into_iter()
        .map(near)
        .max_by(|left, right| left.0.total_cmp(&right.0));
    best.filter(|(likeness, _)| *likeness >= 0.8)
        .map(|(_, known)| format!("did you mean `{known}`?"))
}

/// Puts serde's words into ours: `unknown field` becomes `unknown key`, and the nearest known key a hint.
fn worded(message: &str) -> (String, Option<String>) {
    let Some(rest) = message
        .strip_prefix("unknown field ")
        .or_else(|| message.strip_prefix("unknown variant "))
    else {
        return (message.to_string(), None);
    };
    let quoted: Vec<&str> = rest.split('`').skip(1).step_by(2).collect();
    let Some((given, known)) = quoted.split_first() else {
        return (message.to_string(), None);
    };
    let hint = did_you_mean(given, known.iter().copied());
    let known = known.join(", ");
    if message.starts_with("unknown field") {
        return (format!("unknown key; known here: {known}"), hint);
    }
    (format!("unknown value `{given}`; expected one of: {known}"), hint)
}

fn joined(path: &str, steps: &[String]) -> String {
    let mut text = path.to_string();
    for step in steps {
        if !step.starts_with('[') && !text.is_empty() {
            text.push('.');
        }
        text.push_str(step);
    }
    text
}

fn remove(value: &mut Value, steps: &[String]) -> bool {
    let Some((last, parents)) = steps.split_last() else {
        return false;
    };
    let mut place = value;
    for step in parents {
        let next = match place {
            Value::Object(map) => map.get_mut(step.as_str()),
            Value::Array(items) => index(step).and_then(|at| items.get_mut(at)),
            _ => None,
        };
        match next {
            Some(next) => place = next,
            None => return false,
        }
    }
    match place {
        Value::Object(map) => map.remove(last.as_str()).is_some(),
        Value::Array(items) => match index(last).filter(|at| *at < items.len()) {
            Some(at) => {
                items.remove(at);
                true
            }
            None => false,
        },
        _ => false,
    }
}

fn index(step: &str) -> Option<usize> {
    step.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Sample {
        listen: String,
        most: u32,
        inner: Inner,
        names: Vec<String>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, default)]
    struct Inner {
        enabled: bool,
    }

    #[test]
    fn one_reading_finds_every_problem() {
        let value =
            json!({"lisen": "x", "most": "many", "inner": {"enabled": 3, "other": 1}, "names": ["a", 7]});
        let mut problems = Problems::default();
        let read: Option<Sample> = Section::new("web", value).read(&mut problems);
        assert_eq!(
            read,
            Some(Sample {
                names: vec!["a".to_string()],
                ..Sample::default()
            })
        );
        let mut texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        texts.sort();
        assert_eq!(
            texts,
            [
                "web.inner.enabled: invalid type: integer `3`, expected a boolean",
                "web.inner.other: unknown key; known here: enabled",
                "web.lisen: unknown key; known here: listen, most, inner, names (did you mean `listen`?)",
                "web.most: invalid type: string \"many\", expected u32",
                "web.names[1]: invalid type: integer `7`, expected a string",
            ]
        );
    }

    #[test]
    fn an_empty_section_has_every_default() {
        let mut problems = Problems::default();
        assert_eq!(
            Section::new("web", Value::Null).read(&mut problems),
            Some(Sample::default())
        );
        assert!(problems.is_empty());
    }
}
