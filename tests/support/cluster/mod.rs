//! A Kubernetes node of the test's own: the real programs, in a network namespace, from nothing to `Ready`.
//!
//! No registry and no cluster service is needed. Inside the namespace all addresses are the same in every test; outside
//! nothing of it can be reached, but through [`Namespace::lead_in`].

mod cgroups;
mod identities;
mod leftovers;
mod programs;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::certificates::{Authority, Identity};
use crate::support::http::{self, Answer};
use crate::support::image;
use crate::support::leftovers::unmount;
use crate::support::namespace::Namespace;
use crate::support::process::Process;
use crate::support::services::{Service, need, skip};
use crate::support::wait::wait_for;

use cgroups::Cgroups;
use identities::Identities;
use leftovers::KernelSettings;
use programs::Programs;

/// How long anything of the cluster may take. It is seconds on a machine that does nothing else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// The node's name.
pub(crate) const NODE: &str = "tawny-node";
/// The node's address in the namespace.
pub(crate) const NODE_ADDRESS: &str = "10.200.0.1";
/// The kubelet's port at that address, and at the namespace's loopback address.
pub(crate) const KUBELET_PORT: u16 = 10250;
/// The API server's URL, from the node.
pub(crate) const API_SERVER: &str = "https://10.200.0.1:6443";
/// The image that [`Cluster::pod`] runs: busybox with a shell as its entry point.
pub(crate) const IMAGE: &str = "tawny.test/busybox:1";

/// Each cluster has both cores of a small machine busy until it is ready, so they come one after the other.
static ONE: Mutex<()> = Mutex::new(());

