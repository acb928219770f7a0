//! The Docker engines that tests stand on: containers run, end with the test, and an engine of the test's own comes back.

use std::path::PathBuf;
use std::process::Command;

use crate::support::engine::{Engine, Listen, OwnEngine};
use crate::support::leftovers;
use crate::support::services::{Service, need};
use crate::support::wait::{PATIENCE, wait_for};

#[test]
fn containers_run_are_measured_and_end_with_the_test() {
    let Some(engine) = Engine::shared() else { return };
    let container = engine.run(
        "lines",
        &["--memory", "64m"],
        "echo out; echo err >&2; exec sleep 1000",
    );
    wait_for("the lines", PATIENCE, || {
        (container.logs() == ("out\n".into(), "err\n".into())).then_some(())
    });
    let stats = container.stats();
    assert_eq!(stats["Name"], container.name());
    let memory = stats["MemUsage"].as_str().expect("docker says how much");
    assert!(memory.ends_with("/ 64MiB"), "{memory}");
    container.restart();
    assert_eq!(container.inspect()["State"]["Running"], true);

    let (name, id) = (container.name().to_owned(), container.id().to_owned());
    container.remove();
    assert!(!engine.docker(&["container", "inspect", &id]).status.success());
    let again = engine.run_named(&name, &["--network", "host"], "exit 3");
    assert_eq!(again.wait(), 3);
}

#[test]
fn an_engine_with_tls_is_killed_and_comes_back() {
    let Some(mut engine) = OwnEngine::start(Listen::Tls) else {
        return;
    };
    let certificates = engine.certificates();
    let [ca, certificate, key] = [
        ("cacert", certificates.ca()),
        ("cert", &certificates.client().certificate),
        ("key", &certificates.client().key),
    ]
    .map(|(name, file)| format!("--tls{name}={}", file.display()));
    let address = engine.tcp_address();
    let version = ["version", "--format", "{{.Server.Version}}"];
    let ask = |options: &[&str]| {
        let client = need(Service::DockerCli).expect("the engine's client is there");
        let mut command = Command::new(client);
        command
            .args(["--host", &address, "--tlsverify"])
            .args(options)
            .args(version);
        let output = command.output().expect("Docker's client starts");
        let text = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        output.status.success().then_some(text)
    };
    assert_eq!(ask(&[&ca, &certificate, &key]), Some(engine.run_docker(&version)));
    assert_eq!(ask(&[&ca]), None);

    let container = engine.run("stays", &["--stop-signal", "KILL"], "exec sleep 1000");
    engine.kill_9();
    assert!(!engine.docker(&version).status.success());
    engine.start_again();
    assert_eq!(container.inspect()["State"]["Running"], false);
    container.start();

    engine.kill_9();
    let folder: PathBuf = engine
        .socket()
        .parent()
        .expect("a file lies in a folder")
        .to_owned();
    drop(engine);
    assert!(!folder.exists(), "the folder is left");
    assert_eq!(leftovers::processes(&folder), []);
    assert_eq!(leftovers::mounts(&folder), Vec::<String>::new());
}
