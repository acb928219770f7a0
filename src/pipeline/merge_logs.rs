//! Turns journalled log blocks into entries for one output: re-dated, in its form, and tied to the items they stand for.

use smallvec::smallvec;

use crate::component::journal::{DropReason, Entry};
use crate::component::output::LogEntry;
use crate::journal::logs;
use crate::model::time::Timestamp;
use crate::pipeline::batch::Batch;
use crate::pipeline::ledger::{Fate, Item, Ledger};
use crate::pipeline::merge::{DRIFT, Rules, lose};

/// Makes entries of log blocks, in the order of the journal. What cannot be sent is entered in the ledger as dropped;
/// what is too old for the destination, or cannot be dated, is left as it is: it waits.
pub(crate) fn merge_logs(entries: &[Entry], rules: &Rules<'_>, ledger: &mut Ledger) -> Batch<LogEntry> {
    let oldest = rules.oldest();
    let mut batch = Batch::default();
    for entry in entries {
        ledger.open(entry);
        let records = match logs::decode(&entry.block.payload) {
            Ok(records) => records,
            Err(error) => {
                lose(entry, &error, ledger);
                continue;
            }
        };
        let Some(shift) = entry.shift else {
            continue;
        };
        let redated = shift.saturating_abs() >= DRIFT;
        for (index, mut record) in (0..).zip(records) {
            let item = Item {
                entry: entry.id,
                index,
            };
            if index >= entry.block.items || ledger.is_settled(item) {
                continue;
            }
            let raw = record.time;
            if redated {
                record.time = Timestamp::from_seconds(raw).shifted(shift).seconds();
            }
            if rules.age(entry, raw, record.time) > rules.time_to_live {
                ledger.settle(item, Fate::Dropped(DropReason::TooOld));
                continue;
            }
            if oldest.is_some_and(|oldest| record.time < oldest.seconds()) {
                continue;
            }
            match rules.output.log_entry(&record, redated, rules.speaker) {
                Some(unit) => batch.push(unit, vec![smallvec![item]]),
                None => ledger.settle(item, Fate::Dropped(DropReason::Refused)),
            }
        }
    }
    batch
}

#[cfg(test)]
mod tests;
