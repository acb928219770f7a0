//! The collector by itself, one pass at a time; and a proxy that writes down what it asks.

use std::io::{self, BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tawny::collectors::container::docker::{self, Docker};
use tawny::component::collector::{CollectError, Collector};
use tawny::component::settings::{Problems, Section};
use tawny::model::sample::Samples;
use tawny::support::engine::Engine;
use tokio::runtime::Runtime;

/// An engine by its address.
pub(super) fn target(address: &str) -> Engine {
    Engine::parse(address).unwrap()
}

/// The collector with a runtime of its own.
pub(super) struct Reader {
    runtime: Runtime,
    collector: Docker,
    samples: Samples,
}

impl Reader {
    /// One that has not read yet; the machine is called `m`.
    pub(super) fn new(engine: Engine, settings: Value) -> Self {
        let mut problems = Problems::default();
        let section = Section::new("collectors.docker", settings);
        let collector = docker::build(&section, "m", &engine, &mut problems);
        assert_eq!(problems, Problems::default());
        Self {
            runtime: Runtime::new().unwrap(),
            collector: collector.unwrap(),
            samples: Samples::default(),
        }
    }

    /// Reads all containers once; what was read before is forgotten.
    pub(super) fn pass(&mut self) -> Result<(), CollectError> {
        self.samples.clear();
        self.runtime.block_on(self.collector.collect(&mut self.samples))
    }

    /// What the last pass told of a container.
    pub(super) fn value(&self, metric: &str, container: &str) -> Option<f64> {
        let mut found = self.samples.iter().filter(|sample| sample.def.name == metric);
        let found = found.find(|sample| sample.labels == [container, "m"]);
        found.map(|sample| sample.value)
    }
}

/// A socket before an engine's, which writes down the first line of every request.
pub(super) struct Proxy {
    socket: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Listens at `socket` for as long as the test runs.
    pub(super) fn before(engine: &str, socket: &Path) -> Self {
        let engine = engine.trim_start_matches("unix://").to_owned();
        let listener = UnixListener::bind(socket).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (engine, log) = (engine.clone(), log.clone());
                thread::spawn(move || pass_on(stream, &engine, &log));
            }
        });
        Self {
            socket: socket.to_owned(),
            asked,
        }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Passes on one connection, on which the collector asks once.
fn pass_on(client: UnixStream, engine: &str, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut server = UnixStream::connect(engine).ok()?;
    let mut answers = server.try_clone().ok()?;
    let mut to = client.try_clone().ok()?;
    thread::spawn(move || {
        let _ = io::copy(&mut answers, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    for line in BufReader::new(client).lines() {
        let line = line.ok()?;
        if line.contains(" HTTP/1.") {
            log.lock().unwrap().push(line.clone());
        }
        server.write_all(format!("{line}\r\n").as_bytes()).ok()?;
    }
    server.shutdown(Shutdown::Both).ok()
}
