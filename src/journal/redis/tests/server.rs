//! A redis-server of a test's own.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::redis::target::{Target, TargetKind};
use crate::support::secret::Secret;

pub(crate) struct Server {
    folder: tempfile::TempDir,
    port: u16,
    arguments: Vec<String>,
    child: Child,
}

impl Server {
    /// Starts one; `None`, noted as a skip of the running test, where there is no such program.
    pub(crate) fn start(arguments: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let arguments = arguments.iter().map(ToString::to_string).collect::<Vec<_>>();
        match launch(folder.path(), port, &arguments) {
            Ok(child) => Some(Self {
                folder,
                port,
                arguments,
                child,
            }),
            Err(error) => {
                skip(&format!("redis-server: {error}"));
                None
            }
        }
    }

    pub(crate) fn target(&self) -> Target {
        target(self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        self.child = launch(self.folder.path(), self.port, &self.arguments).unwrap();
    }

    /// SIGSTOP, or SIGCONT.
    pub(crate) fn signal(&self, stop: bool) {
        let signal = if stop {
            rustix::process::Signal::STOP
        } else {
            rustix::process::Signal::CONT
        };
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn target(port: u16) -> Target {
    Target {
        nodes: vec![("127.0.0.1".to_string(), port)],
        kind: TargetKind::Single,
        database: 0,
        tls: false,
        ca_file: None,
        username: String::new(),
        password: Secret::new(""),
    }
}

fn launch(folder: &std::path::Path, port: u16, arguments: &[String]) -> std::io::Result<Child> {
    let program = std::env::var("TAWNY_TEST_REDIS").unwrap_or_else(|_| "redis-server".to_string());
    let mut command = Command::new(program);
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(folder);
    command.args(["--save", "", "--appendonly", "no"]).args(arguments);
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "redis-server does not answer"
        );
        std::thread::yield_now();
    }
    Ok(child)
}

fn skip(why: &str) {
    let required = std::env::var_os("TAWNY_REQUIRE").is_some_and(|value| value == "all");
    assert!(
        !required,
        "this test may not be skipped (TAWNY_REQUIRE=all): {why}"
    );
    if let Some(path) = std::env::var_os("TAWNY_TEST_SKIPS") {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        writeln!(file, "{}\t{why}", std::thread::current().name().unwrap_or("?")).unwrap();
    }
}
