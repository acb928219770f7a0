//! Containers' logs on a real engine: each line that a container prints is in its file once, whoever dies meanwhile.

mod forwarded;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::support::agent::Agent;
use crate::support::engine::{Container, Engine, Listen, OwnEngine};
use crate::support::page::Page;
use crate::support::wait::{PATIENCE, pause_random, wait_for};

/// Prints the lines 1 to `$1` of the kind below, in bursts.
const PRINT: &str = r#"i=0; while [ $i -lt COUNT ]; do i=$((i+1));
  case $((i%5)) in 0) echo "ERROR $i";; 1) echo "WARN $i" >&2;; *) echo "fine $i";; esac;
  [ $((i%50)) = 0 ] && usleep 20000; done; true"#;

fn print(count: u32) -> String {
    PRINT.replace("COUNT", &count.to_string())
}

/// The lines that [`print`] has printed, sorted.
fn printed(count: u32) -> Vec<String> {
    let line = |number: u32| match number % 5 {
        0 => format!("ERROR {number}"),
        1 => format!("WARN {number}"),
        _ => format!("fine {number}"),
    };
    let mut lines: Vec<String> = (1..=count).map(line).collect();
    lines.sort();
    lines
}

/// An agent that follows this engine's containers whose names begin with `names`, and does not run yet.
fn agent(engine: &Engine, names: &str, more: &str) -> Agent {
    let mut agent = Agent::new(&[("DOCKER_HOST", engine.address())]);
    let logs = agent.home().join("logs");
    agent.configure(&format!(
        "collectors: {{}}\nfeeds:\n  container_logs:\n    directory: {}\n    interval: 200ms\n    include: ['{names}*']\n{more}",
        logs.display()
    ));
    agent
}

/// The files of a container, the oldest first.
fn files(agent: &Agent, name: &str) -> Vec<PathBuf> {
    let folder = agent.home().join("logs").join(name);
    let mut files: Vec<(u32, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.file_name().into_string().expect("a plain name");
        let number = file.strip_prefix(&format!("{name}.log")).expect("a log file");
        files.push((number.trim_start_matches('.').parse().unwrap_or(0), entry.path()));
    }
    files.sort();
    files.into_iter().rev().map(|(_, path)| path).collect()
}

/// Everything that its files hold.
fn content(agent: &Agent, name: &str) -> Vec<u8> {
    files(agent, name)
        .iter()
        // One may be rotated at this moment.
        .flat_map(|path| fs::read(path).unwrap_or_default())
        .collect()
}

fn lines(agent: &Agent, name: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(&content(agent, name)).into_owned();
    let mut lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.sort();
    lines
}

fn wait_lines(agent: &Agent, container: &Container, count: usize) {
    wait_for("all lines to be in the files", PATIENCE, || {
        (lines(agent, container.name()).len() >= count).then_some(())
    });
}

/// What the page counts of a container, by level.
fn counts(agent: &Agent, name: &str) -> BTreeMap<String, u64> {
    let page = Page::parse(&agent.scrape("").text());
    let of = page.of("container_logs_total").into_iter();
    of.filter(|(labels, _)| labels["container"] == name)
        .map(|(labels, value)| (labels["level"].clone(), value as u64))
        .collect()
}

fn wait_counts(agent: &Agent, name: &str, info: u64, warning: u64, error: u64) {
    let expected = [("error", error), ("info", info), ("warning", warning)];
    let expected = expected.map(|(level, count)| (level.to_owned(), count)).into();
    wait_for("the counts to be told", PATIENCE, || {
        (counts(agent, name) == expected).then_some(())
    });
}

#[test]
fn each_line_is_in_the_files_once_across_kills_of_the_agent() {
    let Some(engine) = Engine::shared() else { return };
    let mut agent = agent(
        &engine,
        "clogs-kill",
        "    max_file_size: 4000\n    max_files: 1000\n",
    );
    agent.start_again();
    let plain = engine.run("clogs-kill", &[], &print(3_000));
    let terminal = engine.run("clogs-kill-tty", &["--tty"], &print(3_000));
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..5 {
        pause_random(&mut random, 50..500);
        agent.kill_9();
        pause_random(&mut random, 0..100);
        agent.start_again();
    }
    for container in [&plain, &terminal] {
        wait_lines(&agent, container, 3_000);
        assert_eq!(lines(&agent, container.name()), printed(3_000));
        wait_counts(&agent, container.name(), 1_800, 600, 600);
        assert!(files(&agent, container.name()).len() > 5);
        for file in files(&agent, container.name()) {
            assert!(fs::metadata(file).expect("a file").len() <= 4_000);
        }
    }
    // After a proper stop too, it goes on where it was.
    assert!(agent.terminate().success());
    agent.start_again();
    wait_counts(&agent, plain.name(), 1_800, 600, 600);
    assert_eq!(lines(&agent, plain.name()), printed(3_000));
}

#[test]
fn each_line_is_in_the_files_once_across_restarts_of_the_engine() {
    let Some(mut engine) = OwnEngine::start(Listen::Socket) else {
        return;
    };
    let mut agent = agent(&engine, "clogs", "");
    agent.start_again();
    let container = engine.run("clogs-engine", &[], &print(2_000));
    wait_lines(&agent, &container, 100);
    engine.kill_9();
    engine.start_again();
    container.start();
    wait_lines(&agent, &container, 200);
    engine.terminate();
    engine.start_again();
    container.start();
    container.wait();
    let (out, err) = container.logs();
    let mut expected: Vec<String> = out.lines().chain(err.lines()).map(str::to_owned).collect();
    expected.sort();
    wait_lines(&agent, &container, expected.len());
    assert_eq!(lines(&agent, container.name()), expected);
    assert!(agent.log().contains("The container engine is back."));
}

