//! What every group reads with and writes to: files with errors that say what to do, and the samples.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::str::FromStr;

use crate::component::collector::CollectError;
use crate::model::metric::MetricDef;
use crate::model::sample::Samples;
use crate::support::root::{self, Roots};

/// Reads files of the device into one buffer that is kept from run to run.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) roots: Roots,
    buffer: Vec<u8>,
}

impl Files {
    pub(super) fn new(roots: Roots) -> Self {
        let buffer = Vec::with_capacity(16 * 1024);
        Self { roots, buffer }
    }

    /// A file that every device has.
    pub(super) fn text(&mut self, path: &Path) -> Result<Cow<'_, str>, CollectError> {
        root::read(path, &mut self.buffer).map_err(|error| unreadable(path, &error))?;
        Ok(String::from_utf8_lossy(&self.buffer))
    }

    /// A file that not every device has: `None` where it is missing, or there and switched off.
    pub(super) fn text_if_there(&mut self, path: &Path) -> Result<Option<Cow<'_, str>>, CollectError> {
        match root::read(path, &mut self.buffer) {
            Ok(()) => Ok(Some(String::from_utf8_lossy(&self.buffer))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(unreadable(path, &error)),
        }
    }

    /// The names in a folder that not every device has, sorted; none where it is missing.
    pub(super) fn names_if_there(&self, path: &Path) -> Result<Vec<String>, CollectError> {
        match root::list(path) {
            Ok(names) => Ok(names),
            Err(error) if is_absent(&error) => Ok(Vec::new()),
            Err(error) => Err(unreadable(path, &error)),
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::Unsupported
    )
}

/// What a file that cannot be read means for the collection.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> CollectError {
    let target = path.display().to_string();
    match error.kind() {
        ErrorKind::PermissionDenied => CollectError::Forbidden {
            target,
            reason: "let the agent's user read it, or leave its group out of `groups`".to_string(),
        },
        _ => CollectError::Unreachable {
            target,
            reason: error.to_string(),
        },
    }
}

/// What text that cannot be read means for the collection.
pub(super) fn malformed(path: &Path, reason: impl Into<String>) -> CollectError {
    CollectError::Malformed {
        target: path.display().to_string(),
        reason: reason.into(),
    }
}

/// Reads one number; `what` says which, for the error.
pub(super) fn number<T>(text: Option<&str>, what: impl fmt::Display) -> Result<T, String>
where
    T: FromStr,
{
    let text = text.ok_or_else(|| format!("expected {what}, and nothing stands there"))?;
    text.parse().map_err(|_| {
        format!(
            "expected {what} as a number, and `{}` stands there",
            shortened(text)
        )
    })
}

/// Keeps an error readable where a file holds anything.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Takes the samples, and knows which of them the predecessor had.
pub(super) struct Sink<'a> {
    pub(super) out: &'a mut Samples,
    /// Whether the predecessor's groups give more than they did there.
    pub(super) extras: bool,
}

impl Sink<'_> {
    /// Adds what its group always gives.
    pub(super) fn push(&mut self, def: &'static MetricDef, labels: &[&str], value: f64) {
        self.out.push(def, labels, value);
    }

    /// Adds what the predecessor did not have in this group.
    pub(super) fn extra(&mut self, def: &'static MetricDef, labels: &[&str], value: f64) {
        if self.extras {
            self.out.push(def, labels, value);
        }
    }
}
