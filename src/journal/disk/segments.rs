//! The files of a journal: how long they are, and what is kept in them.

use std::collections::BTreeMap;

use crate::journal::account::state::{Place, Released, State};

/// One file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Segment {
    pub(super) length: u64,
    /// Blocks in it that are held, and records that are kept for a newer version.
    pub(super) held: u32,
    /// Of these, the records.
    pub(super) foreign: u32,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Segments {
    /// By number.
    pub(super) all: BTreeMap<u64, Segment>,
}

impl Segments {
    /// A block in it is held.
    pub(super) fn hold(&mut self, segment: u64) {
        self.all.entry(segment).or_default().held += 1;
    }

    /// Keeps a segment for the version that understands what is in it; only the bound deletes it.
    pub(super) fn keep(&mut self, segment: u64) {
        let segment = self.all.entry(segment).or_default();
        segment.held += 1;
        segment.foreign += 1;
    }

    /// Blocks are no longer held; the segments of which these were the last ones.
    pub(super) fn let_go(&mut self, released: &[Released]) -> Vec<u64> {
        let mut free = Vec::new();
        for Released { place, .. } in released {
            if let Some(segment) = self.all.get_mut(&place.segment) {
                segment.held = segment.held.saturating_sub(1);
                if segment.held == 0 {
                    free.push(place.segment);
                }
            }
        }
        free
    }

    /// Records and segments that nobody here understands.
    pub(super) fn foreign(&self) -> u64 {
        self.all.values().map(|segment| u64::from(segment.foreign)).sum()
    }
}

/// The place of a record.
pub(super) fn place(segment: u64, offset: usize, length: usize) -> Place {
    Place {
        segment,
        offset: u32::try_from(offset).unwrap_or(u32::MAX),
        length: u32::try_from(length).unwrap_or(u32::MAX),
    }
}

/// What the segments come to.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    pub(super) state: State,
    pub(super) segments: Segments,
}

impl Log {
    /// Forgets the blocks that nobody waits for.
    pub(super) fn release_all(&mut self) {
        let released = self.state.release_all();
        self.segments.let_go(&released);
    }
}