/// What a request to the kubelet identifies itself with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Login<'a> {
    Nobody,
    Token(&'a str),
    Certificate(&'a Identity),
}

/// A running node with its control plane.
pub(crate) struct Cluster {
    /// In the order of their end.
    kubelet: Option<Process>,
    kube_proxy: Option<Process>,
    scheduler: Option<Process>,
    controllers: Option<Process>,
    api_server: Option<Process>,
    containerd: Option<Process>,
    etcd: Option<Process>,
    programs: Programs,
    identities: Identities,
    layer: PathBuf,
    cgroups: Option<Cgroups>,
    namespace: Option<Namespace>,
    folder: TempDir,
    _settings: KernelSettings,
    _one: MutexGuard<'static, ()>,
}

impl Cluster {
    /// Starts one and waits until its node is ready; `None` where that cannot be and the test skips itself.
    pub(crate) fn start() -> Option<Self> {
        let kubernetes = need(Service::Kubernetes)?;
        let (etcd, containerd) = (need(Service::Etcd)?, need(Service::Containerd)?);
        let busybox = need(Service::Busybox)?;
        if !rustix::process::geteuid().is_root() {
            skip("only root can start a Kubernetes node");
            return None;
        }
        if let Some(helper) = programs::missing_helper() {
            skip(&format!(
                "a Kubernetes node needs the program {helper}; tests/run installs it"
            ));
            return None;
        }
        // Another test's failure under the lock is no failure of this one.
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::Builder::new().prefix("tawny-kube-").tempdir();
        let folder = folder.expect("a temporary directory");
        let namespace = match Namespace::create() {
            Ok(namespace) => namespace,
            Err(reason) => {
                skip(&reason);
                return None;
            }
        };
        let Some(identities) = Identities::create(folder.path(), API_SERVER) else {
            skip("the program openssl is missing");
            return None;
        };
        let cgroups = match Cgroups::create(namespace.name()) {
            Ok(cgroups) => cgroups,
            Err(reason) => {
                skip(&reason);
                return None;
            }
        };
        let programs = Programs::new(folder.path(), &namespace, &cgroups, kubernetes, etcd, containerd);
        let mut cluster = Self {
            kubelet: None,
            kube_proxy: None,
            scheduler: None,
            controllers: None,
            api_server: None,
            containerd: None,
            etcd: None,
            layer: image::layer(&busybox, folder.path()),
            programs,
            identities,
            cgroups: Some(cgroups),
            namespace: Some(namespace),
            folder,
            _settings: KernelSettings::remember(),
            _one: one,
        };
        cluster.bring_up();
        Some(cluster)
    }

    fn bring_up(&mut self) {
        let Self {
            programs, identities, ..
        } = &*self;
        self.namespace()
            .run(&["ip", "link", "add", "node0", "type", "bridge"]);
        let address = format!("{NODE_ADDRESS}/24");
        self.namespace()
            .run(&["ip", "address", "add", &address, "dev", "node0"]);
        self.namespace().run(&["ip", "link", "set", "node0", "up"]);
        self.namespace()
            .run(&["ip", "route", "replace", "default", "dev", "node0"]);
        let forward = "echo 1 >/proc/sys/net/ipv4/ip_forward";
        self.namespace().run(&["sh", "-c", forward]);

        let (etcd, containerd) = (programs.etcd(), programs.containerd());
        let api_server = programs.api_server(identities);
        (self.etcd, self.containerd) = (Some(etcd), Some(containerd));
        self.api_server = Some(api_server);
        wait_for("containerd to answer", PATIENCE, || {
            succeeds(&mut self.programs.ctr(&["version"])).then_some(())
        });
        self.image(IMAGE, &["/bin/sh", "-c"]);
        self.image(programs::PAUSE, &["/bin/tail", "-f", "/dev/null"]);
        let mut api_server = self.api_server.take().expect("it was started above");
        wait_for("the API server to be ready", PATIENCE, || {
            api_server.assert_runs();
            succeeds(&mut self.kubectl_command(&["get", "--raw", "/readyz"])).then_some(())
        });
        self.api_server = Some(api_server);
        self.controllers = Some(self.programs.controllers(&self.identities));
        self.scheduler = Some(self.programs.scheduler(&self.identities));
        self.kube_proxy = Some(self.programs.kube_proxy(&self.identities));
        self.start_kubelet(Some(&self.identities.kubelet.clone()));
        let node = format!("node/{NODE}");
        // One at a time: of several, the first that is missing is a failure.
        for (object, state) in [
            (node.as_str(), "create"),
            ("serviceaccount/default", "create"),
            (&node, "condition=Ready"),
        ] {
            self.kubectl(&["wait", &format!("--for={state}"), &seconds(), object]);
        }
    }

    /// Starts the kubelet with this serving certificate, or with one that it makes and signs itself, and waits for it.
    fn start_kubelet(&mut self, serving: Option<&Identity>) {
        self.kubelet = Some(self.programs.kubelet(&self.identities, serving));
        wait_for("the kubelet to answer", PATIENCE, || {
            self.ask_kubelet(
                "/healthz",
                Login::Certificate(&self.identities.administrator),
                &self.kubelet_ca(),
            )
            .filter(|answer| answer.status == 200)
        });
    }

    /// Starts the kubelet again as kubeadm leaves it: its certificate is self-signed for the node's name alone, and lies
    /// at [`kubelet_ca`](Self::kubelet_ca). The API server, which verifies it, cannot reach the kubelet any more.
    pub(crate) fn restart_kubelet_self_signed(&mut self) {
        stop(&mut self.kubelet);
        self.start_kubelet(None);
    }

    /// Starts the kubelet again, with its certificate from the cluster's authority.
    pub(crate) fn restart_kubelet(&mut self) {
        stop(&mut self.kubelet);
        self.start_kubelet(Some(&self.identities.kubelet.clone()));
    }

    /// Stops the kubelet, so that a test sees what comes when nobody listens at its port.
    pub(crate) fn stop_kubelet(&mut self) {
        stop(&mut self.kubelet);
    }

    /// Runs kubectl as the administrator and returns what it prints.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.kubectl_command(arguments).output().expect("kubectl starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {arguments:?} fails: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.programs.kubectl(&self.identities);
        command.args(arguments);
        command
    }

    /// Applies manifests.
    pub(crate) fn apply(&self, yaml: &str) {
        let file = self.folder.path().join("manifests.yaml");
        std::fs::write(&file, yaml).expect("the manifests are written");
        self.kubectl(&["apply", "-f", &file.display().to_string()]);
    }

    /// The manifest of a pod with one container that runs this shell script in [`IMAGE`] and ends at once when deleted.
    pub(crate) fn pod(namespace: &str, name: &str, script: &str) -> String {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{app: {name}}}}}\n\
             spec:\n  terminationGracePeriodSeconds: 0\n  restartPolicy: Never\n  containers:\n  - name: {name}\n    \
             image: {IMAGE}\n    imagePullPolicy: Never\n    args: [{script:?}]\n"
        )
    }

    /// Waits until a pod runs and is ready.
    pub(crate) fn wait_pod(&self, namespace: &str, name: &str) {
        let pod = format!("pod/{name}");
        self.kubectl(&["wait", "-n", namespace, "--for=condition=Ready", &seconds(), &pod]);
    }

    /// A token of a service account.
    pub(crate) fn token(&self, service_account: &str, namespace: &str) -> String {
        self.kubectl(&["create", "token", "-n", namespace, service_account])
            .trim()
            .to_owned()
    }

    /// Gives the container runtime an image that runs this command, for `imagePullPolicy: Never`; a name as in
    /// `tawny.test/agent:1`.
    pub(crate) fn image(&self, name: &str, command: &[&str]) {
        let archive = image::archive(&self.layer, name, command).display().to_string();
        let output = self.programs.ctr(&["images", "import", &archive]).output();
        let output = output.expect("ctr starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "the image {name} is not imported: {errors}"
        );
    }

    /// The namespace in which the node lives, for programs that must reach it.
    pub(crate) fn namespace(&self) -> &Namespace {
        self.namespace.as_ref().expect("it is there until the end")
    }

    /// The certificate of the authority that signed all certificates but a self-signed kubelet's.
    pub(crate) fn ca(&self) -> &Path {
        self.identities.authority.certificate()
    }

    /// The authority, to sign more.
    pub(crate) fn authority(&self) -> &Authority {
        &self.identities.authority
    }

    /// What the kubelet's certificate is verified against: the authority's certificate, or the self-signed one itself.
    pub(crate) fn kubelet_ca(&self) -> PathBuf {
        let own = self.programs.self_signed();
        if own.exists() { own } else { self.ca().to_owned() }
    }

    /// The client certificate of the administrator (`system:masters`).
    pub(crate) fn administrator(&self) -> &Identity {
        &self.identities.administrator
    }

    /// The administrator's kubeconfig, as a program in the namespace may use it.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.identities.administrator_config()
    }

    /// What the kubelet answers on this path, to someone who verifies its certificate; `None` without an answer.
    pub(crate) fn kubelet(&self, path: &str, login: Login<'_>) -> Option<Answer> {
        self.ask_kubelet(path, login, &self.kubelet_ca())
    }

    fn ask_kubelet(&self, path: &str, login: Login<'_>, ca: &Path) -> Option<Answer> {
        let way = self
            .namespace()
            .lead_in(0, &format!("{NODE_ADDRESS}:{KUBELET_PORT}"));
        let ca = std::fs::read(ca).ok()?;
        http::install_tls();
        let mut client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only(reqwest::Certificate::from_pem_bundle(&ca).ok()?)
            .resolve(NODE, ([127, 0, 0, 1], way.port()).into())
            .timeout(PATIENCE);
        let mut headers = Vec::new();
        let bearer;
        match login {
            Login::Nobody => {}
            Login::Token(token) => {
                bearer = format!("Bearer {token}");
                headers.push(("authorization", bearer.as_str()));
            }
            Login::Certificate(identity) => client = client.identity(identities::for_client(identity)),
        }
        let client = client.build().expect("a client is built");
        let url = format!("https://{NODE}:{}{path}", way.port());
        http::request_with(&client, "GET", &url, &headers, Vec::new()).ok()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        stop(&mut self.kubelet);
        stop(&mut self.kube_proxy);
        stop(&mut self.scheduler);
        stop(&mut self.controllers);
        stop(&mut self.api_server);
        leftovers::end_containers(&self.programs, self.folder.path());
        stop(&mut self.containerd);
        stop(&mut self.etcd);
        self.namespace = None;
        unmount(self.folder.path());
        leftovers::remove_links(self.folder.path());
        self.cgroups = None;
    }
}

/// Asks a program to stop and waits for its end: the next one fails on the port of one that still drains.
fn stop(process: &mut Option<Process>) {
    if let Some(mut process) = process.take() {
        process.terminate();
        process.wait_exit(PATIENCE);
    }
}

fn seconds() -> String {
    format!("--timeout={}s", PATIENCE.as_secs())
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
