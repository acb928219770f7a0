//! Which blocks a read asks for, and how much waits.

use crate::component::journal::{Depth, ItemSet, OutputId, ReadRequest};
use crate::journal::account::state::{Place, State, kind_index};
use crate::model::block::BlockKind;
use crate::model::time::{ClockStamp, Timestamp};

/// A block that a read asks for.
#[derive(Clone, Debug)]
pub(in crate::journal) struct Picked {
    /// Its number.
    pub(in crate::journal) id: u64,
    pub(in crate::journal) place: Place,
    /// See [`Entry::shift`](crate::component::journal::Entry::shift).
    pub(in crate::journal) shift: Option<i64>,
    /// What the output has settled of it.
    pub(in crate::journal) settled: ItemSet,
}

impl State {
    /// The blocks that wait for an output and that a request asks for, oldest number first.
    pub(in crate::journal) fn pick(&self, output: &OutputId, request: &ReadRequest) -> Vec<Picked> {
        let Some(slot) = self.slot(&output.0) else {
            return Vec::new();
        };
        let cursor = self.account(slot).map_or(0, |account| account.cursor);
        let from = request
            .after
            .map_or(0, |after| after.0.saturating_add(1))
            .max(cursor);
        let kind = kind_index(request.kind);
        let mut picked = Vec::new();
        let (mut items, mut bytes) = (0u64, 0u64);
        for (id, held) in self.held.range(from..) {
            if !held.waits(slot) || usize::from(held.kind) != kind || held.foreign {
                continue;
            }
            let shift = self
                .times
                .shift(&held.stamp(&self.times), held.newest, &request.now);
            let newest = shift.map(|shift| Timestamp::from_seconds(held.newest).shifted(shift));
            // What cannot be dated is not live.
            let fresh_enough = request
                .not_before
                .is_none_or(|from| newest.is_some_and(|newest| newest >= from));
            let old_enough = request
                .before
                .is_none_or(|to| newest.is_none_or(|newest| newest < to));
            if !(fresh_enough && old_enough) {
                continue;
            }
            items += self.waiting(slot, *id, held);
            bytes += u64::from(held.payload);
            if !picked.is_empty() && (items > request.most_items || bytes > request.most_bytes) {
                break;
            }
            picked.push(Picked {
                id: *id,
                place: held.place,
                shift,
                settled: self.partial.get(&(slot, *id)).cloned().unwrap_or_default(),
            });
        }
        picked
    }

    /// How much waits for an output.
    pub(in crate::journal) fn depth(&self, output: &OutputId, kind: BlockKind, now: &ClockStamp) -> Depth {
        let mut depth = Depth::default();
        let Some(slot) = self.slot(&output.0) else {
            return depth;
        };
        for (id, held) in &self.held {
            if !held.waits(slot) || usize::from(held.kind) != kind_index(kind) {
                continue;
            }
            depth.blocks += 1;
            depth.items += self.waiting(slot, *id, held);
            depth.bytes += u64::from(held.payload);
            let shift = self.times.shift(&held.stamp(&self.times), held.newest, now);
            let oldest = shift.map(|shift| {
                Timestamp::from_seconds(held.newest.saturating_sub(i64::from(held.span))).shifted(shift)
            });
            depth.oldest = [depth.oldest, oldest].into_iter().flatten().min();
        }
        depth
    }
}
