//! What somebody meets who starts the agent for the first time, and what nobody must ever meet: a secret.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::support::agent::{Agent, tawny};
use crate::support::http;
use crate::support::intake::{Answer, Intake};
use crate::support::wait::{PATIENCE, wait_for};

/// Every command with what comes behind it on the command line.
const COMMANDS: [&[&str]; 13] = [
    &[],
    &["run"],
    &["check"],
    &["config"],
    &["once"],
    &["list"],
    &["reference"],
    &["journal"],
    &["journal", "show"],
    &["journal", "export"],
    &["journal", "verify"],
    &["healthcheck"],
    &["completions"],
];

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn without_any_setting_the_page_has_the_host_and_the_log_says_the_rest() {
    let mut agent = Agent::new(&[]);
    agent.do_without("TAWNY_JOURNAL_DIR");
    let system = Path::new("/var/lib/tawny");
    let was_there = system.exists();
    agent.start_again();
    let page = wait_for("the host's metrics", PATIENCE, || {
        let page = agent.answers("/metrics")?.text();
        page.contains("\nhost_memory_total_bytes ").then_some(page)
    });
    assert!(page.contains("\nhost_filesystem_size_bytes{"), "{page}");
    let status = http::get(&agent.url("/"), &[("accept", "text/html")]).expect("an answer");
    assert_eq!(
        (status.status, status.header("content-type")),
        (200, "text/html; charset=utf-8")
    );
    assert!(status.text().contains("host"), "{}", status.text());

    let ended = agent.terminate();
    assert_eq!(ended.code(), Some(0));
    let log = agent.log();
    let where_it_is = format!("http://{}/metrics", agent.address());
    assert!(log.contains(&where_it_is), "where: {log}");
    let collecting = log.lines().find(|line| line.contains("Collecting."));
    assert!(
        collecting.is_some_and(|line| line.contains("host")),
        "what is collected: {log}"
    );
    assert!(log.contains("No Datadog key is set"), "{log}");
    let own = agent.home().join(".local/state/tawny").display().to_string();
    assert!(
        log.contains("/var/lib/tawny") || log.contains(&own),
        "where the journal lies: {log}"
    );
    assert!(!log.contains("ERROR"), "nothing is wrong: {log}");
    // Nothing is journalled without an output, so nothing is written either.
    assert_eq!(system.exists(), was_there);
    let files = fs::read_dir(agent.home())
        .expect("the home")
        .map(|file| file.expect("a file").file_name());
    assert_eq!(files.collect::<Vec<_>>(), ["tawny.log"]);
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in COMMANDS {
        let output = tawny(&[command, &["--help"]].concat(), &[]);
        assert_eq!(output.status.code(), Some(0), "{command:?}");
        let help = String::from_utf8_lossy(&output.stdout);
        assert!(help.contains("Example"), "{command:?}: {help}");
        assert!(output.stderr.is_empty(), "{command:?}");
    }
    // No command is missing above.
    let help = said(&tawny(&["--help"], &[]));
    let listed = help
        .split("Commands:\n")
        .nth(1)
        .expect("a list of commands")
        .lines();
    let listed = listed
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    for name in listed
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
    {
        assert!(COMMANDS.contains(&&[name][..]), "{name} is not tested");
    }
}

#[test]
fn a_broken_file_is_told_with_all_its_problems_and_nothing_starts() {
    let mut agent = Agent::new(&[("AGGREGATE_INTERVAL", "often")]);
    agent.configure(
        "interval: 0s\n\
         relaese_interval: 10s\n\
         wrapper: {histogram_percentiles: [0.5, 1.2]}\n\
         journal: {bound: 1KiB, time_to_live: {points: 1s}}\n\
         collectors: {host: {intervall: 10s}}\n\
         outputs: {datadog: {api_key: k, api_version: v3, timeout: soon}}\n",
    );
    for command in [&["run"][..], &["check"], &["config"]] {
        let output = agent.command_output(command);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
        let problems = [
            "relaese_interval",
            "did you mean `release_interval`?",
            "wrapper.histogram_percentiles[1]",
            "journal.bound",
            "collectors.host.intervall",
            "outputs.datadog.api_version",
            "outputs.datadog.timeout",
            "often",
        ];
        for problem in problems {
            assert!(
                said.contains(problem),
                "{command:?} does not say {problem}: {said}"
            );
        }
        assert!(!agent.journal().exists());
    }
}

