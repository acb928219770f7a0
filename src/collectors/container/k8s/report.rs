//! Which samples a summary becomes. What it leaves out is left out; a zero is a value.

use crate::collectors::container::k8s::metrics;
use crate::collectors::container::k8s::pods::Workloads;
use crate::collectors::container::k8s::settings::{Metrics, NodeGroup, PodGroup};
use crate::collectors::container::k8s::summary::{
    Container, Cpu, Filesystem, Io, Memory, Network, Node, Pod, Psi, Summary, Swap, Volume,
};
use crate::model::metric::MetricDef;
use crate::model::sample::Samples;

const NANO: f64 = 1e9;
const MICRO: f64 = 1e6;

/// Adds what was chosen of a summary, each pod with the workload that is known of it.
pub(super) fn report(summary: &Summary<'_>, chosen: &Metrics, workloads: &Workloads, out: &mut Samples) {
    let knows_pressure = knows_pressure(&summary.node);
    let known = |group| group != NodeGroup::Pressure || knows_pressure;
    for group in distinct(&chosen.node).into_iter().filter(|group| known(*group)) {
        node(&summary.node, group, out);
    }
    let pods = summary.pods.as_deref().unwrap_or_default();
    let mut groups = distinct(&chosen.pods);
    groups.retain(|group| *group != PodGroup::Pressure || knows_pressure);
    for one in pods {
        let labels = [
            &*one.pod_ref.namespace,
            &*one.pod_ref.name,
            workloads.get(&*one.pod_ref.uid).map_or("", String::as_str),
        ];
        for group in &groups {
            pod(one, labels, *group, out);
        }
    }
    // A node holds some hundred pods: exact.
    out.push(&metrics::PODS_RUNNING, &[], pods.len() as f64);
}

/// Two words may mean one group.
fn distinct<T: Copy + PartialEq>(groups: &[T]) -> Vec<T> {
    let mut found = Vec::with_capacity(groups.len());
    for group in groups {
        if !found.contains(group) {
            found.push(*group);
        }
    }
    found
}

/// Puts values of one thing, which share their labels.
struct Put<'a, const N: usize> {
    out: &'a mut Samples,
    labels: [&'a str; N],
}

impl<const N: usize> Put<'_, N> {
    fn value(&mut self, def: &'static MetricDef, value: Option<f64>) {
        self.scaled(def, value, 1.0);
    }

    fn scaled(&mut self, def: &'static MetricDef, value: Option<f64>, divisor: f64) {
        if let Some(value) = value {
            self.out.push(def, &self.labels, value / divisor);
        }
    }
}

