//! A real Docker engine: the one that `tests/run` has started for all tests, or one of a test's own.

mod own;

use std::path::PathBuf;
use std::process::{self, Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{MutexGuard, PoisonError};

use serde_json::Value;

use crate::support::image;
use crate::support::services::{Service, need, need_engine};

pub(crate) use own::{Listen, OwnEngine};

/// The image of every container: busybox with a shell.
pub(crate) const IMAGE: &str = "tawny-test";

/// An engine, as Docker's client reaches it. A copy is the same engine.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    client: PathBuf,
    address: String,
}

impl Engine {
    /// The engine that the tests share, with the [`IMAGE`]; `None` where there is none and the test skips itself.
    ///
    /// Other tests run containers on it: a test looks for its own by their names.
    pub(crate) fn shared() -> Option<Self> {
        let (client, busybox) = (need(Service::DockerCli)?, need(Service::Busybox)?);
        let address = need_engine()?;
        let engine = Self { client, address };
        engine.make_image(&busybox);
        Some(engine)
    }

    /// What `DOCKER_HOST` takes: `unix:///…/docker.sock`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Runs Docker's client to its end.
    pub(crate) fn docker(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.client);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .args(["--host", &self.address])
            .args(arguments);
        command.output().expect("Docker's client starts")
    }

    /// Runs Docker's client and returns what it prints, without the last line's end.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub(crate) fn run_docker(&self, arguments: &[&str]) -> String {
        let output = self.docker(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {arguments:?} fails: {errors}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Starts a container that runs a shell script, without a network; `options` are those of `docker run`, and stand
    /// behind ours, so that `--network` may be another. Its name is `name` with what makes it one of a kind.
    pub(crate) fn run(&self, name: &str, options: &[&str], script: &str) -> Container {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.run_named(&format!("{name}-{}-{number}", process::id()), options, script)
    }

    /// The same under exactly this name, as when a container is made again.
    pub(crate) fn run_named(&self, name: &str, options: &[&str], script: &str) -> Container {
        let mut arguments = vec!["run", "--detach", "--name", name];
        // Of two such options the engine would take both.
        if !options.iter().any(|option| option.starts_with("--net")) {
            arguments.extend(["--network", "none"]);
        }
        arguments.extend(options);
        arguments.extend([IMAGE, "/bin/sh", "-c", script]);
        // First, so that one that was made and does not start is removed too.
        let mut container = Container {
            engine: self.clone(),
            name: name.to_owned(),
            id: String::new(),
        };
        container.id = self.run_docker(&arguments);
        container
    }

    /// Makes the [`IMAGE`], once for each engine.
    fn make_image(&self, busybox: &std::path::Path) {
        /// Two tests at once would make it twice.
        static ONE: Mutex<()> = Mutex::new(());
        let _one: MutexGuard<'_, ()> = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        if self.docker(&["image", "inspect", IMAGE]).status.success() {
            return;
        }
        let folder = tempfile::tempdir().expect("a temporary directory");
        let layer = image::layer(busybox, folder.path());
        self.run_docker(&[
            "import",
            "--change",
            "ENV PATH=/bin",
            &layer.display().to_string(),
            IMAGE,
        ]);
    }
}

/// A container of a test, removed with this value.
pub(crate) struct Container {
    engine: Engine,
    name: String,
    id: String,
}

impl Container {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its full id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// One line of `docker stats`, as its client computes it.
    pub(crate) fn stats(&self) -> Value {
        let line = self
            .engine
            .run_docker(&["stats", "--no-stream", "--format", "{{json .}}", &self.id]);
        serde_json::from_str(&line).expect("docker prints JSON")
    }

    /// What `docker inspect` says.
    pub(crate) fn inspect(&self) -> Value {
        let text = self.engine.run_docker(&["container", "inspect", &self.id]);
        let mut list: Vec<Value> = serde_json::from_str(&text).expect("docker prints JSON");
        list.pop().expect("the container is known")
    }

    /// What the container has printed, to stdout and then to stderr.
    pub(crate) fn logs(&self) -> (String, String) {
        let output = self.engine.docker(&["logs", &self.id]);
        assert!(output.status.success(), "docker logs fails");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    }

    /// Runs a shell script in it and returns what it prints.
    pub(crate) fn execute(&self, script: &str) -> String {
        self.engine
            .run_docker(&["exec", &self.id, "/bin/sh", "-c", script])
    }

    /// Waits until it ends by itself, and returns its exit code.
    pub(crate) fn wait(&self) -> i32 {
        self.engine
            .run_docker(&["wait", &self.id])
            .parse()
            .expect("an exit code")
    }

    /// Stops it at once: a shell that is the first process does not listen to SIGTERM.
    pub(crate) fn stop(&self) {
        self.engine.run_docker(&["stop", "--time", "0", &self.id]);
    }

    /// Starts it again.
    pub(crate) fn start(&self) {
        self.engine.run_docker(&["start", &self.id]);
    }

    /// Stops it and starts it again.
    pub(crate) fn restart(&self) {
        self.engine.run_docker(&["restart", "--time", "0", &self.id]);
    }

    /// Removes it by force.
    pub(crate) fn remove(self) {
        drop(self);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // An error says that it is gone, or that the engine is.
        let _ = self.engine.docker(&["rm", "--force", "--volumes", &self.name]);
    }
}
