//! The section `collectors.k8s` of the settings, as it stands in a file and as it is used.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::component::settings::{Problems, Section};
use crate::support::secret::Secret;
use crate::support::tls::{self, Tls, Trusted};
use crate::support::url::Url;

/// Where a pod finds who it is; `kube` looks there, too.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The variables in which charts hand the node's address to a pod (downward API, `status.hostIP`).
const ADDRESSES: [&str; 3] = ["K8S_NODE_IP", "NODE_IP", "HOST_IP"];

/// What is read of each pod; the first three are the predecessor's words.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum PodGroup {
    Memory,
    Cpu,
    Network,
    CpuSeconds,
    WorkingSet,
    Swap,
    #[serde(alias = "psi")]
    Pressure,
    Containers,
    Volumes,
    #[serde(alias = "ephemeral-storage")]
    EphemeralStorage,
}

/// What is read of the node; the first five are the predecessor's words.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum NodeGroup {
    Filesystem,
    #[serde(alias = "ram")]
    Memory,
    Cpu,
    Inodes,
    Network,
    Swap,
    #[serde(alias = "psi")]
    Pressure,
    System,
}

/// Which values are given.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Metrics {
    /// Of each pod; a list that is left out is empty, as the predecessor has it.
    pub(super) pods: Vec<PodGroup>,
    /// Of the node; the same.
    pub(super) node: Vec<NodeGroup>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
struct Enrichment {
    /// Whether the API server is asked for the node's pods, so that values bear the label `workload`: the deployment,
    /// stateful set, daemon set or (cron) job that a pod belongs to. Default: false. Needs the right to list and watch
    /// pods.
    pods: bool,
}

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
struct Config {
    /// The kubelet's address or name. Default: `K8S_NODE_IP`, `NODE_IP` or `HOST_IP` of the environment, else 127.0.0.1,
    /// which is right only in the node's own network.
    stats_service_ip: Option<String>,
    /// Its port; default 10250.
    stats_service_port: u16,
    /// A client certificate and its key (PEM, may be one file) that the kubelet accepts. Default: the token below.
    cert_path: Option<PathBuf>,
    key_path: Option<PathBuf>,
    /// A bearer token's file, read again when it changes. Default: the service account's, where there is one and no client
    /// certificate is given.
    token_file: Option<PathBuf>,
    /// Certificates (PEM) that alone vouch for the kubelet: its authority's, or its own. Default: the system's and the
    /// service account's authority.
    ca_path: Option<PathBuf>,
    /// The name in the kubelet's certificate, where it is not the address. Default: the address.
    server_name: Option<String>,
    /// `true`: talk to whoever answers, and hand them the token. Default: false. For a test, never for good.
    insecure_skip_verify: bool,
    /// Which values are given; each is a custom metric at some backends. Default: the predecessor's choice.
    metrics: Metrics,
    /// What the API server knows besides.
    enrichment: Enrichment,
    /// The node whose pods the API server is asked for. Default: what the kubelet calls its node.
    node_name: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            stats_service_ip: None,
            stats_service_port: 10250,
            cert_path: None,
            key_path: None,
            token_file: None,
            ca_path: None,
            server_name: None,
            insecure_skip_verify: false,
            metrics: Metrics {
                pods: vec![PodGroup::Memory, PodGroup::Cpu],
                node: vec![NodeGroup::Inodes],
            },
            enrichment: Enrichment::default(),
            node_name: None,
        }
    }
}

/// Checked settings.
#[derive(Debug)]
pub(super) struct Settings {
    /// The summary's address.
    pub(super) url: Url,
    /// Whether nobody said where the kubelet is.
    pub(super) guessed: bool,
    pub(super) tls: Tls,
    pub(super) token: Option<Secret>,
    pub(super) metrics: Metrics,
    /// Whether pods bear their workload.
    pub(super) workload: bool,
    pub(super) node_name: Option<String>,
}

