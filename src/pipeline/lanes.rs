//! What an output sends next: live data first, the backlog behind it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::component::journal::EntryId;
use crate::pipeline::batch::{Batch, Sources};
use crate::pipeline::unit::Unit;

/// Units that wait to be sent, in order.
#[derive(Debug)]
pub(crate) struct Queue<U> {
    units: VecDeque<U>,
    sources: VecDeque<Vec<Sources>>,
}

impl<U> Default for Queue<U> {
    fn default() -> Self {
        Self {
            units: VecDeque::new(),
            sources: VecDeque::new(),
        }
    }
}

impl<U: Unit> Queue<U> {
    /// Adds a batch behind what waits.
    pub(crate) fn extend(&mut self, batch: Batch<U>) {
        self.units.extend(batch.units);
        self.sources.extend(batch.sources);
    }

    /// Puts a batch back before what waits.
    pub(crate) fn put_back(&mut self, batch: Batch<U>) {
        let both = batch.units.into_iter().zip(batch.sources);
        for (unit, sources) in both.rev() {
            self.units.push_front(unit);
            self.sources.push_front(sources);
        }
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// The units from the front that hold no more points than `most`; a first one that alone holds more is cut.
    pub(crate) fn front(&mut self, most: usize) -> &[U] {
        if self.units.front().is_some_and(|first| first.points() > most)
            && let Some((unit, sources)) = self.split_first(most.max(1))
        {
            self.units.push_front(unit);
            self.sources.push_front(sources);
        }
        let (mut count, mut points) = (0, 0);
        for unit in &self.units {
            points += unit.points();
            if points > most && count > 0 {
                break;
            }
            count += 1;
        }
        &self.units.make_contiguous()[..count]
    }

    /// Takes whole units off the front, and points of the next one.
    pub(crate) fn take(&mut self, units: usize, points_of_next: usize) -> Batch<U> {
        let mut taken = Batch::default();
        for _ in 0..units {
            if let (Some(unit), Some(sources)) = (self.units.pop_front(), self.sources.pop_front()) {
                taken.push(unit, sources);
            }
        }
        if points_of_next > 0
            && let Some((unit, sources)) = self.split_first(points_of_next)
        {
            taken.push(unit, sources);
        }
        taken
    }

    /// Cuts points off the front of the first unit; takes it off where nothing would be left of it.
    fn split_first(&mut self, points: usize) -> Option<(U, Vec<Sources>)> {
        let (unit, sources) = (self.units.front_mut()?, self.sources.front_mut()?);
        if unit.points() <= points {
            return self.units.pop_front().zip(self.sources.pop_front());
        }
        Some((unit.split(points), sources.drain(..points).collect()))
    }
}

/// One lane: where it stands in the journal, and what it has in hand.
#[derive(Debug)]
pub(crate) struct Lane<U> {
    /// Whether there may be something to send.
    pub(crate) open: bool,
    /// Blocks up to this one need no look: their items are settled, or wait for their time-to-live.
    pub(crate) after: Option<EntryId>,
    /// The newest block that was looked at.
    pub(crate) read_to: Option<EntryId>,
    /// What is in hand.
    pub(crate) queue: Queue<U>,
    /// The blocks that it comes from.
    pub(crate) held: BTreeSet<EntryId>,
}

impl<U> Default for Lane<U> {
    fn default() -> Self {
        Self {
            open: false,
            after: None,
            read_to: None,
            queue: Queue::default(),
            held: BTreeSet::new(),
        }
    }
}

impl<U> Lane<U> {
    /// What was in hand is sent: moves on behind it, and says which blocks it came from.
    pub(crate) fn advance(&mut self) -> BTreeSet<EntryId> {
        self.after = self.after.max(self.read_to);
        std::mem::take(&mut self.held)
    }

    /// Gives up what is in hand; it is read again from the journal, in the order that is right then.
    fn drop_batch(&mut self) {
        *self = Self::default();
    }
}

/// Which lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Which {
    /// Live data.
    Fresh,
    /// Everything else; for an output that reads oldest first, everything.
    #[default]
    Backlog,
}

/// An output's lanes.
#[derive(Debug)]
pub(crate) struct Lanes<U> {
    fresh: Lane<U>,
    backlog: Lane<U>,
    /// Who sent last.
    last: Which,
    /// Blocks of which only such items are left as wait for their time-to-live, or for a clock to be dated by, with
    /// the survey that saw them last. They are not decoded again, and not read again until the next survey.
    waiting: BTreeMap<EntryId, u64>,
    surveys: u64,
}

impl<U> Default for Lanes<U> {
    fn default() -> Self {
        Self {
            fresh: Lane::default(),
            backlog: Lane::default(),
            last: Which::default(),
            waiting: BTreeMap::new(),
            surveys: 0,
        }
    }
}

impl<U> Lanes<U> {
    /// Opens the lanes: something may have been appended. Live data goes first.
    pub(crate) fn open(&mut self, fresh_first: bool) {
        if fresh_first && !self.fresh.open {
            self.fresh.open = true;
            self.last = Which::Backlog;
        }
        self.backlog.open = true;
    }

    /// The lane whose turn it is: they alternate while both have something, so that the backlog has at most half of
    /// the requests while live data waits.
    pub(crate) fn next(&self) -> Option<Which> {
        match (self.fresh.open, self.backlog.open, self.last) {
            (true, true, Which::Fresh) | (false, true, _) => Some(Which::Backlog),
            (true, ..) => Some(Which::Fresh),
            (false, false, _) => None,
        }
    }

