//! Shows, exports and verifies a journal.

use std::io;

use crate::cli::arguments::JournalCommand;
use crate::cli::{End, print};
use crate::config::load::Loaded;

/// Does with the configured journal what is said; `show` if nothing is.
pub(super) fn journal(loaded: &Loaded, command: Option<JournalCommand>) -> io::Result<End> {
    let directory = &loaded.settings.journal.directory;
    let _ = command;
    print::complaint(&format!(
        "{}: the journal is not joined to the command line yet",
        directory.display()
    ));
    Ok(End::Failed)
}
