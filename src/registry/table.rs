//! The table of all series: found by one hash, added within limits, removed without a trace.

use hashbrown::HashTable;

use crate::model::labels::Labels;
use crate::model::metric::Kind;
use crate::model::sample::Name;
use crate::model::time::Timestamp;
use crate::registry::chunked::Chunked;
use crate::registry::family::Families;
use crate::registry::intern::{Hashes, LabelSets, is_plain_text_of, spread};
use crate::registry::limits::{Origin, OriginState, RecordError, whole_seconds};
use crate::registry::series::{Series, State};
use crate::registry::settings::RegistrySettings;
use crate::registry::watch::{Beat, Watch};
use crate::registry::windows::{Place, Windows};
use crate::support::time::Clock;

/// Everything behind the registry's lock.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) settings: RegistrySettings,
    pub(super) watch: Watch,
    pub(super) series: Chunked<Option<Series>>,
    pub(super) families: Families,
    pub(super) windows: Windows,
    pub(super) origins: Vec<OriginState>,
    /// Bytes of observed values in all open windows, and whether they are more than there may be.
    pub(super) observed: usize,
    pub(super) spent: bool,
    /// Bytes of members in all open windows.
    pub(super) joined: usize,
    pub(super) ahead: u64,
    pub(super) backlog: u64,
    /// The settings' `stale_after` in milliseconds, for the hot path.
    pub(super) stale_millis: i64,
    pub(super) evicted: u64,
    hashes: Hashes,
    sets: LabelSets,
    index: HashTable<u32>,
    free: Vec<u32>,
    sequence: u64,
    barren_until: Beat,
}

/// What a new series is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity<'a> {
    pub(super) name: Name<'a>,
    pub(super) kind: Kind,
    pub(super) labels: &'a [(&'a str, &'a str)],
    pub(super) hash: u32,
}

impl Table {
    pub(super) fn new(settings: RegistrySettings, clock: &Clock, hashes: Hashes) -> Self {
        Self {
            watch: Watch::new(clock),
            windows: Windows::new(settings.interval),
            stale_millis: i64::try_from(settings.stale_after.as_millis()).unwrap_or(i64::MAX),
            settings,
            series: Chunked::default(),
            families: Families::default(),
            origins: Vec::new(),
            observed: 0,
            spent: false,
            joined: 0,
            ahead: 0,
            backlog: 0,
            evicted: 0,
            hashes,
            sets: LabelSets::default(),
            index: HashTable::new(),
            free: Vec::new(),
            sequence: 0,
            barren_until: 0,
        }
    }

    /// How many series there are.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Where a series stands. Who hands samples in does so in much the same order each time, so the series that came
    /// after this origin's last one before is tried first: that spares the index, whose every use is a cache miss.
    pub(super) fn find(&mut self, origin: Origin, of: &Identity<'_>) -> Option<u32> {
        let last = self.origins[usize::from(origin.0)].last;
        let before = self.series.get(last).and_then(Option::as_ref);
        if let Some(guess) = before.map(|series| series.next)
            && self.is_of(guess, of)
        {
            return Some(guess);
        }
        self.index
            .find(spread(of.hash), |slot| self.is_of(*slot, of))
            .copied()
    }

    /// Remembers which series an origin's sample was of, and what it came after.
    pub(super) fn follow(&mut self, origin: Origin, slot: u32) {
        let last = std::mem::replace(&mut self.origins[usize::from(origin.0)].last, slot);
        if let Some(Some(before)) = self.series.get_mut(last) {
            before.next = slot;
        }
    }

    fn is_of(&self, slot: u32, of: &Identity<'_>) -> bool {
        let series = self.series.get(slot).and_then(Option::as_ref);
        series.is_some_and(|series| {
            series.hash == of.hash
                && has_labels(series, of.labels)
                && self.families.is_of(series.family, &of.name, of.kind)
        })
    }

    /// Where the series with these very labels stands in the family that `same` recognises.
    pub(super) fn find_with(&self, hash: u32, labels: &Labels, same: impl Fn(u32) -> bool) -> Option<u32> {
        let same = |slot: &u32| {
            let series = self.series[*slot].as_ref();
            series
                .is_some_and(|series| series.hash == hash && series.labels == *labels && same(series.family))
        };
        self.index.find(spread(hash), same).copied()
    }

