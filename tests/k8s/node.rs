//! The agent on a real Kubernetes node: which rights it needs, whom it trusts, and pods that come and go.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::agent::Agent;
use crate::support::cluster::{API_SERVER, Cluster, IMAGE, NODE, NODE_ADDRESS, PATIENCE};
use crate::support::page::Page;
use crate::support::wait::wait_for;

/// Accounts that may read statistics, that may watch pods besides, and that may nothing.
const ACCOUNTS: &str = "---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: default}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: watcher, namespace: default}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: nobody, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: statistics}
rules: [{apiGroups: [''], resources: [nodes/stats], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: pods}
rules: [{apiGroups: [''], resources: [pods], verbs: [list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: statistics}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: statistics}
subjects:
- {kind: ServiceAccount, name: reader, namespace: default}
- {kind: ServiceAccount, name: watcher, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: pods}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: pods}
subjects: [{kind: ServiceAccount, name: watcher, namespace: default}]
";

/// An agent in the node's network that reads its kubelet once a second.
struct Reader {
    agent: Agent,
}

impl Reader {
    /// Starts one with these settings of the collector, and with a kubeconfig if one is given.
    fn start(cluster: &Cluster, settings: &str, kubeconfig: Option<&str>) -> Self {
        let mut agent = Agent::new(&[]);
        let config = agent.home().join("kubeconfig");
        if let Some(text) = kubeconfig {
            fs::write(&config, text).expect("the kubeconfig is written");
            agent.set("KUBECONFIG", &config.display().to_string());
        }
        agent.configure(&format!(
            "collect_interval: 1s\ncollectors:\n  k8s: {{stats_service_ip: {NODE_ADDRESS}, {settings}}}\n"
        ));
        agent.live_in(cluster.namespace());
        agent.start_again();
        Self { agent }
    }

    fn page(&self) -> Page {
        Page::parse(&self.agent.scrape("").text())
    }

    /// The labels of a metric's series.
    fn labels(&self, name: &str) -> Vec<BTreeMap<String, String>> {
        self.page().of(name).into_keys().cloned().collect()
    }

    /// The values of a pod's metric by its workload, empty for none.
    fn pod(&self, name: &str, namespace: &str, pod: &str) -> Option<(f64, String)> {
        let page = self.page();
        let found = page
            .of(name)
            .into_iter()
            .find(|(labels, _)| labels["namespace"] == namespace && labels["pod_name"].starts_with(pod));
        found.map(|(labels, value)| (value, labels.get("workload").cloned().unwrap_or_default()))
    }

    /// How many runs of the collector ended so.
    fn runs(&self, result: &str) -> f64 {
        let page = self.page();
        let runs = page.of("tawny_collector_runs_total");
        let of =
            |labels: &BTreeMap<String, String>| labels["collector"] == "k8s" && labels["result"] == result;
        runs.into_iter()
            .filter(|(labels, _)| of(labels))
            .map(|(_, value)| value)
            .sum()
    }

    fn log_says(&self, what: &str) {
        wait_for(what, PATIENCE, || self.agent.log().contains(what).then_some(()));
    }
}

/// A token in a file, as pods have it.
fn token(cluster: &Cluster, account: &str) -> PathBuf {
    let folder = cluster.ca().parent().expect("a file lies in a folder");
    let file = folder.join(format!("token-{account}"));
    fs::write(&file, cluster.token(account, "default")).expect("the token is written");
    file
}

fn kubeconfig(cluster: &Cluster, account: &str) -> String {
    let (ca, token) = (cluster.ca().display(), token(cluster, account));
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: one\n\
         clusters: [{{name: one, cluster: {{server: '{API_SERVER}', certificate-authority: {ca}}}}}]\n\
         users: [{{name: one, user: {{tokenFile: {}}}}}]\n\
         contexts: [{{name: one, context: {{cluster: one, user: one}}}}]\n",
        token.display()
    )
}

fn by_token(cluster: &Cluster, account: &str) -> String {
    format!(
        "ca_path: {}, token_file: {}",
        cluster.kubelet_ca().display(),
        token(cluster, account).display()
    )
}

#[test]
fn the_agent_reads_a_real_node_with_the_least_rights() {
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    cluster.apply(ACCOUNTS);
    a_token_for_statistics_is_enough(&cluster);
    a_client_certificate_is_as_good(&cluster);
    an_account_without_rights_is_counted_and_named(&cluster);
    pods_come_and_go_while_it_watches(&cluster);
    the_values_stay_where_the_watch_is_forbidden(&cluster);
    a_pod_finds_everything_by_its_service_account(&cluster);
    cluster.restart_kubelet_self_signed();
    the_kubelets_own_certificate_verifies_where_it_is_given(&cluster);
}

