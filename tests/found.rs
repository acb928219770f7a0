//! What the agent finds by itself on a device where nobody configured anything: it collects it and says so, or says what
//! it may not read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use tawny::catalog::CATALOG;

use crate::support::agent::Agent;
use crate::support::services::skip;
use crate::support::wait::{PATIENCE, wait_for};

/// One line of Xavier's, again and again.
const TEGRASTATS: &str = "#!/bin/sh\nwhile :; do\n  echo 'RAM 5125/30536MB (lfb 3x1MB) SWAP 0/15268MB (cached 0MB) \
                          CPU [2%@729,1%@729,off,off] EMC_FREQ 0%@2133 GR3D_FREQ 0%@114 AUX@43.5C CPU@45.5C'\n  \
                          sleep 1\ndone\n";

/// Whether the program has this collector, without which there is nothing to find.
fn has(collector: &str) -> bool {
    CATALOG.collector(collector).is_some()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the mode is set");
}

/// The lines of the log that tell of what was found.
fn told(agent: &Agent, collector: &str) -> Vec<String> {
    let log = agent.log();
    let lines = log.lines().filter(|line| line.contains(" Found"));
    lines
        .filter(|line| line.contains(&format!("collector=\"{collector}\"")))
        .map(String::from)
        .collect()
}

fn said(agent: &Agent, arguments: &[&str]) -> String {
    let output = agent.command_output(arguments);
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {text}");
    text
}

#[test]
fn tegrastats_is_collected_where_it_is_and_one_line_says_so() {
    if !has("tegrastats") {
        return;
    }
    let mut agent = Agent::new(&[]);
    let program = agent.home().join("tegrastats");
    fs::write(&program, TEGRASTATS).expect("the program is written");
    mode(&program, 0o755);
    let program = program.display().to_string();
    agent.set("TEGRASTATS_PATH", &program);
    agent.start_again();
    let log = told(&agent, "tegrastats");
    assert_eq!(log.len(), 1, "{}", agent.log());
    assert!(
        log[0].contains(&program) && log[0].contains("`collectors: {host: {}"),
        "{log:?}"
    );
    assert!(agent.terminate().success());

    let points = said(&agent, &["once", "--json"]);
    assert!(points.contains("\"Chouette.tegrastats.ram.used\""), "{points}");
    let settings = said(&agent, &["config"]);
    assert!(settings.contains("  # found on this device\n"), "{settings}");
    assert!(said(&agent, &["check"]).contains("\nfound   collectors.tegrastats "));
    agent.set("COLLECTOR_PLUGINS", r#"["host"]"#);
    assert!(!said(&agent, &["check"]).contains("tegrastats"));
}

/// The end of the program came before that of its tasks, and now and then the child outlived it.
#[test]
fn no_tegrastats_outlives_a_command_that_listened_to_it() {
    if !has("tegrastats") {
        return;
    }
    let mut agent = Agent::new(&[]);
    let (program, pids) = (agent.home().join("tegrastats"), agent.home().join("pids"));
    let script = format!(
        "#!/bin/sh\necho $$ >> {}\necho 'RAM 5125/30536MB (lfb 3x1MB)'\nexec sleep 600\n",
        pids.display()
    );
    fs::write(&program, script).expect("the program is written");
    mode(&program, 0o755);
    agent.set("TEGRASTATS_PATH", &program.display().to_string());
    for _ in 0..5 {
        said(&agent, &["check", "--connect"]);
        said(&agent, &["once"]);
    }
    let pids = fs::read_to_string(&pids).expect("it was started");
    assert_eq!(pids.lines().count(), 10);
    for pid in pids.lines() {
        // One that is killed and that nobody has waited for has no command line.
        let ended = || fs::read(format!("/proc/{pid}/cmdline")).map_or(true, |line| line.is_empty());
        wait_for("the end of tegrastats", PATIENCE, || ended().then_some(()));
    }
}

#[test]
fn an_engine_that_was_found_and_does_not_answer_is_no_error() {
    if !has("docker") {
        return;
    }
    let mut agent = Agent::new(&[]);
    let path = agent.home().join("docker.sock");
    // The socket stays behind without a listener, as after a crash of the engine.
    drop(UnixListener::bind(&path).expect("a socket"));
    agent.set("DOCKER_SOCKET_PATH", &path.display().to_string());
    agent.start_again();
    let log = told(&agent, "docker");
    assert_eq!(log.len(), 1, "{}", agent.log());
    assert!(
        log[0].contains(&path.display().to_string()) && log[0].contains("`collectors: {host: {}"),
        "{log:?}"
    );
    assert!(agent.terminate().success());
    assert!(!agent.log().contains("ERROR"), "{}", agent.log());
    let tried = said(&agent, &["check", "--connect"]);
    assert!(tried.contains("\nwarning collectors.docker "), "{tried}");
    said(&agent, &["once"]);
}

#[test]
fn a_socket_without_permission_is_told_with_what_helps() {
    if !has("docker") {
        return;
    }
    if !rustix::process::geteuid().is_root() {
        return skip("only root can start the agent as another user");
    }
    const NOBODY: [&str; 6] = [
        "setpriv",
        "--reuid",
        "65534",
        "--regid",
        "65534",
        "--clear-groups",
    ];
    let reached = Command::new(NOBODY[0])
        .args(&NOBODY[1..])
        .args([env!("CARGO_BIN_EXE_tawny"), "--version"])
        .output();
    if !reached.is_ok_and(|output| output.status.success()) {
        return skip("another user cannot run the binary where it lies, or there is no setpriv");
    }
    let mut agent = Agent::new(&[]);
    let path = agent.home().join("docker.sock");
    let _listener = UnixListener::bind(&path).expect("a socket");
    mode(&path, 0o600);
    mode(agent.home(), 0o755);
    agent.set("DOCKER_SOCKET_PATH", &path.display().to_string());
    agent.run_under(&NOBODY);
    agent.start_again();
    let log = told(&agent, "docker");
    assert_eq!(log.len(), 1, "{}", agent.log());
    for part in [
        &path.display().to_string(),
        "Found, and may not be read; to collect it, ",
        "run the agent as root, or give the socket a group",
    ] {
        assert!(log[0].contains(part), "{part}: {log:?}");
    }
    let collecting = agent.log();
    let collecting = collecting.lines().find(|line| line.contains("Collecting."));
    assert!(
        !collecting.unwrap_or_default().contains("docker"),
        "{}",
        agent.log()
    );
    assert!(agent.terminate().success());
    assert!(said(&agent, &["check"]).contains("\nfound   collectors.docker "));
}
