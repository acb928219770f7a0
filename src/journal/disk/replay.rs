//! Reading a journal back, whatever has happened to it: nothing here fails, and what cannot be read is counted.

use std::sync::Arc;

use tracing::{error, warn};

use crate::component::journal::OutputId;
use crate::journal::disk::change::read_changes;
use crate::journal::disk::medium::Medium;
use crate::journal::disk::record::{CHANGE, Found, Header, STATE, read_header, scan};
use crate::journal::disk::snapshot;
use crate::journal::disk::state::State;

/// What reading found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Good records.
    pub(crate) records: u64,
    /// Places where records are damaged.
    pub(crate) damaged: u64,
    /// Ends that are no record.
    pub(crate) torn: u64,
    /// Of the last segment: where good records end, if more follows.
    cut: Option<u64>,
    /// Whether the last segment can be written to.
    resumable: bool,
    has_state: bool,
}

impl Findings {
    /// Whether anything was wrong.
    pub(crate) fn is_harmed(&self) -> bool {
        self.damaged + self.torn > 0
    }
}

/// Reads all segments, in order.
pub(super) fn replay(medium: &dyn Medium) -> std::io::Result<(State, Findings)> {
    let (mut state, mut findings) = (State::default(), Findings::default());
    for segment in medium.segments()? {
        match medium.read(segment) {
            Ok(bytes) => read_segment(segment, &bytes, &mut state, &mut findings),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                error!(%error, place = medium.place(), segment, "A segment of the journal cannot be read; the others are.");
                findings.damaged += 1;
                (findings.cut, findings.resumable) = (None, false);
                state.segments.entry(segment).or_default();
            }
        }
    }
    Ok((state, findings))
}

fn read_segment(segment: u64, bytes: &[u8], state: &mut State, findings: &mut Findings) {
    state.segments.entry(segment).or_default().length = bytes.len() as u64;
    let header = read_header(segment, bytes);
    (findings.cut, findings.resumable) = (None, header == Header::Good);
    if header == Header::Newer {
        keep(segment, state);
        return;
    }
    let mut last_state: Option<std::ops::Range<usize>> = None;
    scan(segment, bytes, |offset, found| {
        findings.records += 1;
        match found {
            Found::Block { described, length } => {
                state.add_block(&described, (segment, offset, length), true)
            }
            Found::Spoilt { described } => {
                findings.damaged += 1;
                findings.records -= 1;
                state.add_block(&described, (segment, offset, 0), false);
            }
            Found::Record { kind: STATE, payload } => {
                // The second copy says what the first one said.
                let repeated = last_state
                    .as_ref()
                    .is_some_and(|last| bytes[last.clone()] == bytes[payload.clone()]);
                if !repeated {
                    match snapshot::apply(&bytes[payload.clone()], state) {
                        Some(()) => findings.has_state = true,
                        None => keep(segment, state),
                    }
                }
                last_state = Some(payload);
            }
            Found::Record {
                kind: CHANGE,
                payload,
            } => match read_changes(&bytes[payload]) {
                Some(changes) => changes.into_iter().for_each(|change| state.replay(change)),
                None => keep(segment, state),
            },
            Found::Record { .. } => keep(segment, state),
            Found::Damaged => {
                findings.damaged += 1;
                findings.records -= 1;
            }
            Found::Torn => {
                findings.torn += 1;
                findings.records -= 1;
                findings.cut = Some(offset as u64);
            }
        }
        // Only neighbours are copies of each other.
        last_state = last_state.take().filter(|payload| payload.start > offset);
    });
}

/// Keeps a segment for the version that understands what is in it; only the bound deletes it.
fn keep(segment: u64, state: &mut State) {
    state.foreign += 1;
    let segment = state.segments.entry(segment).or_default();
    segment.held += 1;
    segment.foreign += 1;
}

/// Puts right what reading found wrong, in memory, and the torn tail on the medium. Whether the state must be
/// written anew, and which segment can be written on.
pub(super) fn heal(
    medium: &Arc<dyn Medium>,
    outputs: &[OutputId],
    state: &mut State,
    findings: &Findings,
) -> (bool, Option<u64>) {
    let mut changed = findings.is_harmed();
    if !findings.has_state && !state.held.is_empty() {
        adopt(outputs, state);
        changed = true;
    }
    state.release_all();
    let (lost, again) = state.close_balances();
    if findings.is_harmed() {
        let (damaged, torn) = (findings.damaged, findings.torn);
        let place = medium.place();
        if lost > 0 {
            error!(
                place,
                damaged, torn, lost, again, "The journal was damaged; it is healed, but items are lost."
            );
        } else {
            warn!(
                place,
                damaged, torn, again, "The journal was damaged; it is healed, and no item is lost."
            );
        }
    }
    changed |= lost + again > 0;
    let last = state
        .segments
        .last_key_value()
        .map(|(number, segment)| (*number, segment.length));
    let resumed = last
        .filter(|_| findings.resumable)
        .and_then(|(number, _)| match findings.cut {
            None => Some(number),
            Some(length) => {
                medium.cut(number, length).ok()?;
                state.segments.entry(number).or_default().length = length;
                Some(number)
            }
        });
    (changed, resumed)
}

/// Nothing tells any longer who waits for what: everybody waits for everything, because twice is better than never.
fn adopt(outputs: &[OutputId], state: &mut State) {
    let mut items = [0; 4];
    for held in state.held.values() {
        items[usize::from(held.kind)] += u64::from(held.items);
    }
    let baseline = std::array::from_fn(|kind| state.appended[kind].saturating_sub(items[kind]));
    let slots: Vec<usize> = outputs
        .iter()
        .filter_map(|output| state.register(&output.0, baseline))
        .collect();
    for account in state.accounts.iter_mut().flatten() {
        account.cursor = 0;
    }
    for held in state.held.values_mut() {
        held.pending = slots.iter().fold(0, |mask, slot| mask | 1 << slot);
    }
}
