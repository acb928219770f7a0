//! A Redis (or Valkey) of the test's own, on a loopback port and in a temporary directory.

use std::path::{Path, PathBuf};
use std::process::Command;

use redis::{Client, Cmd, Connection, FromRedisValue, Pipeline};
use rustix::process::{Pid, Signal, kill_process, setpriority_process};
use tempfile::TempDir;

use crate::support::process::{Port, Process};
use crate::support::services::{Service, need};
use crate::support::wait::{PATIENCE, wait_for};

/// Survives a kill: every write is in the file before its answer.
pub(crate) const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

/// A running server.
pub(crate) struct Redis {
    /// First, so that its log is still there when it is dropped.
    process: Option<Process>,
    program: PathBuf,
    port: Port,
    directory: TempDir,
    arguments: Vec<String>,
    /// What the test itself logs in with, as it stands in a URL: empty, or `user:password@`.
    login: String,
    /// The database that the test itself uses.
    database: u16,
}

impl Redis {
    /// Starts Debian's Redis that keeps nothing on disk; `None` where it is missing and the test skips itself.
    pub(crate) fn start() -> Option<Self> {
        Some(Self::start_with(&need(Service::Redis)?, &["--appendonly", "no"]))
    }

    /// Starts Debian's Redis that survives a kill.
    pub(crate) fn start_durable() -> Option<Self> {
        Some(Self::start_with(&need(Service::Redis)?, &DURABLE))
    }

    /// Starts this program with these arguments behind those for port and directory.
    pub(crate) fn start_with(program: &Path, arguments: &[&str]) -> Self {
        let mut redis = Self::new(program, arguments);
        redis.start_again();
        redis
    }

    /// One that does not run yet.
    pub(crate) fn new(program: &Path, arguments: &[&str]) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("tawny-redis-")
            .tempdir()
            .expect("a temporary directory");
        Self {
            program: program.to_owned(),
            port: Port::reserve(),
            directory,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            login: String::new(),
            database: 0,
            process: None,
        }
    }

    /// Has the test itself log in with this (`user:password@`), and use this database.
    pub(crate) fn enter(mut self, login: &str, database: u16) -> Self {
        login.clone_into(&mut self.login);
        self.database = database;
        self
    }

    /// Starts it on the same port and directory as before, and waits until it answers.
    pub(crate) fn start_again(&mut self) {
        let mut command = Command::new(&self.program);
        command
            .arg("--port")
            .arg(self.port.number().to_string())
            .args(["--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(self.directory.path())
            .args(&self.arguments)
            .current_dir(self.directory.path());
        let log = self.directory.path().join("redis.log");
        self.process = Some(Process::start("redis-server", &mut command, &log));
        wait_for("Redis to answer", PATIENCE, || {
            let mut connection = Client::open(self.url()).ok()?.get_connection().ok()?;
            redis::cmd("PING").query::<String>(&mut connection).ok()
        });
    }

    /// Ends it at once, as a power cut does.
    pub(crate) fn kill_9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill_9();
        }
    }

    /// Makes it stand still, connections and all, or go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        let process = self.process.as_ref().expect("it runs");
        send(process.id(), if frozen { Signal::STOP } else { Signal::CONT });
    }

    /// Has it run before other processes, as far as the test may say so.
    pub(crate) fn favour(&self) {
        let process = self.process.as_ref().expect("it runs");
        let id = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
        // An error says that only root may.
        let _ = setpriority_process(id, -15);
    }

    /// `redis://127.0.0.1:port`, with the test's own login and database where there are any.
    pub(crate) fn url(&self) -> String {
        let database = match self.database {
            0 => String::new(),
            number => format!("/{number}"),
        };
        format!("redis://{}{}{database}", self.login, self.address())
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> String {
        self.port.address()
    }

    /// The port as text, for `REDIS_PORT`.
    pub(crate) fn port(&self) -> String {
        self.port.number().to_string()
    }

    /// A connection.
    pub(crate) fn connection(&self) -> Connection {
        let client = Client::open(self.url()).expect("the address is one");
        client.get_connection().expect("Redis takes a connection")
    }

    /// Runs one command.
    pub(crate) fn run<T: FromRedisValue>(&self, command: &Cmd) -> T {
        let answer = command.query(&mut self.connection());
        answer.unwrap_or_else(|error| panic!("Redis refuses {command:?}: {error}"))
    }

    /// Runs a pipeline.
    pub(crate) fn pipe(&self, pipeline: &Pipeline) {
        pipeline
            .exec(&mut self.connection())
            .expect("Redis takes a pipeline");
    }

    /// How many members a sorted set has; 0 where there is none.
    pub(crate) fn zcard(&self, key: &str) -> u64 {
        self.run(redis::cmd("ZCARD").arg(key))
    }

    /// How many fields a hash has; 0 where there is none.
    pub(crate) fn hlen(&self, key: &str) -> u64 {
        self.run(redis::cmd("HLEN").arg(key))
    }

    /// One number of `INFO`.
    pub(crate) fn info(&self, section: &str, name: &str) -> u64 {
        let text: String = self.run(redis::cmd("INFO").arg(section));
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|value| value.trim().parse().ok())
            .unwrap_or_else(|| panic!("INFO {section} has no number {name}"))
    }

    /// Every command that was used since the start, subcommands without their names, in capitals.
    pub(crate) fn commands_used(&self) -> Vec<String> {
        let text: String = self.run(redis::cmd("INFO").arg("commandstats"));
        let names = text.lines().filter_map(|line| line.strip_prefix("cmdstat_"));
        let mut names: Vec<String> = names
            .map(|name| name.split([':', '|']).next().unwrap_or(name).to_ascii_uppercase())
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

/// Sends a signal to a process of the test's own.
pub(crate) fn send(id: u32, signal: Signal) {
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    kill_process(id.expect("a process id"), signal).expect("our own child takes a signal");
}
