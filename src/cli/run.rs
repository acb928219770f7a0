//! Runs the agent.

use std::io;

use tracing::warn;

use crate::cli::{End, block_on, log, print};
use crate::config::load::Loaded;

/// Runs the agent until it is stopped; with `dry_run` it prints points instead of sending them.
pub(super) fn run(loaded: Loaded, dry_run: bool) -> io::Result<End> {
    log::start(loaded.settings.log);
    for warning in &loaded.warnings {
        warn!(setting = warning.path, "{warning}.");
    }
    match block_on(serve(loaded, dry_run))? {
        Ok(()) => Ok(End::Done),
        Err(error) => {
            print::complaint(&error);
            Ok(End::Failed)
        }
    }
}

async fn serve(_loaded: Loaded, _dry_run: bool) -> Result<(), String> {
    Err("the runtime is not joined to the command line yet".to_string())
}
