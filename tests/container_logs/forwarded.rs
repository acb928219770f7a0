//! Lines that are handed on to the logs intake.

use std::collections::BTreeSet;

use super::{agent, lines, print, printed, wait_lines};
use crate::support::account::Account;
use crate::support::engine::Engine;
use crate::support::intake::{Intake, KEY};
use crate::support::wait::pause_random;

#[test]
fn each_line_is_journalled_once_across_kills_of_the_agent() {
    let Some(engine) = Engine::shared() else { return };
    let intake = Intake::start();
    let more = "    forward: true\noutputs: {datadog_logs: {}}\n";
    let mut agent = agent(&engine, "clogs-forward", more);
    agent.set("API_KEY", KEY);
    agent.set("DATADOG_LOGS_URL", &intake.logs_url());
    agent.start_again();
    let container = engine.run("clogs-forward", &[], &print(2_000));
    let mut random = fastrand::Rng::with_seed(12);
    for _ in 0..4 {
        pause_random(&mut random, 50..500);
        agent.kill_9();
        agent.start_again();
    }
    wait_lines(&agent, &container, 2_000);
    assert_eq!(lines(&agent, container.name()), printed(2_000));
    let account = Account::wait_of("datadog_logs", &agent, "all lines to be delivered", |account| {
        account.wrapped >= 2_000 && account.pending == 0
    });
    assert_eq!(account.wrapped, 2_000);
    let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
    let logs = intake.logs();
    let messages: BTreeSet<String> = logs.iter().map(|log| text(&log.entry["message"])).collect();
    assert_eq!(messages, printed(2_000).into_iter().collect());
    for log in &logs {
        assert_eq!(log.entry["service"], container.name());
        assert_eq!(log.entry["ddsource"], "tawny-test");
        let level = match text(&log.entry["message"]).split(' ').next() {
            Some("ERROR") => "error",
            Some("WARN") => "warning",
            _ => "info",
        };
        assert_eq!(log.entry["level"], level);
    }
}
