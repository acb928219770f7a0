//! Layers of settings on top of each other: later ones win, and every value remembers where it came from.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::component::settings::Problems;
use crate::config::environment::Environment;
use crate::config::expand::expand;
use crate::config::yaml::{Content, Node};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of a file.
    File(Arc<Path>, u64),
    /// An environment variable, as it is written there.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
    /// Found out from the machine or from other settings.
    Found(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File(path, line) => write!(out, "{} line {line}", path.display()),
            Self::Variable(name) => write!(out, "environment {name}"),
            Self::Flag(name) => write!(out, "flag {name}"),
            Self::Found(where_) => out.write_str(where_),
        }
    }
}

/// Where every value that somebody set came from, by path (`journal.bound`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Where the value at a path came from. For a path inside a list it is where the list came from; for a section of
    /// a file, its first value.
    pub fn of(&self, path: &str) -> &Origin {
        let place = path.split('[').next().unwrap_or(path);
        let inside = format!("{place}.");
        let below = || {
            let section = self.0.range(inside.clone()..);
            section
                .take_while(|(path, _)| path.starts_with(&inside))
                .map(|(_, origin)| origin)
                .min_by_key(|origin| match origin {
                    Origin::File(_, line) => *line,
                    _ => 0,
                })
        };
        self.0.get(place).or_else(below).unwrap_or(&Origin::Default)
    }

    pub(super) fn set(&mut self, path: impl Into<String>, origin: Origin) {
        self.0.insert(path.into(), origin);
    }
}

/// All layers, merged.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    /// The merged settings, a map.
    pub(super) tree: Value,
    /// Where each of them came from.
    pub(super) origins: Origins,
    /// Texts of files that came from variables: they may mean a number or boolean.
    pub(super) expanded: BTreeSet<String>,
}

impl Layers {
    /// No layer yet.
    pub(super) fn new() -> Self {
        Self {
            tree: Value::Object(Map::new()),
            origins: Origins::default(),
            expanded: BTreeSet::new(),
        }
    }

    /// Puts a value over what stands at the path. Where a section is expected and something else stands, that is
    /// left for the reader to report.
    pub(super) fn set(&mut self, path: &[&str], value: Value, origin: Origin) {
        let Some((last, parents)) = path.split_last() else {
            return;
        };
        let mut place = &mut self.tree;
        for step in parents {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            let Value::Object(map) = place else {
                return;
            };
            place = map.entry(*step).or_insert(Value::Null);
        }
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        if let Value::Object(map) = place {
            map.insert((*last).to_string(), value);
            let path = path.join(".");
            self.expanded.remove(&path);
            self.origins.set(path, origin);
        }
    }

    /// Puts a file's settings over what is there, variables put in.
    pub(super) fn add_file(
        &mut self,
        file: &Path,
        content: Node,
        environment: &Environment,
        problems: &mut Problems,
    ) {
        let file: Arc<Path> = PathBuf::from(file).into();
        match content.content {
            Content::Map(_) => self.add_node(&mut Vec::new(), content, &file, environment, problems),
            Content::Scalar(Value::Null) => {}
            _ => problems.add(
                file.display().to_string(),
                "expected a map of settings such as `listen: 0.0.0.0:9103`",
            ),
        }
    }

    fn add_node(
        &mut self,
        path: &mut Vec<String>,
        node: Node,
        file: &Arc<Path>,
        environment: &Environment,
        problems: &mut Problems,
    ) {
        let value = match node.content {
            Content::Map(entries) if !entries.is_empty() => {
                for (key, child) in entries {
                    path.push(key);
                    self.add_node(path, child, file, environment, problems);
                    path.pop();
                }
                return;
            }
            other => other.plain(),
        };
        let mut from_variables = false;
        let value = expanded(value, environment, &mut from_variables, &mut |message| {
            problems.add(path.join("."), message);
        });
        let steps: Vec<&str> = path.iter().map(String::as_str).collect();
        self.set(&steps, value, Origin::File(file.clone(), node.line));
        if from_variables {
            self.expanded.insert(path.join("."));
        }
    }

    /// What stands at a path.
    pub(super) fn get(&self, path: &[&str]) -> Option<&Value> {
        path.iter().try_fold(&self.tree, |place, step| place.get(step))
    }

    /// Reads a text that came from a variable as the number or boolean that it spells. Says whether it did.
    pub(super) fn retype(&mut self, path: &str) -> bool {
        if !self.expanded.remove(path) {
            return false;
        }
        let pointer = format!("/{}", path.replace('.', "/"));
        let Some(place) = self.tree.pointer_mut(&pointer) else {
            return false;
        };
        let spelled = place
            .as_str()
            .and_then(|text| serde_json::from_str::<Value>(text.trim()).ok());
        match spelled {
            Some(value) if value.is_number() || value.is_boolean() => {
                *place = value;
                true
            }
            _ => false,
        }
    }
}

fn expanded(
    value: Value,
    environment: &Environment,
    from_variables: &mut bool,
    report: &mut dyn FnMut(String),
) -> Value {
    match value {
        Value::String(text) => match expand(&text, environment) {
            Ok(done) => {
                *from_variables |= done.from_variables;
                Value::String(done.text)
            }
            Err(message) => {
                report(message);
                Value::String(text)
            }
        },
        Value::Array(items) => {
            let items = items.into_iter();
            Value::Array(
                items
                    .map(|item| expanded(item, environment, from_variables, report))
                    .collect(),
            )
        }
        Value::Object(entries) => {
            let entries = entries.into_iter();
            Value::Object(
                entries
                    .map(|(key, item)| (key, expanded(item, environment, from_variables, report)))
                    .collect(),
            )
        }
        other => other,
    }
}
