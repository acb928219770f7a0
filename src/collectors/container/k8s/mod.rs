//! A Kubernetes node and its pods, from the kubelet's summary.
//!
//! * `settings`: where the kubelet is, how it is verified, what is read
//! * `kubelet`: asks for the summary
//! * `summary`: its shape; `report`: which samples it becomes; `metrics`: what they are called
//! * `pods`: which workload a pod belongs to, from the API server; `workload`: by what it is known
//!
//! The right that this takes is `get` on `nodes/stats`; with `enrichment.pods` also `list` and `watch` on `pods`.

mod kubelet;
mod metrics;
mod pods;
mod report;
mod settings;
mod summary;
mod workload;

use async_trait::async_trait;

use crate::collectors::container::k8s::kubelet::Kubelet;
use crate::collectors::container::k8s::pods::{Pods, Workloads};
use crate::collectors::container::k8s::settings::Settings;
pub use crate::collectors::container::k8s::settings::effective;
use crate::component::collector::{CollectError, Collector};
use crate::component::descriptor::{Descriptor, Role};
use crate::component::entry::Entry;
use crate::component::settings::{Problems, Section};
use crate::model::sample::Samples;

/// What this collector says of itself.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "k8s",
    role: Role::Collector,
    summary: "Reads a Kubernetes node's and its pods' CPU, memory, network and storage from the kubelet.",
    sample: SAMPLE,
    metrics: metrics::ALL,
};

/// How it is made.
pub static ENTRY: Entry<dyn Collector> = Entry {
    descriptor: &DESCRIPTOR,
    build: |section, cx, findings| {
        let made = build(section, cx.variable, &mut findings.problems)?;
        made.settings.warn(section, &mut findings.warnings);
        Some(Box::new(made))
    },
    effective,
    find: None,
};

const SAMPLE: &str = "\
# The kubelet's address. null: K8S_NODE_IP, NODE_IP or HOST_IP of the environment (in a pod: from status.hostIP), else
# 127.0.0.1.
stats_service_ip: null
stats_service_port: 10250
# A client certificate that the kubelet accepts, and its key (PEM).
cert_path: null
key_path: null
# A bearer token, read again when it changes. null: the service account's, where no certificate is given.
token_file: null
# Certificates (PEM) that alone vouch for the kubelet: its authority's, or its own self-signed one. null: the system's and
# the service account's authority.
ca_path: null
# The name in the kubelet's certificate. null: the address.
server_name: null
# true: the kubelet is not verified, and anyone may read the token.
insecure_skip_verify: false
# Which values; a list that is left out is empty.
metrics:
  # memory, cpu, network, cpu_seconds, working_set, swap, pressure, ephemeral_storage, and for each of their parts
  # containers, volumes.
  pods: [memory, cpu]
  # filesystem, memory, cpu, inodes, network, swap, pressure, system (kubelet, runtime, all pods).
  node: [inodes]
enrichment:
  # true: pods bear the label workload (deployment, stateful set, daemon set, job, cron job). The API server is found by
  # KUBECONFIG or the service account, which must be allowed to list and watch pods.
  pods: false
# Whose pods the API server is asked for. null: the name that the kubelet gives its node.
node_name: null
";

/// Makes the collector from its section of the settings and the environment; `None` where the section cannot be used, the
/// reason being among `problems`. It reads nothing yet.
pub fn build(
    section: &Section,
    variable: &dyn Fn(&str) -> Option<String>,
    problems: &mut Problems,
) -> Option<K8s> {
    Some(K8s {
        settings: Settings::read(section, variable, problems)?,
        kubelet: Kubelet::default(),
        pods: None,
    })
}

/// Reads one node.
#[derive(Debug)]
pub struct K8s {
    settings: Settings,
    kubelet: Kubelet,
    pods: Option<Pods>,
}

#[async_trait]
impl Collector for K8s {
    async fn collect(&mut self, out: &mut Samples) -> Result<(), CollectError> {
        let body = self.kubelet.summary(&self.settings).await?;
        let summary = summary::parse(&body).map_err(|reason| CollectError::Malformed {
            target: self.settings.url.to_string(),
            reason,
        })?;
        let chosen = &self.settings.metrics;
        if !self.settings.workload {
            report::report(&summary, chosen, &Workloads::new(), out);
            return Ok(());
        }
        let node = self
            .settings
            .node_name
            .as_deref()
            .unwrap_or(&summary.node.node_name);
        match pods::watching(&mut self.pods, node, pods::config()).await {
            Ok(pods) => pods.read(|workloads| report::report(&summary, chosen, workloads, out)),
            Err(error) => {
                report::report(&summary, chosen, &Workloads::new(), out);
                Err(error)
            }
        }
    }
}
