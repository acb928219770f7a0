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
    /// A Python that has `prometheus_client` and `chouette_iot_client`.
    Python,
    /// The library that shows a program another wall clock when it is preloaded.
    Faketime,
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
            let reason = std::env::var(format!("{variable}_MISSING"));
            skip(&reason.unwrap_or_else(|_| format!("{variable} is not set; tests/run sets it")));
            None
        }
    }
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
