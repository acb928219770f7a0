//! A child process on a loopback port of its own: its output is kept, it dies with the test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::TcpSocket;

use crate::support::http;
use crate::support::wait::wait_for;

/// A TCP port of the loopback address that stays reserved while this value lives.
///
/// A bound socket that never listens holds it: a program that sets `SO_REUSEADDR` (tokio, std, Go) can listen on the
/// port, and come back to it after it was killed, but nobody is given it by chance. While nobody listens, a connection
/// is refused.
pub(crate) struct Port {
    number: u16,
    _held: TcpSocket,
}

impl Port {
    /// Reserves a free port.
    pub(crate) fn reserve() -> Self {
        let held = TcpSocket::new_v4().expect("a socket");
        held.set_reuseaddr(true).expect("the option is known");
        held.bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .expect("a free port");
        Self {
            number: held.local_addr().expect("a bound socket has an address").port(),
            _held: held,
        }
    }

    /// The number.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// `127.0.0.1:number`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}

/// A running child process.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output in `log`, which is appended to.
    ///
    /// # Panics
    ///
    /// When the program cannot be started.
    pub(crate) fn start(name: &str, command: &mut Command, log: &Path) -> Self {
        let output = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(log)
            .expect("the log opens");
        let errors = output.try_clone().expect("the log's handle is copied");
        let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        }
    }

    /// Waits until `url` answers with 200.
    ///
    /// # Panics
    ///
    /// With the process's output, when it ends before, or when the time is over.
    pub(crate) fn wait_ready(&mut self, url: &str, patience: Duration) {
        wait_for(&format!("{} to answer {url}", self.name), patience, || {
            self.assert_runs();
            http::get(url, &[]).ok().filter(|answer| answer.status == 200)
        });
    }

    /// Nothing, while the process runs.
    ///
    /// # Panics
    ///
    /// When it has ended: whoever waits for its answer would wait in vain.
    pub(crate) fn assert_runs(&mut self) {
        if let Some(status) = self.child.try_wait().expect("the state of a child is known") {
            panic!("{} ended with {status} before it was ready", self.name);
        }
    }

    /// All that the process has written to stdout and stderr.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process at once, as a power cut does, and waits for its end.
    pub(crate) fn kill_9(&mut self) {
        // An error says that it has ended already.
        let _ = self.child.kill();
        self.child.wait().expect("an ended child is reaped");
    }

    /// Asks the process to stop, with SIGTERM.
    pub(crate) fn terminate(&mut self) {
        if self
            .child
            .try_wait()
            .expect("the state of a child is known")
            .is_none()
        {
            let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
            kill_process(id.expect("a process id"), Signal::TERM).expect("our own child takes a signal");
        }
    }

    /// Waits for the process's end.
    ///
    /// # Panics
    ///
    /// When it still runs after `patience`.
    pub(crate) fn wait_exit(&mut self, patience: Duration) -> ExitStatus {
        wait_for(&format!("the end of {}", self.name), patience, || {
            self.child.try_wait().expect("the state of a child is known")
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_9();
        if thread::panicking() {
            let log = self.log();
            let lines = log.lines().collect::<Vec<_>>();
            let tail = lines[lines.len().saturating_sub(40)..].join("\n");
            eprintln!("---- the last lines of {}:\n{tail}\n----", self.name);
        }
    }
}
