//! The published client library of applications, as a Python program that a test feeds.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::services::{Service, need};
use crate::support::workload::Record;

/// The Python that has the client, or `None` where the test skips itself.
pub(crate) fn python() -> Option<PathBuf> {
    need(Service::Python)
}

/// Has the client write to what listens on this port; returns how many records it says it has stored.
///
/// # Panics
///
/// When the client fails.
pub(crate) fn write(python: &Path, port: &str, calls: &[Value]) -> u64 {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/client.py");
    let mut child = Command::new(python)
        .arg(program)
        .env("REDIS_HOST", "127.0.0.1")
        .env("REDIS_PORT", port)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let lines: String = calls.iter().map(|call| format!("{call}\n")).collect();
    let mut stdin = child.stdin.take().expect("a pipe");
    // It reads all of it before it answers, and its answer is short.
    stdin.write_all(lines.as_bytes()).expect("Python reads");
    drop(stdin);
    let output = child.wait_with_output().expect("Python ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the client fails: {errors}");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("the client prints {text}: {errors}"))
}

/// The call that makes the client write this record.
pub(crate) fn call(record: &Record) -> Value {
    json!({
        "kind": record.kind, "metric": record.metric, "value": record.value,
        "timestamp": record.timestamp(), "tags": record.tags,
    })
}
