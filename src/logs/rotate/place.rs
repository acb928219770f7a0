//! Folders of containers beneath one folder, and files in them, none of them reached through a symlink.

use std::fmt::Write;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, mkdirat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

/// Most bytes of a name, so that with `.log.1000.gz.new` it is still one for every filesystem.
const LONGEST: usize = 200;
/// How many of them stay of a name that is too long.
const HEAD: usize = 150;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// Somebody laid a symlink, a pipe or something else there.
    #[error("{path} is {what}, and is left alone; remove it so that lines can be written there")]
    Strange {
        /// Where it is.
        path: PathBuf,
        /// What is there instead of a file or folder.
        what: &'static str,
    },
    /// The medium or the permissions.
    #[error("cannot use {path}: {source}")]
    Failed {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A name for a container's folder that is harmless and no other container's: letters, digits, `_`, `-` and `.` stay,
/// every other byte, and a `.` in front, becomes `%` and two hexadecimal digits; an empty name is `%`. Of a name that is
/// then longer than 200 bytes the first 150 stay, with `%~` and 32 digits of its checksum.
///
/// Docker's own names stay as they are.
pub fn safe_name(container: &str) -> String {
    let mut safe = String::with_capacity(container.len());
    for (index, byte) in container.bytes().enumerate() {
        let plain =
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || (byte == b'.' && index > 0);
        if plain {
            safe.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(safe, "%{byte:02X}");
        }
    }
    if safe.is_empty() {
        return "%".to_string();
    }
    if safe.len() > LONGEST {
        let mut sum = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
        for byte in container.bytes() {
            // FNV-1a, 128 bits: names that are long and equal in it are no accident.
            sum = (sum ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
        safe.truncate(HEAD);
        let _ = write!(safe, "%~{sum:032x}");
    }
    safe
}

/// An open folder of one container.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    fd: OwnedFd,
}

impl Folder {
    /// Opens the folder `name` beneath `base`; both are made where they are missing, for their owner and group only.
    /// `base` itself may be reached through a symlink, for whoever set it chose that.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub fn make(base: &Path, name: &str) -> Result<Self, PlaceError> {
        let failed = |source| PlaceError::Failed {
            path: base.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(base)
            .map_err(failed)?;
        let base_fd = openat(CWD, base, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let base_fd = base_fd.map_err(|error| failed(error.into()))?;
        let path = base.join(name);
        match mkdirat(&base_fd, name, Mode::from_raw_mode(0o750)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => {
                return Err(PlaceError::Failed {
                    path,
                    source: error.into(),
                });
            }
        }
        Self::open_in(base_fd.as_fd(), name, path)
    }

    /// Opens a folder beneath an open one.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub fn open_in(base: impl AsFd, name: &str, path: PathBuf) -> Result<Self, PlaceError> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&base, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { path, fd }),
            Err(error) => Err(strange(base, name, path, error)),
        }
    }

    /// Opens a file to append to, for its owner and group only where it is made.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub fn append_to(&self, name: &str) -> Result<File, PlaceError> {
        // Readable too: the beginning of a long line may have to move. It does not wait for a pipe's reader.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND;
        self.open(name, flags)
    }

    /// Opens a file that is there already, to read and to cut; `None` where it is not.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub fn open_existing(&self, name: &str) -> Result<Option<File>, PlaceError> {
        match self.open(name, OFlags::RDWR) {
            Ok(file) => Ok(Some(file)),
            Err(PlaceError::Failed { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a file that is empty, whatever lay there.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub fn make_empty(&self, name: &str) -> Result<File, PlaceError> {
        self.remove(name)?;
        self.open(name, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
    }

    fn open(&self, name: &str, flags: OFlags) -> Result<File, PlaceError> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.fd, name, flags, Mode::from_raw_mode(0o640)) {
            Ok(fd) => File::from(fd),
            Err(error) => return Err(strange(&self.fd, name, self.path.join(name), error)),
        };
        let kind = file
            .metadata()
            .map_err(|error| self.failed(name, error))?
            .file_type();
        if kind.is_file() {
            return Ok(file);
        }
        let what = if kind.is_fifo() { "a pipe" } else { "no file" };
        Err(PlaceError::Strange {
            path: self.path.join(name),
            what,
        })
    }

    /// Gives a file another name, over one that has it.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub fn rename(&self, from: &str, to: &str) -> Result<(), PlaceError> {
        let renamed = renameat(&self.fd, from, &self.fd, to);
        renamed.map_err(|error| self.failed(from, error.into()))
    }

    /// Deletes a file, and tells whether it was there.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub fn remove(&self, name: &str) -> Result<bool, PlaceError> {
        match unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(self.failed(name, error.into())),
        }
    }

    /// Brings the names to the medium.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub fn sync(&self) -> Result<(), PlaceError> {
        rustix::fs::fsync(&self.fd).map_err(|error| self.failed(".", error.into()))
    }

    /// The names in it, in no order. Names that are not UTF-8 are none of ours.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub fn names(&self) -> Result<Vec<String>, PlaceError> {
        names(&self.fd).map_err(|error| self.failed(".", error.into()))
    }

    /// Bytes and time of change (seconds since 1970) of a file; `None` where there is none of that name.
    pub fn size_and_time(&self, name: &str) -> Option<(u64, i64)> {
        let stat = statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let is_file = FileType::from_raw_mode(stat.st_mode).is_file();
        is_file.then(|| (u64::try_from(stat.st_size).unwrap_or(0), stat.st_mtime))
    }

    /// An error with the file's path.
    pub(super) fn failed(&self, name: &str, source: io::Error) -> PlaceError {
        PlaceError::Failed {
            path: self.path.join(name),
            source,
        }
    }
}

