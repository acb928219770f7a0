//! The containers that are known, by name: a container that is made anew under its name goes on where it was.
//!
//! A container that does not run keeps its last values, and the time at which it was last seen running stands still:
//! that is what an alert fires on. One that had ended before this agent started was up, for all we know, until then.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::collectors::container::docker::inspect::Inspected;
use crate::collectors::container::docker::metrics;
use crate::collectors::container::docker::settings::Group;
use crate::collectors::container::docker::stats::Stats;
use crate::collectors::container::docker::values::{self, Machine, Told};

/// Every container that something is told of.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    tracks: BTreeMap<String, Track>,
}

/// What is remembered of one.
#[derive(Debug)]
struct Track {
    container: Inspected,
    /// The reading before, of the same run.
    before: Option<Stats>,
    /// What the last reading told.
    last: Vec<Told>,
    /// When it was last seen running, in seconds since 1970.
    up: Option<f64>,
    /// When it was found removed, since boot.
    removed: Option<Duration>,
}

impl Fleet {
    /// Takes note of a container as it stands.
    pub(super) fn put(&mut self, container: Inspected) {
        // Another name for the same container: the old one was not removed, it is not any more.
        self.tracks
            .retain(|name, track| track.container.id != container.id || *name == container.name);
        let Some(track) = self.tracks.get_mut(&container.name) else {
            let track = Track {
                before: None,
                last: Vec::new(),
                up: None,
                removed: None,
                container: container.clone(),
            };
            self.tracks.insert(container.name, track);
            return;
        };
        let run = |of: &Inspected| (of.id.clone(), of.started.map(f64::to_bits));
        if run(&track.container) != run(&container) {
            track.before = None;
        }
        track.removed = None;
        track.container = container;
    }

    /// Takes note that a container is not there any more.
    pub(super) fn remove(&mut self, id: &str, now: Duration) {
        for track in self.tracks.values_mut().filter(|track| track.container.id == id) {
            track.container.running = false;
            track.removed.get_or_insert(now);
        }
    }

    /// Takes note that these are all there are.
    pub(super) fn keep(&mut self, ids: &BTreeSet<String>, now: Duration) {
        let gone = self.tracks.values().map(|track| track.container.id.clone());
        let gone: Vec<_> = gone.filter(|id| !ids.contains(id)).collect();
        for id in gone {
            self.remove(&id, now);
        }
    }

    /// Forgets those that have been removed for as long as `keep`.
    pub(super) fn expire(&mut self, now: Duration, keep: Duration) {
        let is_over = |since: Duration| now.saturating_sub(since) >= keep;
        self.tracks.retain(|_, track| !track.removed.is_some_and(is_over));
    }

    /// The ids of those that run.
    pub(super) fn running(&self) -> Vec<String> {
        let running = self.tracks.values().filter(|track| track.container.running);
        running.map(|track| track.container.id.clone()).collect()
    }

    /// Takes a reading of a container, made at `now` (seconds since 1970).
    pub(super) fn read(&mut self, id: &str, stats: Stats, now: f64, machine: &Machine, groups: &[Group]) {
        let Some(track) = self.tracks.values_mut().find(|track| track.container.id == id) else {
            return;
        };
        track.last = values::of_reading(&track.container, &stats, track.before.as_ref(), machine, groups);
        track.up = Some(now);
        track.before = Some(stats);
    }

