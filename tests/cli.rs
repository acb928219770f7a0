//! The command line as a user meets it: exit codes, help, and what is printed where.

use std::fs;
use std::process::Output;

use crate::support::agent::{Agent, tawny};

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[test]
fn wrong_settings_are_all_named_and_nothing_is_started() {
    let variables = [
        ("AGGREGATE_INTERVAL", "0"),
        ("HISTOGRAM_PERCENTILES", "[1.2]"),
        ("TAWNY_LISTN", ":1"),
    ];
    for arguments in [
        &["run"][..],
        &[],
        &["check"],
        &["once"],
        &["config"],
        &["journal"],
    ] {
        let output = tawny(arguments, &variables);
        assert_eq!(code(&output), Some(2), "{arguments:?}");
        assert_eq!(out(&output), "", "{arguments:?}");
        let lines: Vec<String> = err(&output).lines().map(String::from).collect();
        assert_eq!(
            lines[lines.len() - 4..],
            [
                "tawny: warning: TAWNY_LISTN: no such variable; it has no effect (did you mean `TAWNY_LISTEN`?)",
                "tawny: AGGREGATE_INTERVAL: expected whole seconds from 1s to 1h, found 0s [sets interval]",
                "tawny: HISTOGRAM_PERCENTILES: expected a number above 0 and below 1, found 1.2 \
                 [sets wrapper.histogram_percentiles[0]] (0.95 is the 95th percentile)",
                "tawny: 2 problems in the settings; nothing was started",
            ],
            "{arguments:?}"
        );
    }
}

#[test]
fn a_broken_file_is_named_with_the_place() {
    let agent = Agent::new(&[]);
    let file = agent.home().join("broken.yaml");
    fs::write(
        &file,
        "listen: 127.0.0.1:1\noutputs:\n  datadog: {api_key: hunter2\n",
    )
    .unwrap();
    let output = agent.command_output(&["check", "--config", file.to_str().unwrap()]);
    assert_eq!(code(&output), Some(2));
    assert!(err(&output).contains("broken.yaml: line "), "{}", err(&output));
    assert!(!err(&output).contains("hunter2"), "{}", err(&output));
    let missing = agent.command_output(&["check", "--config", "missing.yaml"]);
    assert_eq!(code(&missing), Some(2));
    assert!(
        err(&missing).contains("--config: cannot read missing.yaml: No such file"),
        "{}",
        err(&missing)
    );
}

#[test]
fn a_wrong_command_line_has_the_same_code() {
    for arguments in [&["chek"][..], &["--listn", "x"], &["completions", "dos"]] {
        let output = tawny(arguments, &[]);
        assert_eq!(code(&output), Some(2), "{arguments:?}");
        assert!(err(&output).contains("error:"), "{arguments:?}");
    }
    let listen = tawny(&["check", "--listen", "x"], &[]);
    assert_eq!(code(&listen), Some(2));
    assert!(
        err(&listen).contains("--listen: expected an address and a port"),
        "{}",
        err(&listen)
    );
}

#[test]
fn every_help_ends_with_an_example() {
    let commands = [
        "run",
        "check",
        "config",
        "once",
        "list",
        "reference",
        "journal",
        "healthcheck",
        "completions",
    ];
    let mut helps = vec![tawny(&["--help"], &[])];
    helps.extend(commands.iter().map(|command| tawny(&[command, "--help"], &[])));
    helps.extend(["show", "export", "verify"].map(|command| tawny(&["journal", command, "--help"], &[])));
    for help in helps {
        assert_eq!(code(&help), Some(0));
        let text = out(&help);
        let last = text.trim_end().rsplit("\n\n").next().unwrap();
        assert!(last.starts_with("Example"), "{text}");
    }
}

#[test]
fn the_example_of_the_help_collects_and_delivers() {
    let help = out(&tawny(&["--help"], &[]));
    let example = help
        .lines()
        .find(|line| line.trim().starts_with("API_KEY="))
        .expect("an example");
    let variables: Vec<(&str, &str)> = example
        .split_whitespace()
        .filter_map(|word| word.split_once('='))
        .collect();
    let said = out(&tawny(&["check"], &variables));
    assert!(said.ends_with("; collects host; delivers to datadog\n"), "{said}");
}

