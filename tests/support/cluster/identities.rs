//! Who is who in the cluster: certificates, the key of the service accounts' tokens, and the programs' kubeconfigs.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::certificates::{Authority, Identity};

use super::{NODE, NODE_ADDRESS};

/// Every identity of the cluster; the files lie in its folder.
pub(super) struct Identities {
    pub(super) authority: Authority,
    /// The API server's serving certificate.
    pub(super) api_server: Identity,
    /// What the API server shows the kubelet.
    pub(super) api_client: Identity,
    /// The kubelet's serving certificate, which is its client certificate too.
    pub(super) kubelet: Identity,
    pub(super) administrator: Identity,
    /// Signs the service accounts' tokens; only its key is used.
    pub(super) service_accounts: Identity,
    folder: PathBuf,
}

impl Identities {
    /// Makes all of them; `None` where the program openssl is missing.
    pub(super) fn create(folder: &Path, api_server: &str) -> Option<Self> {
        let authority = Authority::create(folder, "ca")?;
        let node = format!("IP:{NODE_ADDRESS}");
        let identities = Self {
            api_server: authority.issue(
                "api-server",
                "/CN=kube-apiserver",
                &[
                    "IP:127.0.0.1",
                    "IP:10.96.0.1",
                    &node,
                    "DNS:kubernetes.default.svc",
                    "DNS:localhost",
                ],
            ),
            api_client: authority.issue("api-client", "/O=system:masters/CN=api-client", &[]),
            kubelet: authority.issue(
                "kubelet",
                &format!("/O=system:nodes/CN=system:node:{NODE}"),
                &[&node, &format!("DNS:{NODE}")],
            ),
            administrator: authority.issue("administrator", "/O=system:masters/CN=administrator", &[]),
            service_accounts: authority.issue("service-accounts", "/CN=service-accounts", &[]),
            folder: folder.to_owned(),
            authority,
        };
        let scheduler = "system:kube-scheduler";
        for (name, subject) in [
            ("controllers", "/CN=system:kube-controller-manager".to_owned()),
            ("scheduler", format!("/CN={scheduler}")),
            ("kube-proxy", "/CN=system:kube-proxy".to_owned()),
        ] {
            let identity = identities.authority.issue(name, &subject, &[]);
            identities.write_config(name, &identity, api_server);
        }
        identities.write_config("kubelet", &identities.kubelet, api_server);
        identities.write_config("administrator", &identities.administrator, api_server);
        Some(identities)
    }

    /// The kubeconfig of a program.
    pub(super) fn config(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.kubeconfig"))
    }

    /// The kubeconfig of the administrator.
    pub(super) fn administrator_config(&self) -> PathBuf {
        self.config("administrator")
    }

    fn write_config(&self, name: &str, identity: &Identity, api_server: &str) {
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
             clusters: [{{name: test, cluster: {{server: '{api_server}', certificate-authority: '{}'}}}}]\n\
             users: [{{name: test, user: {{client-certificate: '{}', client-key: '{}'}}}}]\n\
             contexts: [{{name: test, context: {{cluster: test, user: test}}}}]\n",
            self.authority.certificate().display(),
            identity.certificate.display(),
            identity.key.display(),
        );
        fs::write(self.config(name), text).expect("a kubeconfig is written");
    }
}

/// The certificate and key as an HTTP client takes them.
pub(super) fn for_client(identity: &Identity) -> reqwest::Identity {
    let mut pem = fs::read(&identity.key).expect("the key is there");
    pem.extend(fs::read(&identity.certificate).expect("the certificate is there"));
    reqwest::Identity::from_pem(&pem).expect("a key and a certificate")
}