fn node(node: &Node<'_>, group: NodeGroup, out: &mut Samples) {
    let labels = [&*node.node_name];
    let cpu = |read: fn(&Cpu) -> Option<f64>| node.cpu.as_ref().and_then(read);
    let memory = |read: fn(&Memory) -> Option<f64>| node.memory.as_ref().and_then(read);
    let network = |read: fn(&Network) -> Option<f64>| node.network.as_ref().and_then(read);
    let fs = |read: fn(&Filesystem) -> Option<f64>| of(&node.fs).and_then(read);
    let swap = |read: fn(&Swap) -> Option<f64>| node.swap.as_ref().and_then(read);
    let mut put = Put { out, labels };
    match group {
        NodeGroup::Cpu => {
            put.scaled(&metrics::NODE_CPU_USAGE, cpu(|cpu| cpu.usage_nano_cores), NANO);
            put.scaled(
                &metrics::NODE_CPU_SECONDS,
                cpu(|cpu| cpu.usage_core_nano_seconds),
                NANO,
            );
        }
        NodeGroup::Memory => {
            put.value(&metrics::NODE_MEMORY_RSS, memory(|memory| memory.rss_bytes));
            put.value(&metrics::NODE_MEMORY_USAGE, memory(|memory| memory.usage_bytes));
            put.value(
                &metrics::NODE_MEMORY_AVAILABLE,
                memory(|memory| memory.available_bytes),
            );
            put.value(
                &metrics::NODE_MEMORY_WORKING_SET,
                memory(|memory| memory.working_set_bytes),
            );
        }
        NodeGroup::Network => {
            put.value(&metrics::NODE_RECEIVED, network(|network| network.rx_bytes));
            put.value(&metrics::NODE_TRANSMITTED, network(|network| network.tx_bytes));
        }
        NodeGroup::Filesystem => {
            put.value(&metrics::NODE_AVAILABLE, fs(|fs| fs.available_bytes));
            put.value(&metrics::NODE_USED, fs(|fs| fs.used_bytes));
        }
        NodeGroup::Inodes => put.value(&metrics::NODE_FREE_INODES, fs(|fs| fs.inodes_free)),
        NodeGroup::Swap => {
            put.value(&metrics::NODE_SWAP_USAGE, swap(|swap| swap.swap_usage_bytes));
            put.value(
                &metrics::NODE_SWAP_AVAILABLE,
                swap(|swap| swap.swap_available_bytes),
            );
        }
        NodeGroup::Pressure => {
            for (resource, psi) in pressure(&node.cpu, &node.io, &node.memory) {
                let mut put = Put {
                    out: &mut *put.out,
                    labels: [labels[0], resource],
                };
                put.scaled(&metrics::NODE_WAITING, waiting(psi), MICRO);
                put.scaled(&metrics::NODE_STALLED, stalled(psi), MICRO);
            }
        }
        NodeGroup::System => {
            for container in node.system_containers.iter().flatten() {
                let mut put = Put {
                    out: &mut *put.out,
                    labels: [&*container.name, labels[0]],
                };
                let cpu = container.cpu.as_ref().and_then(|cpu| cpu.usage_nano_cores);
                let memory = container
                    .memory
                    .as_ref()
                    .and_then(|memory| memory.working_set_bytes);
                put.scaled(&metrics::SYSTEM_CPU_USAGE, cpu, NANO);
                put.value(&metrics::SYSTEM_MEMORY_WORKING_SET, memory);
            }
        }
    }
}

/// `labels`: namespace, name, workload.
fn pod(pod: &Pod<'_>, labels: [&str; 3], group: PodGroup, out: &mut Samples) {
    let cpu = |read: fn(&Cpu) -> Option<f64>| pod.cpu.as_ref().and_then(read);
    let memory = |read: fn(&Memory) -> Option<f64>| pod.memory.as_ref().and_then(read);
    let network = |read: fn(&Network) -> Option<f64>| pod.network.as_ref().and_then(read);
    let storage = |read: fn(&Filesystem) -> Option<f64>| of(&pod.ephemeral_storage).and_then(read);
    let [namespace, name, workload] = labels;
    let mut put = Put { out, labels };
    match group {
        PodGroup::Cpu => put.scaled(&metrics::POD_CPU_USAGE, cpu(|cpu| cpu.usage_nano_cores), NANO),
        PodGroup::CpuSeconds => {
            put.scaled(
                &metrics::POD_CPU_SECONDS,
                cpu(|cpu| cpu.usage_core_nano_seconds),
                NANO,
            );
        }
        PodGroup::Memory => {
            put.value(&metrics::POD_MEMORY_RSS, memory(|memory| memory.rss_bytes));
            put.value(&metrics::POD_MEMORY_USAGE, memory(|memory| memory.usage_bytes));
        }
        PodGroup::WorkingSet => {
            put.value(
                &metrics::POD_MEMORY_WORKING_SET,
                memory(|memory| memory.working_set_bytes),
            );
        }
        PodGroup::Network => {
            put.value(&metrics::POD_RECEIVED, network(|network| network.rx_bytes));
            put.value(&metrics::POD_TRANSMITTED, network(|network| network.tx_bytes));
        }
        PodGroup::Swap => {
            let used = pod.swap.as_ref().and_then(|swap| swap.swap_usage_bytes);
            put.value(&metrics::POD_SWAP_USAGE, used);
        }
        PodGroup::EphemeralStorage => {
            put.value(&metrics::POD_STORAGE_USED, storage(|fs| fs.used_bytes));
            put.value(&metrics::POD_STORAGE_INODES, storage(|fs| fs.inodes_used));
        }
        PodGroup::Pressure => {
            for (resource, psi) in pressure(&pod.cpu, &pod.io, &pod.memory) {
                let mut put = Put {
                    out: &mut *put.out,
                    labels: [namespace, name, resource, workload],
                };
                put.scaled(&metrics::POD_WAITING, waiting(psi), MICRO);
                put.scaled(&metrics::POD_STALLED, stalled(psi), MICRO);
            }
        }
        PodGroup::Containers => {
            for one in pod.containers.iter().flatten() {
                let labels = [&*one.name, namespace, name, workload];
                container(
                    one,
                    Put {
                        out: &mut *put.out,
                        labels,
                    },
                );
            }
        }
        PodGroup::Volumes => {
            for one in pod.volumes.iter().flatten() {
                let claim = one.pvc_ref.as_ref().map_or("", |claim| &*claim.name);
                let labels = [namespace, claim, name, &*one.name, workload];
                volume(
                    one,
                    Put {
                        out: &mut *put.out,
                        labels,
                    },
                );
            }
        }
    }
}

