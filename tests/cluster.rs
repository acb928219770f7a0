//! The Kubernetes node that tests stand on: from the programs to an answering kubelet, and nothing left of it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::agent::Agent;
use crate::support::cluster::{Cluster, Login, NODE, PATIENCE};
use crate::support::leftovers;
use crate::support::wait::wait_for;

/// An account that may read the statistics of nodes and nothing else.
const READER: &str = "---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules: [{apiGroups: [''], resources: [nodes/stats], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reader}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: default}]
";

fn summary(cluster: &Cluster, token: &str) -> Option<Value> {
    let answer = cluster.kubelet("/stats/summary", Login::Token(token))?;
    (answer.status == 200).then(|| answer.json())
}

fn pods(summary: &Value) -> Vec<&str> {
    let pods = summary["pods"].as_array().into_iter().flatten();
    pods.filter_map(|pod| pod["podRef"]["name"].as_str()).collect()
}

#[test]
fn a_kubernetes_node_comes_up_answers_and_leaves_nothing() {
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    cluster.apply(READER);
    let token = cluster.token("reader", "default");

    let empty = wait_for("a summary", PATIENCE, || summary(&cluster, &token));
    assert_eq!(empty["node"]["nodeName"], NODE);
    assert_eq!(pods(&empty), Vec::<&str>::new());

    cluster.apply(&Cluster::pod("default", "busy", "echo it runs; exec sleep 1000"));
    cluster.wait_pod("default", "busy");
    assert_eq!(cluster.kubectl(&["logs", "busy"]), "it runs\n");
    wait_for("the pod in the summary", PATIENCE, || {
        (pods(&summary(&cluster, &token)?) == ["busy"]).then_some(())
    });

    let status = |path, login| cluster.kubelet(path, login).map(|answer| answer.status);
    assert_eq!(status("/pods", Login::Token(&token)), Some(403));
    assert_eq!(
        status("/pods", Login::Certificate(cluster.administrator())),
        Some(200)
    );
    assert_eq!(status("/stats/summary", Login::Nobody), Some(401));

    let mut agent = Agent::new(&[]);
    agent.live_in(cluster.namespace());
    agent.start_again();
    assert_eq!(agent.scrape("").status, 200);
    drop(agent);

    cluster.restart_kubelet_self_signed();
    assert_ne!(cluster.kubelet_ca(), cluster.ca());
    wait_for("the pod in the summary", PATIENCE, || {
        (pods(&summary(&cluster, &token)?) == ["busy"]).then_some(())
    });

    let name = cluster.namespace().name().to_owned();
    let network = cluster.namespace().path();
    let folder = cluster.ca().parent().expect("a file lies in a folder").to_owned();
    drop(cluster);
    assert!(!network.exists(), "the network namespace is left");
    assert!(!folder.exists(), "the folder is left");
    assert_eq!(leftovers::mounts(&folder), Vec::<String>::new());
    assert_eq!(leftovers::processes(&folder), []);
    for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
        let path = hierarchy.path().join(&name);
        assert!(!path.exists(), "{} is left", path.display());
    }
    assert!(!Path::new("/sys/fs/cgroup").join(&name).exists());
}
