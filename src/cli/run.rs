//! Runs the agent.

use std::io;

use tracing::warn;

use crate::cli::{End, block_on, log, print};
use crate::config::load::Loaded;
use crate::runtime::agent;

/// Runs the agent until it is stopped; with `dry_run` it prints points instead of sending them.
pub(super) fn run(loaded: Loaded, dry_run: bool) -> io::Result<End> {
    log::start(loaded.settings.log);
    for warning in &loaded.warnings {
        warn!(setting = warning.path, "{warning}.");
    }
    match block_on(agent::run(loaded, dry_run))? {
        Ok(()) => Ok(End::Done),
        Err(error) => {
            print::complaint(&error.to_string());
            Ok(End::Failed)
        }
    }
}
