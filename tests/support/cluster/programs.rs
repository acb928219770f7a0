//! The cluster's programs: their settings and their command lines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::certificates::Identity;
use crate::support::namespace::Namespace;
use crate::support::process::Process;

use super::cgroups::Cgroups;
use super::identities::Identities;
use super::{API_SERVER, NODE, NODE_ADDRESS};

/// The image that holds a pod's namespaces.
pub(super) const PAUSE: &str = "tawny.test/pause:1";
const SERVICES: &str = "10.96.0.0/16";
const PODS: &str = "10.244.0.0/24";
/// containerd calls runc, and the network plug-ins call iptables; both lie where only root's path leads.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the programs call, beside those that they are handed over with.
const HELPERS: [&str; 7] = ["nsenter", "ip", "ctr", "runc", "iptables", "conntrack", "umount"];
/// Where Debian puts the network plug-ins.
const PLUGINS: &str = "/usr/lib/cni";

/// The first helper that this machine lacks.
pub(super) fn missing_helper() -> Option<&'static str> {
    let is_there = |name: &str| {
        PATH.split(':')
            .any(|folder| Path::new(folder).join(name).exists())
    };
    if !Path::new(PLUGINS).join("bridge").exists() {
        return Some("network plug-in bridge");
    }
    HELPERS.into_iter().find(|name| !is_there(name))
}

/// Where the programs are and what they share.
pub(super) struct Programs {
    folder: PathBuf,
    enter: [String; 2],
    /// The name of the pods' network, and of the network namespace: one of a kind on this machine.
    network: String,
    cgroup: String,
    kubernetes: PathBuf,
    etcd: PathBuf,
    containerd: PathBuf,
}

impl Programs {
    pub(super) fn new(
        folder: &Path,
        namespace: &Namespace,
        cgroups: &Cgroups,
        kubernetes: PathBuf,
        etcd: PathBuf,
        containerd: PathBuf,
    ) -> Self {
        Self {
            folder: folder.to_owned(),
            enter: namespace.prefix(),
            network: namespace.name().to_owned(),
            cgroup: cgroups.path(),
            kubernetes,
            etcd,
            containerd,
        }
    }

    pub(super) fn etcd(&self) -> Process {
        let mut command = self.command(&self.etcd);
        command
            .arg(self.path("data-dir", "etcd"))
            .args([
                "--listen-client-urls=http://127.0.0.1:2379",
                "--advertise-client-urls=http://127.0.0.1:2379",
            ])
            .args(["--listen-peer-urls=http://127.0.0.1:2380", "--unsafe-no-fsync"]);
        self.start("etcd", &mut command)
    }

    pub(super) fn containerd(&self) -> Process {
        let (here, network) = (self.folder.display(), &self.network);
        // Without the right to lower the OOM score, runc ends with "can't get final child's PID from pipe: EOF".
        let settings = format!(
            r#"version = 2
root = "{here}/containerd/root"
state = "{here}/containerd/state"
[grpc]
  address = "{here}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{here}/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{PLUGINS}"
    conf_dir = "{here}/cni"
"#
        );
        let chain = format!(
            r#"{{"cniVersion": "0.4.0", "name": "{network}", "plugins": [
  {{"type": "bridge", "bridge": "pods0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
    "ipam": {{"type": "host-local", "dataDir": "{here}/cni-addresses", "ranges": [[{{"subnet": "{PODS}"}}]],
             "routes": [{{"dst": "0.0.0.0/0"}}]}}}},
  {{"type": "portmap", "capabilities": {{"portMappings": true}}}}]}}