    /// Adds a series that was `touched` then and returns where it stands.
    ///
    /// # Errors
    /// Where a limit is reached and nothing idle can make room.
    pub(super) fn insert(
        &mut self,
        origin: Origin,
        of: &Identity<'_>,
        now: Timestamp,
        touched: Beat,
    ) -> Result<u32, RecordError> {
        self.make_room(origin, self.watch.beat(now))?;
        let family = self
            .families
            .take(&self.hashes, &self.settings.buckets, &of.name, of.kind);
        let labels = self.sets.take(&self.hashes, Labels::from_sorted(of.labels));
        let bounds = self.families.get(family).map_or(0, |family| family.bounds.len());
        let legacy = labels.is_legacy();
        self.sequence += 1;
        let series = Series {
            state: State::new(of.kind, bounds),
            sequence: self.sequence,
            created: now,
            places: [Place::default(); 2],
            hash: of.hash,
            family,
            touched,
            next: u32::MAX,
            pins: 0,
            origin,
            pairs: u8::try_from(of.labels.len()).unwrap_or(u8::MAX),
            legacy,
            plain: legacy && of.labels.len() < 255 && !labels.text().contains('\\'),
            shown: false,
            doomed: false,
            labels,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.series[slot] = Some(series);
                slot
            }
            None => self.series.push(Some(series)),
        };
        let all = &self.series;
        let rehash = |slot: &u32| spread(all[*slot].as_ref().map_or(0, |series| series.hash));
        self.index.insert_unique(spread(of.hash), slot, rehash);
        if let Some(family) = self.families.get_mut(family) {
            family.series.push(slot);
        }
        self.origins[usize::from(origin.0)].series += 1;
        Ok(slot)
    }

    /// Removes series that no window names.
    pub(super) fn remove(&mut self, slots: &[u32]) {
        let mut touched: Vec<u32> = Vec::new();
        for slot in slots {
            if let Some(series) = &mut self.series[*slot] {
                series.doomed = true;
                touched.push(series.family);
            }
        }
        touched.sort_unstable();
        touched.dedup();
        for slot in touched {
            let all = &self.series;
            if let Some(family) = self.families.get_mut(slot) {
                family
                    .series
                    .retain(|slot| all[*slot].as_ref().is_some_and(|series| !series.doomed));
                if family.series.len() < family.series.capacity() / 4 {
                    family.series.shrink_to_fit();
                }
            }
        }
        for slot in slots {
            if let Some(series) = self.series[*slot].take() {
                self.forget(*slot, &series);
            }
        }
    }

    fn forget(&mut self, slot: u32, series: &Series) {
        if let Ok(entry) = self.index.find_entry(spread(series.hash), |other| *other == slot) {
            entry.remove();
        }
        self.sets.release(&self.hashes, &series.labels);
        self.origins[usize::from(series.origin.0)].series -= 1;
        self.free.push(slot);
        if let Some(family) = self.families.get_mut(series.family) {
            family.shown -= u32::from(series.shown);
            family.fallen -= u32::from(series.state.has_fallen());
            if family.series.is_empty() {
                self.families.remove(series.family);
            }
        }
    }

    fn make_room(&mut self, origin: Origin, now: Beat) -> Result<(), RecordError> {
        let number = usize::from(origin.0);
        if self.origins[number].series >= self.settings.origin_limit
            && !self.evict(Some(origin), self.settings.origin_limit, now)
        {
            return Err(self.origins[number].refuse(RecordError::OriginLimit, 1));
        }
        if self.len() >= self.settings.series_limit && !self.evict(None, self.settings.series_limit, now) {
            return Err(self.origins[number].refuse(RecordError::SeriesLimit, 1));
        }
        Ok(())
    }

    /// Removes the oldest idle series, of one origin or of all: a hundredth of the limit at once, because finding
    /// them means looking at every series. Returns whether there was any. Looks in vain once a second at most.
    fn evict(&mut self, of: Option<Origin>, limit: usize, now: Beat) -> bool {
        let barren_until = match of {
            Some(origin) => &mut self.origins[usize::from(origin.0)].barren_until,
            None => &mut self.barren_until,
        };
        if now < *barren_until {
            return false;
        }
        *barren_until = now.saturating_add(1);
        let idle_after = whole_seconds(self.settings.stale_after);
        let mut idle: Vec<(Beat, u64, u32)> = Vec::new();
        for (slot, series) in self.series.iter().enumerate() {
            if let Some(series) = series
                && of.is_none_or(|origin| origin == series.origin)
                && series.pins == 0
                && now.saturating_sub(series.touched) > idle_after
            {
                idle.push((series.touched, series.sequence, slot as u32));
            }
        }
        if idle.is_empty() {
            return false;
        }
        let most = (limit / 100).max(1);
        if idle.len() > most {
            idle.select_nth_unstable(most);
            idle.truncate(most);
        }
        let slots: Vec<u32> = idle.into_iter().map(|(_, _, slot)| slot).collect();
        self.remove(&slots);
        self.evicted += slots.len() as u64;
        // There may be more where these were.
        match of {
            Some(origin) => self.origins[usize::from(origin.0)].barren_until = now,
            None => self.barren_until = now,
        }
        true
    }

    /// Reads both clocks, and moves what is held with a step of the wall clock: a gauge from before a step back must
    /// not keep the newer ones away, and a total's growth after a step forward took no year.
    pub(super) fn look_at(&mut self, clock: &Clock) {
        let step = self.watch.look(clock);
        if step != 0 {
            let now = self.watch.beat(clock.now());
            for series in self.series.iter_mut().flatten() {
                series.state.shift(step);
                series.created = series.created.shifted(step);
                series.touched = series.touched.min(now);
            }
        }
    }

    /// The number of an origin, which it gets when it is named first.
    pub(super) fn origin(&mut self, name: &str) -> Origin {
        let known = self.origins.iter().position(|origin| origin.name == name);
        let number = known.unwrap_or_else(|| {
            // Beyond the number's range the last origin stands for all others.
            if self.origins.len() <= usize::from(u16::MAX) {
                self.origins.push(OriginState::new(name));
            }
            self.origins.len() - 1
        });
        Origin(number as u16)
    }

    /// How many label sets there are.
    #[cfg(test)]
    pub(super) fn label_sets(&self) -> usize {
        self.sets.len()
    }
}

fn has_labels(series: &Series, pairs: &[(&str, &str)]) -> bool {
    if series.plain {
        is_plain_text_of(series.labels.text(), usize::from(series.pairs), pairs)
    } else {
        series.labels.matches(pairs)
    }
}
