//! What is kept of every container across restarts: how far its log was read, and its file's length at that point.
//!
//! Both change in one write, so that whenever the agent dies, the file is cut to what the position says and reading goes
//! on from there. A batch of lines that is being handed over to the journal stands beside that as `pending`, with its
//! receipt: after a death the journal says which of the two positions is true.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::component::journal::ReceiptId;
use crate::logs::rotate::Mark;

const VERSION: u32 = 1;
const FILE: &str = "state.json";
const NEW: &str = "state.json.new";
const BROKEN: &str = "state.json.broken";
const LOCK: &str = "lock";
/// A file that is longer is not ours: 10,000 containers take 4 MB.
const LONGEST: u64 = 256 << 20;
/// How long a container that is no more is remembered, seconds.
const MEMORY: i64 = 86_400;

/// How far a stream was read: the last piece's time (nanoseconds since 1970-01-01 UTC), and how many pieces with that
/// time there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) time: i64,
    pub(super) count: u64,
}

/// What is known of one container's name. One that is made anew under the same name goes on with its file and counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Its file: number and length.
    pub(super) inode: u64,
    pub(super) length: u64,
    /// Lines by level, in the order of `Level::ALL`.
    pub(super) counts: [u64; 3],
    /// By container id: how far stdout and stderr were read.
    pub(super) ids: BTreeMap<String, [Position; 2]>,
}

impl Kept {
    /// The file's mark; `None` where nothing was kept of it.
    pub(super) fn mark(&self) -> Option<Mark> {
        (self.inode != 0).then_some(Mark {
            inode: self.inode,
            length: self.length,
        })
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    kept: Kept,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pending: Option<Pending>,
    /// When a container of that name was there last, seconds since 1970-01-01 UTC.
    seen: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    receipt: String,
    kept: Kept,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Page {
    version: u32,
    /// When the book was begun, nanoseconds: containers that were made since are read from their beginning.
    began: i64,
    containers: BTreeMap<String, Entry>,
    /// Receipts that the journal may forget.
    done: Vec<String>,
}

/// The book.
#[derive(Debug)]
pub(super) struct Book {
    folder: PathBuf,
    state: Mutex<State>,
    /// One writes at a time.
    writing: Mutex<u64>,
    _lock: File,
}

#[derive(Debug)]
struct State {
    page: Page,
    /// Grows with every change.
    change: u64,
}

impl Book {
    /// Opens the book in `folder`, or begins one at `now` (nanoseconds). One that cannot be read is laid aside, and the
    /// second result says so.
    ///
    /// # Errors
    /// The medium fails, or another process has the folder.
    pub(super) fn open(folder: &Path, now: i64) -> io::Result<(Self, Option<String>)> {
        DirBuilder::new().recursive(true).mode(0o750).create(folder)?;
        let lock = options().truncate(false).open(folder.join(LOCK))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| io::Error::other("another agent has it"))?;
        let new = Page {
            version: VERSION,
            began: now,
            containers: BTreeMap::new(),
            done: Vec::new(),
        };
        let path = folder.join(FILE);
        let (page, trouble) = match read(&path) {
            Ok(Some(page)) => (page, None),
            Ok(None) => (new, None),
            Err(reason) => {
                fs::rename(&path, folder.join(BROKEN))?;
                (new, Some(reason))
            }
        };
        let book = Self {
            folder: folder.to_owned(),
            state: Mutex::new(State { page, change: 1 }),
            writing: Mutex::new(0),
            _lock: lock,
        };
        book.save()?;
        Ok((book, trouble))
    }

    /// When it was begun, nanoseconds since 1970-01-01 UTC.
    pub(super) fn began(&self) -> i64 {
        self.state().page.began
    }

    /// What is kept of a container's name.
    pub(super) fn kept(&self, name: &str) -> Option<Kept> {
        self.state()
            .page
            .containers
            .get(name)
            .map(|entry| entry.kept.clone())
    }

    /// How far a container was read, under whatever name: one that was renamed is read on from there.
    pub(super) fn position(&self, id: &str) -> Option<[Position; 2]> {
        let state = self.state();
        let entries = state.page.containers.values();
        entries.filter_map(|entry| entry.kept.ids.get(id)).max().copied()
    }

    /// Whether anything is kept of a container's name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.state().page.containers.contains_key(name)
    }

    /// Every name and its lines by level.
    pub(super) fn counts(&self) -> Vec<(String, [u64; 3])> {
        let state = self.state();
        let entries = state.page.containers.iter();
        entries
            .map(|(name, entry)| (name.clone(), entry.kept.counts))
            .collect()
    }

