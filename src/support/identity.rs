//! Who this agent is: a random name that it keeps in its state folder, so that a restarted agent is the same one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::{fmt, process};

/// The file in the state folder.
const FILE: &str = "agent-id";
/// Digits of a name.
const DIGITS: usize = 32;

/// An agent's own name, shared with no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(pub u128);

/// 32 hexadecimal digits.
impl fmt::Display for AgentId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

/// Why there is no name to keep.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The folder or the file cannot be used.
    #[error("the agent's name cannot be kept in {place}: {source}; make the folder writable for it")]
    Files {
        /// The file.
        place: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds something else. A new name would leave what was claimed under the old one to others, so a
    /// person decides.
    #[error(
        "{place} does not hold an agent's name (32 hexadecimal digits); put back what it held, or delete it to get a new name"
    )]
    Damaged {
        /// The file.
        place: PathBuf,
    },
}

impl AgentId {
    /// A new name, for agents that keep nothing.
    pub fn random() -> Self {
        Self(fastrand::u128(1..))
    }

    /// The name in the file `agent-id` of `directory`, which is made, with a new name, where it is not there. An empty
    /// file counts as none: a power failure leaves one.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn read_or_make(directory: &Path) -> Result<Self, IdentityError> {
        let place = directory.join(FILE);
        let fails = |source| IdentityError::Files {
            place: place.clone(),
            source,
        };
        if let Some(text) = read(&place).map_err(fails)? {
            return Self::parse(&text).ok_or(IdentityError::Damaged { place });
        }
        let made = Self::random();
        match keep(directory, &place, made) {
            // Somebody else was faster.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let text = read(&place).map_err(fails)?.unwrap_or_default();
                Self::parse(&text).ok_or(IdentityError::Damaged { place })
            }
            Err(error) => Err(fails(error)),
            Ok(()) => Ok(made),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.trim();
        let good = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        good.then(|| u128::from_str_radix(digits, 16).ok().map(Self))?
    }
}

/// What the file holds; `None` where it is not there or empty.
fn read(place: &Path) -> io::Result<Option<String>> {
    let file = match File::open(place) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut bytes = Vec::new();
    file.take(DIGITS as u64 * 4).read_to_end(&mut bytes)?;
    Ok((!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Writes the file beside its place and then puts it there, so that it is never half written; an empty one is replaced.
fn keep(directory: &Path, place: &Path, name: AgentId) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let beside = directory.join(format!(".{FILE}.{}", process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(&beside)
        .and_then(|mut file| {
            writeln!(file, "{name}")?;
            file.sync_all()
        })
        .and_then(|()| {
            if fs::metadata(place).is_ok_and(|found| found.len() == 0) {
                return fs::rename(&beside, place);
            }
            // Unlike a renaming, a link never replaces what another process just put there.
            fs::hard_link(&beside, place).or_else(|error| match error.kind() {
                ErrorKind::AlreadyExists => Err(error),
                // Some file systems know no links.
                _ => fs::rename(&beside, place),
            })
        });
    let _ = fs::remove_file(&beside);
    written?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_agent_keeps_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let made = AgentId::read_or_make(&state).unwrap();
        assert_eq!(AgentId::read_or_make(&state).unwrap(), made);
        let text = fs::read_to_string(state.join(FILE)).unwrap();
        assert_eq!(text, format!("{:032x}\n", made.0));
        let mode = fs::metadata(state.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1);
    }

    #[test]
    fn an_empty_file_is_replaced_and_a_damaged_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "").unwrap();
        let made = AgentId::read_or_make(folder.path()).unwrap();
        assert_eq!(AgentId::read_or_make(folder.path()).unwrap(), made);
        for damaged in ["deadbeef\n", "+0000000000000000000000000000001", "\u{1f600}"] {
            fs::write(folder.path().join(FILE), damaged).unwrap();
            let error = AgentId::read_or_make(folder.path()).unwrap_err();
            assert!(matches!(error, IdentityError::Damaged { .. }), "{error}");
            assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap(), damaged);
        }
    }

    #[test]
    fn names_differ() {
        assert_ne!(AgentId::random(), AgentId::random());
    }
}
