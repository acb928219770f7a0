//! Finds out in which folder the journal lies.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::config::environment::Environment;
use crate::config::layers::Origin;

/// The folder where nobody set one: systemd's, the user's, the system's where it can be written, the user's home.
pub(super) fn find(environment: &Environment, system: &Path) -> (PathBuf, Origin) {
    let variable = |name: &str| {
        environment
            .exact(name)
            .map(|value| (value, Origin::Variable(name.into())))
    };
    // systemd names several folders with colons between them; the first is the service's own.
    if let Some((folders, origin)) = variable("STATE_DIRECTORY") {
        return (folders.split(':').next().unwrap_or(folders).into(), origin);
    }
    if let Some((folder, origin)) = variable("XDG_STATE_HOME").filter(|(folder, _)| folder.starts_with('/')) {
        return (Path::new(folder).join("tawny"), origin);
    }
    match environment.exact("HOME") {
        Some(home) if !is_writable(system) => (
            Path::new(home).join(".local/state/tawny"),
            Origin::Found("the user's home"),
        ),
        _ => (system.into(), Origin::Default),
    }
}

/// Whether the folder can be written, or made with all that is missing above it.
pub(super) fn can_be_made(folder: &Path) -> bool {
    let there = folder.ancestors().find(|place| place.exists());
    there.is_some_and(|place| place.is_dir() && access(place, Access::WRITE_OK | Access::EXEC_OK).is_ok())
}

/// Whether the folder can be written, or made.
fn is_writable(folder: &Path) -> bool {
    let place = if folder.exists() {
        Some(folder)
    } else {
        folder.parent()
    };
    place.is_some_and(|place| access(place, Access::WRITE_OK | Access::EXEC_OK).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_above_a_folder_can_be_made_too() {
        let folder = tempfile::tempdir().unwrap();
        assert!(can_be_made(&folder.path().join("a/b/c")));
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(!can_be_made(&folder.path().join("file/b")));
    }

    #[test]
    fn the_first_place_that_is_there_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("tawny");
        let nowhere = Path::new("/nonexistent/lib/tawny");
        let home = [("HOME", "/home/me")];
        let state = [("HOME", "/home/me"), ("XDG_STATE_HOME", "/state")];
        let systemd = [
            ("XDG_STATE_HOME", "/state"),
            ("STATE_DIRECTORY", "/run/one:/run/two"),
        ];
        let found =
            |variables: &[(&str, &str)], system: &Path| find(&variables.iter().copied().collect(), system).0;
        assert_eq!(found(&systemd, &there), Path::new("/run/one"));
        assert_eq!(found(&state, &there), Path::new("/state/tawny"));
        assert_eq!(found(&home, &there), there);
        assert_eq!(found(&home, nowhere), Path::new("/home/me/.local/state/tawny"));
        assert_eq!(found(&[], nowhere), nowhere);
    }
}