fn a_token_for_statistics_is_enough(cluster: &Cluster) {
    let settings = format!(
        "{}, metrics: {{pods: [memory, containers], node: [filesystem, memory, cpu, inodes, network]}}",
        by_token(cluster, "reader")
    );
    let reader = Reader::start(cluster, &settings, None);
    cluster.apply(&Cluster::pod("shop", "alone", "exec sleep 1000"));
    cluster.wait_pod("shop", "alone");
    let (bytes, workload) = wait_for("the pod's memory", PATIENCE, || {
        let found = reader.pod("k8s_pod_memory_usage_bytes", "shop", "alone");
        found.filter(|(bytes, _)| *bytes > 0.0)
    });
    assert!(bytes < 1e9 && workload.is_empty(), "{bytes} {workload}");
    wait_for("the container's memory", PATIENCE, || {
        reader.pod("k8s_container_memory_usage_bytes", "shop", "alone")
    });
    let node = BTreeMap::from([("node_name".to_owned(), NODE.to_owned())]);
    for name in [
        "k8s_node_cpu_usage_cores",
        "k8s_node_cpu_seconds_total",
        "k8s_node_memory_rss_bytes",
        "k8s_node_memory_usage_bytes",
        "k8s_node_memory_available_bytes",
        "k8s_node_memory_working_set_bytes",
        "k8s_node_filesystem_free_inodes",
        "k8s_node_filesystem_available_bytes",
        "k8s_node_filesystem_used_bytes",
    ] {
        assert_eq!(reader.labels(name), std::slice::from_ref(&node), "{name}");
    }
    assert_eq!(reader.runs("failure"), 0.0, "{}", reader.agent.log());
}

fn a_client_certificate_is_as_good(cluster: &Cluster) {
    let administrator = cluster.administrator();
    let settings = format!(
        "ca_path: {}, cert_path: {}, key_path: {}",
        cluster.kubelet_ca().display(),
        administrator.certificate.display(),
        administrator.key.display()
    );
    let reader = Reader::start(cluster, &settings, None);
    wait_for("the pod's memory", PATIENCE, || {
        reader.pod("k8s_pod_memory_usage_bytes", "shop", "alone")
    });
    assert_eq!(reader.runs("failure"), 0.0, "{}", reader.agent.log());
}

fn an_account_without_rights_is_counted_and_named(cluster: &Cluster) {
    let reader = Reader::start(cluster, &by_token(cluster, "nobody"), None);
    reader.log_says("must allow the verb `get` on the resource `nodes/stats`");
    reader.log_says("system:serviceaccount:default:nobody");
    wait_for("failed runs", PATIENCE, || {
        (reader.runs("failure") >= 2.0).then_some(())
    });
    assert_eq!(reader.runs("success"), 0.0);
    assert_eq!(reader.labels("k8s_pods_running"), []);
    let secret = cluster.token("nobody", "default");
    // The head of every token of the cluster; the tail of one is the signature.
    let head = secret.split('.').next().expect("a token has parts");
    assert!(!reader.agent.log().contains(head));
}

fn pods_come_and_go_while_it_watches(cluster: &Cluster) {
    let settings = format!("{}, enrichment: {{pods: true}}", by_token(cluster, "watcher"));
    let reader = Reader::start(cluster, &settings, Some(&kubeconfig(cluster, "watcher")));
    let memory = |pod: &str| reader.pod("k8s_pod_memory_usage_bytes", "shop", pod);
    let (_, workload) = wait_for("the pod that was there", PATIENCE, || memory("alone"));
    assert_eq!(workload, "");
    cluster.apply(&format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web-front, namespace: shop}}\n\
         spec:\n  replicas: 2\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n    \
         metadata: {{labels: {{app: web}}}}\n    spec:\n      terminationGracePeriodSeconds: 0\n      \
         containers: [{{name: main, image: '{IMAGE}', imagePullPolicy: Never, args: ['exec sleep 1000']}}]\n"
    ));
    cluster.apply(
        &format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: backup-29384940, namespace: shop}}\n\
             spec:\n  template:\n    spec:\n      restartPolicy: Never\n      terminationGracePeriodSeconds: 0\n      \
             containers: [{{name: main, image: '{IMAGE}', imagePullPolicy: Never, args: ['exec sleep 1000']}}]\n"
        ),
    );
    let named = |pod: &str, workload: &str| {
        wait_for("the new pod and whose it is", PATIENCE, || {
            memory(pod).filter(|(_, found)| found == workload)
        });
    };
    named("web-front-", "web-front");
    named("backup-29384940-", "backup");
    cluster.kubectl(&[
        "delete",
        "-n",
        "shop",
        "deployment/web-front",
        "job/backup-29384940",
        "pod/alone",
    ]);
    wait_for("the pods to leave the page", PATIENCE, || {
        reader
            .labels("k8s_pod_memory_usage_bytes")
            .is_empty()
            .then_some(())
    });
    wait_for("no pod to run", PATIENCE, || {
        let page = reader.page();
        let running = page.of("k8s_pods_running").into_values().next();
        (running == Some(0.0)).then_some(())
    });
    assert_eq!(reader.runs("failure"), 0.0, "{}", reader.agent.log());
}

