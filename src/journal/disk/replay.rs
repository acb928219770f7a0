//! Reading a journal back, whatever has happened to it: nothing here fails, and what cannot be read is counted.

use std::sync::Arc;

use tracing::{error, warn};

use crate::component::journal::OutputId;
use crate::journal::account::change::read_changes;
use crate::journal::account::snapshot;
use crate::journal::disk::medium::Medium;
use crate::journal::disk::record::{CHANGE, Found, Header, STATE, read_header, scan};
use crate::journal::disk::segments::{Log, place};

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

/// Reads all segments, in order. As many receipts are remembered as when they were written: what was forgotten for lack
/// of room does not come back.
pub(super) fn replay(medium: &dyn Medium, most_receipts: usize) -> std::io::Result<(Log, Findings)> {
    let (mut log, mut findings) = (Log::default(), Findings::default());
    log.state.receipts.bound(most_receipts);
    for segment in medium.segments()? {
        match medium.read(segment) {
            Ok(bytes) => read_segment(segment, &bytes, &mut log, &mut findings),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                error!(%error, place = medium.place(), segment, "A segment of the journal cannot be read; the others are.");
                findings.damaged += 1;
                (findings.cut, findings.resumable) = (None, false);
                log.segments.all.entry(segment).or_default();
            }
        }
    }
    Ok((log, findings))
}

fn read_segment(segment: u64, bytes: &[u8], log: &mut Log, findings: &mut Findings) {
    log.segments.all.entry(segment).or_default().length = bytes.len() as u64;
    let header = read_header(segment, bytes);
    (findings.cut, findings.resumable) = (None, header == Header::Good);
    if header == Header::Newer {
        log.segments.keep(segment);
        return;
    }
    let mut last_state: Option<std::ops::Range<usize>> = None;
    scan(segment, bytes, |offset, found| {
        findings.records += 1;
        match found {
            Found::Block { described, length } => {
                log.segments.hold(segment);
                log.state
                    .add_block(&described, Some(place(segment, offset, length)));
            }
            Found::Spoilt { described } => {
                findings.damaged += 1;
                findings.records -= 1;
                log.state.add_block(&described, None);
            }
            Found::Record { kind: STATE, payload } => {
                // The second copy says what the first one said.
                let repeated = last_state
                    .as_ref()
                    .is_some_and(|last| bytes[last.clone()] == bytes[payload.clone()]);
                if !repeated {
                    match snapshot::apply(&bytes[payload.clone()], &mut log.state) {
                        Some(()) => findings.has_state = true,
                        None => log.segments.keep(segment),
                    }
                }
                last_state = Some(payload);
            }
            Found::Record {
                kind: CHANGE,
                payload,
            } => match read_changes(&bytes[payload]) {
                Some((changes, forgotten)) => {
                    changes.into_iter().for_each(|change| log.state.replay(change));
                    for receipt in forgotten {
                        log.state.receipts.forget(receipt);
                    }
                }
                None => log.segments.keep(segment),
            },
            Found::Record { .. } => log.segments.keep(segment),
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

/// Puts right what reading found wrong, in memory, and the torn tail on the medium. Whether the state must be
/// written anew, and which segment can be written on.
pub(super) fn heal(
    medium: &Arc<dyn Medium>,
    outputs: &[OutputId],
    log: &mut Log,
    findings: &Findings,
) -> (bool, Option<u64>) {
    let mut changed = findings.is_harmed();
    if !findings.has_state && !log.state.held.is_empty() {
        log.state.adopt(outputs);
        changed = true;
    }
    log.release_all();
    let (lost, again) = log.state.close_balances();
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
    let last = log
        .segments
        .all
        .last_key_value()
        .map(|(number, segment)| (*number, segment.length));
    let resumed = last
        .filter(|_| findings.resumable)
        .and_then(|(number, _)| match findings.cut {
            None => Some(number),
            Some(length) => {
                medium.cut(number, length).ok()?;
                log.segments.all.entry(number).or_default().length = length;
                Some(number)
            }
        });
    (changed, resumed)
}
