//! Whether an engine's socket is there and may be opened, without opening it.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{Access, access};

/// Whether an engine may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nothing is there.
    Absent,
    /// It may.
    Open,
    /// It is there, and this user may not open it.
    Closed {
        /// What a person can do, beginning with a verb.
        remedy: String,
    },
}

/// Looks at the socket at `path`.
pub fn of_socket(path: &Path) -> Reach {
    match fs::metadata(path) {
        Ok(file) if !file.file_type().is_socket() => Reach::Absent,
        Ok(_) if access(path, Access::READ_OK | Access::WRITE_OK).is_ok() => Reach::Open,
        Ok(file) => Reach::Closed {
            remedy: remedy(Some(file.gid())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Reach::Closed { remedy: remedy(None) }
        }
        Err(_) => Reach::Absent,
    }
}

/// What lets the agent open the socket at `path`.
pub(in crate::support::engine) fn remedy_of(path: &Path) -> String {
    remedy(fs::metadata(path).ok().map(|file| file.gid()))
}

fn remedy(gid: Option<u32>) -> String {
    let Some(gid) = gid else {
        return "let the agent's user enter the folder of the socket".to_string();
    };
    // What is owned by root's group is opened by root alone, and nobody is to become a member of it.
    if gid == 0 {
        return "run the agent as root, or give the socket a group that the agent's user is in".to_string();
    }
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    match named(&groups, gid) {
        Some(name) => format!("add the agent's user to the group {name}"),
        // In a container the host's groups have no names.
        None => format!("add the agent's user to the group {gid} (in a container: --group-add {gid})"),
    }
}

fn named(groups: &str, gid: u32) -> Option<&str> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(gid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_is_open_and_any_other_file_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        assert_eq!(of_socket(&path), Reach::Absent);
        let _listener = UnixListener::bind(&path).unwrap();
        assert_eq!(of_socket(&path), Reach::Open);
        assert_eq!(of_socket(folder.path()), Reach::Absent);
    }

    #[test]
    fn the_remedy_names_the_group_that_owns_the_socket() {
        let groups = "root:x:0:\ndocker:x:998:me\nbroken\n";
        assert_eq!(named(groups, 998), Some("docker"));
        assert_eq!(named(groups, 7), None);
        assert!(remedy(Some(0)).contains("root"));
        assert!(remedy(Some(u32::MAX - 1)).ends_with("(in a container: --group-add 4294967294)"));
    }
}
