//! What this collector can give, each declared once. The dotted names and tags are the predecessor's; those that it did
//! not have are spelled as it would have: the summary's own words.

use crate::model::metric::MetricDef;

/// What the summary counts in billionths (cores, seconds), and dotted names, too.
const NANO: f64 = 1e9;

/// Declares metrics of one kind of thing: `PLACE: kind "name" "help" "Chouette.k8s.dotted" then(what the definition adds);`.
macro_rules! metrics {
    ($labels:expr; $($place:ident: $kind:ident $name:literal $help:literal $dotted:literal
        $($more:ident($($argument:expr)?))*;)*) => {
        $(pub(super) static $place: MetricDef = MetricDef::$kind($name, $help)
            .labels($labels)
            .dotted(concat!("Chouette.k8s.", $dotted))
            $(.$more($($argument)?))*;)*
    };
}

metrics! { &["node_name"];
    NODE_CPU_USAGE: gauge "k8s_node_cpu_usage_cores" "CPUs that the node kept busy lately."
        "node.cpu.usageNanoCores" scale(NANO);
    NODE_CPU_SECONDS: total "k8s_node_cpu_seconds_total" "CPU time that the node used."
        "node.cpu.usageCoreNanoSeconds" scale(NANO) push_as_gauge();
    NODE_MEMORY_RSS: gauge "k8s_node_memory_rss_bytes" "Memory of the node that no file backs."
        "node.memory.rssBytes";
    NODE_MEMORY_USAGE: gauge "k8s_node_memory_usage_bytes" "Memory of the node in use, caches included."
        "node.memory.usageBytes";
    NODE_MEMORY_AVAILABLE: gauge "k8s_node_memory_available_bytes"
        "Memory that the node can still give: its capacity less its working set." "node.memory.availableBytes";
    NODE_MEMORY_WORKING_SET: gauge "k8s_node_memory_working_set_bytes"
        "Memory of the node in use that cannot simply be dropped; the kubelet evicts pods by it."
        "node.memory.workingSetBytes";
    NODE_RECEIVED: total "k8s_node_network_receive_bytes_total" "Bytes that the node's default interface received."
        "node.network.rxBytes" push_as_gauge();
    NODE_TRANSMITTED: total "k8s_node_network_transmit_bytes_total" "Bytes that the node's default interface sent."
        "node.network.txBytes" push_as_gauge();
    NODE_FREE_INODES: gauge "k8s_node_filesystem_free_inodes" "Inodes that are left on the kubelet's filesystem."
        "node.fs.inodesFree";
    NODE_AVAILABLE: gauge "k8s_node_filesystem_available_bytes" "Bytes that are left on the kubelet's filesystem."
        "node.fs.availableBytes";
    NODE_USED: gauge "k8s_node_filesystem_used_bytes" "Bytes in use on the kubelet's filesystem."
        "node.fs.usedBytes";
    NODE_SWAP_USAGE: gauge "k8s_node_swap_usage_bytes" "Swap of the node in use." "node.swap.usageBytes";
    NODE_SWAP_AVAILABLE: gauge "k8s_node_swap_available_bytes" "Swap of the node that is left."
        "node.swap.availableBytes";
}

metrics! { &["node_name", "resource"];
    NODE_WAITING: total "k8s_node_pressure_waiting_seconds_total"
        "Time in which at least one task on the node waited for the resource." "node.pressure.waiting";
    NODE_STALLED: total "k8s_node_pressure_stalled_seconds_total"
        "Time in which every task on the node that had work waited for the resource." "node.pressure.stalled";
}

metrics! { &["container", "node_name"];
    SYSTEM_CPU_USAGE: gauge "k8s_system_container_cpu_usage_cores"
        "CPUs that a part of the node (kubelet, runtime, pods) kept busy lately." "system.cpu.usageNanoCores" scale(NANO);
    SYSTEM_MEMORY_WORKING_SET: gauge "k8s_system_container_memory_working_set_bytes"
        "Memory of a part of the node in use that cannot simply be dropped." "system.memory.workingSetBytes";
}

metrics! { &[];
    PODS_RUNNING: gauge "k8s_pods_running" "Pods that the kubelet tells of." "pods.running";
}

metrics! { &["namespace", "pod_name", "workload"];
    POD_CPU_USAGE: gauge "k8s_pod_cpu_usage_cores" "CPUs that the pod kept busy lately."
        "pod.cpu.usageNanoCores" scale(NANO);
    POD_CPU_SECONDS: total "k8s_pod_cpu_seconds_total" "CPU time that the pod used."
        "pod.cpu.usageCoreNanoSeconds" scale(NANO) push_as_gauge();
    POD_MEMORY_RSS: gauge "k8s_pod_memory_rss_bytes" "Memory of the pod that no file backs." "pod.memory.rssBytes";
    POD_MEMORY_USAGE: gauge "k8s_pod_memory_usage_bytes" "Memory of the pod in use, caches included."
        "pod.memory.usageBytes";
    POD_MEMORY_WORKING_SET: gauge "k8s_pod_memory_working_set_bytes"
        "Memory of the pod in use that cannot simply be dropped; `kubectl top` shows it." "pod.memory.workingSetBytes";
    POD_RECEIVED: total "k8s_pod_network_receive_bytes_total" "Bytes that the pod received."
        "pod.network.rxBytes" push_as_gauge();
    POD_TRANSMITTED: total "k8s_pod_network_transmit_bytes_total" "Bytes that the pod sent."
        "pod.network.txBytes" push_as_gauge();
    POD_SWAP_USAGE: gauge "k8s_pod_swap_usage_bytes" "Swap of the pod in use." "pod.swap.usageBytes";
    POD_STORAGE_USED: gauge "k8s_pod_ephemeral_storage_used_bytes"
        "Bytes in use by the pod's containers, logs and volumes that go with it." "pod.ephemeral_storage.usedBytes";
    POD_STORAGE_INODES: gauge "k8s_pod_ephemeral_storage_used_inodes"
        "Inodes in use by the pod's containers, logs and volumes that go with it." "pod.ephemeral_storage.inodesUsed";
}

