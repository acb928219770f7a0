//! Which container engine: the section `docker`, and the Docker client's own variables.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::component::entry::Findings;
use crate::component::settings::Problems;
use crate::config::environment::Environment;
use crate::config::feeds;
use crate::config::layers::{Layers, Origin, Origins};
use crate::config::settings::Settings;
use crate::support::engine::Engine;

/// The container engine that the collector `docker` and the feed `container_logs` talk to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DockerSettings {
    /// Where it listens: `unix:///PATH`, `tcp://HOST:PORT`, `https://HOST:PORT`; default `unix:///var/run/docker.sock`.
    pub endpoint: String,
    /// With TLS: the certificates to trust (PEM); default the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// With TLS: the certificate of this agent (PEM), where the engine wants one. Goes with `key_file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// With TLS: the key of `cert_file` (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Whether `tcp://` speaks TLS; default: for `https://`, and where one of the files is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<bool>,
}

impl Default for DockerSettings {
    fn default() -> Self {
        Self {
            endpoint: Engine::default().endpoint,
            ca_file: None,
            cert_file: None,
            key_file: None,
            tls: None,
        }
    }
}

impl DockerSettings {
    /// The engine. Where the section is wrong, one that the endpoint alone describes.
    pub(super) fn engine(&self, problems: &mut Problems) -> Engine {
        let files = [&self.ca_file, &self.cert_file, &self.key_file];
        let identity = match (&self.cert_file, &self.key_file) {
            (Some(cert), Some(key)) => Some((cert.clone(), key.clone())),
            (None, None) => None,
            (Some(_), None) => {
                problems.add("docker.key_file", "is required beside `cert_file`, and missing");
                None
            }
            (None, Some(_)) => {
                problems.add("docker.cert_file", "is required beside `key_file`, and missing");
                None
            }
        };
        // Of an address that cannot be read nothing is found.
        let engine = Engine::parse(&self.endpoint).unwrap_or_else(|error| {
            problems.add("docker.endpoint", error.to_string());
            Engine {
                endpoint: self.endpoint.clone(),
                ..Engine::default()
            }
        });
        let by_file = files.iter().any(|file| file.is_some());
        Engine {
            ca_file: self.ca_file.clone(),
            identity,
            tls: self.tls.unwrap_or(engine.tls || by_file),
            ..engine
        }
    }
}

/// The engine of the settings. A `DOCKER_HOST` that this agent cannot use (`ssh://…`) stops nothing where nobody asks for
/// containers: it is there for the Docker client.
pub(super) fn settle(settings: &Settings, origins: &Origins, findings: &mut Findings) -> Engine {
    let mut problems = Problems::default();
    let engine = settings.docker.engine(&mut problems);
    let asked = settings.collectors.values().any(|one| one.kind == "docker")
        || settings
            .feeds
            .values()
            .any(|one| one.kind == feeds::CONTAINER_LOGS);
    let client = matches!(origins.of("docker.endpoint"), Origin::Variable(name) if name.eq_ignore_ascii_case("DOCKER_HOST"));
    match client && !asked {
        true => findings.warnings.append(problems),
        false => findings.problems.append(problems),
    }
    engine
}

/// Lays the Docker client's variables for TLS over the section, as that client reads them: any `DOCKER_TLS_VERIFY` turns
/// TLS on, and only then `DOCKER_CERT_PATH` (else `~/.docker`) is the folder of the files. Certificates are always
/// verified.
pub(super) fn lay_tls(layers: &mut Layers, environment: &Environment) {
    let verify = environment.any_case("DOCKER_TLS_VERIFY");
    if let Some((name, _)) = verify {
        let origin = Origin::Variable(name.to_string());
        layers.set(&["docker", "tls"], true.into(), origin);
    }
    if layers.get(&["docker", "tls"]) != Some(&Value::Bool(true)) {
        return;
    }
    let named = environment.any_case("DOCKER_CERT_PATH");
    let (folder, origin) = match (named, environment.exact("HOME")) {
        (Some((name, folder)), _) => (PathBuf::from(folder), Origin::Variable(name.to_string())),
        (None, Some(home)) if verify.is_some() => (
            Path::new(home).join(".docker"),
            Origin::Found("as the Docker client"),
        ),
        _ => return,
    };
    for (key, file) in [
        ("ca_file", "ca.pem"),
        ("cert_file", "cert.pem"),
        ("key_file", "key.pem"),
    ] {
        let file = folder.join(file);
        // The client does without what is not there, but for the certificates to trust in a folder that is named.
        if file.exists() || key == "ca_file" && named.is_some() {
            let text = file.to_string_lossy().into_owned();
            layers.set(&["docker", key], text.into(), origin.clone());
        }
    }
}