    /// Everything that is told, with the name of the container.
    pub(super) fn told(&self, groups: &[Group]) -> Vec<(&str, Told)> {
        let mut told = Vec::with_capacity(self.tracks.len() * 10);
        for (name, track) in &self.tracks {
            // One that was created and never started says nothing yet.
            if track.container.started.is_none() && track.up.is_none() {
                continue;
            }
            let up = track.up.or_else(|| {
                let ended = track.container.finished.filter(|_| !track.container.running)?;
                Some(ended.floor())
            });
            let up = up.map(|up| (&metrics::UP, up));
            let values = values::of_container(&track.container, groups);
            let all = values.into_iter().chain(up).chain(track.last.iter().copied());
            told.extend(all.map(|value| (name.as_str(), value)));
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU: &[Group] = &[Group::Cpu];

    fn container(id: &str, name: &str, running: bool) -> Inspected {
        Inspected {
            id: id.to_string(),
            name: name.to_string(),
            running,
            started: Some(100.5),
            finished: (!running).then_some(160.5),
            cpus: Some(2.0),
            restarts: None,
            out_of_memory: false,
            healthy: None,
        }
    }

    fn stats(cpu: f64) -> Stats {
        Stats {
            read: Some(cpu),
            cpu: Some(cpu * 1e9),
            machine: Some(cpu * 4e9),
            online: Some(4.0),
            ..Stats::default()
        }
    }

    fn told(fleet: &Fleet) -> String {
        let lines = fleet.told(CPU);
        let lines = lines.iter().map(|(name, (def, value))| {
            let def = def
                .name
                .trim_start_matches("container_")
                .trim_end_matches("_timestamp_seconds");
            format!("{name} {def} {value}\n")
        });
        lines.collect()
    }

    fn read(fleet: &mut Fleet, id: &str, cpu: f64, now: f64) {
        fleet.read(id, stats(cpu), now, &Machine::default(), CPU);
    }

    #[test]
    fn the_second_reading_tells_the_cpus_used() {
        let mut fleet = Fleet::default();
        fleet.put(container("1", "web", true));
        read(&mut fleet, "1", 1.0, 200.0);
        assert_eq!(
            told(&fleet),
            "web started_at 100\nweb up 200\nweb cpus_available 2\nweb cpu_seconds_total 1\n"
        );
        read(&mut fleet, "1", 3.0, 210.0);
        assert!(
            told(&fleet).contains("web up 210\nweb cpu_usage_percent 1\n"),
            "{}",
            told(&fleet)
        );
    }

    #[test]
    fn a_stopped_container_stands_still() {
        let mut fleet = Fleet::default();
        fleet.put(container("1", "web", true));
        read(&mut fleet, "1", 1.0, 200.0);
        let before = told(&fleet);
        fleet.put(container("1", "web", false));
        assert_eq!(told(&fleet), before);
        assert_eq!(fleet.running(), [""; 0]);
        fleet.expire(Duration::from_secs(1_000_000), Duration::from_secs(600));
        assert_eq!(told(&fleet), before);
    }

    #[test]
    fn one_that_ended_before_the_agent_began_was_up_until_then() {
        let mut fleet = Fleet::default();
        fleet.put(container("1", "job", false));
        assert_eq!(told(&fleet), "job started_at 100\njob up 160\n");
        let never = Inspected {
            started: None,
            finished: None,
            ..container("2", "new", false)
        };
        fleet.put(never);
        assert_eq!(told(&fleet), "job started_at 100\njob up 160\n");
    }

    #[test]
    fn a_removed_one_ends_after_a_while() {
        let mut fleet = Fleet::default();
        let (at, keep) = (Duration::from_secs, Duration::from_secs(600));
        fleet.put(container("1", "web", true));
        read(&mut fleet, "1", 1.0, 200.0);
        let before = told(&fleet);
        fleet.keep(&BTreeSet::new(), at(50));
        fleet.remove("1", at(500));
        fleet.expire(at(649), keep);
        assert_eq!((told(&fleet), fleet.running().len()), (before, 0));
        fleet.expire(at(650), keep);
        assert_eq!(told(&fleet), "");
    }

    #[test]
    fn one_made_anew_under_the_name_goes_on() {
        let mut fleet = Fleet::default();
        fleet.put(container("1", "web", true));
        read(&mut fleet, "1", 1.0, 200.0);
        fleet.remove("1", Duration::ZERO);
        fleet.put(container("2", "web", true));
        fleet.expire(Duration::from_secs(999), Duration::from_secs(600));
        assert_eq!(fleet.running(), ["2"]);
        read(&mut fleet, "2", 5.0, 300.0);
        assert!(
            told(&fleet).contains("web up 300\nweb cpus_available 2\n"),
            "{}",
            told(&fleet)
        );
    }

    #[test]
    fn a_new_run_is_not_compared_with_the_one_before() {
        let mut fleet = Fleet::default();
        fleet.put(container("1", "web", true));
        read(&mut fleet, "1", 9.0, 200.0);
        let restarted = Inspected {
            started: Some(205.0),
            ..container("1", "web", true)
        };
        fleet.put(restarted);
        read(&mut fleet, "1", 10.0, 210.0);
        assert!(!told(&fleet).contains("cpu_usage_percent"), "{}", told(&fleet));
    }

    #[test]
    fn a_renamed_container_leaves_its_old_name() {
        let mut fleet = Fleet::default();
        fleet.put(container("1", "web", true));
        fleet.put(container("2", "web", true));
        fleet.put(container("1", "old_web", true));
        assert_eq!(fleet.running(), ["1", "2"]);
        fleet.put(container("2", "api", true));
        assert_eq!(told(&fleet), "api started_at 100\nold_web started_at 100\n");
    }
}
