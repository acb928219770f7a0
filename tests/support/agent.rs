//! The binary under test, as a child process.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::http::{self, Answer};
use crate::support::namespace::{Namespace, Way};
use crate::support::process::{Port, Process};
use crate::support::wait::PATIENCE;

/// The agent stops within 10 s by itself (`shutdown_timeout`); the rest is for a busy machine.
const STOP: Duration = Duration::from_secs(30);

/// A running agent with a port, a home, and a journal of its own.
///
/// It sees nothing of the environment but what the test gives it, and the variables that keep it to itself:
/// `TAWNY_LISTEN`, `TAWNY_JOURNAL_DIR`, `HOME`, `PATH`, and, where the test sets none of Docker's variables, a
/// `DOCKER_SOCKET_PATH` where nothing is, so that it does not find the machine's own engine. The test's own variables win.
pub(crate) struct Agent {
    /// First, so that its log is still there when it is dropped.
    process: Option<Process>,
    port: Port,
    home: TempDir,
    variables: Vec<(String, String)>,
    /// Variables of its own that it goes without.
    absent: Vec<String>,
    arguments: Vec<String>,
    /// Where it runs, if not here: what its command line begins with, and the way from its port here to its port there.
    elsewhere: Option<([String; 2], Way)>,
    /// The program, with its arguments, that starts the agent.
    under: Vec<String>,
}

impl Agent {
    /// Starts `tawny` with these variables and waits until it is ready.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        let mut agent = Self::new(variables);
        agent.start_again();
        agent
    }

    /// An agent that does not run yet, so that a test can put files into its [`home`](Self::home).
    pub(crate) fn new(variables: &[(&str, &str)]) -> Self {
        let home = tempfile::Builder::new()
            .prefix("tawny-agent-")
            .tempdir()
            .expect("a temporary directory");
        let mut agent = Self {
            port: Port::reserve(),
            home,
            variables: Vec::new(),
            absent: Vec::new(),
            arguments: Vec::new(),
            elsewhere: None,
            under: Vec::new(),
            process: None,
        };
        for (name, value) in variables {
            agent.set(name, value);
        }
        agent
    }

    /// Sets a variable for the next start.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Takes a variable away for the next start.
    pub(crate) fn unset(&mut self, name: &str) {
        self.variables.retain(|(known, _)| known != name);
    }

    /// Goes without one of the variables that keep the agent to itself.
    pub(crate) fn do_without(&mut self, name: &str) {
        self.absent.push(name.to_owned());
    }

    /// Sets the command line's arguments for the next start; none at first, which means `run`.
    pub(crate) fn arguments(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(ToString::to_string).collect();
    }

    /// Has the next start run it in this network namespace. It is still reached at its [`address`](Self::address).
    pub(crate) fn live_in(&mut self, namespace: &Namespace) {
        let way = namespace.lead_in(self.port.number(), &self.port.address());
        self.elsewhere = Some((namespace.prefix(), way));
    }

    /// Has it started by another program, which becomes it: `["setpriv", "--reuid", "65534"]`.
    pub(crate) fn run_under(&mut self, program: &[&str]) {
        self.under = program.iter().map(ToString::to_string).collect();
    }

    /// Starts the agent, on the same port and journal as before, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// When it runs already, or does not become ready.
    pub(crate) fn start_again(&mut self) {
        self.launch();
        let url = self.url("/-/ready");
        self.running().wait_ready(&url, PATIENCE);
    }

    /// Starts the agent and does not wait for anything.
    pub(crate) fn launch(&mut self) {
        assert!(self.process.is_none(), "the agent runs already");
        let mut command = self.command();
        command.args(&self.arguments);
        self.process = Some(Process::start(
            "tawny",
            &mut command,
            &self.home().join("tawny.log"),
        ));
    }

    /// Runs another command of the binary with this agent's environment, to its end: `["journal", "export"]`.
    pub(crate) fn command_output(&self, arguments: &[&str]) -> Output {
        self.command()
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("the binary starts")
    }

    fn command(&self) -> Command {
        let place = self.elsewhere.iter().flat_map(|(place, _)| place);
        let mut words: VecDeque<&str> = place.chain(&self.under).map(String::as_str).collect();
        words.push_back(env!("CARGO_BIN_EXE_tawny"));
        let mut command = Command::new(words.pop_front().expect("at least the binary"));
        command.args(words);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home())
            .env("TAWNY_LISTEN", self.port.address())
            .env("TAWNY_JOURNAL_DIR", self.journal())
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home());
        if !self.variables.iter().any(|(name, _)| name.starts_with("DOCKER_")) {
            command.env("DOCKER_SOCKET_PATH", self.home().join("no-docker.sock"));
        }
        for name in &self.absent {
            command.env_remove(name);
        }
        command
    }

    /// The agent's temporary directory.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The directory of its journal.
    pub(crate) fn journal(&self) -> PathBuf {
        self.home().join("journal")
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> String {
        self.port.address()
    }

    /// The URL of a path on the agent.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// One scrape with this `Accept`; none at all when it is empty.
    pub(crate) fn scrape(&self, accept: &str) -> Answer {
        let headers: &[(&str, &str)] = if accept.is_empty() {
            &[]
        } else {
            &[("accept", accept)]
        };
        let answer = http::get(&self.url("/metrics"), headers).expect("the agent answers a scrape");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer
    }

    /// What the agent answers with 200 on this path; `None` with any other status, or without an answer.
    pub(crate) fn answers(&self, path: &str) -> Option<Answer> {
        let answer = http::get(&self.url(path), &[]).ok()?;
        (answer.status == 200).then_some(answer)
    }

    /// Writes the settings file that the next start reads.
    pub(crate) fn configure(&mut self, yaml: &str) {
        let path = self.home().join("tawny.yaml");
        fs::write(&path, yaml).expect("the settings file is written");
        self.set("TAWNY_CONFIG", &path.display().to_string());
    }

    /// All that it has logged, over all its starts.
    pub(crate) fn log(&self) -> String {
        // It is there after the agent's end too.
        let log = fs::read(self.home().join("tawny.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Its process id.
    pub(crate) fn id(&mut self) -> u32 {
        self.running().id()
    }

    /// Ends the agent at once, as a power cut does. [`start_again`](Self::start_again) brings it back.
    pub(crate) fn kill_9(&mut self) {
        self.running().kill_9();
        self.process = None;
    }

    /// Sends SIGTERM, waits for the end, and returns how it ended. [`start_again`](Self::start_again) brings it back.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.running().terminate();
        self.wait_exit()
    }

    /// Waits for the agent's own end.
    pub(crate) fn wait_exit(&mut self) -> ExitStatus {
        let status = self.running().wait_exit(STOP);
        self.process = None;
        status
    }

    fn running(&mut self) -> &mut Process {
        self.process.as_mut().expect("the agent was started")
    }
}

/// Runs the binary to its end with nothing but these variables, in an empty home of its own.
pub(crate) fn tawny(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Agent::new(variables).command_output(arguments)
}
