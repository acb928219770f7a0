//! Real services: where `tests/run` put them, and what a test does when one is missing.

use std::io::Write;
use std::path::PathBuf;
use std::{fs, thread};

/// A program that a test needs and that this repository does not build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Prometheus 2.42, as Debian 12 has it.
    Prometheus2,
    /// The `promtool` that belongs to it.
    Promtool2,
    /// Prometheus 3, built from its Go module.
    Prometheus3,
    /// The `promtool` that belongs to it.
    Promtool3,
    /// VictoriaMetrics, single node.
    VictoriaMetrics,
    /// Redis, as Debian has it.
    Redis,
    /// Redis 5.0.6, the oldest that is served.
    Redis5,
    /// Valkey.
    Valkey,
    /// A Python that has `prometheus_client`, `chouette_iot_client` and `dramatiq`.
    Python,
    /// The library that shows a program another wall clock when it is preloaded.
    Faketime,
    /// RabbitMQ's start script, as Debian has it.
    RabbitMq,
    /// Docker's engine, for a test that starts one of its own.
    Dockerd,
    /// Docker's client.
    DockerCli,
    /// A busybox that needs no library.
    Busybox,
    /// The folder of Kubernetes' programs.
    Kubernetes,
    /// The store of Kubernetes.
    Etcd,
    /// The container runtime of Kubernetes.
    Containerd,
}

impl Service {
    /// The variable with the program's path. The same name and `_MISSING` says why there is none.
    fn variable(self) -> &'static str {
        match self {
            Self::Prometheus2 => "TAWNY_TEST_PROMETHEUS2",
            Self::Promtool2 => "TAWNY_TEST_PROMTOOL2",
            Self::Prometheus3 => "TAWNY_TEST_PROMETHEUS3",
            Self::Promtool3 => "TAWNY_TEST_PROMTOOL3",
            Self::VictoriaMetrics => "TAWNY_TEST_VICTORIA_METRICS",
            Self::Redis => "TAWNY_TEST_REDIS",
            Self::Redis5 => "TAWNY_TEST_REDIS5",
            Self::Valkey => "TAWNY_TEST_VALKEY",
            Self::Python => "TAWNY_TEST_PYTHON",
            Self::Faketime => "TAWNY_TEST_FAKETIME",
            Self::RabbitMq => "TAWNY_TEST_RABBITMQ",
            Self::Dockerd => "TAWNY_TEST_DOCKERD",
            Self::DockerCli => "TAWNY_TEST_DOCKER_CLI",
            Self::Busybox => "TAWNY_TEST_BUSYBOX",
            Self::Kubernetes => "TAWNY_TEST_KUBERNETES",
            Self::Etcd => "TAWNY_TEST_ETCD",
            Self::Containerd => "TAWNY_TEST_CONTAINERD",
        }
    }
}

/// The service's program, or `None` when the test must skip itself:
///
/// ```ignore
/// let Some(python) = need(Service::Python) else { return };
/// ```
///
/// A skip is printed, and recorded for the closing lines of `tests/run`.
///
/// # Panics
///
/// When the service is missing and `TAWNY_REQUIRE=all` forbids skips.
pub(crate) fn need(service: Service) -> Option<PathBuf> {
    let variable = service.variable();
    match std::env::var_os(variable).map(PathBuf::from) {
        Some(path) if path.exists() => Some(path),
        Some(path) => {
            skip(&format!(
                "{variable} names {}, which does not exist",
                path.display()
            ));
            None
        }
        None => {
            skip_without(variable);
            None
        }
    }
}

/// The address of the Docker engine that the tests share, as in `unix:///run/docker.sock`; `None` when the test must skip
/// itself.
///
/// # Panics
///
/// When there is none and `TAWNY_REQUIRE=all` forbids skips.
pub(crate) fn need_engine() -> Option<String> {
    let variable = "TAWNY_TEST_DOCKER";
    let address = std::env::var(variable).ok();
    if address.is_none() {
        skip_without(variable);
    }
    address
}

fn skip_without(variable: &str) {
    let reason = std::env::var(format!("{variable}_MISSING"));
    skip(&reason.unwrap_or_else(|_| format!("{variable} is not set; tests/run sets it")));
}

/// Records that the calling test cannot run here, and why. For what is no program: a right, a kernel's ability.
///
/// # Panics
///
/// When `TAWNY_REQUIRE=all` forbids skips.
pub(crate) fn skip(reason: &str) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    if let Some(path) = std::env::var_os("TAWNY_TEST_SKIPS") {
        let line = format!("{test}\t{}\n", reason.replace(['\n', '\t'], " "));
        // One write of a short line: tests of several threads and processes append to this file at once.
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .expect("the list of skips opens");
        file.write_all(line.as_bytes())
            .expect("the list of skips takes a line");
    }
    let required = std::env::var_os("TAWNY_REQUIRE").is_some_and(|value| value == "all");
    assert!(
        !required,
        "{test} may not be skipped (TAWNY_REQUIRE=all): {reason}"
    );
    eprintln!("SKIPPED {test}: {reason}");
}
