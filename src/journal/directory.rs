//! Where the journal lies when nobody says so.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// The place for services.
const SYSTEM: &str = "/var/lib/tawny";

/// The journal's folder: `TAWNY_JOURNAL_DIR`, else `$STATE_DIRECTORY` (which systemd sets; the first of them), else
/// `$XDG_STATE_HOME/tawny`, else `/var/lib/tawny` if this process may write there (it is made if need be), else
/// `~/.local/state/tawny`, and without a home `./tawny-state`. Empty variables count as unset, as do relative paths in
/// `XDG_STATE_HOME` (XDG Base Directory Specification). `variable` reads the environment.
pub fn default_directory(variable: impl Fn(&str) -> Option<String>) -> PathBuf {
    directory(variable, Path::new(SYSTEM))
}

fn directory(variable: impl Fn(&str) -> Option<String>, system: &Path) -> PathBuf {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    if let Some(given) = set("TAWNY_JOURNAL_DIR") {
        return given.into();
    }
    if let Some(given) = set("STATE_DIRECTORY") {
        return given.split(':').next().unwrap_or(&given).into();
    }
    if let Some(given) = set("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
    {
        return given.join("tawny");
    }
    if is_ours(system) {
        return system.to_owned();
    }
    match set("HOME") {
        Some(home) => Path::new(&home).join(".local/state/tawny"),
        None => "tawny-state".into(),
    }
}

/// Whether the folder can be written to; it is made for that, if its parent is there.
fn is_ours(path: &Path) -> bool {
    let _ = DirBuilder::new().mode(0o750).create(path);
    path.is_dir() && access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(variables: &[(&str, &str)], system: &Path) -> PathBuf {
        let find = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        directory(find, system)
    }

    #[test]
    fn the_first_that_is_set_wins() {
        let scratch = tempfile::tempdir().unwrap();
        let system = scratch.path().join("lib");
        let none = scratch.path().join("no/such/parent");
        let all = [
            ("TAWNY_JOURNAL_DIR", "/a"),
            ("STATE_DIRECTORY", "/b:/c"),
            ("XDG_STATE_HOME", "/d"),
            ("HOME", "/home/e"),
        ];
        assert_eq!(choose(&all, &system), Path::new("/a"));
        assert_eq!(choose(&all[1..], &system), Path::new("/b"));
        assert_eq!(choose(&all[2..], &system), Path::new("/d/tawny"));
        assert!(!system.exists());
        assert_eq!(choose(&all[3..], &system), system);
        assert_eq!(choose(&all[3..], &none), Path::new("/home/e/.local/state/tawny"));
        assert_eq!(
            choose(&[("XDG_STATE_HOME", "d"), ("HOME", "")], &none),
            Path::new("tawny-state")
        );
    }
}
