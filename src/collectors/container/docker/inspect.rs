//! What an engine says of one container: `GET /containers/{id}/json`.

use serde_json::Value;

use crate::collectors::container::docker::json::{flag, number, object, positive, text, time};

/// A container as it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Inspected {
    pub(super) id: String,
    /// Its name without the slash that engines put before it.
    pub(super) name: String,
    /// Whether its process is there, paused or not.
    pub(super) running: bool,
    /// Seconds since 1970; `None` for one that was created and never started.
    pub(super) started: Option<f64>,
    /// When it last ended, in seconds since 1970.
    pub(super) finished: Option<f64>,
    /// CPUs that it is limited to; `None` for the machine's.
    pub(super) cpus: Option<f64>,
    pub(super) restarts: Option<f64>,
    pub(super) out_of_memory: bool,
    /// Whether the last health check succeeded; `None` without one, or before the first.
    pub(super) healthy: Option<bool>,
}

/// Reads an answer; an id and a name are required.
pub(super) fn parse(answer: &[u8]) -> Result<Inspected, String> {
    let value = object(answer)?;
    let id = text(&value, "/Id").filter(|id| !id.is_empty()).ok_or("no `Id`")?;
    let name = text(&value, "/Name").map(|name| name.trim_start_matches('/'));
    let name = name.filter(|name| !name.is_empty()).ok_or("no `Name`")?;
    // Podman wrote `Healthcheck` for some years.
    let health = ["/State/Health/Status", "/State/Healthcheck/Status"];
    let health = health.iter().find_map(|place| text(&value, place));
    Ok(Inspected {
        id: id.to_string(),
        name: name.to_string(),
        running: flag(&value, "/State/Running"),
        started: time(&value, "/State/StartedAt"),
        finished: time(&value, "/State/FinishedAt"),
        cpus: cpus(&value),
        restarts: number(&value, "/RestartCount"),
        out_of_memory: flag(&value, "/State/OOMKilled"),
        healthy: match health {
            Some("healthy") => Some(true),
            Some("unhealthy") => Some(false),
            _ => None,
        },
    })
}

/// The CPUs that the container's limits leave it: a share of time, or a choice of CPUs, whichever is less.
fn cpus(value: &Value) -> Option<f64> {
    let share = positive(value, "/HostConfig/NanoCpus")
        .map(|nano| nano / 1e9)
        .or_else(|| {
            let quota = positive(value, "/HostConfig/CpuQuota")?;
            // The kernel's own period, where none is given.
            Some(quota / positive(value, "/HostConfig/CpuPeriod").unwrap_or(100_000.0))
        });
    let chosen = text(value, "/HostConfig/CpusetCpus").and_then(count);
    match (share, chosen) {
        (Some(share), Some(chosen)) => Some(share.min(chosen)),
        (share, chosen) => share.or(chosen),
    }
}

/// How many CPUs a list such as `0-2,4` names; `None` for an empty one, or one that cannot be read.
fn count(list: &str) -> Option<f64> {
    let mut count = 0;
    for part in list.split(',') {
        let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        count += last.checked_sub(first)?.checked_add(1)?;
    }
    Some(f64::from(count))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn limited(host: Value) -> Option<f64> {
        cpus(&json!({ "HostConfig": host }))
    }

    #[test]
    fn the_cpus_available_are_what_the_limits_leave() {
        assert_eq!(
            limited(json!({"NanoCpus": 250_000_000, "CpuQuota": 9})),
            Some(0.25)
        );
        assert_eq!(
            limited(json!({"NanoCpus": 0, "CpuQuota": 50_000, "CpuPeriod": 25_000})),
            Some(2.0)
        );
        assert_eq!(limited(json!({"CpuQuota": 50_000, "CpuPeriod": 0})), Some(0.5));
        assert_eq!(limited(json!({"CpuQuota": -1, "CpusetCpus": "0-2,4"})), Some(4.0));
        assert_eq!(
            limited(json!({"NanoCpus": 4_000_000_000_u64, "CpusetCpus": "1"})),
            Some(1.0)
        );
        assert_eq!(
            limited(json!({"NanoCpus": 0, "CpuQuota": 0, "CpusetCpus": ""})),
            None
        );
        assert_eq!(limited(json!({"CpusetCpus": "3-1"})), None);
        assert_eq!(limited(json!({"CpusetCpus": "0-4294967295"})), None);
    }

    #[test]
    fn a_container_without_a_name_cannot_be_told() {
        assert_eq!(parse(br#"{"Id": "a"}"#), Err("no `Name`".to_string()));
        assert_eq!(
            parse(br#"{"Id": "a", "Name": "/"}"#),
            Err("no `Name`".to_string())
        );
        assert_eq!(parse(b"[]"), Err("expected an object".to_string()));
    }

    #[test]
    fn podmans_own_ways_are_read() {
        let text =
            br#"{"Id": "a", "Name": "web", "State": {"Status": "stopped", "Running": false, "Healthcheck":
            {"Status": "unhealthy"}, "StartedAt": "2024-02-05T18:00:00+02:00"}}"#;
        let read = parse(text).unwrap();
        assert_eq!(
            (read.name.as_str(), read.running, read.healthy),
            ("web", false, Some(false))
        );
        assert_eq!((read.started, read.restarts), (Some(1_707_148_800.0), None));
    }
}