/// The names in a folder.
pub(super) fn names(folder: impl AsFd) -> rustix::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_str().map(str::to_string);
        names.extend(name.ok().filter(|name| name != "." && name != ".."));
    }
    Ok(names)
}

/// Why something could not be opened. The system tells of a symlink in several ways.
fn strange(folder: impl AsFd, name: &str, path: PathBuf, error: Errno) -> PlaceError {
    let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    let what = match stat.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
        Ok(FileType::Symlink) => "a symlink",
        Ok(FileType::Fifo) => "a pipe",
        Ok(FileType::Socket) => "a socket",
        Ok(FileType::RegularFile) if error == Errno::NOTDIR => "a file",
        Ok(FileType::Directory) if error == Errno::ISDIR => "a folder",
        _ => {
            return PlaceError::Failed {
                path,
                source: error.into(),
            };
        }
    };
    PlaceError::Strange { path, what }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_that_docker_gives_stay() {
        for name in ["web", "my_app-1.2", "a.b", "A"] {
            assert_eq!(safe_name(name), name);
        }
    }

    #[test]
    fn odd_names_become_harmless_ones() {
        for (name, safe) in [
            ("../x", "%2E.%2Fx"),
            ("a/b", "a%2Fb"),
            ("", "%"),
            (".", "%2E"),
            ("..", "%2E."),
            ("%", "%25"),
            ("a%2Fb", "a%252Fb"),
            ("é\n", "%C3%A9%0A"),
        ] {
            assert_eq!(safe_name(name), safe, "{name}");
        }
    }

    #[test]
    fn no_two_names_share_a_file_however_long() {
        let long = "x".repeat(5000);
        let names = [
            long.clone() + "a",
            long.clone() + "b",
            long,
            "x".repeat(200),
            "x".repeat(201),
        ];
        let safe: BTreeSet<String> = names.iter().map(|name| safe_name(name)).collect();
        assert_eq!(safe.len(), names.len());
        assert!(safe.iter().all(|name| name.len() <= LONGEST));
        assert!(safe.contains(&"x".repeat(200)));
    }
}
