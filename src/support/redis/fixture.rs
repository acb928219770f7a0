//! A Redis for the tests of this crate: `redis-server` on a free loopback port, killed when it is dropped.

use std::io::{ErrorKind, Read, Write};
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
    arguments: Vec<String>,
    port: u16,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Fixture {
    /// Starts a server with further arguments (`&["--appendonly", "yes"]`; the last one of a name counts, and `{port}`
    /// is its port); `None` when the program is missing: then the test of this name is recorded as skipped, and
    /// returns.
    pub(crate) fn start(test: &str, arguments: &[&str]) -> Option<Self> {
        let started = Self::attempt(test, arguments)?;
        assert!(started.child.is_some(), "redis-server ends with {arguments:?}");
        Some(started)
    }

    /// The same, for arguments that not every Redis understands: one that ends at once is a skip as well.
    pub(crate) fn start_if_able(test: &str, arguments: &[&str]) -> Option<Self> {
        let started = Self::attempt(test, arguments)?;
        if started.child.is_some() {
            return Some(started);
        }
        skip(
            test,
            &format!("this redis-server does not start with {arguments:?}"),
        );
        None
    }

    /// One that runs, or the last of several that ended at once: another process may have been quicker to take the
    /// port.
    fn attempt(test: &str, arguments: &[&str]) -> Option<Self> {
        let mut fixture = Self::prepare(test, arguments)?;
        for _ in 0..3 {
            if fixture.launch() {
                break;
            }
            fixture = Self::prepare(test, arguments)?;
        }
        Some(fixture)
    }

    fn prepare(test: &str, arguments: &[&str]) -> Option<Self> {
        let program = program(test)?;
        let port = free_port();
        let filled = |argument: &&str| argument.replace("{port}", &port.to_string());
        Some(Self {
            program,
            arguments: arguments.iter().map(filled).collect(),
            port,
            folder: tempfile::tempdir().unwrap(),
            child: None,
        })
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

    /// Starts it, after killing it where it runs, on the same port and with the same folder.
    pub(crate) fn restart(&mut self) {
        self.stop();
        assert!(self.launch(), "redis-server ended");
    }

    /// Starts it and waits until it answers; `false` when it ended instead.
    fn launch(&mut self) -> bool {
        let mut command = Command::new(&self.program);
        // A file of settings comes before all options.
        let (files, options) = match self.arguments.split_first() {
            Some((first, rest)) if !first.starts_with("--") => (Some(first), rest),
            _ => (None, &self.arguments[..]),
        };
        command.args(files);
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(self.folder.path());
        if !options.iter().any(|argument| argument == "--port") {
            command.arg("--port").arg(self.port.to_string());
        }
        command.args(options).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        let start = Instant::now();
        while !answers(self.port) || !listens(self.child.as_ref().unwrap().id(), self.port) {
            if self.child.as_mut().unwrap().try_wait().unwrap().is_some() {
                self.child = None;
                return false;
            }
            assert!(start.elapsed() < START, "redis-server does not answer");
            #[allow(
                clippy::disallowed_methods,
                reason = "another process cannot wake us; the state ends the wait"
            )]
            std::thread::sleep(Duration::from_millis(10));
        }
        true
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
    assert!(!required, "{test} may not be skipped (TAWNY_REQUIRE=all): {why}");
    eprintln!("SKIPPED {test}: {why}");
}

/// A port on which nothing listens now, below those that the system gives to outgoing connections: a server that is
/// started anew must find it free.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(16_000..32_000);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// Whether it is this process that listens on the port, and not another test's.
fn listens(process: u32, port: u16) -> bool {
    let local = format!(":{port:04X}");
    let table = fs::read_to_string(format!("/proc/{process}/net/tcp")).unwrap_or_default();
    let sockets = table.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let listening = words.get(3) == Some(&"0A") && words.get(1)?.ends_with(&local);
        listening.then(|| format!("socket:[{}]", words.get(9).unwrap_or(&"")))
    });
    let sockets: Vec<String> = sockets.collect();
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else {
        return false;
    };
    let mut links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    links.any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str()))
}

/// Whether something answers there that is not loading. A server that speaks TLS answers `PING` with an alert or by
/// closing.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut answer = [0; 64];
    match stream
        .write_all(b"PING\r\n")
        .and_then(|()| stream.read(&mut answer))
    {
        Ok(length) => !answer[..length].starts_with(b"-LOADING"),
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}