    /// Keeps this of a name.
    pub(super) fn keep(&self, name: &str, kept: Kept) {
        self.change(|page| {
            let entry = page.containers.entry(name.to_string()).or_default();
            if entry.kept == kept {
                return false;
            }
            entry.kept = kept;
            true
        });
    }

    /// Notes that lines are being handed over under this receipt, and what is to be kept once they are.
    pub(super) fn begin(&self, name: &str, receipt: ReceiptId, kept: Kept) {
        self.change(|page| {
            let receipt = receipt.to_string();
            page.containers.entry(name.to_string()).or_default().pending = Some(Pending { receipt, kept });
            true
        });
    }

    /// The receipt under which lines of this name are being handed over.
    pub(super) fn pending(&self, name: &str) -> Option<ReceiptId> {
        let state = self.state();
        let pending = state.page.containers.get(name)?.pending.as_ref()?;
        u128::from_str_radix(&pending.receipt, 16).ok().map(ReceiptId)
    }

    /// The lines were journalled, or they were not: what is kept follows that.
    pub(super) fn end(&self, name: &str, journalled: bool) {
        self.change(|page| {
            let Some(entry) = page.containers.get_mut(name) else {
                return false;
            };
            let Some(pending) = entry.pending.take() else {
                return false;
            };
            if journalled {
                entry.kept = pending.kept;
                page.done.push(pending.receipt);
            }
            true
        });
    }

    /// Receipts that the journal may forget once the book is saved.
    pub(super) fn done(&self) -> Vec<ReceiptId> {
        let state = self.state();
        let done = state.page.done.iter();
        done.filter_map(|receipt| u128::from_str_radix(receipt, 16).ok().map(ReceiptId))
            .collect()
    }

    /// The journal has forgotten them.
    pub(super) fn forgotten(&self, receipts: &[ReceiptId]) {
        let receipts: Vec<String> = receipts.iter().map(ToString::to_string).collect();
        self.change(|page| {
            page.done.retain(|receipt| !receipts.contains(receipt));
            !receipts.is_empty()
        });
    }

    /// Takes note of the containers that there are (id and name), at `now` (seconds): what is kept of others is
    /// forgotten, of names after a day.
    pub(super) fn tidy(&self, present: &[(String, String)], now: i64) {
        let ids: HashSet<&str> = present.iter().map(|(id, _)| id.as_str()).collect();
        let names: HashSet<&str> = present.iter().map(|(_, name)| name.as_str()).collect();
        self.change(|page| {
            let mut changed = false;
            for (name, entry) in &mut page.containers {
                let before = entry.kept.ids.len();
                entry.kept.ids.retain(|id, _| ids.contains(id.as_str()));
                changed |= entry.kept.ids.len() != before;
                if entry.seen == 0 {
                    (entry.seen, changed) = (now, true);
                }
                // Once an hour is enough, and spares the medium.
                if names.contains(name.as_str()) && (now - entry.seen).abs() > 3600 {
                    (entry.seen, changed) = (now, true);
                }
            }
            let before = page.containers.len();
            page.containers.retain(|_, entry| {
                !entry.kept.ids.is_empty() || entry.pending.is_some() || now - entry.seen < MEMORY + 3600
            });
            changed || page.containers.len() != before
        });
    }

    /// Writes what changed since it was written last; whoever waited for another's write may have nothing left to do.
    ///
    /// # Errors
    /// The medium fails.
    pub(super) fn save(&self) -> io::Result<()> {
        let mut written = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let (json, change) = {
            let state = self.state();
            if state.change == *written {
                return Ok(());
            }
            (serde_json::to_vec(&state.page)?, state.change)
        };
        let new = self.folder.join(NEW);
        let mut file = options().truncate(true).open(&new)?;
        file.write_all(&json)?;
        file.sync_all()?;
        fs::rename(&new, self.folder.join(FILE))?;
        File::open(&self.folder)?.sync_all()?;
        *written = change;
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut Page) -> bool) {
        let mut state = self.state();
        if change(&mut state.page) {
            state.change += 1;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o640);
    options
}

/// The page in a file; `None` where there is none.
fn read(path: &Path) -> Result<Option<Page>, String> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > LONGEST => return Err("it is too long".to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        _ => {}
    }
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let page: Page = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    match page.version {
        VERSION => Ok(Some(page)),
        other => Err(format!("it is of version {other}")),
    }
}

#[cfg(test)]
mod tests;
