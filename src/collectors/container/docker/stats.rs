//! What a container uses: `GET /containers/{id}/stats`.

use serde_json::Value;

use crate::collectors::container::docker::json::{number, object, positive, time};

/// One reading of a container. What the engine does not know is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stats {
    /// When it was taken, in seconds since 1970.
    pub(super) read: Option<f64>,
    /// Nanoseconds of CPU since the start.
    pub(super) cpu: Option<f64>,
    /// Nanoseconds of all CPUs of the machine, idle ones too; `None` from Podman, which counts the busy ones only.
    pub(super) machine: Option<f64>,
    /// CPUs of the machine.
    pub(super) online: Option<f64>,
    /// Bytes, cached files included.
    pub(super) memory: Option<f64>,
    /// Bytes of cached files that nobody reads.
    pub(super) inactive: Option<f64>,
    /// Bytes; the machine's where there is no limit.
    pub(super) limit: Option<f64>,
    pub(super) processes: Option<f64>,
    /// Bytes and failures, in and out; `None` without a network of its own.
    pub(super) network: Option<Network>,
    /// Bytes read and written; `None` where the kernel counts none.
    pub(super) blocks: Option<(f64, f64)>,
}

/// What went over all interfaces of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Network {
    pub(super) received: f64,
    pub(super) transmitted: f64,
    pub(super) receive_errors: f64,
    pub(super) transmit_errors: f64,
}

/// Reads an answer. `None` for one of a container that does not run: engines then write zeros and the year 1, and
/// nothing at all of one that goes while it is asked about.
pub(super) fn parse(answer: &[u8]) -> Result<Option<Stats>, String> {
    if answer.trim_ascii().is_empty() {
        return Ok(None);
    }
    let value = object(answer)?;
    let read = time(&value, "/read");
    let machine = positive(&value, "/cpu_stats/system_cpu_usage");
    if read.is_none() && machine.is_none() {
        return Ok(None);
    }
    // Only Podman writes this one.
    let is_podman = value.pointer("/cpu_stats/cpu").is_some();
    let per_cpu = value
        .pointer("/cpu_stats/cpu_usage/percpu_usage")
        .and_then(Value::as_array);
    let per_cpu = per_cpu
        .and_then(|list| u32::try_from(list.len()).ok())
        .filter(|count| *count > 0);
    // The second name is cgroup v2's; v1 has that too, without the container's children.
    let inactive = [
        "/memory_stats/stats/total_inactive_file",
        "/memory_stats/stats/inactive_file",
    ];
    Ok(Some(Stats {
        read,
        cpu: number(&value, "/cpu_stats/cpu_usage/total_usage"),
        machine: machine.filter(|_| !is_podman),
        online: positive(&value, "/cpu_stats/online_cpus").or(per_cpu.map(f64::from)),
        memory: number(&value, "/memory_stats/usage"),
        inactive: inactive.iter().find_map(|place| number(&value, place)),
        limit: positive(&value, "/memory_stats/limit"),
        processes: number(&value, "/pids_stats/current"),
        network: network(&value),
        blocks: blocks(&value),
    }))
}

fn network(value: &Value) -> Option<Network> {
    let interfaces = value.get("networks")?.as_object()?;
    let mut sum = Network::default();
    for interface in interfaces.values() {
        let of = |name: &str| interface.get(name).and_then(Value::as_f64).unwrap_or(0.0);
        sum.received += of("rx_bytes");
        sum.transmitted += of("tx_bytes");
        sum.receive_errors += of("rx_errors") + of("rx_dropped");
        sum.transmit_errors += of("tx_errors") + of("tx_dropped");
    }
    Some(sum)
}

fn blocks(value: &Value) -> Option<(f64, f64)> {
    let entries = value
        .pointer("/blkio_stats/io_service_bytes_recursive")?
        .as_array()?;
    let mut sum = (0.0, 0.0);
    for entry in entries {
        let bytes = entry.get("value").and_then(Value::as_f64).unwrap_or(0.0);
        // cgroup v1 writes a capital, v2 does not; `Sync`, `Async` and `Total` count the same bytes again.
        match entry.get("op").and_then(Value::as_str) {
            Some("Read" | "read") => sum.0 += bytes,
            Some("Write" | "write") => sum.1 += bytes,
            _ => {}
        }
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Stats {
        parse(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn a_container_that_does_not_run_gives_nothing() {
        let zeros = br#"{"read": "0001-01-01T00:00:00Z", "cpu_stats": {"cpu_usage": {"total_usage": 0}}}"#;
        assert_eq!(parse(zeros), Ok(None));
        assert_eq!(parse(b"{}"), Ok(None));
        // Docker 20.10 answers 200 and says nothing when a container is removed under its hands.
        assert_eq!(parse(b""), Ok(None));
        assert!(parse(b"{").is_err());
    }

    #[test]
    fn both_hierarchies_name_the_inactive_files() {
        let of = |stats: &str| {
            read(&format!(
                r#"{{"cpu_stats": {{"system_cpu_usage": 1}}, "memory_stats": {{"stats": {stats}}}}}"#
            ))
            .inactive
        };
        assert_eq!(of(r#"{"inactive_file": 3, "total_inactive_file": 5}"#), Some(5.0));
        assert_eq!(of(r#"{"inactive_file": 3}"#), Some(3.0));
        assert_eq!(of("{}"), None);
    }

    #[test]
    fn interfaces_and_devices_are_summed() {
        let stats = read(
            r#"{"cpu_stats": {"system_cpu_usage": 1}, "networks": {
                "a": {"rx_bytes": 1, "tx_bytes": 2, "rx_errors": 3, "rx_dropped": 4, "tx_dropped": 5},
                "b": {"rx_bytes": 10}},
              "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 1}, {"op": "write", "value": 2},
                {"op": "read", "value": 4}, {"op": "Total", "value": 9}]}}"#,
        );
        let network = stats.network.unwrap();
        assert_eq!((network.received, network.transmitted), (11.0, 2.0));
        assert_eq!((network.receive_errors, network.transmit_errors), (7.0, 5.0));
        assert_eq!(stats.blocks, Some((5.0, 2.0)));
        let none = read(
            r#"{"cpu_stats": {"system_cpu_usage": 1}, "blkio_stats": {"io_service_bytes_recursive": null}}"#,
        );
        assert_eq!((none.network, none.blocks), (None, None));
    }
}
