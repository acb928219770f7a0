//! The record that says everything but the blocks themselves. It stands, twice, at the head of each segment, so that
//! older segments can be deleted and damage of one copy loses nothing.

use std::sync::Arc;
use std::time::Duration;

use crate::component::journal::ItemSet;
use crate::journal::account::change::{Totals, put_runs, put_sets, take_runs, take_sets};
use crate::journal::account::receipts::take_receipts;
use crate::journal::account::state::{Account, MOST_OUTPUTS, State};
use crate::journal::wire::{Reader, put_i64, put_len, put_text, put_u64};
use crate::model::time::{BootId, ClockStamp, Timestamp};

/// The payload's version; a newer one is a record that nobody here understands.
const VERSION: u8 = 1;

/// The payload for the state as it is.
pub(in crate::journal) fn write(state: &State) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_u64(&mut out, state.next);
    state.appended.iter().for_each(|count| put_u64(&mut out, *count));
    put_len(&mut out, state.slots().count());
    for slot in state.slots() {
        let Some(account) = state.account(slot) else {
            continue;
        };
        put_len(&mut out, slot);
        put_text(&mut out, &account.name);
        account
            .baseline
            .iter()
            .for_each(|count| put_u64(&mut out, *count));
        account.totals.iter().for_each(|totals| totals.write(&mut out));
        put_u64(&mut out, account.cursor);
        put_stamp(&mut out, account.absent);
        let waiting: Vec<u64> = state
            .held
            .iter()
            .filter(|(_, held)| held.waits(slot))
            .map(|(id, _)| *id)
            .collect();
        put_runs(&waiting, &mut out);
        let partial = || state.partial.range((slot, 0)..=(slot, u64::MAX));
        put_sets(
            partial().count(),
            partial().map(|((_, id), set)| (*id, set)),
            &mut out,
        );
    }
    state.times.write(&mut out);
    // Agents that know nothing of receipts do not read on to here: the version stays, so that whoever goes back to one
    // keeps the accounts.
    state.receipts.write(&mut out);
    out
}

fn put_stamp(out: &mut Vec<u8>, stamp: Option<ClockStamp>) {
    out.push(u8::from(stamp.is_some()));
    if let Some(stamp) = stamp {
        put_i64(out, stamp.wall.millis());
        out.extend_from_slice(&stamp.boot.0.to_le_bytes());
        put_u64(out, stamp.uptime.as_secs());
        out.push(u8::from(stamp.plausible));
    }
}

fn take_stamp(reader: &mut Reader<'_>) -> Option<Option<ClockStamp>> {
    if reader.byte()? == 0 {
        return Some(None);
    }
    Some(Some(ClockStamp {
        wall: Timestamp::from_millis(reader.i64()?),
        boot: BootId(u128::from_le_bytes(reader.array()?)),
        uptime: Duration::from_secs(reader.u64()?),
        plausible: reader.byte()? != 0,
    }))
}

/// An output, the blocks that wait for it as runs, and what is settled of them.
type Slot = (usize, Account, Vec<(u64, u64)>, Vec<(u64, ItemSet)>);

/// Puts the state right by a payload. What it says replaces what was known, but for blocks, which it only tells who
/// waits for. `None`: it is not one, and nothing was changed.
pub(in crate::journal) fn apply(payload: &[u8], state: &mut State) -> Option<()> {
    let mut reader = Reader::new(payload);
    if reader.byte()? != VERSION {
        return None;
    }
    let next = reader.u64()?;
    let mut appended = [0; 4];
    for count in &mut appended {
        *count = reader.u64()?;
    }
    let mut slots = Vec::new();
    for _ in 0..reader.len(MOST_OUTPUTS)? {
        slots.push(take_slot(&mut reader)?);
    }
    let mut times = state.times.clone();
    times.read(&mut reader)?;
    // One that was written by an agent without receipts says nothing about them.
    let receipts = match reader.rest() {
        [] => None,
        _ => Some(take_receipts(&mut reader)?),
    };
    state.times = times;
    if let Some(receipts) = receipts {
        state.receipts.replace(receipts);
    }
    // Counts never fall: a copy that is older than what was read before it adds nothing.
    state.next = state.next.max(next);
    state.appended = std::array::from_fn(|kind| state.appended[kind].max(appended[kind]));
    state.accounts.clear();
    state.partial.clear();
    // Blocks from this one on are not in it.
    for (_, held) in state.held.range_mut(..next) {
        held.pending = 0;
    }
    for (slot, account, waiting, partial) in slots {
        state.accounts.resize(state.accounts.len().max(slot + 1), None);
        state.accounts[slot] = Some(account);
        for (first, last) in waiting {
            for (_, held) in state.held.range_mut(first..=last) {
                held.pending |= 1 << slot;
            }
        }
        state
            .partial
            .extend(partial.into_iter().map(|(id, set)| ((slot, id), set)));
    }
    Some(())
}

fn take_slot(reader: &mut Reader<'_>) -> Option<Slot> {
    let slot = reader.len(MOST_OUTPUTS - 1)?;
    let name: Arc<str> = reader.text()?.into();
    let mut baseline = [0; 4];
    for count in &mut baseline {
        *count = reader.u64()?;
    }
    let mut totals = [Totals::default(); 4];
    for totals in &mut totals {
        *totals = Totals::read(reader)?;
    }
    let account = Account {
        name,
        baseline,
        totals,
        cursor: reader.u64()?,
        absent: take_stamp(reader)?,
    };
    Some((slot, account, take_runs(reader)?, take_sets(reader)?))
}
