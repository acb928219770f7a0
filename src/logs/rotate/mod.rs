//! Writes lines into `FOLDER/<container>/<container>.log`, and turns that file over before it becomes too long.
//!
//! The file in use has the plain name; `.1` is the one before it, `.2` the one before that, and so on. Whoever writes
//! tells where lines end: a file is turned over between lines only. Nothing follows a symlink that somebody laid there.
//!
//! A file's [`Mark`] is what its user keeps along with the position in what it reads. Opened with it, the file is cut to
//! that length, also where it was turned over since. So the user keeps it *before* a file is turned over, and again
//! before the first byte goes into the new one.
//!
//! * [`place`]: folders, safe names, files beneath them
//! * [`shift`]: the numbered files
//! * [`cap`]: the bound on all containers' files together

pub mod cap;
pub mod place;
pub mod shift;

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::logs::rotate::place::{Folder, PlaceError, safe_name};

/// Bytes that are gathered before they are written.
const GATHER: usize = 256 * 1024;

/// When a file is turned over, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a file; 0 for no bound. A longer line has a file of its own.
    pub max_size: u64,
    /// How many turned over files are kept beside the one in use; 0: it is never turned over.
    pub max_files: u32,
    /// Whether those are compressed.
    pub compress: bool,
}

/// Which file is in use, and how much of it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The file's number on its filesystem.
    pub inode: u64,
    /// Its bytes.
    pub length: u64,
}

/// One container's file in use.
#[derive(Debug)]
pub struct LogFile {
    folder: Folder,
    name: String,
    file: File,
    inode: u64,
    /// Bytes in the file, those that are gathered among them.
    length: u64,
    gathered: Vec<u8>,
    limits: Limits,
    /// Whether something was written since it was brought to the medium.
    dirty: bool,
}

impl LogFile {
    /// Opens a container's file below `base`, or makes it, and cuts it to `mark`, the one that was kept. A file that is
    /// not the mark's stays as it is, and is appended to.
    ///
    /// # Errors
    /// See [`PlaceError`].
    pub fn open(
        base: &Path,
        container: &str,
        limits: Limits,
        mark: Option<Mark>,
    ) -> Result<Self, PlaceError> {
        let safe = safe_name(container);
        let folder = Folder::make(base, &safe)?;
        let name = format!("{safe}.log");
        let file = folder.append_to(&name)?;
        let failed = |error| folder.failed(&name, error);
        let metadata = file.metadata().map_err(failed)?;
        let mut length = metadata.len();
        match mark {
            Some(mark) if mark.inode == metadata.ino() => length = cut(&file, mark.length).map_err(failed)?,
            Some(mark) => {
                // It was turned over after the mark was kept. What the new file has came after the mark, too.
                let before = format!("{name}.1");
                let turned = folder.open_existing(&before)?;
                if let Some(turned) =
                    turned.filter(|turned| turned.metadata().is_ok_and(|of| of.ino() == mark.inode))
                {
                    cut(&turned, mark.length).map_err(|error| folder.failed(&before, error))?;
                    length = cut(&file, 0).map_err(failed)?;
                }
            }
            None => {}
        }
        Ok(Self {
            inode: metadata.ino(),
            folder,
            name,
            file,
            length,
            gathered: Vec::new(),
            limits,
            dirty: true,
        })
    }

    /// The file and its length, with what is gathered.
    pub fn mark(&self) -> Mark {
        Mark {
            inode: self.inode,
            length: self.length,
        }
    }

    /// Whether the file has room for a line. An empty one has room for any.
    pub fn has_room(&self, line: usize) -> bool {
        self.length == 0 || !self.is_beyond(self.length + line as u64)
    }

    /// Whether a file of this length would be too long.
    pub fn is_beyond(&self, length: u64) -> bool {
        self.limits.max_size > 0 && self.limits.max_files > 0 && length > self.limits.max_size
    }

    /// Appends bytes, however many.
    ///
    /// # Errors
    /// The medium fails; then nobody knows what of it was written, and the file is to be opened anew with its mark.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), PlaceError> {
        self.length += bytes.len() as u64;
        if self.gathered.len() + bytes.len() > GATHER {
            self.flush()?;
        }
        if bytes.len() >= GATHER {
            self.dirty = true;
            return self.file.write_all(bytes).map_err(|error| self.failed(error));
        }
        self.gathered.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what is gathered, so that readers see it.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn flush(&mut self) -> Result<(), PlaceError> {
        if !self.gathered.is_empty() {
            self.dirty = true;
            let written = self.file.write_all(&self.gathered);
            written.map_err(|error| self.failed(error))?;
            self.gathered.clear();
        }
        Ok(())
    }

    /// Writes what is gathered and brings the file to the medium.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn sync(&mut self) -> Result<(), PlaceError> {
        self.flush()?;
        if self.dirty {
            self.file.sync_data().map_err(|error| self.failed(error))?;
            self.dirty = false;
        }
        Ok(())
    }

    /// Turns the file over: it becomes `.1`, and what it has from `keep` on (the beginning of a line that does not end
    /// yet) goes into the new one. The mark that was kept last has the length `keep`. Tells how many files went because
    /// there were more than are kept.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn turn_over(&mut self, keep: u64) -> Result<u64, PlaceError> {
        self.flush()?;
        let removed = shift::make_room(&self.folder, &self.name, self.limits.max_files)?;
        let file = self.folder.append_to(&self.name)?;
        let failed = |error| self.folder.failed(&self.name, error);
        let inode = file.metadata().map_err(failed)?.ino();
        let moved = move_tail(&self.file, keep, &file).map_err(failed)?;
        self.folder.sync()?;
        (self.file, self.inode, self.length, self.dirty) = (file, inode, moved, true);
        Ok(removed)
    }

    /// Compresses the files that were turned over, if they are to be. The mark of the file in use was kept since.
    ///
    /// # Errors
    /// The medium fails; the files are there as they were.
    pub fn compress(&self) -> Result<(), PlaceError> {
        match self.limits.compress {
            true => shift::compress(&self.folder, &self.name),
            false => Ok(()),
        }
    }

    fn failed(&self, error: io::Error) -> PlaceError {
        self.folder.failed(&self.name, error)
    }
}

/// Cuts a file, which is not made longer, and tells its length.
fn cut(file: &File, length: u64) -> io::Result<u64> {
    let now = file.metadata()?.len();
    if now > length {
        file.set_len(length)?;
    }
    Ok(now.min(length))
}

/// Moves what `from` has beyond `keep` to `to`, and tells how many bytes that was.
fn move_tail(mut from: &File, keep: u64, mut to: &File) -> io::Result<u64> {
    if from.metadata()?.len() <= keep {
        return Ok(0);
    }
    from.seek(SeekFrom::Start(keep))?;
    let moved = io::copy(&mut from, &mut to)?;
    from.set_len(keep)?;
    Ok(moved)
}

#[cfg(test)]
mod tests;