impl Settings {
    /// Reads and checks a section; `None` where it cannot be used, the reason being among `problems`.
    pub(super) fn read(
        section: &Section,
        variable: &dyn Fn(&str) -> Option<String>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let before = problems.iter().count();
        let config: Config = section.read(problems)?;
        let at = |key: &str| format!("{}.{key}", section.path);
        let given = config
            .stats_service_ip
            .as_ref()
            .filter(|ip| !ip.is_empty())
            .cloned();
        let address = given.or_else(|| {
            let mut set = ADDRESSES.iter().filter_map(|name| variable(name));
            set.find(|address| !address.is_empty())
        });
        let guessed = address.is_none();
        let url = url(
            address.as_deref().unwrap_or("127.0.0.1"),
            config.stats_service_port,
        );
        if url.is_none() {
            problems.add(
                at("stats_service_ip"),
                "expected an address or a name, without scheme and port",
            );
        }
        if config.stats_service_port == 0 {
            problems.add(at("stats_service_port"), "expected a port from 1 to 65535");
        }
        let identity = match (config.cert_path, config.key_path) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => {
                problems.add_with_hint(
                    at("key_path"),
                    "is missing; cert_path is of no use without it",
                    "set it, or K8S_KEY_PATH",
                );
                None
            }
            (None, Some(_)) => {
                problems.add_with_hint(
                    at("cert_path"),
                    "is missing; key_path is of no use without it",
                    "set it, or K8S_CERT_PATH",
                );
                None
            }
        };
        if let Some(Err(error)) = config.server_name.as_deref().map(tls::checked_name) {
            problems.add(at("server_name"), error.to_string());
        }
        let trusted = match config.ca_path {
            _ if config.insecure_skip_verify => Trusted::Anyone,
            Some(file) => Trusted::Only(file),
            None => Trusted::System(of_service_account("ca.crt")),
        };
        let token_file = config.token_file.or_else(|| match identity {
            Some(_) => None,
            None => of_service_account("token"),
        });
        let url = url.filter(|_| problems.iter().count() == before)?;
        Some(Self {
            url,
            guessed,
            tls: Tls {
                trusted,
                server_name: config.server_name,
                identity,
            },
            token: token_file.map(|file| Secret::new(&format!("file:{}", file.display()))),
            metrics: config.metrics,
            workload: config.enrichment.pods,
            node_name: config.node_name.filter(|name| !name.is_empty()),
        })
    }

    /// Says what works and should not stay.
    pub(super) fn warn(&self, section: &Section, warnings: &mut Problems) {
        if self.tls.trusted == Trusted::Anyone {
            warnings.add_with_hint(
                format!("{}.insecure_skip_verify", section.path),
                "means that the kubelet is not verified: whoever stands between may read the token and make values up",
                "leave it out, and set ca_path (K8S_CA_PATH), and server_name (K8S_SERVER_NAME) where it is needed",
            );
        }
    }
}

/// The section as it takes effect, with every default; `None` where it cannot be used.
pub fn effective(section: &Section) -> Option<Value> {
    serde_json::to_value(section.read::<Config>(&mut Problems::default())?).ok()
}

fn url(address: &str, port: u16) -> Option<Url> {
    let host = match address.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => address.to_string(),
    };
    let url = Url::parse(&format!("https://{host}:{port}/stats/summary")).ok()?;
    // A scheme, a path or user info in the address would have moved the rest out of its place.
    let plain = url.path() == "/stats/summary" && url.username().is_empty() && url.query().is_none();
    (plain && url.fragment().is_none() && !host.contains('@')).then_some(url)
}

