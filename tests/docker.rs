//! The collector `docker` on real engines: values agree with Docker's own, containers come and go, the engine too.

mod reader;

use std::fs;

use serde_json::{Value, json};
use tawny::component::collector::CollectError;
use tawny::support::engine::Engine as Target;

use crate::docker::reader::{Reader, target};
use crate::support::agent::Agent;
use crate::support::certificates::Authority;
use crate::support::engine::{Engine, Listen, OwnEngine};
use crate::support::stub_engine::{Answer, StubEngine};
use crate::support::wait::{PATIENCE, wait_for};

const UP: &str = "container_up_timestamp_seconds";
const STARTED: &str = "container_started_at_timestamp_seconds";
const CPU: &str = "container_cpu_usage_percent";

/// Bytes as Docker's client prints them, to the three digits that it gives: `33.1MiB`.
fn bytes(text: &str) -> f64 {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let unit = match &text[digits.len()..] {
        "B" => 1.0,
        "KiB" => 1024.0,
        "MiB" => f64::from(1 << 20),
        "GiB" => f64::from(1 << 30),
        other => panic!("no unit: {other}"),
    };
    digits.parse::<f64>().unwrap() * unit
}

#[test]
fn values_agree_with_dockers_own() {
    let Some(engine) = Engine::shared() else { return };
    let burner = engine.run(
        "burns",
        &["--cpus", "0.5", "--memory", "64m"],
        "while :; do :; done",
    );
    let holder = engine.run(
        "holds",
        &["--cpuset-cpus", "0"],
        "dd if=/dev/zero of=/dev/shm/held bs=1048576 count=32 && exec sleep 1000",
    );
    let mut reader = Reader::new(target(engine.address()), json!({}));
    wait_for("32 MiB to be held", PATIENCE, || {
        reader.pass().unwrap();
        let used = reader.value("container_used_memory_bytes", holder.name())?;
        (used >= f64::from(32 << 20)).then_some(())
    });
    reader.pass().unwrap();
    let (theirs, resting) = (burner.stats(), holder.stats());
    reader.pass().unwrap();

    let ours = reader.value(CPU, burner.name()).unwrap();
    let percent = theirs["CPUPerc"].as_str().unwrap().trim_end_matches('%');
    let percent: f64 = percent.parse().unwrap();
    // Both look at about the same two seconds; a busy machine gives less than the limit, to both.
    assert!(
        (ours - percent / 100.0).abs() < 0.2,
        "{ours} CPUs here, {percent} % there"
    );
    assert!(ours > 0.02 && ours < 0.65, "{ours}");
    assert!(reader.value(CPU, holder.name()).unwrap() < 0.1);
    assert_eq!(reader.value("container_cpus_available", burner.name()), Some(0.5));
    assert_eq!(reader.value("container_cpus_available", holder.name()), Some(1.0));
    assert!(
        reader
            .value("container_cpu_seconds_total", burner.name())
            .unwrap()
            > 0.1
    );

    let memory = |stats: &Value| {
        let text = stats["MemUsage"].as_str().unwrap().to_owned();
        let (used, limit) = text.split_once(" / ").unwrap();
        (bytes(used), bytes(limit))
    };
    let (used, limit) = memory(&resting);
    let ours = reader
        .value("container_working_set_memory_bytes", holder.name())
        .unwrap();
    assert!(
        (ours - used).abs() < f64::from(1 << 20),
        "{ours} here, {used} there"
    );
    let machine = reader.value("container_max_memory_bytes", holder.name()).unwrap();
    assert!(
        (machine / limit - 1.0).abs() < 0.001,
        "{machine} here, {limit} there"
    );
    let limited = reader.value("container_max_memory_bytes", burner.name());
    assert_eq!(limited, Some(f64::from(64 << 20)));

    let started = reader.value(STARTED, burner.name()).unwrap();
    let state = burner.inspect()["State"]["StartedAt"]
        .as_str()
        .unwrap()
        .to_owned();
    let theirs = humantime::parse_rfc3339(&state).unwrap();
    let theirs = theirs
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    assert_eq!(started, theirs.floor());
}

