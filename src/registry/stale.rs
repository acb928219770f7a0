//! Staleness: what is not recorded any more leaves the page, and what need not be remembered leaves the table.
//!
//! Gauges and set sizes leave when they are stale, and are forgotten. Counters and histograms stay, because one that
//! ticks once an hour must not restart; they go when a limit needs their room. The total of a collector leaves the page
//! as its gauges do: it was read at every run, so that it is missing because its target is (a container that is gone
//! must not stand on the page for days), and when it comes back it continues as read. Its last reading is kept, so that
//! the push counts what it grew by meanwhile.

use std::collections::{HashMap, HashSet};

use tracing::warn;

use crate::model::labels::Labels;
use crate::model::metric::Kind;
use crate::registry::Registry;
use crate::registry::chunked::CHUNK;
use crate::registry::intern::Hashes;
use crate::registry::limits::{Origin, whole_seconds};
use crate::registry::table::Table;
use crate::registry::watch::Beat;

impl Registry {
    /// Takes stale series off the page, and says in the log which origin ran into a limit. It looks through the
    /// table in short slices; call it every few seconds.
    pub fn sweep(&self) {
        let mut from = 0;
        loop {
            let mut table = self.table();
            if from == 0 {
                self.look(&mut table);
            }
            if from >= table.series.len() {
                break;
            }
            let now = table.watch.beat(self.clock.now());
            table.sweep(from, now);
            from += CHUNK;
        }
        self.report_explosions();
    }

    fn report_explosions(&self) {
        let reports: Vec<(Origin, String, u64)> = {
            let mut table = self.table();
            let now = table.watch.beat(self.clock.now());
            let origins = table.origins.iter_mut().enumerate();
            let report = |(number, origin): (usize, &mut crate::registry::limits::OriginState)| {
                let refused = origin.report(now)?;
                Some((Origin(number as u16), origin.name.clone(), refused))
            };
            origins.filter_map(report).collect()
        };
        for (origin, name, refused) in reports {
            let (label, values) = self.exploded(origin);
            warn!(
                origin = name,
                refused, label, values, "New series are refused: this label has too many values."
            );
        }
    }

    /// The label of an origin that has the most different values, and how many; `__name__` stands for the names.
    pub(super) fn exploded(&self, origin: Origin) -> (String, usize) {
        let (mut sets, mut families) = (Vec::new(), HashSet::new());
        let mut from = 0;
        loop {
            let table = self.table();
            if from >= table.series.len() {
                break;
            }
            for series in slots(from, table.series.len()).filter_map(|slot| table.series[slot].as_ref()) {
                if series.origin == origin {
                    sets.push(series.labels.clone());
                    families.insert(series.family);
                }
            }
            from += CHUNK;
        }
        let label = most_values(&self.hashes, &sets);
        label
            .filter(|(_, values)| *values >= families.len())
            .unwrap_or_else(|| ("__name__".to_string(), families.len()))
    }
}

impl Table {
    /// Looks through one chunk.
    fn sweep(&mut self, from: usize, now: Beat) {
        let everyone = whole_seconds(self.settings.stale_after);
        let mut gone = Vec::new();
        for slot in slots(from, self.series.len()) {
            let Some(series) = &mut self.series[slot] else {
                continue;
            };
            let own = self.origins[usize::from(series.origin.0)].stale;
            if now.saturating_sub(series.touched) <= own.unwrap_or(everyone) {
                continue;
            }
            let Some(family) = self.families.get_mut(series.family) else {
                continue;
            };
            let forgotten = matches!(family.kind, Kind::Gauge | Kind::Members);
            let leaves = forgotten || (family.kind == Kind::Total && own.is_some());
            if leaves && series.shown {
                series.shown = false;
                family.shown -= 1;
            }
            if forgotten && series.pins == 0 {
                gone.push(slot);
            }
        }
        self.remove(&gone);
    }
}

fn slots(from: usize, len: usize) -> impl Iterator<Item = u32> {
    (from..(from + CHUNK).min(len)).map(|slot| slot as u32)
}

fn most_values(hashes: &Hashes, sets: &[Labels]) -> Option<(String, usize)> {
    let mut values: HashMap<String, HashSet<u32>> = HashMap::new();
    for (key, value) in sets.iter().flat_map(Labels::iter) {
        let hash = hashes.text(&value);
        match values.get_mut(&*key) {
            Some(known) => {
                known.insert(hash);
            }
            None => {
                values.insert(key.into_owned(), HashSet::from([hash]));
            }
        }
    }
    let counts = values.into_iter().map(|(key, values)| (key, values.len()));
    // Of two with as many, the first by name: the log should not waver.
    counts.max_by(|left, right| left.1.cmp(&right.1).then_with(|| right.0.cmp(&left.0)))
}
