//! Which outputs blocks are kept for.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::component::journal::OutputId;
use crate::journal::disk::store::Store;

/// How long an output's blocks are kept after it is no longer configured.
const RETIRE_AFTER: Duration = Duration::from_secs(24 * 3600);

impl Store {
    /// Puts the configured outputs into the state; what it knows of others is kept for a day.
    pub(super) fn configure(&mut self, outputs: &[OutputId]) -> io::Result<()> {
        let now = self.clock.stamp(true);
        for output in outputs {
            match self.state.slot(&output.0) {
                None => {
                    let appended = self.state.appended;
                    if self.state.register(&output.0, appended).is_none() {
                        return Err(io::Error::new(ErrorKind::InvalidInput, "more than 64 outputs"));
                    }
                    self.unsaved = true;
                }
                Some(slot) => {
                    if let Some(Some(account)) = self.state.accounts.get_mut(slot)
                        && account.absent.take().is_some()
                    {
                        self.unsaved = true;
                    }
                }
            }
        }
        for account in self.state.accounts.iter_mut().flatten() {
            if account.absent.is_none() && !outputs.iter().any(|output| output.0 == account.name) {
                account.absent = Some(now);
                self.unsaved = true;
            }
        }
        self.retire();
        Ok(())
    }

    /// Forgets outputs that were not configured for a day.
    pub(super) fn retire(&mut self) {
        let now = self.clock.stamp(true);
        for slot in self.state.slots().collect::<Vec<_>>() {
            let Some((name, since)) = self
                .state
                .account(slot)
                .and_then(|a| Some((Arc::clone(&a.name), a.absent?)))
            else {
                continue;
            };
            let absent = if since.boot == now.boot {
                now.uptime.saturating_sub(since.uptime)
            } else {
                now.wall.since(since.wall)
            };
            if absent < RETIRE_AFTER {
                continue;
            }
            let items = self.state.retire(slot);
            self.unsaved = true;
            if items > 0 {
                warn!(output = %name, items, "An output was not configured for a day; what waited for it is dropped.");
            } else {
                info!(output = %name, "An output was not configured for a day; it is forgotten.");
            }
        }
        if self.unsaved {
            self.state.release_all();
        }
    }
}
