//! The bound on the files of all containers together.

use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::logs::rotate::place::{Folder, PlaceError, names};
use crate::logs::rotate::shift::Numbered;

/// What enforcing the bound did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Enforced {
    /// Files that were deleted.
    pub removed: u64,
    /// Bytes that all files have now.
    pub bytes: u64,
}

/// Deletes turned over files beneath `base`, the oldest first whosever they are, until all files have at most `most`
/// bytes. Files in use stay: where they alone have more, nothing is left to delete. Files that are not ours stay, too.
///
/// # Errors
/// `base` cannot be read. A container's folder that cannot be, or a file that cannot be deleted, is passed over.
pub fn enforce(base: &Path, most: u64) -> Result<Enforced, PlaceError> {
    let failed = |error: rustix::io::Errno| PlaceError::Failed {
        path: base.to_owned(),
        source: error.into(),
    };
    let fd = openat(CWD, base, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    let mut folders = Vec::new();
    let mut bytes = 0;
    let mut old = Vec::new();
    for name in names(&fd).map_err(failed)? {
        let Ok(folder) = Folder::open_in(&fd, &name, base.join(&name)) else {
            continue;
        };
        let file = format!("{name}.log");
        for entry in folder.names().unwrap_or_default() {
            let numbered = Numbered::parse(&file, &entry);
            if numbered.is_none() && entry != file {
                continue;
            }
            let Some((size, time)) = folder.size_and_time(&entry) else {
                continue;
            };
            bytes += size;
            // Of one container the higher number is the older, however coarse the times are.
            old.extend(numbered.map(|of| (time, std::cmp::Reverse(of.number), size, entry, folders.len())));
        }
        folders.push(folder);
    }
    let mut enforced = Enforced { removed: 0, bytes };
    if bytes <= most {
        return Ok(enforced);
    }
    old.sort();
    for (_, _, size, entry, folder) in old {
        if enforced.bytes <= most {
            break;
        }
        if folders[folder].remove(&entry).unwrap_or(false) {
            enforced.removed += 1;
            enforced.bytes -= size;
        }
    }
    Ok(enforced)
}