/// What stands in several settings, and must stand nowhere else.
const PLANTED: [&str; 7] = [
    "planted-key",
    "planted-file",
    "planted-user-info",
    "planted-proxy",
    "planted-redis",
    "planted-variable",
    "271828182845",
];

fn shows_none(what: &str, text: &str) {
    for secret in PLANTED {
        assert!(!text.contains(secret), "{what} shows {secret}: {text}");
    }
}

#[test]
fn no_secret_is_shown_anywhere() {
    let intake = Intake::start();
    intake.always(Answer::Status(403));
    let url = intake
        .datadog_url()
        .replace("http://", "http://someone:planted-user-info@");
    let mut agent = Agent::new(&[
        ("API_KEY", "planted-key"),
        ("DATADOG_URL", &url),
        ("HTTPS_PROXY", "http://someone:planted-proxy@127.0.0.1:9"),
        ("REDIS_SECRET", "planted-variable"),
        ("AGGREGATE_INTERVAL", "1"),
        ("RELEASE_INTERVAL", "1"),
        ("LOG_LEVEL", "trace"),
    ]);
    agent.configure("redis: {host: 127.0.0.1, port: 9, username: one, password: \"${REDIS_SECRET}\"}\ncollectors: {host: {}}\n");
    // It does not become ready: no Redis is there.
    agent.launch();
    intake.wait_until("the key to be refused", PATIENCE, |ledger| {
        ledger.requests.len() >= 2
    });
    wait_for("the feed to be in trouble", PATIENCE, || {
        let ready = http::get(&agent.url("/-/ready"), &[]).ok()?;
        (ready.status == 503 && ready.text().contains("feed redis: ")).then_some(())
    });
    let sent = intake.look(|ledger| ledger.requests[0].header("dd-api-key").map(str::to_owned));
    assert_eq!(
        sent.as_deref(),
        Some("planted-key"),
        "it is there where it belongs"
    );
    for (path, accept) in [("/metrics", ""), ("/", "text/html"), ("/-/ready", "")] {
        let answer = http::get(&agent.url(path), &[("accept", accept)]).expect("an answer");
        shows_none(path, &answer.text());
    }
    for command in [
        &["config"][..],
        &["check"],
        &["check", "--connect"],
        &["journal"],
        &["journal", "export"],
        &["once"],
    ] {
        shows_none(&format!("{command:?}"), &said(&agent.command_output(command)));
    }
    assert!(agent.terminate().success());
    shows_none("the log", &agent.log());

    // A key in a file, of which the file's name may be shown.
    let file = agent.home().join("key");
    fs::write(&file, "planted-file").expect("the key's file is written");
    agent.set("API_KEY", &format!("file:{}", file.display()));
    shows_none("config", &said(&agent.command_output(&["config"])));
}

#[test]
fn errors_about_secrets_do_not_show_them() {
    let broken = [
        "outputs: {datadog: {api_key: [planted-key]}}\n",
        "outputs: {datadog: {api_key: {planted-key: 1}}}\n",
        "outputs: {datadog: {api_key: k, url: \"htp://someone:planted-user-info@127.0.0.1/api\"}}\n",
        "outputs: {datadog: {api_key: k, url: \"http://someone:planted-user-info@127.0.0.1/api?api_key=planted-key\"}}\n",
        "outputs: {datadog: {api_key: k, proxy: \"http://someone:planted-proxy@[\"}}\n",
        "redis: {password: [planted-redis]}\n",
        "redis: {password: planted-redis\n",
        "redis: {pasword: planted-redis}\n",
        "redis: planted-redis\n",
        "redis: {password: 271828182845}\n",
        "outputs: {datadog: planted-key}\n",
        "outputs: {datadog: {api_key: 271828182845}}\n",
        "outputs: [planted-key]\n",
    ];
    for file in broken {
        let mut agent = Agent::new(&[]);
        agent.configure(file);
        for command in [&["check"][..], &["config"], &["run"]] {
            let output = agent.command_output(command);
            assert_eq!(
                output.status.code(),
                Some(2),
                "{command:?} takes {file}: {}",
                said(&output)
            );
            shows_none(&format!("{command:?} with {file}"), &said(&output));
        }
    }
}
