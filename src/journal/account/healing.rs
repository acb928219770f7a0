//! Accounts that close again after damage.

use crate::component::journal::{DropReason, OutputId};
use crate::journal::account::state::{State, reason_index};

impl State {
    /// Makes the accounts close after damage. Items that are missing from what is held were lost; items that are held
    /// though they were settled will be delivered, and counted, again. How many of each.
    pub(in crate::journal) fn close_balances(&mut self) -> (u64, u64) {
        let (mut lost, mut again) = (0, 0);
        let slots: Vec<usize> = self.slots().collect();
        for slot in slots {
            let mut waiting = [0u64; 4];
            for (id, held) in &self.held {
                waiting[usize::from(held.kind)] += self.waiting(slot, *id, held);
            }
            for (kind, waiting) in waiting.into_iter().enumerate() {
                let appended = self.appended[kind];
                let Some(account) = self.account_mut(slot) else {
                    continue;
                };
                let totals = &mut account.totals[kind];
                let wrapped = appended.saturating_sub(account.baseline[kind]);
                let accounted = totals.sum().saturating_add(waiting);
                if accounted < wrapped {
                    totals.dropped[reason_index(DropReason::Damaged)] += wrapped - accounted;
                    lost += wrapped - accounted;
                }
                let mut excess = accounted.saturating_sub(wrapped);
                again += excess;
                for total in std::iter::once(&mut totals.delivered).chain(&mut totals.dropped) {
                    let less = excess.min(*total);
                    *total -= less;
                    excess -= less;
                }
                // More is held than was ever wrapped: the record that said so is lost.
                account.baseline[kind] = account.baseline[kind].saturating_sub(excess);
            }
        }
        (lost, again)
    }

    /// Nothing tells any longer who waits for what: everybody waits for everything, because twice is better than never.
    pub(in crate::journal) fn adopt(&mut self, outputs: &[OutputId]) {
        let mut items = [0; 4];
        for held in self.held.values() {
            items[usize::from(held.kind)] += u64::from(held.items);
        }
        let baseline = std::array::from_fn(|kind| self.appended[kind].saturating_sub(items[kind]));
        let slots: Vec<usize> = outputs
            .iter()
            .filter_map(|output| self.register(&output.0, baseline))
            .collect();
        for account in self.accounts.iter_mut().flatten() {
            account.cursor = 0;
        }
        for held in self.held.values_mut() {
            held.pending = slots.iter().fold(0, |mask, slot| mask | 1 << slot);
        }
    }
}
