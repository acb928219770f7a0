//! An agent that has collected while nobody took its points, and an intake that is about to.

use std::collections::BTreeMap;

use crate::support::account::{self, Account, Exported};
use crate::support::agent::Agent;
use crate::support::intake::{Intake, KEY, Kind, PointKey};

/// The name under which the agent speaks.
pub(crate) const HOST: &str = "edge-7";
/// The global tags of the agent.
pub(crate) const GLOBAL: [&str; 2] = ["fleet:test", "bare"];

/// A stopped agent with a journal full of points, and the whole truth about them.
pub(crate) struct Backlog {
    pub(crate) agent: Agent,
    pub(crate) intake: Intake,
    /// Every point that the journal held when the agent stopped, as the intake has to know it.
    pub(crate) truth: BTreeMap<PointKey, f64>,
    points: Vec<Exported>,
    settings: String,
}

/// An agent that collects, windows and sends every second, for this intake.
pub(crate) fn hasty_agent(intake: &Intake, version: &str) -> Agent {
    Agent::new(&[
        ("API_KEY", KEY),
        ("DATADOG_URL", &intake.datadog_url()),
        ("DATADOG_API_VERSION", version),
        ("HOST", HOST),
        ("GLOBAL_TAGS", &serde_json::json!(GLOBAL).to_string()),
        ("AGGREGATE_INTERVAL", "1"),
        ("CAPTURE_INTERVAL", "1"),
        ("RELEASE_INTERVAL", "1"),
        ("SEND_SELF_METRICS", "false"),
    ])
}

/// A settings file with or without the collector, and with this YAML map for the output.
pub(crate) fn settings(collects: bool, output: &str) -> String {
    let collectors = if collects { "{host: {}}" } else { "{}" };
    format!("collectors: {collectors}\noutputs: {{datadog: {{{output}}}}}\n")
}

impl Backlog {
    /// Has an agent collect some windows while the intake is down, and stops it. `output` is YAML for the output's
    /// settings: `timeout: 2s`.
    pub(crate) fn gather(version: &str, output: &str) -> Self {
        Self::gather_with(version, output, &[])
    }

    /// The same with further variables.
    pub(crate) fn gather_with(version: &str, output: &str, variables: &[(&str, &str)]) -> Self {
        let intake = Intake::start();
        intake.down();
        let mut agent = hasty_agent(&intake, version);
        for (name, value) in variables {
            agent.set(name, value);
        }
        agent.configure(&settings(true, output));
        agent.start_again();
        Account::wait(&agent, "points of several windows", |account| {
            account.wrapped >= 120
        });
        let stopped = agent.terminate();
        assert!(stopped.success(), "{stopped}");
        let points = account::exported(&agent);
        let truth = account::truth(&points, HOST, &GLOBAL);
        assert!(truth.len() >= 120, "{} points", truth.len());
        assert_eq!(intake.counts(), Default::default(), "nothing arrived yet");
        Self {
            agent,
            intake,
            truth,
            points,
            settings: settings(false, output),
        }
    }

    /// Starts the agent again, collecting nothing, and lets the intake listen: only what waits is sent.
    pub(crate) fn resume(&mut self) {
        self.intake.up();
        self.resume_without_intake();
    }

    /// The same, and the intake stays as it is.
    pub(crate) fn resume_without_intake(&mut self) {
        self.agent.configure(&self.settings);
        self.agent.start_again();
    }

    /// Waits until nothing waits any more, and checks that everything has arrived, once, under the right name, host
    /// and tags, and that the account says so. Returns the account.
    pub(crate) fn all_arrive(&mut self) -> Account {
        let account = Account::wait_settled(&self.agent);
        let score = self.intake.score(&self.truth);
        assert!(score.is_perfect(), "{score}");
        let kept = self.intake.points();
        for point in self.points.iter().filter(|point| point.kind != Kind::Gauge) {
            let kept = kept[&point.key(HOST, &GLOBAL)];
            assert_eq!(kept.interval, point.interval, "{point:?}");
        }
        assert_eq!(account.dropped, BTreeMap::new());
        assert_eq!(account.wrapped, self.truth.len() as u64, "{account:?}");
        assert_eq!(account.delivered, account.wrapped, "{account:?}");
        let counts = self.intake.counts();
        assert_eq!(
            (counts.rewritten, counts.too_old, counts.too_far_ahead),
            (0, 0, 0),
            "{counts:?}"
        );
        self.nothing_is_left();
        account
    }

    /// Stops the agent and checks that its journal holds nothing for the output.
    pub(crate) fn nothing_is_left(&mut self) {
        let stopped = self.agent.terminate();
        assert!(stopped.success(), "{stopped}");
        assert_eq!(account::exported(&self.agent).len(), 0, "points that wait");
    }

    /// Checks that no request reached the host that redirects point to, so that the key did not either.
    pub(crate) fn nothing_went_elsewhere(&self) {
        assert_eq!(self.intake.look(|ledger| ledger.elsewhere), Default::default());
    }
}