#[test]
fn a_container_made_anew_under_its_name_goes_on_in_its_file() {
    let Some(engine) = Engine::shared() else { return };
    let mut agent = agent(&engine, "clogs-again", "");
    agent.start_again();
    let name = format!("clogs-again_A.b-{}", std::process::id());
    for round in 1..=3 {
        let container = engine.run_named(&name, &[], "echo one; echo ERROR >&2; printf 'no break'");
        container.wait();
        wait_lines(&agent, &container, 3 * round);
        container.remove();
    }
    wait_counts(&agent, &name, 6, 0, 3);
    assert_eq!(lines(&agent, &name).len(), 9);
}

#[test]
fn a_hundred_thousand_lines_are_counted_exactly() {
    let Some(engine) = Engine::shared() else { return };
    let mut agent = agent(
        &engine,
        "clogs-many",
        "    max_file_size: 200000\n    compress: true\n",
    );
    agent.start_again();
    let script = r#"awk 'BEGIN { for (i = 1; i <= 100000; i++) print (i % 10 ? "fine " : "ERROR ") i }'"#;
    let container = engine.run("clogs-many", &[], script);
    wait_counts(&agent, container.name(), 90_000, 0, 10_000);
}

#[test]
fn lines_of_ten_megabytes_and_binary_output_are_written_as_they_are() {
    let Some(engine) = Engine::shared() else { return };
    let mut agent = agent(
        &engine,
        "clogs-large",
        "    max_file_size: 1MiB\n    max_files: 100\n",
    );
    agent.start_again();
    let script =
        "head -c 10000000 /dev/zero | tr '\\0' x; echo; head -c 3000000 /dev/urandom; echo; echo end";
    for (name, options) in [("clogs-large", &[][..]), ("clogs-large-tty", &["--tty"][..])] {
        let container = engine.run(name, options, script);
        container.wait();
        let logs = engine.docker(&["logs", container.id()]).stdout;
        wait_for("all bytes to be in the files", PATIENCE, || {
            (content(&agent, container.name()).len() >= logs.len()).then_some(())
        });
        assert!(content(&agent, container.name()) == logs, "{name} differs");
    }
}

#[test]
fn a_log_driver_that_cannot_be_read_is_told_once_and_others_go_on() {
    let Some(engine) = Engine::shared() else { return };
    let mut agent = agent(&engine, "clogs-driver", "");
    agent.start_again();
    let silent = engine.run(
        "clogs-driver-none",
        &["--log-driver", "none"],
        "echo x; sleep 1000",
    );
    let other = engine.run("clogs-driver", &[], "echo x; sleep 1000");
    wait_lines(&agent, &other, 1);
    wait_for("the warning", PATIENCE, || {
        agent.log().contains("log cannot be read").then_some(())
    });
    silent.restart();
    other.restart();
    wait_lines(&agent, &other, 2);
    assert_eq!(agent.log().matches("log cannot be read").count(), 1);
}

#[test]
fn containers_that_are_removed_as_soon_as_they_end_are_read_too() {
    let Some(engine) = Engine::shared() else { return };
    let mut agent = agent(&engine, "clogs-rm", "");
    agent.start_again();
    // The events are heard once this one is followed.
    let first = engine.run("clogs-rm-first", &[], "echo here");
    wait_lines(&agent, &first, 1);
    let containers: Vec<Container> = (0..10)
        .map(|_| engine.run("clogs-rm", &["--rm"], "echo one; echo two >&2"))
        .collect();
    // The engine deletes a log without asking: what it was quicker with is missing as a whole, and counted.
    let removed = || {
        let page = Page::parse(&agent.scrape("").text());
        let failures = page.of("container_log_failures_total");
        let removed = failures.iter().find(|(labels, _)| labels["reason"] == "removed");
        removed.map_or(0, |(_, count)| *count as usize)
    };
    let whole = || {
        let read = containers.iter().map(|one| lines(&agent, one.name()));
        read.filter(|lines| *lines == ["one", "two"]).count()
    };
    let all = wait_for("each to be read, or counted", PATIENCE, || {
        Some(whole() + removed()).filter(|all| *all >= containers.len())
    });
    assert_eq!(all, containers.len());
    assert!(whole() > 0, "{}", agent.log());
}

#[test]
fn the_file_of_the_last_collection_stands_still_while_the_engine_is_away() {
    let Some(mut engine) = OwnEngine::start(Listen::Socket) else {
        return;
    };
    let mut agent = agent(&engine, "clogs-last", "");
    let file = agent.home().join("last");
    agent.set("LAST_LOGS_COLLECTED_AT_FILE", &file.display().to_string());
    agent.start_again();
    let read = || fs::read_to_string(&file).ok()?.parse::<u64>().ok();
    let begun = wait_for("the time to be written", PATIENCE, read);
    wait_for("it to go on", PATIENCE, || (read()? > begun).then_some(()));
    engine.kill_9();
    let missed = || {
        let page = Page::parse(&agent.scrape("").text());
        let failures = page.of("container_log_failures_total");
        let engine = failures.iter().find(|(labels, _)| labels["reason"] == "engine");
        engine.map_or(0, |(_, count)| *count as u64)
    };
    wait_for("the engine to be missed", PATIENCE, || {
        (missed() > 0).then_some(())
    });
    let (still, before) = (read(), missed());
    // Each of them takes longer than the one before, and together more than a second.
    wait_for("the engine to be missed again", PATIENCE, || {
        (missed() > before + 2).then_some(())
    });
    assert_eq!(read(), still);
    engine.start_again();
    wait_for("it to go on", PATIENCE, || (read() > still).then_some(()));
}
