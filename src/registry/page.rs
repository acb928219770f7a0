//! What a page sees: families, their series in slices, and the word on families that clash there.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tracing::warn;

use crate::registry::Registry;
use crate::registry::family::{Face, Family};
use crate::registry::series::{Series, State};
use crate::registry::view::{FamilyId, FamilyView, Position, Running, SeriesView, View};

/// How often the log names one clashing family.
const SILENCE: Duration = Duration::from_secs(60);

/// How many clashing names are remembered; beyond, the log waits for its minute to be over.
const REMEMBERED: usize = 1024;

/// Which clashes were seen.
#[derive(Debug, Default)]
pub(super) struct Clashes {
    /// Families left out, once a page.
    pub(super) left_out: u64,
    /// When (since boot) the log named a family last.
    said: BTreeMap<Arc<str>, Duration>,
}

impl View for Registry {
    fn families(&self) -> Vec<FamilyView> {
        self.table().families.views()
    }

    fn walk(
        &self,
        family: FamilyId,
        position: &mut Position,
        most: usize,
        show: &mut dyn FnMut(SeriesView<'_>),
    ) -> bool {
        let table = self.table();
        let Some((family, face)) = table
            .families
            .face(family)
            .and_then(|(slot, face)| Some((table.families.get(slot)?, face)))
        else {
            return false;
        };
        let sequence = |slot: &u32| table.series[*slot].as_ref().map_or(0, |series| series.sequence);
        let from = family.series.partition_point(|slot| sequence(slot) < position.0);
        // Series without a value to show count too, so that the lock is short whatever is hidden.
        let until = family.series.len().min(from.saturating_add(most.max(1)));
        for slot in &family.series[from..until] {
            if let Some(series) = &table.series[*slot]
                && let Some(running) = running(family, series, face)
            {
                show(SeriesView {
                    labels: &series.labels,
                    legacy: series.legacy,
                    created: series.state.has_beginning().then_some(series.created),
                    running,
                });
            }
        }
        if let Some(last) = family.series[from..until].last() {
            position.0 = sequence(last) + 1;
        }
        until < family.series.len()
    }

    fn clashed(&self, left_out: &[(FamilyId, Arc<str>)]) {
        let now = self.clock.uptime();
        for (id, stays) in left_out {
            let name = self.table().families.page_name(*id);
            let mut clashes = self.clashes.lock().unwrap_or_else(PoisonError::into_inner);
            clashes.left_out += 1;
            if let Some(name) = name
                && clashes.is_news(&name, now)
            {
                drop(clashes);
                warn!(
                    family = &*name,
                    stays = &**stays,
                    "A family is left out of a page, because its name clashes there; it is pushed all the same."
                );
            }
        }
    }
}

impl Clashes {
    fn is_news(&mut self, name: &Arc<str>, now: Duration) -> bool {
        self.said.retain(|_, said| now.saturating_sub(*said) < SILENCE);
        if self.said.contains_key(name) || self.said.len() >= REMEMBERED {
            return false;
        }
        self.said.insert(Arc::clone(name), now);
        true
    }
}

fn running<'a>(family: &'a Family, series: &'a Series, face: Face) -> Option<Running<'a>> {
    if face == Face::Decrements {
        return match &series.state {
            State::Counter { down, .. } if *down > 0.0 => Some(Running::Number(*down)),
            _ => None,
        };
    }
    if !series.shown {
        return None;
    }
    Some(match &series.state {
        State::Gauge { value: number, .. }
        | State::Total { reading: number, .. }
        | State::Counter { up: number, .. }
        | State::Members { size: number, .. } => Running::Number(*number),
        State::Histogram(histogram) => Running::Histogram {
            bounds: &family.bounds,
            counts: &histogram.counts,
            sum: histogram.sum,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_names_a_clashing_family_once_a_minute() {
        let (mut clashes, name) = (Clashes::default(), Arc::from("x"));
        let news: Vec<bool> = [0, 59, 60, 61]
            .map(|second| clashes.is_news(&name, Duration::from_secs(second)))
            .into();
        assert_eq!(news, [true, false, true, false]);
    }
}