"#
        );
        fs::create_dir_all(self.folder.join("cni")).expect("a folder of the network plug-ins");
        self.write("cni/10-pods.conflist", &chain);
        let file = self.write("containerd.toml", &settings);
        let mut command = self.command(&self.containerd);
        self.start("containerd", command.arg("--config").arg(file))
    }

    pub(super) fn api_server(&self, identities: &Identities) -> Process {
        let mut command = self.command(&self.kubernetes.join("kube-apiserver"));
        command
            .args([
                "--etcd-servers=http://127.0.0.1:2379",
                "--authorization-mode=Node,RBAC",
            ])
            .arg(format!("--advertise-address={NODE_ADDRESS}"))
            .arg(format!("--service-cluster-ip-range={SERVICES}"))
            // Else "kubectl logs" and the node's proxy look the node's name up in DNS.
            .arg("--kubelet-preferred-address-types=InternalIP")
            .args([
                "--service-account-issuer=https://kubernetes.default.svc",
                "--allow-privileged=true",
            ]);
        let authority = identities.authority.certificate();
        for (name, file) in [
            ("tls-cert-file", identities.api_server.certificate.as_path()),
            ("tls-private-key-file", &identities.api_server.key),
            ("client-ca-file", authority),
            ("kubelet-certificate-authority", authority),
            ("kubelet-client-certificate", &identities.api_client.certificate),
            ("kubelet-client-key", &identities.api_client.key),
            (
                "service-account-key-file",
                &identities.service_accounts.certificate,
            ),
            (
                "service-account-signing-key-file",
                &identities.service_accounts.key,
            ),
        ] {
            command.arg(format!("--{name}={}", file.display()));
        }
        command.arg(self.path("cert-dir", "api-server"));
        self.start("kube-apiserver", &mut command)
    }

    pub(super) fn controllers(&self, identities: &Identities) -> Process {
        let mut command = self.command(&self.kubernetes.join("kube-controller-manager"));
        command
            .arg(config("kubeconfig", identities, "controllers"))
            .args([
                "--use-service-account-credentials",
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
            ])
            .arg(format!(
                "--service-account-private-key-file={}",
                identities.service_accounts.key.display()
            ))
            .arg(format!(
                "--root-ca-file={}",
                identities.authority.certificate().display()
            ))
            .arg(self.path("cert-dir", "controllers"));
        self.start("kube-controller-manager", &mut command)
    }

    pub(super) fn scheduler(&self, identities: &Identities) -> Process {
        let mut command = self.command(&self.kubernetes.join("kube-scheduler"));
        command
            .arg(config("kubeconfig", identities, "scheduler"))
            .args(["--leader-elect=false", "--bind-address=127.0.0.1"])
            .arg(self.path("cert-dir", "scheduler"));
        self.start("kube-scheduler", &mut command)
    }

    pub(super) fn kube_proxy(&self, identities: &Identities) -> Process {
        let mut command = self.command(&self.kubernetes.join("kube-proxy"));
        command
            .arg(config("kubeconfig", identities, "kube-proxy"))
            .args(["--proxy-mode=iptables", "--conntrack-max-per-core=0"])
            .args([
                format!("--hostname-override={NODE}"),
                format!("--cluster-cidr={PODS}"),
            ]);
        self.start("kube-proxy", &mut command)
    }

    /// With this serving certificate, or with one that the kubelet makes itself.
    pub(super) fn kubelet(&self, identities: &Identities, serving: Option<&Identity>) -> Process {
        let own = self.self_signed();
        if serving.is_some() {
            // What an earlier start made would be taken for the one in use.
            let _ = fs::remove_dir_all(own.parent().expect("a file lies in a folder"));
        }
        let (here, cgroup) = (self.folder.display(), &self.cgroup);
        let certificate = serving.map_or(String::new(), |identity| {
            format!(
                "tlsCertFile: {}\ntlsPrivateKeyFile: {}\n",
                identity.certificate.display(),
                identity.key.display()
            )
        });
        let settings = format!(
            "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n{certificate}\
             authentication: {{anonymous: {{enabled: false}}, x509: {{clientCAFile: '{}'}}, webhook: {{enabled: true, cacheTTL: 1s}}}}\n\
             authorization: {{mode: Webhook, webhook: {{cacheAuthorizedTTL: 1s, cacheUnauthorizedTTL: 1s}}}}\n\
             containerRuntimeEndpoint: unix://{here}/containerd.sock\n\
             cgroupDriver: cgroupfs\ncgroupRoot: {cgroup}\nfailCgroupV1: false\nfailSwapOn: false\nenforceNodeAllocatable: []\n\
             evictionHard: {{nodefs.available: 0%, nodefs.inodesFree: 0%, imagefs.available: 0%, imagefs.inodesFree: 0%}}\n\
             imageGCHighThresholdPercent: 100\nimageGCLowThresholdPercent: 99\nresolvConf: ''\n\
             podLogsDir: {here}/pod-logs\nvolumePluginDir: {here}/volume-plugins\n",
            identities.authority.certificate().display(),
        );
        let mut command = self.command(&self.kubernetes.join("kubelet"));
        command
            .arg(format!(
                "--config={}",
                self.write("kubelet.yaml", &settings).display()
            ))
            .arg(config("kubeconfig", identities, "kubelet"))
            .args([
                format!("--node-ip={NODE_ADDRESS}"),
                format!("--hostname-override={NODE}"),
            ])
            .arg(self.path("root-dir", "kubelet"))
            .arg(format!(
                "--cert-dir={}",
                own.parent().expect("a file lies in a folder").display()
            ));
        self.start("kubelet", &mut command)
    }

    /// Where a kubelet without a certificate puts the one that it makes.
    pub(super) fn self_signed(&self) -> PathBuf {
        self.folder.join("kubelet-pki/kubelet.crt")
    }

    pub(super) fn kubectl(&self, identities: &Identities) -> Command {
        let mut command = self.command(&self.kubernetes.join("kubectl"));
        command
            .arg(config("kubeconfig", identities, "administrator"))
            .arg(format!("--server={API_SERVER}"));
        command.arg(self.path("cache-dir", "kubectl"));
        command
    }

    /// containerd's client, in the namespace of Kubernetes' containers.
    pub(super) fn ctr(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(Path::new("ctr"));
        command.arg("--address").arg(self.folder.join("containerd.sock"));
        command.args(["--namespace", "k8s.io"]).args(arguments);
        command
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(&self.enter[0]);
        command.arg(&self.enter[1]).arg(program);
        command
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", &self.folder)
            .current_dir(&self.folder);
        command
    }

    fn start(&self, name: &str, command: &mut Command) -> Process {
        Process::start(name, command, &self.folder.join(format!("{name}.log")))
    }

    /// `--name=FOLDER/path`.
    fn path(&self, name: &str, path: &str) -> String {
        format!("--{name}={}", self.folder.join(path).display())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        fs::write(&path, text).expect("a program's settings are written");
        path
    }
}

fn config(name: &str, identities: &Identities, whose: &str) -> String {
    format!("--{name}={}", identities.config(whose).display())
}
