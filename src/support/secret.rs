//! Values that no log, page, dump or error shows.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What stands in the place of a secret wherever settings are shown.
pub const MASK: &str = "********";

/// A key, password or token: given as text, or as `file:PATH`, whose content is read again when the file changes.
///
/// `Debug`, `Display` and `Serialize` give a mask. Leading and trailing white space of a file is cut, as editors
/// and `echo` leave it.
#[derive(Clone)]
pub struct Secret(Source);

#[derive(Clone)]
enum Source {
    Text(Arc<str>),
    File(Arc<Watched>),
}

struct Watched {
    path: PathBuf,
    last: Mutex<Option<(SystemTime, u64, Arc<str>)>>,
}

/// A secret's file that cannot be read, or is empty.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the secret from {path}: {reason}", path = path.display())]
pub struct SecretError {
    path: PathBuf,
    reason: String,
}

impl Secret {
    /// Takes the secret itself, or `file:PATH`.
    pub fn new(text: &str) -> Self {
        match text.strip_prefix("file:") {
            Some(path) => Self(Source::File(Arc::new(Watched {
                path: path.into(),
                last: Mutex::new(None),
            }))),
            None => Self(Source::Text(text.into())),
        }
    }

    /// The secret itself, for the one place that sends it. A file is read again only after it changed.
    ///
    /// # Errors
    /// The file cannot be read or holds nothing; a secret that was read before stays in force while its file is
    /// missing, because an orchestrator replaces such files in two steps.
    pub fn expose(&self) -> Result<Arc<str>, SecretError> {
        match &self.0 {
            Source::Text(text) => Ok(text.clone()),
            Source::File(watched) => watched.read(),
        }
    }

    /// Whether nothing was given.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Source::Text(text) if text.is_empty())
    }

    /// The file that the secret is in, if it is in one.
    pub fn file(&self) -> Option<&std::path::Path> {
        match &self.0 {
            Source::Text(_) => None,
            Source::File(watched) => Some(&watched.path),
        }
    }
}

impl Watched {
    fn read(&self) -> Result<Arc<str>, SecretError> {
        let failed = |reason: String| SecretError {
            path: self.path.clone(),
            reason,
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let version = fs::metadata(&self.path).and_then(|data| Ok((data.modified()?, data.len())));
        match (&*last, version) {
            (Some((modified, length, text)), Ok(version)) if (*modified, *length) == version => {
                Ok(text.clone())
            }
            (Some((.., text)), Err(_)) => Ok(text.clone()),
            (_, Err(error)) => Err(failed(error.to_string())),
            (_, Ok((modified, length))) => {
                let content = fs::read_to_string(&self.path).map_err(|error| failed(error.to_string()))?;
                let text: Arc<str> = content.trim().into();
                if text.is_empty() {
                    return Err(failed("it is empty".to_string()));
                }
                *last = Some((modified, length, text.clone()));
                Ok(text)
            }
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Text(text) if text.is_empty() => Ok(()),
            Source::Text(_) => out.write_str(MASK),
            Source::File(watched) => write!(out, "file:{}", watched.path.display()),
        }
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Source::Text(mine), Source::Text(theirs)) => mine == theirs,
            (Source::File(mine), Source::File(theirs)) => mine.path == theirs.path,
            _ => false,
        }
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A key of digits only is a number to YAML; the error then must not show it.
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self::new(&text)),
            _ => Err(serde::de::Error::custom(
                "expected the secret as text in quotes, or `file:PATH`",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_the_secret() {
        let secret = Secret::new("hunter2");
        assert_eq!(
            format!("{secret} {secret:?} {}", serde_json::to_string(&secret).unwrap()),
            "******** ******** \"********\""
        );
        assert_eq!(&*secret.expose().unwrap(), "hunter2");
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_missing_one_keeps_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let secret = Secret::new(&format!("file:{}", path.display()));
        assert!(secret.expose().is_err());
        fs::write(&path, "one\n").unwrap();
        assert_eq!(&*secret.expose().unwrap(), "one");
        fs::write(&path, "second\n").unwrap();
        assert_eq!(&*secret.expose().unwrap(), "second");
        fs::remove_file(&path).unwrap();
        assert_eq!(&*secret.expose().unwrap(), "second");
    }
}
