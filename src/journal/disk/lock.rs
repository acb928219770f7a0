//! The lock that keeps a second process out of a journal.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tracing::warn;

use crate::component::journal::JournalError;

const NAME: &str = "lock";

/// Most bytes of the lock file: a process id.
pub(super) const MOST_BYTES: u64 = 20;

/// Holds the lock until it is dropped, or the process dies, however it dies.
#[derive(Debug)]
pub(super) struct Lock {
    /// The kernel's lock goes with the open file.
    _file: File,
}

impl Lock {
    pub(super) fn take(directory: &Path) -> Result<Self, JournalError> {
        let place = directory.display().to_string();
        let medium = |source| JournalError::Medium {
            place: place.clone(),
            action: "be locked",
            source,
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o640);
        let mut file = options.open(directory.join(NAME)).map_err(medium)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                let known =
                    (&file).take(MOST_BYTES).read_to_string(&mut pid).is_ok() && !pid.trim().is_empty();
                return Err(JournalError::InUse {
                    place,
                    pid: if known {
                        pid.trim().to_owned()
                    } else {
                        "unknown".to_owned()
                    },
                });
            }
            // Some network file systems have no locks; the journal is of more use than the lock.
            Err(error) => {
                warn!(%error, place, "The journal's folder cannot be locked; a second agent must not use it.")
            }
        }
        // On a full medium the pid is missing from the message to a second process, and nothing else.
        let _ = file
            .set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}
