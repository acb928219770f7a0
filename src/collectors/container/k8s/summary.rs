//! The kubelet's summary (`k8s.io/kubelet/pkg/apis/stats/v1alpha1`): the fields that are read, each of them optional.
//!
//! Kubelets of different ages leave different things out, and a container leaves most out in its first seconds. What is
//! not known here is passed over, so that a newer kubelet is read as an older one.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

#[derive(Debug, Deserialize)]
pub(super) struct Summary<'a> {
    #[serde(borrow)]
    pub(super) node: Node<'a>,
    /// Null where no pod runs.
    #[serde(borrow, default)]
    pub(super) pods: Option<Vec<Pod<'a>>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Node<'a> {
    #[serde(borrow)]
    pub(super) node_name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) system_containers: Option<Vec<Container<'a>>>,
    pub(super) cpu: Option<Cpu>,
    pub(super) memory: Option<Memory>,
    pub(super) io: Option<Io>,
    pub(super) network: Option<Network>,
    pub(super) fs: Option<Filesystem>,
    pub(super) swap: Option<Swap>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pod<'a> {
    #[serde(borrow)]
    pub(super) pod_ref: PodRef<'a>,
    #[serde(borrow, default)]
    pub(super) containers: Option<Vec<Container<'a>>>,
    pub(super) cpu: Option<Cpu>,
    pub(super) memory: Option<Memory>,
    pub(super) io: Option<Io>,
    pub(super) network: Option<Network>,
    #[serde(borrow, default, rename = "volume")]
    pub(super) volumes: Option<Vec<Volume<'a>>>,
    #[serde(rename = "ephemeral-storage")]
    pub(super) ephemeral_storage: Option<Filesystem>,
    pub(super) swap: Option<Swap>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PodRef<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) namespace: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) uid: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Container<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    pub(super) cpu: Option<Cpu>,
    pub(super) memory: Option<Memory>,
    pub(super) rootfs: Option<Filesystem>,
    pub(super) logs: Option<Filesystem>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cpu {
    pub(super) usage_nano_cores: Option<f64>,
    pub(super) usage_core_nano_seconds: Option<f64>,
    pub(super) psi: Option<Psi>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Memory {
    pub(super) available_bytes: Option<f64>,
    pub(super) usage_bytes: Option<f64>,
    pub(super) working_set_bytes: Option<f64>,
    pub(super) rss_bytes: Option<f64>,
    pub(super) psi: Option<Psi>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Io {
    pub(super) psi: Option<Psi>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Psi {
    pub(super) some: Option<Stall>,
    pub(super) full: Option<Stall>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Stall {
    /// Microseconds: the kernel's own number (the type's comment says nanoseconds, the code copies it as it is).
    pub(super) total: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Network {
    pub(super) rx_bytes: Option<f64>,
    pub(super) tx_bytes: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filesystem {
    /// Whether it was measured. A container that just began has a filesystem of 1970 that is filled with zeros.
    #[serde(rename = "time", default = "measured", deserialize_with = "after_1970")]
    pub(super) measured: bool,
    pub(super) available_bytes: Option<f64>,
    pub(super) used_bytes: Option<f64>,
    pub(super) inodes_free: Option<f64>,
    pub(super) inodes_used: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Volume<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    pub(super) available_bytes: Option<f64>,
    pub(super) capacity_bytes: Option<f64>,
    pub(super) used_bytes: Option<f64>,
    pub(super) inodes_free: Option<f64>,
    pub(super) inodes_used: Option<f64>,
    #[serde(borrow)]
    pub(super) pvc_ref: Option<ClaimRef<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ClaimRef<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Swap {
    pub(super) swap_available_bytes: Option<f64>,
    pub(super) swap_usage_bytes: Option<f64>,
}

fn measured() -> bool {
    true
}

fn after_1970<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let time = Option::<Cow<'de, str>>::deserialize(deserializer)?;
    Ok(time.is_none_or(|time| !time.starts_with("1970-01-01")))
}

/// Reads a summary; the error says where it ends to make sense.
pub(super) fn parse(body: &[u8]) -> Result<Summary<'_>, String> {
    serde_json::from_slice(body).map_err(|error| format!("expected the kubelet's summary: {error}"))
}
