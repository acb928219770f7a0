//! The roots of the filesystem that the device shows itself under, movable for an agent in a container.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// No file of the kernel that we read is longer: the mounts of a busy cluster node take about one MiB.
const LONGEST_FILE: u64 = 4 * 1024 * 1024;

/// No folder that we list holds more.
const LONGEST_FOLDER: usize = 4096;

/// Where `/proc`, `/sys` and `/` of the device are, as this process sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    proc: PathBuf,
    sys: PathBuf,
    root: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self::new("/proc", "/sys", "/")
    }
}

impl Roots {
    /// Takes the three folders.
    pub fn new(proc: impl Into<PathBuf>, sys: impl Into<PathBuf>, root: impl Into<PathBuf>) -> Self {
        let (proc, sys, root) = (proc.into(), sys.into(), root.into());
        Self { proc, sys, root }
    }

    /// Takes them from the variables `HOST_PROC`, `HOST_SYS` and `HOST_ROOT`; what is unset or empty stays
    /// at `/proc`, `/sys` and `/`.
    pub fn from_variables(get: impl Fn(&str) -> Option<String>) -> Self {
        let path = |name, default: &str| {
            let given = get(name).filter(|value| !value.is_empty());
            given.unwrap_or_else(|| default.to_string())
        };
        Self::new(
            path("HOST_PROC", "/proc"),
            path("HOST_SYS", "/sys"),
            path("HOST_ROOT", "/"),
        )
    }

    /// Whether `/proc` was moved: then it is another container's or the host's, and everything in it that is
    /// relative to the reader (`self`, `net`, `mounts`) must be read through its process 1.
    pub fn is_moved(&self) -> bool {
        self.proc != Path::new("/proc")
    }

    /// Whether `/` was moved.
    pub fn is_root_moved(&self) -> bool {
        self.root != Path::new("/")
    }

    /// A path below `/proc`, given without it: `stat`.
    pub fn proc(&self, path: &str) -> PathBuf {
        self.proc.join(path)
    }

    /// A path below `/proc` that is relative to the reader's own namespaces there, given without it: `net/dev`,
    /// `mounts`. When `/proc` was moved it is the one of process 1.
    pub fn proc_of_reader(&self, path: &str) -> PathBuf {
        let process = if self.is_moved() { "1" } else { "self" };
        self.proc.join(process).join(path)
    }

    /// A path below `/sys`, given without it: `class/hwmon`.
    pub fn sys(&self, path: &str) -> PathBuf {
        self.sys.join(path)
    }

    /// Where this process finds an absolute path of the device. While `/proc` is not moved its mounts are our own,
    /// so that the path is right as it stands.
    pub fn device_path(&self, path: &str) -> PathBuf {
        if self.is_moved() {
            self.root.join(path.trim_start_matches('/'))
        } else {
            PathBuf::from(path)
        }
    }
}

/// Reads a whole file into `buffer`, whose earlier content goes and whose room stays.
///
/// # Errors
/// What the system says, or [`io::ErrorKind::FileTooLarge`] beyond 4 MiB; nothing is cut silently.
pub fn read(path: &Path, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    let read = File::open(path)?.take(LONGEST_FILE + 1).read_to_end(buffer)?;
    if read as u64 > LONGEST_FILE {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is longer than {LONGEST_FILE} bytes"),
        ));
    }
    Ok(())
}

/// The names in a folder, sorted. Names that are not UTF-8 are passed over: the kernel makes none.
///
/// # Errors
/// What the system says, or [`io::ErrorKind::FileTooLarge`] beyond 4096 names.
pub fn list(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        if names.len() == LONGEST_FOLDER {
            let text = format!("it has more than {LONGEST_FOLDER} entries");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        names.extend(entry?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_stay_where_no_variable_moves_them() {
        let roots = Roots::from_variables(|name| (name == "HOST_SYS").then(String::new));
        assert_eq!(roots, Roots::default());
        assert!(!roots.is_moved() && !roots.is_root_moved());
        assert_eq!(roots.proc_of_reader("net/dev"), Path::new("/proc/self/net/dev"));
        assert_eq!(roots.device_path("/boot"), Path::new("/boot"));
    }

    #[test]
    fn a_moved_proc_is_read_through_process_1() {
        let roots = Roots::from_variables(|name| Some(format!("/host/{}", &name[5..].to_lowercase())));
        assert_eq!(roots, Roots::new("/host/proc", "/host/sys", "/host/root"));
        assert!(roots.is_moved() && roots.is_root_moved());
        assert_eq!(roots.proc("stat"), Path::new("/host/proc/stat"));
        assert_eq!(roots.proc_of_reader("mounts"), Path::new("/host/proc/1/mounts"));
        assert_eq!(roots.sys("class"), Path::new("/host/sys/class"));
        assert_eq!(roots.device_path("/"), Path::new("/host/root"));
        assert_eq!(roots.device_path("/boot"), Path::new("/host/root/boot"));
    }

    #[test]
    fn while_proc_is_our_own_its_mounts_are_not_looked_for_below_a_moved_root() {
        let roots = Roots::new("/proc", "/sys", "/host");
        assert_eq!(roots.device_path("/boot"), Path::new("/boot"));
    }

    #[test]
    fn a_file_beyond_the_cap_is_refused_and_one_at_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        let file = File::create(&path).unwrap();
        file.set_len(LONGEST_FILE).unwrap();
        let mut buffer = vec![1, 2, 3];
        read(&path, &mut buffer).unwrap();
        assert_eq!(buffer.len() as u64, LONGEST_FILE);
        file.set_len(LONGEST_FILE + 1).unwrap();
        assert_eq!(
            read(&path, &mut buffer).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
    }

    #[test]
    fn names_in_a_folder_are_sorted() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "a", "c"] {
            File::create(folder.path().join(name)).unwrap();
        }
        assert_eq!(list(folder.path()).unwrap(), ["a", "b", "c"]);
        assert_eq!(
            list(&folder.path().join("d")).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