fn container(container: &Container<'_>, mut put: Put<'_, 4>) {
    let cpu = |read: fn(&Cpu) -> Option<f64>| container.cpu.as_ref().and_then(read);
    let memory = |read: fn(&Memory) -> Option<f64>| container.memory.as_ref().and_then(read);
    let used = |fs: &Option<Filesystem>| of(fs).and_then(|fs| fs.used_bytes);
    put.scaled(
        &metrics::CONTAINER_CPU_USAGE,
        cpu(|cpu| cpu.usage_nano_cores),
        NANO,
    );
    put.scaled(
        &metrics::CONTAINER_CPU_SECONDS,
        cpu(|cpu| cpu.usage_core_nano_seconds),
        NANO,
    );
    put.value(&metrics::CONTAINER_MEMORY_RSS, memory(|memory| memory.rss_bytes));
    put.value(
        &metrics::CONTAINER_MEMORY_USAGE,
        memory(|memory| memory.usage_bytes),
    );
    put.value(
        &metrics::CONTAINER_MEMORY_WORKING_SET,
        memory(|memory| memory.working_set_bytes),
    );
    put.value(&metrics::CONTAINER_ROOT_USED, used(&container.rootfs));
    put.value(&metrics::CONTAINER_LOGS_USED, used(&container.logs));
}

fn volume(volume: &Volume<'_>, mut put: Put<'_, 5>) {
    put.value(&metrics::VOLUME_USED, volume.used_bytes);
    put.value(&metrics::VOLUME_AVAILABLE, volume.available_bytes);
    put.value(&metrics::VOLUME_CAPACITY, volume.capacity_bytes);
    put.value(&metrics::VOLUME_USED_INODES, volume.inodes_used);
    put.value(&metrics::VOLUME_FREE_INODES, volume.inodes_free);
}

/// A filesystem that was measured.
fn of(fs: &Option<Filesystem>) -> Option<&Filesystem> {
    fs.as_ref().filter(|fs| fs.measured)
}

fn pressure<'a>(
    cpu: &'a Option<Cpu>,
    io: &'a Option<Io>,
    memory: &'a Option<Memory>,
) -> impl Iterator<Item = (&'static str, &'a Psi)> {
    let cpu = cpu.as_ref().and_then(|cpu| cpu.psi.as_ref());
    let io = io.as_ref().and_then(|io| io.psi.as_ref());
    let memory = memory.as_ref().and_then(|memory| memory.psi.as_ref());
    let all = [("cpu", cpu), ("io", io), ("memory", memory)];
    all.into_iter()
        .filter_map(|(resource, psi)| Some((resource, psi?)))
}

/// Whether the kernel counts pressure. A kubelet tells of zeros where it does not (cgroup v1, `psi=0`); a node on which no
/// task ever waited for anything has not started yet.
fn knows_pressure(node: &Node<'_>) -> bool {
    pressure(&node.cpu, &node.io, &node.memory).any(|(_, psi)| waiting(psi) > Some(0.0))
}

fn waiting(psi: &Psi) -> Option<f64> {
    psi.some.as_ref()?.total
}

fn stalled(psi: &Psi) -> Option<f64> {
    psi.full.as_ref()?.total
}

#[cfg(test)]
mod tests;
