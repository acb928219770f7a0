//! The record that says what became of items: of settlements, eviction, expiry and damage alike.

use crate::component::journal::{ItemSet, ReceiptId};
use crate::journal::account::receipts::{put_receipts, take_receipts};
use crate::journal::wire::{Reader, put_bytes, put_len, put_u64};

/// Totals of one output for one kind, as in a [`Balance`](crate::component::journal::Balance), by reason's number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::journal) struct Totals {
    pub(in crate::journal) delivered: u64,
    pub(in crate::journal) dropped: [u64; 4],
}

impl Totals {
    pub(in crate::journal) fn sum(&self) -> u64 {
        self.dropped
            .iter()
            .fold(self.delivered, |sum, count| sum.saturating_add(*count))
    }

    pub(in crate::journal) fn write(&self, out: &mut Vec<u8>) {
        put_u64(out, self.delivered);
        self.dropped.iter().for_each(|count| put_u64(out, *count));
    }

    pub(in crate::journal) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let delivered = reader.u64()?;
        let mut dropped = [0; 4];
        for count in &mut dropped {
            *count = reader.u64()?;
        }
        Some(Self { delivered, dropped })
    }
}

/// What happened to blocks at one output, and what its totals are after it. Totals are absolute: a record that was lost
/// before this one leaves no trace in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::journal) struct Change {
    /// The output's slot.
    pub(in crate::journal) slot: usize,
    /// No block below this number waits for the output.
    pub(in crate::journal) cursor: u64,
    /// Blocks that are settled, ascending.
    pub(in crate::journal) whole: Vec<u64>,
    /// Blocks of which some items are settled now, ascending by number.
    pub(in crate::journal) partial: Vec<(u64, ItemSet)>,
    /// The totals by kind, where they changed.
    pub(in crate::journal) totals: Vec<(usize, Totals)>,
    /// Items that were ever appended, by kind: shows whether the block before this record is missing.
    pub(in crate::journal) appended: [u64; 4],
}

/// Writes ascending numbers as runs.
pub(in crate::journal) fn put_runs(numbers: &[u64], out: &mut Vec<u8>) {
    let runs: Vec<&[u64]> = numbers.chunk_by(|left, right| left + 1 == *right).collect();
    put_len(out, runs.len());
    let mut before = 0;
    for run in runs {
        put_u64(out, run[0] - before);
        put_len(out, run.len() - 1);
        before = run[0] + run.len() as u64 - 1;
    }
}

/// Reads what [`put_runs`] wrote, as first and last numbers.
pub(in crate::journal) fn take_runs(reader: &mut Reader<'_>) -> Option<Vec<(u64, u64)>> {
    let mut before = 0u64;
    (0..reader.len(reader.rest().len())?)
        .map(|_| {
            let first = before.checked_add(reader.u64()?)?;
            before = first.checked_add(reader.u64()?)?;
            Some((first, before))
        })
        .collect()
}

/// Writes sets of items by block.
pub(in crate::journal) fn put_sets<'a>(
    count: usize,
    sets: impl Iterator<Item = (u64, &'a ItemSet)>,
    out: &mut Vec<u8>,
) {
    put_len(out, count);
    for (id, set) in sets {
        put_u64(out, id);
        put_bytes(out, set.as_bytes());
    }
}

/// Reads what [`put_sets`] wrote.
pub(in crate::journal) fn take_sets(reader: &mut Reader<'_>) -> Option<Vec<(u64, ItemSet)>> {
    (0..reader.len(reader.rest().len())?)
        .map(|_| Some((reader.u64()?, ItemSet::from_bytes(reader.counted()?))))
        .collect()
}

/// A change as it was read: blocks as runs, for nobody knows how many of them there are.
#[derive(Clone, Debug)]
pub(in crate::journal) struct ReadChange {
    pub(in crate::journal) slot: usize,
    pub(in crate::journal) cursor: u64,
    pub(in crate::journal) whole: Vec<(u64, u64)>,
    pub(in crate::journal) partial: Vec<(u64, ItemSet)>,
    /// By kind, with the items that were ever appended.
    pub(in crate::journal) totals: Vec<(usize, u64, Totals)>,
}

/// The payload of a record of changes.
pub(in crate::journal) fn write_changes(changes: &[Change]) -> Vec<u8> {
    let mut out = Vec::new();
    put_len(&mut out, changes.len());
    for change in changes {
        put_len(&mut out, change.slot);
        put_u64(&mut out, change.cursor);
        put_runs(&change.whole, &mut out);
        put_sets(
            change.partial.len(),
            change.partial.iter().map(|(id, set)| (*id, set)),
            &mut out,
        );
        put_len(&mut out, change.totals.len());
        for (kind, totals) in &change.totals {
            put_len(&mut out, *kind);
            put_u64(&mut out, change.appended[*kind]);
            totals.write(&mut out);
        }
    }
    out
}

/// The payload of a record of changes that changes nothing but which receipts are remembered. Agents that know nothing
/// of receipts do not read beyond the changes.
pub(in crate::journal) fn write_forgotten(receipts: &[ReceiptId]) -> Vec<u8> {
    let mut out = write_changes(&[]);
    put_receipts(receipts, &mut out);
    out
}

/// Reads such a payload, and which receipts are forgotten; `None` if it is not one.
pub(in crate::journal) fn read_changes(payload: &[u8]) -> Option<(Vec<ReadChange>, Vec<ReceiptId>)> {
    let mut reader = Reader::new(payload);
    let changes = take_changes(&mut reader)?;
    let forgotten = match reader.rest() {
        [] => Vec::new(),
        _ => take_receipts(&mut reader)?,
    };
    Some((changes, forgotten))
}

fn take_changes(reader: &mut Reader<'_>) -> Option<Vec<ReadChange>> {
    (0..reader.len(64)?)
        .map(|_| {
            Some(ReadChange {
                slot: reader.len(63)?,
                cursor: reader.u64()?,
                whole: take_runs(reader)?,
                partial: take_sets(reader)?,
                totals: (0..reader.len(4)?)
                    .map(|_| Some((reader.len(3)?, reader.u64()?, Totals::read(reader)?)))
                    .collect::<Option<_>>()?,
            })
        })
        .collect()
}
