//! Runs every collector one time and prints what a scrape and a push would carry.

use std::io;

use crate::cli::{End, print};
use crate::config::load::Loaded;

/// Runs every collector; no backend is touched.
pub(super) fn once(loaded: Loaded, _json: bool) -> io::Result<End> {
    drop(loaded);
    print::complaint("the registry is not joined to the command line yet");
    Ok(End::Failed)
}
