//! Which outputs blocks are kept for.

use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use crate::component::journal::OutputId;
use crate::journal::account::change::Totals;
use crate::journal::account::state::{Account, MOST_OUTPUTS, State};
use crate::model::time::ClockStamp;

/// How long an output's blocks are kept after it is no longer configured.
const RETIRE_AFTER: Duration = Duration::from_secs(24 * 3600);

/// More outputs than a journal can tell apart.
#[derive(Debug, thiserror::Error)]
#[error("more than {MOST_OUTPUTS} outputs")]
pub(in crate::journal) struct TooManyOutputs;

impl State {
    /// Puts the configured outputs in; what is known of others is kept for a day. Whether that changed anything.
    pub(in crate::journal) fn configure(
        &mut self,
        outputs: &[OutputId],
        now: ClockStamp,
    ) -> Result<bool, TooManyOutputs> {
        let mut changed = false;
        for output in outputs {
            match self.slot(&output.0) {
                None => {
                    let appended = self.appended;
                    self.register(&output.0, appended).ok_or(TooManyOutputs)?;
                    changed = true;
                }
                Some(slot) => {
                    changed |= self
                        .account_mut(slot)
                        .is_some_and(|account| account.absent.take().is_some());
                }
            }
        }
        for account in self.accounts.iter_mut().flatten() {
            if account.absent.is_none() && !outputs.iter().any(|output| output.0 == account.name) {
                account.absent = Some(now);
                changed = true;
            }
        }
        Ok(self.retire_absent(now) | changed)
    }

    /// Forgets outputs that were not configured for a day; whether there were any. What nobody waits for any longer is
    /// still to be released.
    pub(in crate::journal) fn retire_absent(&mut self, now: ClockStamp) -> bool {
        let mut changed = false;
        for slot in self.slots().collect::<Vec<_>>() {
            let Some((name, since)) = self
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
            let items = self.retire(slot);
            changed = true;
            if items > 0 {
                warn!(output = %name, items, "An output was not configured for a day; what waited for it is dropped.");
            } else {
                info!(output = %name, "An output was not configured for a day; it is forgotten.");
            }
        }
        changed
    }

    /// Adds an output that starts now. Its slot, or none if there are too many.
    pub(super) fn register(&mut self, name: &Arc<str>, baseline: [u64; 4]) -> Option<usize> {
        let slot = self
            .accounts
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.accounts.len());
        if slot >= MOST_OUTPUTS {
            return None;
        }
        if slot == self.accounts.len() {
            self.accounts.push(None);
        }
        self.accounts[slot] = Some(Account {
            name: Arc::clone(name),
            baseline,
            totals: [Totals::default(); 4],
            cursor: self.next,
            absent: None,
        });
        Some(slot)
    }

    /// Forgets an output; how many items waited for it.
    fn retire(&mut self, slot: usize) -> u64 {
        let waiting = self
            .held
            .iter()
            .map(|(id, held)| self.waiting(slot, *id, held))
            .sum();
        for held in self.held.values_mut() {
            held.pending &= !(1 << slot);
        }
        self.partial.retain(|(of, _), _| *of != slot);
        if let Some(account) = self.accounts.get_mut(slot) {
            *account = None;
        }
        waiting
    }
}