/// The binary lies on the node, and needs the node's C library.
fn a_pod_finds_everything_by_its_service_account(cluster: &Cluster) {
    let folder = cluster
        .ca()
        .parent()
        .expect("a file lies in a folder")
        .join("inside");
    fs::create_dir(&folder).expect("a folder for the binary");
    fs::copy(env!("CARGO_BIN_EXE_tawny"), folder.join("tawny")).expect("the binary is copied");
    let config = "collectors: {k8s: {enrichment: {pods: true}}}\n";
    fs::write(folder.join("tawny.yaml"), config).expect("the settings are written");
    let folder = folder.display().to_string();
    let shared = [
        (folder.as_str(), "/agent"),
        ("/usr/lib", "/lib"),
        ("/usr/lib64", "/lib64"),
    ];
    let (mut volumes, mut mounts) = (String::new(), String::new());
    for (index, (host, inside)) in shared
        .iter()
        .filter(|(host, _)| Path::new(host).exists())
        .enumerate()
    {
        volumes.push_str(&format!("{{name: v{index}, hostPath: {{path: {host}}}}}, "));
        mounts.push_str(&format!(
            "{{name: v{index}, mountPath: {inside}, readOnly: true}}, "
        ));
    }
    let script = "until /agent/tawny once >/tmp/page 2>/tmp/errors && grep -q workload /tmp/page; do \
                  cat /tmp/errors >&2; sleep 1; done; cat /tmp/page";
    cluster.apply(&format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: inside, namespace: default}}\nspec:\n  template:\n    spec:\n      \
         restartPolicy: Never\n      terminationGracePeriodSeconds: 0\n      serviceAccountName: watcher\n      \
         volumes: [{volumes}]\n      containers:\n      - name: main\n        image: {IMAGE}\n        \
         imagePullPolicy: Never\n        args: [{script:?}]\n        volumeMounts: [{mounts}]\n        env:\n        \
         - {{name: TAWNY_CONFIG, value: /agent/tawny.yaml}}\n        \
         - {{name: NODE_IP, valueFrom: {{fieldRef: {{fieldPath: status.hostIP}}}}}}\n"
    ));
    let page = wait_for("the agent in a pod to read its own", PATIENCE, || {
        let log = cluster.kubectl(&[
            "logs",
            "--ignore-errors",
            "--selector",
            "job-name=inside",
            "--tail=-1",
        ]);
        log.contains("k8s_pods_running").then_some(log)
    });
    assert!(page.contains("workload=\"inside\""), "{page}");
    cluster.kubectl(&["delete", "job/inside"]);
}

fn the_values_stay_where_the_watch_is_forbidden(cluster: &Cluster) {
    let settings = format!("{}, enrichment: {{pods: true}}", by_token(cluster, "reader"));
    let reader = Reader::start(cluster, &settings, Some(&kubeconfig(cluster, "reader")));
    reader.log_says("must allow the verbs `list` and `watch` on `pods`");
    wait_for("failed runs", PATIENCE, || {
        (reader.runs("failure") >= 2.0).then_some(())
    });
    assert_eq!(reader.labels("k8s_node_filesystem_free_inodes").len(), 1);
}

fn the_kubelets_own_certificate_verifies_where_it_is_given(cluster: &Cluster) {
    assert_ne!(cluster.kubelet_ca(), cluster.ca());
    let named = format!("{}, server_name: {NODE}", by_token(cluster, "reader"));
    let reader = Reader::start(cluster, &named, None);
    wait_for("a summary", PATIENCE, || {
        (!reader.labels("k8s_pods_running").is_empty()).then_some(())
    });
    drop(reader);

    // The address is not in it.
    let reader = Reader::start(cluster, &by_token(cluster, "reader"), None);
    reader.log_says("K8S_SERVER_NAME");
    drop(reader);

    let token = format!("token_file: {}", token(cluster, "reader").display());
    let reader = Reader::start(cluster, &token, None);
    reader.log_says("K8S_CA_PATH");
    reader.log_says("K8S_INSECURE_SKIP_VERIFY");
    assert_eq!(reader.labels("k8s_pods_running"), []);
    drop(reader);

    let reader = Reader::start(cluster, &format!("{token}, insecure_skip_verify: true"), None);
    wait_for("a summary", PATIENCE, || {
        (!reader.labels("k8s_pods_running").is_empty()).then_some(())
    });
}