#[test]
fn a_container_stops_starts_goes_and_comes_again() {
    let Some(engine) = Engine::shared() else { return };
    let (subject, other) = (
        engine.run("subject", &[], "exec sleep 1000"),
        engine.run("other", &[], "exec sleep 1000"),
    );
    let name = subject.name().to_owned();
    let mut reader = Reader::new(
        target(engine.address()),
        json!({"groups": ["cpu", "memory", "state"]}),
    );
    let mut short = Reader::new(target(engine.address()), json!({"keep_removed": "0s"}));
    reader.pass().unwrap();
    short.pass().unwrap();
    let memory = reader.value("container_used_memory_bytes", &name);
    let started = reader.value(STARTED, &name);
    assert!(memory.is_some() && started.is_some() && reader.value(UP, &name).is_some());

    // An event may arrive a moment after the deed.
    let stands_still = |reader: &mut Reader| {
        wait_for("it to stand still while the other goes on", PATIENCE, || {
            reader.pass().unwrap();
            let (ours, others) = (reader.value(UP, &name)?, reader.value(UP, other.name())?);
            (others >= ours + 2.0).then_some(ours)
        })
    };
    subject.stop();
    let up = stands_still(&mut reader);
    assert_eq!(reader.value("container_used_memory_bytes", &name), memory);
    assert_eq!(reader.value("container_running", &name), Some(0.0));

    subject.start();
    wait_for("it to go on", PATIENCE, || {
        reader.pass().unwrap();
        (reader.value(UP, &name)? > up && reader.value("container_running", &name) == Some(1.0)).then_some(())
    });
    let restarted = reader.value(STARTED, &name);
    assert!(restarted > started, "{restarted:?} after {started:?}");

    subject.remove();
    stands_still(&mut reader);
    wait_for("a reader that keeps nothing to forget it", PATIENCE, || {
        short.pass().unwrap();
        short.value(UP, &name).is_none().then_some(())
    });
    let again = engine.run_named(&name, &[], "exec sleep 1000");
    wait_for("the new one under the old name", PATIENCE, || {
        reader.pass().unwrap();
        (reader.value(STARTED, &name) > restarted && reader.value("container_running", &name) == Some(1.0))
            .then_some(())
    });
    drop(again);
}

#[test]
fn one_that_ended_before_the_agent_began_was_up_until_then() {
    let Some(engine) = Engine::shared() else { return };
    let ended = engine.run("ended", &[], "exit 3");
    assert_eq!(ended.wait(), 3);
    let mut reader = Reader::new(target(engine.address()), json!({}));
    reader.pass().unwrap();
    let state = ended.inspect()["State"]["FinishedAt"]
        .as_str()
        .unwrap()
        .to_owned();
    let finished = humantime::parse_rfc3339(&state).unwrap();
    let finished = finished
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    assert_eq!(reader.value(UP, ended.name()), Some(finished.floor()));
}

