//! Reading segments that somebody else may be writing.

use std::io;
use std::path::Path;

use bytes::Bytes;

use crate::component::journal::{Balance, OutputId};
use crate::journal::account::receipts::MOST_RECEIPTS;
use crate::journal::account::state::{State, kind_index};
use crate::journal::disk::medium::{Folder, Medium};
use crate::journal::disk::record::{Found, read_block, scan};
use crate::journal::disk::replay::replay;
use crate::journal::disk::segments::Log;
use crate::journal::inspect::{OutputSummary, Summary};
use crate::model::block::{Block, BlockKind};
use crate::model::time::ClockStamp;

/// Walks over all good blocks, with their numbers, in order of age until `each` answers `false`. Counts good records, damaged places and
/// torn ends.
pub(in crate::journal) fn blocks(
    directory: &Path,
    mut progress: impl FnMut(u64, u64),
    mut each: impl FnMut(u64, Block) -> bool,
) -> io::Result<(u64, u64, u64)> {
    let folder = Folder::at(directory);
    let segments = folder.segments()?;
    let mut sizes = Vec::new();
    for segment in segments {
        // What is gone was settled meanwhile.
        sizes.extend(folder.length(segment).ok().map(|length| (segment, length)));
    }
    let all = sizes.iter().map(|(_, length)| length).sum();
    let (mut done, mut counts, mut go_on) = (0, (0, 0, 0), true);
    for (segment, length) in sizes {
        if !go_on {
            break;
        }
        let bytes = match folder.read(segment) {
            Ok(bytes) => Bytes::from(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        scan(segment, &bytes, |offset, found| match found {
            Found::Block { length, .. } => {
                counts.0 += 1;
                if go_on
                    && let Some(described) =
                        read_block(segment, offset as u64, &bytes[offset..offset + length])
                {
                    go_on = each(described.id, described.block);
                }
                progress(done + offset as u64, all);
            }
            Found::Record { .. } => counts.0 += 1,
            Found::Spoilt { .. } | Found::Damaged => counts.1 += 1,
            Found::Torn => counts.2 += 1,
        });
        done += length;
        progress(done, all);
    }
    Ok(counts)
}

/// What outputs wait for, as it stood at one moment.
pub(in crate::journal) struct Waiting(State);

/// Reads what outputs wait for.
pub(in crate::journal) fn waiting(directory: &Path) -> io::Result<Waiting> {
    let (mut log, _) = replay(&Folder::at(directory), MOST_RECEIPTS)?;
    log.release_all();
    Ok(Waiting(log.state))
}

impl Waiting {
    /// Whether some output waits for this item of the block of that number.
    pub(in crate::journal) fn is_for(&self, id: u64, index: u32) -> bool {
        let state = &self.0;
        // Where no output is known, opening lets all of them wait for everything. A later block was just appended.
        if state.slots().next().is_none() || id >= state.next {
            return true;
        }
        let settled = |slot| {
            state
                .partial
                .get(&(slot, id))
                .is_some_and(|set| set.contains(index))
        };
        state
            .held
            .get(&id)
            .is_some_and(|held| state.slots().any(|slot| held.waits(slot) && !settled(slot)))
    }
}

/// Adds what is in one folder, see [`inspect::summary`](crate::journal::inspect::summary).
pub(in crate::journal) fn summary(
    directory: &Path,
    now: &ClockStamp,
    summary: &mut Summary,
) -> io::Result<()> {
    let (mut log, _) = replay(&Folder::at(directory), MOST_RECEIPTS)?;
    log.release_all();
    let Log { state, segments } = log;
    for slot in state.slots() {
        let Some(account) = state.account(slot) else {
            continue;
        };
        let output = OutputId(account.name.clone());
        let of_kind = |kind| OutputSummary {
            depth: state.depth(&output, kind, now),
            balance: state.balance(slot, kind_index(kind)),
            kind,
            output: output.clone(),
        };
        let given =
            |of_kind: &OutputSummary| of_kind.balance != Balance::default() || of_kind.depth.blocks > 0;
        let before = summary.outputs.len();
        summary
            .outputs
            .extend(BlockKind::ALL.map(of_kind).into_iter().filter(given));
        if summary.outputs.len() == before {
            summary.outputs.push(of_kind(BlockKind::Points));
        }
    }
    summary.segments += segments.all.len() as u64;
    summary.bytes += segments.all.values().map(|segment| segment.length).sum::<u64>();
    let each = |_: u64, block: Block| {
        match block.kind {
            BlockKind::Points => summary.points.add(&block),
            BlockKind::Logs => summary.logs.add(&block),
            BlockKind::Checks | BlockKind::Events => {}
        }
        true
    };
    blocks(directory, |_, _| {}, each)?;
    Ok(())
}
