//! A Redis for the tests of this crate: `redis-server` on a free loopback port, killed when it is dropped.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::redis::target::Target;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(20);

/// A server. Its folder is its own, nothing is saved unless the arguments say so.
pub(crate) struct Fixture {
    program: PathBuf,
    arguments: Vec<OsString>,
    port: u16,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Fixture {
    /// Starts a server with further arguments (`&["--appendonly", "yes"]`; the last one of a name counts); `None`
    /// when the program is missing: then the test of this name is recorded as skipped, and returns.
    pub(crate) fn start(test: &str, arguments: &[&str]) -> Option<Self> {
        let program = program(test)?;
        Some(Self::with(program, arguments))
    }

    /// A server with a program that is there.
    pub(crate) fn with(program: PathBuf, arguments: &[&str]) -> Self {
        let mut fixture = Self {
            program,
            arguments: arguments.iter().map(OsString::from).collect(),
            port: free_port(),
            folder: tempfile::tempdir().unwrap(),
            child: None,
        };
        fixture.restart();
        fixture
    }

    /// Where it is.
    pub(crate) fn target(&self) -> Target {
        Target::server("127.0.0.1", self.port)
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The program.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// Starts it, after killing it where it runs, on the same port and with the same folder.
    pub(crate) fn restart(&mut self) {
        self.stop();
        let mut command = Command::new(&self.program);
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(self.folder.path());
        if !self.arguments.iter().any(|argument| argument == "--port") {
            command.arg("--port").arg(self.port.to_string());
        }
        command.args(&self.arguments).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        let start = Instant::now();
        while !answers(self.port) {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "redis-server ended with {ended:?}");
            assert!(start.elapsed() < START, "redis-server does not answer");
            std::thread::yield_now();
        }
    }

    /// Kills it (SIGKILL).
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it in its tracks (SIGSTOP), or lets it go on (SIGCONT).
    pub(crate) fn signal(&self, stop: bool) {
        let child = self.child.as_ref().unwrap();
        let signal = if stop { Signal::STOP } else { Signal::CONT };
        kill_process(Pid::from_child(child), signal).unwrap();
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The program that `TAWNY_TEST_REDIS` names, or `redis-server`; `None` when it is missing.
///
/// # Panics
/// When it is missing and `TAWNY_REQUIRE=all` forbids skips.
pub(crate) fn program(test: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let named = env::var_os("TAWNY_TEST_REDIS").map(PathBuf::from);
    let found = match &named {
        Some(path) => Some(path.clone()).filter(|path| path.exists()),
        None => env::split_paths(&folders)
            .map(|folder| folder.join("redis-server"))
            .find(|path| path.exists()),
    };
    if found.is_none() {
        let missing = named.map_or("redis-server is not installed".to_string(), |path| {
            format!("TAWNY_TEST_REDIS names {}, which does not exist", path.display())
        });
        skip(test, &missing);
    }
    found
}

/// Records that a test cannot run here, and why.
///
/// # Panics
/// When `TAWNY_REQUIRE=all` forbids skips.
pub(crate) fn skip(test: &str, why: &str) {
    if let Some(path) = env::var_os("TAWNY_TEST_SKIPS") {
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        // One write: tests of several threads and processes append at once.
        file.write_all(format!("{test}\t{why}\n").as_bytes()).unwrap();
    }
    let required = env::var_os("TAWNY_REQUIRE").is_some_and(|value| value == "all");
    assert!(
        !required,
        "{test} may not be skipped (TAWNY_REQUIRE=all): {why}"
    );
    eprintln!("SKIPPED {test}: {why}");
}

/// A port on which nothing listens now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Whether something answers there as a Redis does that is not loading: any answer to `PING` that is no `-LOADING`,
/// or to a TLS server's silence, its close.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut answer = [0; 64];
    match stream.write_all(b"PING\r\n").and_then(|()| stream.read(&mut answer)) {
        Ok(length) => !answer[..length].starts_with(b"-LOADING"),
        Err(_) => false,
    }
}
