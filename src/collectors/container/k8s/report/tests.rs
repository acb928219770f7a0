use serde_json::json;

use super::*;
use crate::collectors::container::k8s::summary::parse;

fn reported(text: &str, chosen: serde_json::Value, workloads: &Workloads) -> Vec<(String, Vec<String>, f64)> {
    let summary = parse(text.as_bytes()).unwrap();
    let mut samples = Samples::default();
    report(
        &summary,
        &serde_json::from_value(chosen).unwrap(),
        workloads,
        &mut samples,
    );
    let shown = samples
        .iter()
        .map(|one| (one.def.name.to_string(), one.labels.clone(), one.value));
    shown.collect()
}

fn sample(name: &str, labels: &[&str], value: f64) -> (String, Vec<String>, f64) {
    (
        name.to_string(),
        labels.iter().map(ToString::to_string).collect(),
        value,
    )
}

#[test]
fn zero_is_a_value_and_what_is_missing_is_none() {
    let text = json!({"node": {"nodeName": "n", "cpu": {"usageNanoCores": 0}}, "pods": [
        {"podRef": {"name": "p", "namespace": "s"}, "memory": {"rssBytes": 0}},
        {"podRef": {"name": "q", "namespace": "s", "uid": "u"}, "cpu": null, "containers": null},
    ]});
    let chosen =
        json!({"pods": ["memory", "cpu", "containers"], "node": ["cpu", "memory", "swap", "system"]});
    assert_eq!(
        reported(&text.to_string(), chosen, &Workloads::new()),
        [
            sample("k8s_node_cpu_usage_cores", &["n"], 0.0),
            sample("k8s_pod_memory_rss_bytes", &["s", "p", ""], 0.0),
            sample("k8s_pods_running", &[], 2.0),
        ]
    );
}

#[test]
fn a_pod_bears_the_workload_that_is_known_of_it() {
    let text = json!({"node": {"nodeName": "n"}, "pods": [
        {"podRef": {"name": "p", "namespace": "s", "uid": "u"}, "cpu": {"usageNanoCores": 250_000_000}},
    ]});
    let workloads = Workloads::from([("u".to_string(), "web".to_string())]);
    let found = reported(&text.to_string(), json!({"pods": ["cpu"]}), &workloads);
    assert_eq!(
        found[0],
        sample("k8s_pod_cpu_usage_cores", &["s", "p", "web"], 0.25)
    );
}

#[test]
fn pressure_is_microseconds() {
    let psi = json!({"some": {"total": 2_500_000, "avg10": 1.5}, "full": {"total": 0}});
    let text = json!({"node": {"nodeName": "n", "io": {"psi": psi}}});
    assert_eq!(
        reported(
            &text.to_string(),
            json!({"node": ["pressure"]}),
            &Workloads::new()
        )[..2],
        [
            sample("k8s_node_pressure_waiting_seconds_total", &["n", "io"], 2.5),
            sample("k8s_node_pressure_stalled_seconds_total", &["n", "io"], 0.0),
        ]
    );
}

#[test]
fn a_kernel_that_does_not_count_pressure_gives_none() {
    let none = json!({"some": {"total": 0}, "full": {"total": 0}});
    let text = json!({"node": {"nodeName": "n", "cpu": {"psi": none}, "memory": {"psi": none}}, "pods": [
        {"podRef": {"name": "p", "namespace": "s"}, "cpu": {"psi": none}},
    ]});
    let chosen = json!({"pods": ["pressure"], "node": ["pressure"]});
    assert_eq!(
        reported(&text.to_string(), chosen, &Workloads::new()),
        [sample("k8s_pods_running", &[], 1.0)]
    );
}

#[test]
fn a_filesystem_that_was_not_measured_yet_is_unknown() {
    let fs = |time: &str, used: u64| json!({"time": time, "usedBytes": used});
    let text = json!({"node": {"nodeName": "n"}, "pods": [{
        "podRef": {"name": "p", "namespace": "s"},
        "containers": [{
            "name": "c", "rootfs": fs("1970-01-01T00:00:00Z", 0), "logs": fs("2026-11-21T08:22:37Z", 4096),
        }],
    }]});
    assert_eq!(
        reported(
            &text.to_string(),
            json!({"pods": ["containers"]}),
            &Workloads::new()
        )[0],
        sample("k8s_container_logs_used_bytes", &["c", "s", "p", ""], 4096.0)
    );
}

#[test]
fn a_group_that_is_named_twice_is_given_once() {
    let text = r#"{"node": {"nodeName": "n", "memory": {"rssBytes": 7}}}"#;
    let found = reported(text, json!({"node": ["memory", "ram"]}), &Workloads::new());
    assert_eq!(found.len(), 2);
}