fn of_service_account(file: &str) -> Option<PathBuf> {
    let path = Path::new(SERVICE_ACCOUNT).join(file);
    path.exists().then_some(path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::collectors::container::k8s::DESCRIPTOR;

    fn read_with(value: Value, variable: &dyn Fn(&str) -> Option<String>) -> Result<Settings, Vec<String>> {
        let mut problems = Problems::default();
        let settings = Settings::read(&Section::new("collectors.k8s", value), variable, &mut problems);
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        settings.ok_or(texts)
    }

    fn read(value: Value) -> Result<Settings, Vec<String>> {
        read_with(value, &|_| None)
    }

    #[test]
    fn the_sample_says_every_key_with_its_default() {
        let sample: Value = serde_saphyr::from_str(DESCRIPTOR.sample).unwrap();
        let defaults = effective(&Section::new("collectors.k8s", Value::Null)).unwrap();
        assert_eq!(sample, defaults);
    }

    #[test]
    fn unconfigured_it_reads_the_predecessors_choice_from_this_machine() {
        let settings = read(Value::Null).unwrap();
        assert_eq!(settings.url.as_str(), "https://127.0.0.1:10250/stats/summary");
        assert!(settings.guessed && !settings.workload);
        assert_eq!(settings.metrics.pods, [PodGroup::Memory, PodGroup::Cpu]);
        assert_eq!(settings.metrics.node, [NodeGroup::Inodes]);
        assert_eq!(settings.tls.identity, None);
    }

    #[test]
    fn the_predecessors_words_are_understood_and_a_list_left_out_is_empty() {
        let metrics = json!({"node": ["filesystem", "memory", "ram", "cpu", "inodes", "network"]});
        let settings = read(json!({ "metrics": metrics })).unwrap();
        assert_eq!(settings.metrics.pods, []);
        assert_eq!(
            settings.metrics.node[1..3],
            [NodeGroup::Memory, NodeGroup::Memory]
        );
        let metrics = json!({"pods": ["ephemeral-storage", "ephemeral_storage", "psi"]});
        let settings = read(json!({ "metrics": metrics })).unwrap();
        let storage = PodGroup::EphemeralStorage;
        assert_eq!(settings.metrics.pods, [storage, storage, PodGroup::Pressure]);
    }

    #[test]
    fn the_address_is_the_settings_or_what_the_environment_says_of_the_node() {
        let variable = |name: &str| match name {
            "NODE_IP" => Some("10.0.0.7".to_string()),
            "K8S_NODE_IP" => Some(String::new()),
            _ => None,
        };
        let settings = read_with(Value::Null, &variable).unwrap();
        assert_eq!(settings.url.as_str(), "https://10.0.0.7:10250/stats/summary");
        assert!(!settings.guessed);
        let value = json!({"stats_service_ip": "fd00::1", "stats_service_port": 443});
        let settings = read_with(value, &variable).unwrap();
        assert_eq!(settings.url.as_str(), "https://[fd00::1]/stats/summary");
        for address in ["https://a", "a/b", "a:1", "me@a", "a?b", "a#b", "a b"] {
            assert_eq!(
                read(json!({ "stats_service_ip": address })).unwrap_err(),
                ["collectors.k8s.stats_service_ip: expected an address or a name, without scheme and port"],
                "{address}"
            );
        }
    }

    #[test]
    fn a_client_certificate_takes_the_place_of_a_token_that_nobody_asked_for() {
        let pair = json!({"cert_path": "/c", "key_path": "/k"});
        assert_eq!(read(pair).unwrap().token, None);
        let both = read(json!({"cert_path": "/c", "key_path": "/k", "token_file": "/t"})).unwrap();
        assert_eq!(both.tls.identity, Some(("/c".into(), "/k".into())));
        assert_eq!(both.token, Some(Secret::new("file:/t")));
    }

    #[test]
    fn a_file_of_authorities_stands_alone_and_only_insecurity_overrides_it() {
        let settings = read(json!({"ca_path": "/ca", "server_name": "edge-7"})).unwrap();
        assert_eq!(settings.tls.trusted, Trusted::Only("/ca".into()));
        assert_eq!(settings.tls.server_name.as_deref(), Some("edge-7"));
        let settings = read(json!({"ca_path": "/ca", "insecure_skip_verify": true})).unwrap();
        assert_eq!(settings.tls.trusted, Trusted::Anyone);
    }

    #[test]
    fn every_problem_is_named() {
        let value = json!({
            "cert_path": "/c",
            "server_name": "no name",
            "stats_service_port": 0,
            "metrics": {"pods": ["cpus"]},
        });
        let problems = read(value).unwrap_err();
        assert_eq!(
            problems,
            [
                "collectors.k8s.metrics.pods[0]: unknown value `cpus`; expected one of: memory, cpu, network, cpu_seconds, \
                 working_set, swap, pressure, psi, containers, volumes, ephemeral-storage, ephemeral_storage (did you mean `cpu`?)",
                "collectors.k8s.stats_service_port: expected a port from 1 to 65535",
                "collectors.k8s.key_path: is missing; cert_path is of no use without it (set it, or K8S_KEY_PATH)",
                "collectors.k8s.server_name: `no name` is neither a DNS name nor an address",
            ]
        );
    }
}