#[test]
fn the_effective_settings_show_their_origins_and_no_secret() {
    let agent = Agent::new(&[("API_KEY", "hunter2"), ("AGGREGATE_INTERVAL", "20")]);
    let file = agent.home().join("t.yaml");
    fs::write(&file, "grace: 4s\nredis:\n  password: hunter2\n").unwrap();
    let path = file.to_str().unwrap();
    let output = agent.command_output(&["config", "--config", path]);
    assert_eq!(code(&output), Some(0), "{}", err(&output));
    let text = out(&output);
    let line = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        line("interval:"),
        "interval: 20s # environment AGGREGATE_INTERVAL"
    );
    assert_eq!(line("grace:"), format!("grace: 4s # {path} line 1"));
    assert_eq!(line("bulk_size:"), "bulk_size: 10000 # default");
    assert_eq!(
        line("    api_key:"),
        "api_key: \"********\" # environment API_KEY"
    );
    assert_eq!(
        line("  password:"),
        format!("password: \"********\" # {path} line 3")
    );
    assert!(!text.contains("hunter2"));
}

#[test]
fn checking_says_what_would_run() {
    let output = tawny(&["check"], &[("HOST", "edge-1")]);
    assert_eq!(code(&output), Some(0), "{}", err(&output));
    assert_eq!(
        out(&output).split_whitespace().collect::<Vec<_>>().join(" "),
        "ok settings no file; as host edge-1; collects host; delivers to nothing"
    );
}

#[test]
fn a_target_that_does_not_answer_fails_the_check() {
    let output = tawny(
        &["check", "--connect"],
        &[("REDIS_HOST", "127.0.0.1"), ("REDIS_PORT", "1")],
    );
    assert_eq!(code(&output), Some(1));
    let text = out(&output);
    assert!(text.contains("\nfailed  redis "), "{text}");
    assert!(text.contains("\nok      collectors.host "), "{text}");
}

#[test]
fn nobody_is_healthy_where_nothing_listens() {
    let output = tawny(&["healthcheck"], &[("TAWNY_LISTEN", "127.0.0.1:1")]);
    assert_eq!(code(&output), Some(1));
    assert!(
        err(&output).contains("127.0.0.1:1/-/healthy does not answer"),
        "{}",
        err(&output)
    );
}

#[test]
fn components_are_named_and_shown() {
    let all = tawny(&["list"], &[]);
    assert_eq!(code(&all), Some(0));
    let first: Vec<String> = out(&all).split_whitespace().take(5).map(String::from).collect();
    assert_eq!(
        first.join(" "),
        "collector host Reads the device's",
        "{}",
        out(&all)
    );
    let host = out(&tawny(&["list", "host"], &[]));
    assert!(host.contains("\ncollectors:\n  host:\n"), "{host}");
    assert!(host.contains("\nhost_memory_used_bytes "), "{host}");
    let wrong = tawny(&["list", "hots"], &[]);
    assert_eq!(code(&wrong), Some(1));
    assert!(err(&wrong).contains("did you mean `host`?"), "{}", err(&wrong));
    let reference = out(&tawny(&["reference"], &[]));
    assert!(reference.contains("## collector `host`"));
    assert!(
        reference
            .contains("| `container`, `machine` | `Chouette.docker.memory.usage` with `container` only |")
    );
}

#[test]
fn one_run_shows_a_scrape_and_a_push_and_touches_no_backend() {
    let settings = [
        ("API_KEY", "hunter2"),
        ("DATADOG_URL", "http://127.0.0.1:1/api"),
        ("HOST", "edge-1"),
        ("GLOBAL_TAGS", r#"["env:prod"]"#),
        ("COLLECTOR_PLUGINS", r#"["host"]"#),
    ];
    let agent = Agent::new(&settings);
    let output = agent.command_output(&["once"]);
    assert_eq!(code(&output), Some(0), "{}", err(&output));
    let text = out(&output);
    let (page, push) = text.split_once("\n# What a push carries:\n").unwrap();
    assert!(page.contains("\n# TYPE host_memory_used_bytes gauge\n"), "{page}");
    // A rate needs two readings.
    assert!(page.contains("\nhost_cpu_usage_ratio "), "{page}");
    assert!(push.contains("Chouette.host.memory.used{env:prod} "), "{push}");
    assert!(push.contains("Chouette.host.cpu.percentage{env:prod} "), "{push}");
    assert!(!agent.journal().exists());
    let lines = out(&agent.command_output(&["once", "--json"]));
    for line in lines.lines() {
        let point: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            point["metric"].as_str().unwrap().starts_with("Chouette.host."),
            "{line}"
        );
    }
}

#[test]
fn a_journal_that_is_not_there_is_named() {
    for command in ["show", "export", "verify"] {
        let output = tawny(&["journal", command, "--directory", "/nonexistent/journal"], &[]);
        assert_eq!(code(&output), Some(1), "{command}");
        assert_eq!(out(&output), "", "{command}");
        assert!(err(&output).contains("/nonexistent/journal"), "{}", err(&output));
    }
}

#[test]
fn completions_are_printed_for_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let output = tawny(&["completions", shell], &[]);
        assert_eq!(code(&output), Some(0));
        assert!(out(&output).contains("healthcheck"), "{shell}");
    }
}
