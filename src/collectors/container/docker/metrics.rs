//! What is told of a container.
//!
//! The names are those of the predecessors: dashboards and alert rules use them, also where the name says percent and
//! means CPUs. The one whose dotted names stand here knew no machine.

use crate::model::fold::Fold;
use crate::model::metric::MetricDef;

const LABELS: &[&str] = &["container", "machine"];
const WITHOUT_MACHINE: &[Fold] = &[Fold::without("machine")];

/// One metric of a container.
const fn gauge(name: &'static str, help: &'static str) -> MetricDef {
    MetricDef::gauge(name, help).labels(LABELS)
}

const fn total(name: &'static str, help: &'static str) -> MetricDef {
    MetricDef::total(name, help).labels(LABELS)
}

pub(super) static COLLECTOR_UP: MetricDef = MetricDef::gauge(
    "collector_up_timestamp_seconds",
    "When the containers of the machine were last read.",
)
.labels(&["machine"]);

pub(super) static STARTED_AT: MetricDef = gauge(
    "container_started_at_timestamp_seconds",
    "When the container was started last.",
);

pub(super) static UP: MetricDef = gauge(
    "container_up_timestamp_seconds",
    "When the container was last seen running; it stands still once the container is stopped.",
);

pub(super) static CPU_USED: MetricDef = gauge(
    "container_cpu_usage_percent",
    "CPUs that the container uses, in whole CPUs: 1 is one of them, fully used.",
);

pub(super) static CPUS_AVAILABLE: MetricDef = gauge(
    "container_cpus_available",
    "CPUs that the container may use: its limit, or the machine's.",
);

pub(super) static CPU_SECONDS: MetricDef = total(
    "container_cpu_seconds_total",
    "CPU time that the container used since it was started.",
)
.dotted("Chouette.docker.cpu.usage")
.scale(1e9)
.push_as_gauge()
.dotted_labels(WITHOUT_MACHINE);

pub(super) static MEMORY_USED: MetricDef = gauge(
    "container_used_memory_bytes",
    "Memory that the container uses, with the files that the kernel caches for it.",
)
.dotted("Chouette.docker.memory.usage")
.dotted_labels(WITHOUT_MACHINE);

pub(super) static MEMORY_WORKING_SET: MetricDef = gauge(
    "container_working_set_memory_bytes",
    "Memory that the container uses less the cached files that nobody reads: what docker stats shows.",
);

pub(super) static MEMORY_MAX: MetricDef = gauge(
    "container_max_memory_bytes",
    "Memory that the container may use: its limit, or the machine's.",
);

pub(super) static RECEIVED: MetricDef = total(
    "container_network_receive_bytes_total",
    "Bytes that the container received, over all of its interfaces.",
);

pub(super) static TRANSMITTED: MetricDef = total(
    "container_network_transmit_bytes_total",
    "Bytes that the container sent, over all of its interfaces.",
);

pub(super) static RECEIVE_ERRORS: MetricDef = total(
    "container_network_receive_errors_total",
    "Packets that the container's interfaces received broken or dropped.",
);

pub(super) static TRANSMIT_ERRORS: MetricDef = total(
    "container_network_transmit_errors_total",
    "Packets that the container's interfaces failed to send or dropped.",
);

pub(super) static READ: MetricDef = total(
    "container_io_read_bytes_total",
    "Bytes that the container read from block devices.",
);

pub(super) static WRITTEN: MetricDef = total(
    "container_io_written_bytes_total",
    "Bytes that the container wrote to block devices.",
);

pub(super) static PROCESSES: MetricDef = gauge(
    "container_processes",
    "Processes and threads that run in the container.",
);

pub(super) static RUNNING: MetricDef = gauge(
    "container_running",
    "1 while the container runs, paused or not; 0 while it does not.",
);

pub(super) static HEALTHY: MetricDef = gauge(
    "container_healthy",
    "1 where the container's last health check succeeded, 0 where it failed; absent without one.",
);

pub(super) static OUT_OF_MEMORY: MetricDef = gauge(
    "container_out_of_memory",
    "1 where the container's last run was ended for want of memory.",
);

pub(super) static RESTARTS: MetricDef = total(
    "container_restarts_total",
    "How often the engine restarted the container by its restart policy.",
);

/// All of them, in the order of the reference.
pub(super) static ALL: &[&MetricDef] = &[
    &COLLECTOR_UP,
    &STARTED_AT,
    &UP,
    &CPU_USED,
    &CPUS_AVAILABLE,
    &CPU_SECONDS,
    &MEMORY_USED,
    &MEMORY_WORKING_SET,
    &MEMORY_MAX,
    &RECEIVED,
    &TRANSMITTED,
    &RECEIVE_ERRORS,
    &TRANSMIT_ERRORS,
    &READ,
    &WRITTEN,
    &PROCESSES,
    &RUNNING,
    &HEALTHY,
    &OUT_OF_MEMORY,
    &RESTARTS,
];