metrics! { &["namespace", "pod_name", "resource", "workload"];
    POD_WAITING: total "k8s_pod_pressure_waiting_seconds_total"
        "Time in which at least one task of the pod waited for the resource." "pod.pressure.waiting";
    POD_STALLED: total "k8s_pod_pressure_stalled_seconds_total"
        "Time in which every task of the pod that had work waited for the resource." "pod.pressure.stalled";
}

metrics! { &["container", "namespace", "pod_name", "workload"];
    CONTAINER_CPU_USAGE: gauge "k8s_container_cpu_usage_cores" "CPUs that the container kept busy lately."
        "container.cpu.usageNanoCores" scale(NANO);
    CONTAINER_CPU_SECONDS: total "k8s_container_cpu_seconds_total" "CPU time that the container used."
        "container.cpu.usageCoreNanoSeconds" scale(NANO) push_as_gauge();
    CONTAINER_MEMORY_RSS: gauge "k8s_container_memory_rss_bytes" "Memory of the container that no file backs."
        "container.memory.rssBytes";
    CONTAINER_MEMORY_USAGE: gauge "k8s_container_memory_usage_bytes"
        "Memory of the container in use, caches included." "container.memory.usageBytes";
    CONTAINER_MEMORY_WORKING_SET: gauge "k8s_container_memory_working_set_bytes"
        "Memory of the container in use that cannot simply be dropped; its limit is held against it."
        "container.memory.workingSetBytes";
    CONTAINER_ROOT_USED: gauge "k8s_container_rootfs_used_bytes" "Bytes that the container wrote beside its volumes."
        "container.rootfs.usedBytes";
    CONTAINER_LOGS_USED: gauge "k8s_container_logs_used_bytes" "Bytes of the container's logs on the node."
        "container.logs.usedBytes";
}

metrics! { &["namespace", "persistentvolumeclaim", "pod_name", "volume", "workload"];
    VOLUME_USED: gauge "k8s_volume_used_bytes" "Bytes in use on the pod's volume." "volume.usedBytes";
    VOLUME_AVAILABLE: gauge "k8s_volume_available_bytes" "Bytes that are left on the pod's volume."
        "volume.availableBytes";
    VOLUME_CAPACITY: gauge "k8s_volume_capacity_bytes" "Bytes that the pod's volume holds." "volume.capacityBytes";
    VOLUME_USED_INODES: gauge "k8s_volume_used_inodes" "Inodes in use on the pod's volume." "volume.inodesUsed";
    VOLUME_FREE_INODES: gauge "k8s_volume_free_inodes" "Inodes that are left on the pod's volume." "volume.inodesFree";
}

/// All of them, in the order of the reference.
pub(super) static ALL: &[&MetricDef] = &[
    &NODE_CPU_USAGE,
    &NODE_CPU_SECONDS,
    &NODE_MEMORY_RSS,
    &NODE_MEMORY_USAGE,
    &NODE_MEMORY_AVAILABLE,
    &NODE_MEMORY_WORKING_SET,
    &NODE_RECEIVED,
    &NODE_TRANSMITTED,
    &NODE_FREE_INODES,
    &NODE_AVAILABLE,
    &NODE_USED,
    &NODE_SWAP_USAGE,
    &NODE_SWAP_AVAILABLE,
    &NODE_WAITING,
    &NODE_STALLED,
    &SYSTEM_CPU_USAGE,
    &SYSTEM_MEMORY_WORKING_SET,
    &PODS_RUNNING,
    &POD_CPU_USAGE,
    &POD_CPU_SECONDS,
    &POD_MEMORY_RSS,
    &POD_MEMORY_USAGE,
    &POD_MEMORY_WORKING_SET,
    &POD_RECEIVED,
    &POD_TRANSMITTED,
    &POD_SWAP_USAGE,
    &POD_STORAGE_USED,
    &POD_STORAGE_INODES,
    &POD_WAITING,
    &POD_STALLED,
    &CONTAINER_CPU_USAGE,
    &CONTAINER_CPU_SECONDS,
    &CONTAINER_MEMORY_RSS,
    &CONTAINER_MEMORY_USAGE,
    &CONTAINER_MEMORY_WORKING_SET,
    &CONTAINER_ROOT_USED,
    &CONTAINER_LOGS_USED,
    &VOLUME_USED,
    &VOLUME_AVAILABLE,
    &VOLUME_CAPACITY,
    &VOLUME_USED_INODES,
    &VOLUME_FREE_INODES,
];