    /// A request of this lane was sent.
    pub(crate) fn sent(&mut self, which: Which) {
        self.last = which;
    }

    /// A lane.
    pub(crate) fn lane(&mut self, which: Which) -> &mut Lane<U> {
        match which {
            Which::Fresh => &mut self.fresh,
            Which::Backlog => &mut self.backlog,
        }
    }

    /// Whether a lane has the block in hand.
    pub(crate) fn holds(&self, entry: EntryId) -> bool {
        self.fresh.held.contains(&entry) || self.backlog.held.contains(&entry)
    }

    /// Gives up what is in hand and closes both lanes. The next reading begins at the oldest block, because what was
    /// live may be backlog by then.
    pub(crate) fn drop_batches(&mut self) {
        self.fresh.drop_batch();
        self.backlog.drop_batch();
    }

    /// Notes that of this block only items are left that wait.
    pub(crate) fn wait(&mut self, entry: EntryId) {
        self.waiting.insert(entry, self.surveys);
    }

    /// Whether a block that was read just now can be passed over: it waits, or a lane has it in hand.
    pub(crate) fn pass_over(&mut self, entry: EntryId) -> bool {
        match self.waiting.get_mut(&entry) {
            Some(seen) => {
                *seen = self.surveys;
                true
            }
            None => self.holds(entry),
        }
    }

    /// Has the backlog read from its oldest block again, because blocks enter it by growing old, and not in order.
    /// Forgets waiting blocks that the survey before did not meet: they have expired.
    pub(crate) fn survey(&mut self) {
        self.backlog.after = None;
        let last = self.surveys;
        self.waiting.retain(|_, seen| *seen >= last);
        self.surveys += 1;
    }

    /// Looks at every block anew: the clock is another one.
    pub(crate) fn forget(&mut self) {
        self.drop_batches();
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use smallvec::smallvec;

    use super::*;
    use crate::component::output::{Series, SeriesName};
    use crate::model::point::PointKind;
    use crate::pipeline::ledger::Item;

    fn batch(sizes: &[i64]) -> Batch<Series> {
        let mut batch = Batch::default();
        for (index, size) in (0..).zip(sizes) {
            let name = SeriesName {
                metric: format!("m{index}"),
                tags: Vec::new(),
                kind: PointKind::Gauge,
                interval: 10,
            };
            let points = (0..*size).map(|time| (time, 1.0)).collect();
            let item = Item {
                entry: EntryId(1),
                index,
            };
            let sources = (0..*size).map(|_| smallvec![item]).collect();
            batch.push(Series { name, points }, sources);
        }
        batch
    }

    #[test]
    fn a_request_holds_no_more_points_than_it_may() {
        let mut queue = Queue::default();
        queue.extend(batch(&[2, 2, 2]));
        assert_eq!(queue.front(5).len(), 2);
        assert_eq!(queue.front(6).len(), 3);
        let cut = queue.front(1);
        assert_eq!((cut.len(), cut[0].points.len()), (1, 1));
        assert_eq!(queue.take(1, 0).points(), 1);
        assert_eq!(queue.front(100).len(), 3);
        let rest = queue.take(3, 0);
        assert_eq!((rest.points(), queue.is_empty()), (5, true));
    }

    #[test]
    fn a_part_of_a_series_goes_along_and_comes_back() {
        let mut queue = Queue::default();
        queue.extend(batch(&[1, 4]));
        let taken = queue.take(1, 3);
        assert_eq!((taken.units.len(), taken.points()), (2, 4));
        assert_eq!(taken.units[1].points, [(0, 1.0), (1, 1.0), (2, 1.0)]);
        queue.put_back(taken);
        let all = queue.take(9, 0);
        assert_eq!((all.units.len(), all.points()), (3, 5));
        assert_eq!(all.units[0].name.metric, "m0");
    }

    #[test]
    fn lanes_alternate_and_live_data_is_first() {
        let mut lanes = Lanes::<Series>::default();
        assert_eq!(lanes.next(), None);
        lanes.open(true);
        let mut order = Vec::new();
        for _ in 0..4 {
            let which = lanes.next().unwrap();
            order.push(which);
            lanes.sent(which);
        }
        assert_eq!(
            order,
            [Which::Fresh, Which::Backlog, Which::Fresh, Which::Backlog]
        );
        lanes.lane(Which::Fresh).open = false;
        lanes.sent(Which::Backlog);
        assert_eq!(lanes.next(), Some(Which::Backlog));
        lanes.open(true);
        assert_eq!(lanes.next(), Some(Which::Fresh));
        lanes.drop_batches();
        lanes.open(false);
        assert_eq!(lanes.next(), Some(Which::Backlog));
    }

    #[test]
    fn a_waiting_block_is_passed_over_until_a_survey_misses_it() {
        let mut lanes = Lanes::<Series>::default();
        lanes.wait(EntryId(1));
        lanes.wait(EntryId(2));
        lanes.survey();
        assert!(lanes.pass_over(EntryId(1)));
        assert!(!lanes.pass_over(EntryId(3)));
        lanes.survey();
        assert!(lanes.pass_over(EntryId(1)));
        assert!(!lanes.pass_over(EntryId(2)));
    }
}
