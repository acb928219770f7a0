//! From what an engine says of a container to what is told of it.

use crate::collectors::container::docker::inspect::Inspected;
use crate::collectors::container::docker::metrics as told;
use crate::collectors::container::docker::settings::Group;
use crate::collectors::container::docker::stats::Stats;
use crate::model::metric::MetricDef;

/// Bytes that no machine has: cgroup v1 writes 2^63 less a page for no limit.
const BEYOND: f64 = 1e18;

/// A metric and its value.
pub(super) type Told = (&'static MetricDef, f64);

/// What is known of the machine that the containers share.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Machine {
    pub(super) cpus: Option<f64>,
    /// Bytes.
    pub(super) memory: Option<f64>,
    /// Whether the kernel counts the memory of containers.
    pub(super) counts_memory: Option<bool>,
}

/// What a reading says, given the one before it of the same run of the container.
pub(super) fn of_reading(
    container: &Inspected,
    now: &Stats,
    before: Option<&Stats>,
    machine: &Machine,
    groups: &[Group],
) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::with_capacity(10);
    let mut tell = |def: &'static MetricDef, value: Option<f64>| told.extend(value.map(|value| (def, value)));
    for group in groups {
        match group {
            Group::Cpu => {
                let online = now.online.or(machine.cpus);
                tell(
                    &told::CPU_USED,
                    before.and_then(|before| cpus_used(now, before, online)),
                );
                tell(&told::CPUS_AVAILABLE, container.cpus.or(online));
                tell(&told::CPU_SECONDS, now.cpu.map(|nanoseconds| nanoseconds / 1e9));
            }
            Group::Memory => {
                tell(&told::MEMORY_USED, now.memory);
                tell(&told::MEMORY_WORKING_SET, working_set(now));
                tell(&told::MEMORY_MAX, now.memory.and(limit(now, machine)));
            }
            Group::Network => {
                let of = |field: fn(&crate::collectors::container::docker::stats::Network) -> f64| {
                    now.network.as_ref().map(field)
                };
                tell(&told::RECEIVED, of(|network| network.received));
                tell(&told::TRANSMITTED, of(|network| network.transmitted));
                tell(&told::RECEIVE_ERRORS, of(|network| network.receive_errors));
                tell(&told::TRANSMIT_ERRORS, of(|network| network.transmit_errors));
            }
            Group::Io => {
                tell(&told::READ, now.blocks.map(|(read, _)| read));
                tell(&told::WRITTEN, now.blocks.map(|(_, written)| written));
            }
            Group::Processes => tell(&told::PROCESSES, now.processes),
            Group::State => {}
        }
    }
    told
}

/// What is known of a container without a reading.
pub(super) fn of_container(container: &Inspected, groups: &[Group]) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::with_capacity(5);
    told.extend(
        container
            .started
            .map(|started| (&told::STARTED_AT, started.floor())),
    );
    if groups.contains(&Group::State) {
        let truth = |is: bool| if is { 1.0 } else { 0.0 };
        told.push((&told::RUNNING, truth(container.running)));
        told.extend(container.healthy.map(|healthy| (&told::HEALTHY, truth(healthy))));
        told.push((&told::OUT_OF_MEMORY, truth(container.out_of_memory)));
        told.extend(container.restarts.map(|restarts| (&told::RESTARTS, restarts)));
    }
    told
}

/// CPUs used between two readings, to four decimals; nothing used is 0, and so is no time between them.
fn cpus_used(now: &Stats, before: &Stats, online: Option<f64>) -> Option<f64> {
    let used = now.cpu? - before.cpu?;
    let available = match (now.machine, before.machine) {
        (Some(now), Some(before)) => (now - before) / online?,
        // Nanoseconds, as the machine's.
        _ => (now.read? - before.read?) * 1e9,
    };
    if used <= 0.0 || available <= 0.0 {
        return Some(0.0);
    }
    Some((used / available * 1e4).round() / 1e4)
}

/// What `docker stats` shows.
fn working_set(now: &Stats) -> Option<f64> {
    let (used, inactive) = (now.memory?, now.inactive.unwrap_or(0.0));
    Some(if inactive < used { used - inactive } else { used })
}

/// The limit, or the machine's memory where there is none: some engines then write a number beyond any memory.
fn limit(now: &Stats, machine: &Machine) -> Option<f64> {
    match (now.limit, machine.memory) {
        (Some(limit), Some(memory)) => Some(limit.min(memory)),
        (limit, memory) => limit.filter(|limit| *limit < BEYOND).or(memory),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(cpu: f64, machine: f64) -> Stats {
        Stats {
            read: Some(cpu),
            cpu: Some(cpu),
            machine: Some(machine),
            ..Stats::default()
        }
    }

    #[test]
    fn cpus_are_the_share_of_all_of_the_machines() {
        let used = |cpu, machine| cpus_used(&reading(cpu, machine), &reading(0.0, 0.0), Some(4.0));
        assert_eq!(used(50_000.0, 100_000.0), Some(2.0));
        assert_eq!(used(1.0, 30_000.0), Some(0.0001));
        assert_eq!(used(0.0, 100_000.0), Some(0.0));
        assert_eq!(used(5.0, 0.0), Some(0.0));
        assert_eq!(used(-5.0, 9.0), Some(0.0));
    }

    #[test]
    fn without_the_machines_time_the_clock_counts() {
        let podman = |read, cpu| Stats {
            read: Some(read),
            cpu: Some(cpu),
            ..Stats::default()
        };
        assert_eq!(cpus_used(&podman(12.0, 3e9), &podman(10.0, 0.0), None), Some(1.5));
        assert_eq!(cpus_used(&podman(12.0, 3e9), &Stats::default(), None), None);
    }

    #[test]
    fn a_limit_beyond_the_machines_memory_is_none() {
        let of = |limit, memory| {
            let machine = Machine {
                memory,
                ..Machine::default()
            };
            let stats = Stats {
                limit,
                ..Stats::default()
            };
            super::limit(&stats, &machine)
        };
        assert_eq!(of(Some(64.0), Some(100.0)), Some(64.0));
        assert_eq!(of(Some(1.8e19), Some(100.0)), Some(100.0));
        assert_eq!(of(None, Some(100.0)), Some(100.0));
        assert_eq!(of(Some(64.0), None), Some(64.0));
        assert_eq!(of(Some(1.8e19), None), None);
    }

    #[test]
    fn inactive_files_are_no_working_set() {
        let of = |memory, inactive| {
            working_set(&Stats {
                memory,
                inactive,
                ..Stats::default()
            })
        };
        assert_eq!(of(Some(10.0), Some(4.0)), Some(6.0));
        assert_eq!(of(Some(10.0), Some(10.0)), Some(10.0));
        assert_eq!(of(Some(10.0), None), Some(10.0));
        assert_eq!(of(None, Some(1.0)), None);
    }
}
