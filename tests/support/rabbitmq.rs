//! A RabbitMQ of the test's own, with its management plug-in, on loopback ports and in a temporary directory.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::http::{self, Answer};
use crate::support::leftovers;
use crate::support::process::{Port, Process};
use crate::support::services::{Service, need};
use crate::support::wait::{PATIENCE, wait_for};

/// `guest:guest`, which RabbitMQ lets in over loopback.
const GUEST: &str = "Basic Z3Vlc3Q6Z3Vlc3Q=";

/// A running broker.
pub(crate) struct RabbitMq {
    /// First, so that its log is still there when it is dropped.
    process: Option<Process>,
    program: PathBuf,
    amqp: Port,
    management: Port,
    distribution: Port,
    /// The port of Erlang's name server. Each broker has one of its own: it stays behind when the broker ends, and tests
    /// at once would not know whose to end.
    names: Port,
    folder: TempDir,
}

impl RabbitMq {
    /// Starts one and waits until its management answers; `None` where it is missing and the test skips itself.
    pub(crate) fn start() -> Option<Self> {
        let program = need(Service::RabbitMq)?;
        let folder = tempfile::Builder::new().prefix("tawny-rabbitmq-").tempdir();
        let mut broker = Self {
            process: None,
            program,
            amqp: Port::reserve(),
            management: Port::reserve(),
            distribution: Port::reserve(),
            names: Port::reserve(),
            folder: folder.expect("a temporary directory"),
        };
        let settings = format!(
            "management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {}\n",
            broker.management.number()
        );
        fs::write(broker.path("rabbitmq.conf"), settings).expect("the broker's settings");
        fs::write(broker.path("plugins"), "[rabbitmq_management].\n").expect("the broker's plug-ins");
        broker.start_again();
        Some(broker)
    }

    /// Starts it on the same ports and directory as before, and waits until its management answers.
    pub(crate) fn start_again(&mut self) {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.folder.path())
            .env("ERL_EPMD_PORT", self.names.number().to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", "test@localhost")
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.amqp.number().to_string())
            .env("RABBITMQ_DIST_PORT", self.distribution.number().to_string())
            .env("RABBITMQ_MNESIA_BASE", self.path("data"))
            .env("RABBITMQ_LOG_BASE", self.path("logs"))
            .env("RABBITMQ_CONFIG_FILE", self.path("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", self.path("plugins"))
            .current_dir(self.folder.path())
            // The program is a script: what it starts is ended with it, as a group.
            .process_group(0);
        let mut process = Process::start("rabbitmq", &mut command, &self.path("log"));
        wait_for("RabbitMQ to answer", PATIENCE, || {
            process.assert_runs();
            // The overview answers before the queues that the broker kept are there again.
            let ready = |path| {
                self.ask("GET", path, "")
                    .is_some_and(|answer| answer.status == 200)
            };
            (ready("overview") && ready("health/checks/virtual-hosts")).then_some(())
        });
        self.process = Some(process);
    }

    /// Ends it at once, as a power cut does.
    pub(crate) fn kill_9(&mut self) {
        if let Some(mut process) = self.process.take() {
            let group = i32::try_from(process.id()).ok().and_then(Pid::from_raw);
            // An error says that it has ended already.
            let _ = kill_process_group(group.expect("a process id"), Signal::KILL);
            process.kill_9();
            for (id, _) in leftovers::processes(self.folder.path()) {
                let _ = rustix::process::kill_process(id, Signal::KILL);
            }
        }
        // It refuses until it has noticed that the broker is gone.
        wait_for("the end of Erlang's name server", PATIENCE, || {
            let _ = self.name_server("-kill").output();
            let names = self.name_server("-names").output().expect("epmd starts");
            (!names.status.success()).then_some(())
        });
    }

    fn name_server(&self, action: &str) -> Command {
        let mut command = Command::new("epmd");
        command.args(["-port", &self.names.number().to_string(), action]);
        command
    }

    /// `amqp://guest:guest@127.0.0.1:port`.
    pub(crate) fn amqp_url(&self) -> String {
        format!("amqp://guest:guest@{}", self.amqp.address())
    }

    /// `http://127.0.0.1:port`, without user and password, which are `guest` and `guest`.
    pub(crate) fn management_url(&self) -> String {
        format!("http://{}", self.management.address())
    }

    /// What the management answers on `/api/PATH`.
    ///
    /// # Panics
    ///
    /// When it does not answer with 200.
    pub(crate) fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, "").expect("RabbitMQ answers");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Sends the management a request with a JSON body, or an empty one; `None` without an answer.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> Option<Answer> {
        let url = format!("{}/api/{path}", self.management_url());
        let headers = [("authorization", GUEST), ("content-type", "application/json")];
        http::request(method, &url, &headers, body.into()).ok()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        self.kill_9();
    }
}