#[test]
fn the_engine_goes_and_comes_back() {
    let Some(mut engine) = OwnEngine::start(Listen::Socket) else {
        return;
    };
    let container = engine.run("stays", &["--stop-signal", "KILL"], "exec sleep 1000");
    let mut reader = Reader::new(target(engine.address()), json!({}));
    reader.pass().unwrap();
    let up = reader.value(UP, container.name()).unwrap();
    engine.kill_9();
    match reader.pass() {
        Err(CollectError::Unreachable { target, reason }) => {
            assert_eq!(target, engine.address());
            assert!(reason.contains("docker.endpoint"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(reader.value(UP, container.name()), None, "nothing is known of it");
    engine.start_again();
    container.start();
    wait_for("it to be read again", PATIENCE, || {
        reader.pass().unwrap();
        (reader.value(UP, container.name())? > up).then_some(())
    });
}

#[test]
fn tcp_needs_no_certificate_and_tls_both() {
    let Some(engine) = OwnEngine::start(Listen::Tcp) else {
        return;
    };
    let mut reader = Reader::new(target(&engine.tcp_address()), json!({}));
    reader.pass().unwrap();
    drop(engine);
    let Some(engine) = OwnEngine::start(Listen::Tls) else {
        return;
    };
    let certificates = engine.certificates();
    let client = certificates.client();
    let known = Target {
        tls: true,
        ca_file: Some(certificates.ca().to_owned()),
        identity: Some((client.certificate.clone(), client.key.clone())),
        ..target(&engine.tcp_address())
    };
    Reader::new(known.clone(), json!({})).pass().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let stranger = Authority::create(folder.path(), "stranger").expect("openssl made the others");
    let distrusted = Target {
        ca_file: Some(stranger.certificate().to_owned()),
        ..known.clone()
    };
    let unnamed = Target {
        identity: None,
        ..known.clone()
    };
    let missing = Target {
        identity: Some((folder.path().join("none.pem"), client.key.clone())),
        ..known
    };
    for (target, what) in [(distrusted, "docker.ca_file"), (missing, "none.pem")] {
        let error = Reader::new(target, json!({})).pass().unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    // With TLS 1.3 the engine says so only after the handshake.
    let error = Reader::new(unnamed, json!({})).pass().unwrap_err();
    assert!(matches!(error, CollectError::Unreachable { .. }), "{error}");
}

#[test]
fn only_gets_are_sent() {
    let Some(engine) = Engine::shared() else { return };
    let container = engine.run("asked", &[], "exec sleep 1000");
    let home = tempfile::tempdir().unwrap();
    let proxy = reader::Proxy::before(engine.address(), &home.path().join("proxy.sock"));
    let mut reader = Reader::new(target(&proxy.endpoint()), json!({}));
    for _ in 0..3 {
        reader.pass().unwrap();
    }
    assert!(reader.value(UP, container.name()).is_some());
    wait_for("the events to be asked for", PATIENCE, || {
        let asked = proxy.asked();
        asked.iter().any(|line| line.contains("/events?")).then_some(())
    });
    let asked = proxy.asked();
    assert!(
        asked
            .iter()
            .any(|line| line.contains(&format!("{}/stats", container.id())))
    );
    let other: Vec<_> = asked.iter().filter(|line| !line.starts_with("GET /")).collect();
    assert!(other.is_empty(), "{other:?}");
}

#[test]
fn once_events_are_heard_the_list_is_not_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let case = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/docker/cgroup_v2/1");
    let stub = StubEngine::serve(&home.path().join("e.sock"), move |path| {
        match path.split('?').next() {
            Some("/events") => Answer::Silence,
            Some("/containers/json") => Answer::Says(200, fs::read(case.join("list.json")).unwrap()),
            Some("/version") => Answer::Says(200, fs::read(case.join("version.json")).unwrap()),
            Some("/info") => Answer::Says(403, b"a proxy lets nobody ask".to_vec()),
            Some(one) => {
                let name = one.trim_start_matches("/containers/").trim_end_matches("/json");
                let name = name.replace("/stats", ".stats");
                Answer::Says(200, fs::read(case.join(format!("{name}.json"))).unwrap())
            }
            None => unreachable!("a path has a beginning"),
        }
    });
    let mut reader = Reader::new(target(&stub.endpoint()), json!({}));
    let id = "a".repeat(64);
    let stats = format!("GET /containers/{id}/stats?stream=false&one-shot=true");
    wait_for("a pass with nothing but statistics", PATIENCE, || {
        let before = stub.asked().len();
        reader.pass().unwrap();
        (stub.asked()[before..] == [stats.clone()]).then_some(())
    });
    assert!(reader.value(UP, "web").is_some());
}

#[test]
fn a_kernel_that_counts_no_memory_is_told_of_once() {
    let home = tempfile::tempdir().unwrap();
    let case =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/docker/without_memory_cgroup/1");
    let stub = StubEngine::of_files(&home.path().join("e.sock"), &case);
    let mut agent = Agent::new(&[]);
    agent.configure(&format!(
        "collect_interval: 1s\ncollectors:\n  docker:\n    endpoint: {}\n",
        stub.endpoint()
    ));
    agent.start_again();
    let passes = || {
        stub.asked()
            .iter()
            .filter(|line| line.contains("/stats?"))
            .count()
    };
    wait_for("three passes", PATIENCE, || (passes() >= 3).then_some(()));
    let page = agent.scrape("").text();
    assert!(
        page.contains("container_cpu_seconds_total{container=\"web\""),
        "{page}"
    );
    assert!(!page.contains("memory_bytes{container"), "{page}");
    assert_eq!(
        agent.log().matches("cgroup_enable=memory").count(),
        1,
        "{}",
        agent.log()
    );
}
