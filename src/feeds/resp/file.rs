//! One write-ahead file: appended to as a whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::component::journal::ReceiptId;
use crate::feeds::resp::frame;

/// A file that is appended to.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: Arc<File>,
    length: u64,
    /// Whether something was written since it was given to be brought to the medium.
    dirty: bool,
}

impl Log {
    /// Makes a file that is not there yet.
    ///
    /// # Errors
    /// The medium fails; no file is left then.
    pub(super) fn create(path: PathBuf, receipt: ReceiptId) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o640).open(&path)?;
        let mut log = Self {
            path,
            file: Arc::new(file),
            length: 0,
            dirty: true,
        };
        match log.append(&frame::header(receipt)) {
            Ok(()) => Ok(log),
            Err(error) => {
                let _ = fs::remove_file(&log.path);
                Err(error)
            }
        }
    }

    /// Opens a file of which `length` bytes are good; what lies behind is cut.
    ///
    /// # Errors
    /// The medium fails.
    pub(super) fn open(path: PathBuf, length: u64) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(&path)?;
        file.set_len(length)?;
        Ok(Self {
            path,
            file: Arc::new(file),
            length,
            dirty: true,
        })
    }

    /// Gives it another name, over a file that has it already.
    ///
    /// # Errors
    /// The medium fails; it has the old name.
    pub(super) fn rename(&mut self, path: PathBuf) -> io::Result<()> {
        fs::rename(&self.path, &path)?;
        self.path = path;
        Ok(())
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Appends all of `bytes`.
    ///
    /// # Errors
    /// The medium fails; none of them is in the file then, as far as the medium lets them be cut.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.file.write_all_at(bytes, self.length) {
            Ok(()) => {
                self.length += bytes.len() as u64;
                self.dirty = true;
                Ok(())
            }
            Err(error) => {
                self.back_to(self.length);
                Err(error)
            }
        }
    }

    /// Takes back what was appended behind `length`.
    pub(super) fn back_to(&mut self, length: u64) {
        self.length = length;
        // Where it cannot be cut, the next append writes over it.
        let _ = self.file.set_len(length);
    }

    /// The file, where it holds something that may not be on the medium; from then on it counts as being there.
    pub(super) fn take_dirty(&mut self) -> Option<Arc<File>> {
        std::mem::take(&mut self.dirty).then(|| Arc::clone(&self.file))
    }

    /// It could not be brought to the medium.
    pub(super) fn set_dirty(&mut self) {
        self.dirty = true;
    }
}

/// Brings the names of files to the medium.
///
/// # Errors
/// The medium fails.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Deletes a file; one that is gone already is no error.
///
/// # Errors
/// The medium fails.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
