//! What does not fit into a cell: the distributions and member sets of a window, and the bounds on their memory.

use hashbrown::HashSet;

use crate::model::distribution::Distribution;

/// Bytes that the observed values of all open windows may take before distributions become sketches, and that
/// the members of all open windows may take, each.
pub(super) const MEMORY: usize = 16 << 20;

/// A distribution below this many bytes is no smaller as a sketch.
const SKETCH_FROM: usize = 2048;

/// What one member takes beside its text: its place in the set and the allocator's rounding.
const MEMBER: usize = 48;

/// The distributions and member sets of one window.
#[derive(Debug, Default)]
pub(super) struct Side {
    distributions: Vec<Distribution>,
    members: Vec<HashSet<Box<str>>>,
    /// Bytes that the distributions' values take.
    pub(super) observed: usize,
    /// Bytes that the members take.
    pub(super) joined: usize,
}

impl Side {
    /// Adds an empty distribution and returns its place.
    pub(super) fn new_distribution(&mut self) -> u32 {
        self.distributions.push(Distribution::default());
        (self.distributions.len() - 1) as u32
    }

    /// Adds an empty member set and returns its place.
    pub(super) fn new_members(&mut self) -> u32 {
        self.members.push(HashSet::new());
        (self.members.len() - 1) as u32
    }

    /// Adds an observation and returns by how many bytes its distribution grew. Where the memory is `spent`, only
    /// sketches, which hardly grow, take it: `None` for refused.
    pub(super) fn observe(&mut self, place: u32, value: f64, spent: bool) -> Option<usize> {
        let distribution = &mut self.distributions[place as usize];
        if spent && distribution.is_exact() {
            return None;
        }
        let before = distribution.heap_bytes();
        distribution.add(value);
        let after = distribution.heap_bytes();
        self.observed = self.observed + after - before;
        Some(after.saturating_sub(before))
    }

    /// Adds a member and returns the bytes that it takes: 0 where it was there already, `None` where it would be new
    /// and the memory is `spent`.
    pub(super) fn join(&mut self, place: u32, member: &str, spent: bool) -> Option<usize> {
        let members = &mut self.members[place as usize];
        if members.contains(member) {
            return Some(0);
        }
        if spent {
            return None;
        }
        members.insert(Box::from(member));
        let bytes = member.len() + MEMBER;
        self.joined += bytes;
        Some(bytes)
    }

    /// The distribution at a place, which it leaves empty.
    pub(super) fn take_distribution(&mut self, place: u32) -> Distribution {
        std::mem::take(&mut self.distributions[place as usize])
    }

    /// How many members are at a place.
    pub(super) fn distinct(&self, place: u32) -> u64 {
        self.members[place as usize].len() as u64
    }

    /// Adds the distribution at `from` to that at `into`.
    pub(super) fn merge_distributions(&mut self, into: u32, from: u32) {
        let taken = self.take_distribution(from);
        let before = taken.heap_bytes() + self.distributions[into as usize].heap_bytes();
        self.distributions[into as usize].merge(taken);
        let after = self.distributions[into as usize].heap_bytes();
        self.observed = (self.observed + after).saturating_sub(before);
    }

    /// Adds the members at `from` to those at `into`.
    pub(super) fn merge_members(&mut self, into: u32, from: u32) {
        for member in std::mem::take(&mut self.members[from as usize]) {
            let bytes = member.len() + MEMBER;
            if !self.members[into as usize].insert(member) {
                self.joined -= bytes;
            }
        }
    }

    /// How many bytes all of it takes.
    pub(super) fn bytes(&self) -> usize {
        let places = self.distributions.capacity() * size_of::<Distribution>()
            + self.members.capacity() * size_of::<HashSet<Box<str>>>();
        self.observed + self.joined + places
    }

    /// The exact distributions that a sketch could be smaller than.
    fn worthwhile(&mut self) -> impl Iterator<Item = &mut Distribution> {
        self.distributions
            .iter_mut()
            .filter(|distribution| distribution.is_exact() && distribution.heap_bytes() >= SKETCH_FROM)
    }

    fn recount(&mut self) {
        self.observed = self.distributions.iter().map(Distribution::heap_bytes).sum();
    }
}

/// Makes sketches of the largest distributions of all windows until their values take at most `aim` bytes or nothing
/// worthwhile is left. Returns how many bytes the values take now.
pub(super) fn shrink<'a>(windows: impl Iterator<Item = &'a mut Side>, aim: usize) -> usize {
    let mut sides: Vec<&mut Side> = windows.collect();
    let mut total: usize = sides.iter().map(|side| side.observed).sum();
    let mut largest: Vec<&mut Distribution> = sides.iter_mut().flat_map(|side| side.worthwhile()).collect();
    largest.sort_unstable_by_key(|distribution| std::cmp::Reverse(distribution.heap_bytes()));
    for distribution in largest {
        if total <= aim {
            break;
        }
        let before = distribution.heap_bytes();
        distribution.to_sketch();
        total = total + distribution.heap_bytes() - before;
    }
    sides.into_iter().for_each(|side| side.recount());
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(sizes: &[usize]) -> Side {
        let mut side = Side::default();
        for size in sizes {
            let place = side.new_distribution();
            (0..*size).for_each(|value| {
                side.observe(place, value as f64 / 1000.0, false);
            });
        }
        side
    }

    #[test]
    fn the_largest_becomes_a_sketch_first() {
        let mut sides = [with(&[4096, 100]), with(&[2048, 512])];
        let before: usize = sides.iter().map(|side| side.observed).sum();
        assert_eq!(before, (4096 + 128 + 2048 + 512) * 8);
        let after = shrink(sides.iter_mut(), before - 1);
        assert!(after < before);
        let exact =
            |side: &Side| -> Vec<bool> { side.distributions.iter().map(Distribution::is_exact).collect() };
        assert_eq!(exact(&sides[0]), [false, true]);
        assert_eq!(exact(&sides[1]), [true, true]);
        assert_eq!(after, sides.iter().map(|side| side.observed).sum::<usize>());
    }

    #[test]
    fn spent_memory_takes_no_new_value_but_into_sketches() {
        let mut side = with(&[1, 5000]);
        assert_eq!(side.observe(0, 1.0, true), None);
        assert_eq!(side.observe(1, 1.0, true), Some(0));
        let place = side.new_members();
        assert_eq!(side.join(place, "a", false), Some(49));
        assert_eq!(side.join(place, "a", true), Some(0));
        assert_eq!(side.join(place, "b", true), None);
        assert_eq!(side.distinct(place), 1);
    }
}
