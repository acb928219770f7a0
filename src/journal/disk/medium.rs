//! Where segments lie: a folder. Tests put a medium in memory in its place, which can be full and can be damaged.

use std::collections::HashMap;
use std::fmt::Debug;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Numbered segments that are read and written at positions. Calls block; nobody calls them on an async thread.
pub(crate) trait Medium: Debug + Send + Sync {
    /// Where this is, for messages.
    fn place(&self) -> String;
    /// The numbers of all segments, ascending.
    fn segments(&self) -> io::Result<Vec<u64>>;
    /// A whole segment.
    fn read(&self, segment: u64) -> io::Result<Vec<u8>>;
    /// Exactly `length` bytes of a segment.
    fn read_at(&self, segment: u64, offset: u64, length: usize) -> io::Result<Vec<u8>>;
    /// Writes all of `bytes`, or an unknown part of them before an error. A segment that is not there is made.
    fn write_at(&self, segment: u64, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Shortens a segment.
    fn cut(&self, segment: u64, length: u64) -> io::Result<()>;
    /// Brings a segment, and that it exists, to the medium.
    fn sync(&self, segment: u64) -> io::Result<()>;
    /// Deletes a segment. One that is gone already is no error.
    fn remove(&self, segment: u64) -> io::Result<()>;
    /// Occupies this many bytes, to be given up when settlements must be written to a full medium; 0 gives them up.
    fn keep_free(&self, bytes: u64) -> io::Result<()>;
}

/// The suffix of segment files.
const SUFFIX: &str = ".seg";
/// The file that keeps room for settlements on a full medium.
const RESERVE: &str = "reserve";

/// A folder with a file for each segment.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    open: Mutex<HashMap<u64, Arc<File>>>,
    /// A segment was made whose name has not reached the medium.
    unnamed: AtomicBool,
}

impl Folder {
    /// A folder that is made if it is not there, `0750`.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o750).create(path)?;
        Ok(Self::at(path))
    }

    /// A folder as it is.
    pub(crate) fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            open: Mutex::new(HashMap::new()),
            unnamed: AtomicBool::new(false),
        }
    }

    /// Bytes of a segment.
    pub(crate) fn length(&self, segment: u64) -> io::Result<u64> {
        Ok(fs::metadata(self.file_path(segment))?.len())
    }

    fn file_path(&self, segment: u64) -> PathBuf {
        self.path.join(format!("{segment:012}{SUFFIX}"))
    }

    /// The open file. The map's lock is held for an `open` at most; a few files are open at a time.
    fn file(&self, segment: u64, create: bool) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&segment) {
            return Ok(Arc::clone(file));
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(create).mode(0o640);
        let file = Arc::new(options.open(self.file_path(segment))?);
        if open.len() >= 8 {
            open.clear();
        }
        open.insert(segment, Arc::clone(&file));
        Ok(file)
    }
}

impl Medium for Folder {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn segments(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn read(&self, segment: u64) -> io::Result<Vec<u8>> {
        fs::read(self.file_path(segment))
    }

    fn read_at(&self, segment: u64, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file(segment, false)?.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn write_at(&self, segment: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if offset == 0 {
            self.unnamed.store(true, Ordering::Release);
        }
        self.file(segment, true)?.write_all_at(bytes, offset)
    }

    fn cut(&self, segment: u64, length: u64) -> io::Result<()> {
        self.file(segment, false)?.set_len(length)
    }

    fn sync(&self, segment: u64) -> io::Result<()> {
        self.file(segment, false)?.sync_data()?;
        if self.unnamed.swap(false, Ordering::AcqRel) {
            let named = File::open(&self.path).and_then(|folder| folder.sync_all());
            return named.inspect_err(|_| self.unnamed.store(true, Ordering::Release));
        }
        Ok(())
    }

    fn remove(&self, segment: u64) -> io::Result<()> {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&segment);
        match fs::remove_file(self.file_path(segment)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn keep_free(&self, bytes: u64) -> io::Result<()> {
        let path = self.path.join(RESERVE);
        if bytes == 0 {
            return match fs::remove_file(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                other => other,
            };
        }
        if fs::metadata(&path).is_ok_and(|found| found.len() == bytes) {
            return Ok(());
        }
        // Written, not only lengthened: a hole occupies nothing.
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .open(&path)?;
        let zeros = vec![0; usize::try_from(bytes).unwrap_or(0)];
        file.write_all_at(&zeros, 0).inspect_err(|_| {
            // Half of it is worth nothing.
            let _ = fs::remove_file(&path);
        })
    }
}
