//! Logs from a journal on disk to the stub of the intake: whatever it answers, in the end each has arrived, or is
//! accounted for.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tawny::component::journal::{Balance, DropReason, Journal, OutputId};
use tawny::component::output::{Output, Speaker};
use tawny::component::settings::{Problems, Section};
use tawny::journal::disk::{DiskJournal, DiskSettings, Sync};
use tawny::journal::logs;
use tawny::model::block::{Block, BlockKind};
use tawny::model::log::LogRecord;
use tawny::outputs::datadog;
use tawny::pipeline::clock::Timekeeper;
use tawny::pipeline::deliver::{Delivery, DeliverySettings};
use tawny::registry::board::{Board, OutputFacts};
use tawny::support::proxy::Proxies;
use tawny::support::shutdown::Stopper;
use tawny::support::time::Clock;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::intake::{Answer, Intake, KEY, Log};
use crate::support::wait::{PATIENCE, wait_for};

const NAME: &str = "datadog_logs";

/// A journal with logs, and all that delivers them.
struct Bench {
    intake: Intake,
    journal: Arc<dyn Journal>,
    clock: Clock,
    board: Arc<Board>,
    runtime: Runtime,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        tawny::support::http::install_provider();
        let folder = tempfile::tempdir().expect("a temporary directory");
        let clock = Clock::system();
        let settings = DiskSettings {
            directory: folder.path().to_owned(),
            bound: 64 << 20,
            sync: Sync::Every(Duration::from_secs(3600)),
            outputs: vec![OutputId::new(NAME)],
        };
        Self {
            intake: Intake::start(),
            journal: Arc::new(DiskJournal::open(settings, clock.clone()).expect("a journal")),
            clock,
            board: Arc::default(),
            runtime: Runtime::new().expect("a runtime"),
            _folder: folder,
        }
    }

    fn now(&self) -> i64 {
        self.clock.now().seconds()
    }

    /// Appends a block with one record for each text.
    fn append(&self, time: i64, texts: impl IntoIterator<Item = Value>) {
        let record = |text: Value| LogRecord {
            time,
            json: text.to_string().into(),
        };
        let records: Vec<LogRecord> = texts.into_iter().map(record).collect();
        let block = Block {
            kind: BlockKind::Logs,
            items: records.len() as u32,
            oldest: time,
            newest: time,
            windows: Vec::new(),
            stamp: self.clock.stamp(true),
            payload: logs::encode(&records),
        };
        let appended = self.runtime.block_on(self.journal.append(block));
        let _ = appended.expect("a block is appended");
    }

    /// Delivers with these settings until what is wished for is so, and then stops.
    fn deliver(&self, settings: Value, what: &str, wish: impl Fn(&OutputFacts, &Balance) -> bool) {
        let mut section = json!({"api_key": KEY, "url": self.intake.logs_url()});
        let own = settings.as_object().expect("a map").clone();
        section.as_object_mut().expect("a map").extend(own);
        let defaults = datadog::Defaults {
            timeout: Duration::from_secs(5),
            proxies: Proxies::none(),
        };
        let mut problems = Problems::default();
        let section = Section::new("outputs.datadog_logs", section);
        let output: Arc<dyn Output> =
            Arc::new(datadog::logs::build(&section, &defaults, &mut problems).expect("an output"));
        let timekeeper = Arc::new(Timekeeper::new(self.clock.clone()));
        self.runtime
            .block_on(timekeeper.tick(Some(self.journal.as_ref()), &self.board));
        let delivery = Delivery::new(
            OutputId::new(NAME),
            output,
            Speaker {
                host: "edge-7".to_owned(),
                tags: vec!["fleet:test".to_owned(), "bare".to_owned()],
            },
            self.journal.clone(),
            timekeeper,
            self.board.clone(),
            DeliverySettings {
                release_interval: Duration::from_secs(1),
                release_delay: Duration::ZERO,
                bulk_size: 10_000,
                time_to_live: Duration::from_secs(18 * 3600),
                interval: Duration::from_secs(10),
                request_timeout: Duration::from_secs(30),
                stop_timeout: Duration::from_secs(5),
            },
        );
        let (stopper, stop) = Stopper::new();
        let task = self.runtime.spawn(delivery.run(stop.clone(), stop));
        wait_for(what, PATIENCE, || {
            let facts = self.board.facts().outputs[NAME].clone();
            wish(&facts, &self.balance()).then_some(())
        });
        stopper.stop();
        self.runtime.block_on(task).expect("the delivery ends");
    }

    /// Delivers until nothing waits.
    fn deliver_all(&self, settings: Value) -> OutputFacts {
        self.deliver(settings, "an empty journal", |_, balance| balance.pending() == 0);
        let facts = self.board.facts().outputs[NAME].clone();
        assert_eq!(facts.balance[&BlockKind::Logs], self.balance());
        facts
    }

    fn balance(&self) -> Balance {
        let output = OutputId::new(NAME);
        self.runtime
            .block_on(self.journal.balance(&output, BlockKind::Logs))
    }
}

/// A record as the client library writes it.
fn client(number: usize) -> Value {
    json!({"ddsource": "python", "ddtags": ["b:2", "a:1"], "level": "INFO", "service": "oven",
        "message": {"msg": format!("number {number}")}})
}

/// The numbers of the client's records, in the order of their arrival.
fn numbers(logs: &[Log]) -> Vec<usize> {
    let number = |log: &Log| {
        let message = match &log.message {
            Value::String(text) => serde_json::from_str(text).expect("JSON text"),
            other => other.clone(),
        };
        let text = message["msg"].as_str().expect("a text").to_owned();
        text["number ".len()..].parse().expect("a number")
    };
    logs.iter().map(number).collect()
}

#[test]
fn logs_arrive_once_in_order_under_the_right_host_and_tags() {
    let bench = Bench::new();
    for block in 0..5 {
        bench.append(
            bench.now() - 100 + block,
            (0..500).map(|index| client(block as usize * 500 + index)),
        );
    }
    let facts = bench.deliver_all(json!({}));
    let logs = bench.intake.logs();
    assert_eq!(numbers(&logs), (0..2500).collect::<Vec<_>>());
    let tags = ["a:1", "b:2", "bare", "fleet:test"].map(str::to_owned).into();
    for log in &logs {
        assert_eq!((log.host.as_str(), &log.tags), ("edge-7", &tags));
        assert_eq!((log.service.as_str(), log.status.as_str()), ("oven", "INFO"));
    }
    assert_eq!(logs[0].entry["ddtags"], "b:2,a:1,fleet:test,bare");
    assert_eq!(logs[0].message, r#"{"msg":"number 0"}"#);
    let requests = bench.intake.log_requests();
    let held: Vec<usize> = requests.iter().map(|request| request.logs).collect();
    assert!(held.iter().all(|entries| *entries <= 1000), "{held:?}");
    assert_eq!(held.iter().sum::<usize>(), 2500);
    assert!(
        requests
            .iter()
            .all(|request| request.header("dd-api-key") == Some(KEY))
    );
    assert_eq!((facts.resent, facts.cut), (0, 0));
    assert_eq!(bench.balance().delivered, 2500);
}

#[test]
fn the_old_endpoint_is_sent_the_objects() {
    let bench = Bench::new();
    bench.append(bench.now(), [client(0)]);
    bench.deliver_all(json!({"api_version": "v1"}));
    let logs = bench.intake.logs();
    assert_eq!(logs[0].message, json!({"msg": "number 0"}));
    assert_eq!(bench.intake.log_requests()[0].path, "/v1/input");
}

#[test]
fn what_may_have_arrived_is_sent_again_and_counted() {
    let bench = Bench::new();
    bench.append(bench.now(), (0..10).map(client));
    bench.intake.then_to_logs([
        Answer::Status(503),
        Answer::Lost,
        Answer::TooMany { retry_after: 1 },
    ]);
    let facts = bench.deliver_all(json!({}));
    let twice: Vec<usize> = (0..10).chain(0..10).collect();
    assert_eq!(
        numbers(&bench.intake.logs()),
        twice,
        "at least once: a lost answer repeats"
    );
    assert_eq!((facts.resent, bench.balance().delivered), (10, 10));
}

#[test]
fn the_long_is_cut_by_us_and_the_refused_set_aside() {
    let bench = Bench::new();
    let mut long = client(1);
    long["message"] = json!("é".repeat(700_000));
    let mut evil = client(2);
    evil["service"] = json!("evil");
    bench.intake.poison("evil");
    bench.append(bench.now(), [client(0), long, evil, client(3)]);
    let facts = bench.deliver_all(json!({}));
    let logs = bench.intake.logs();
    let mut lengths: Vec<usize> = logs.iter().map(|log| log.entry.to_string().len()).collect();
    lengths.sort_unstable();
    assert_eq!(lengths.len(), 3);
    assert!((999_998..=1_000_000).contains(&lengths[2]), "{lengths:?}");
    assert_eq!(bench.intake.look(|ledger| ledger.logs.cut), 0);
    assert_eq!(facts.cut, 1);
    let balance = bench.balance();
    assert_eq!((balance.wrapped, balance.delivered), (4, 3));
    assert_eq!(balance.dropped[&DropReason::Refused], 1);
}

#[test]
fn what_the_intake_forgets_is_never_called_delivered() {
    let bench = Bench::new();
    let hours = |hours: i64| bench.now() - hours * 3600;
    bench.append(hours(19), [client(0), client(1)]);
    bench.append(hours(18) + 100, [client(2)]);
    bench.append(hours(17), [client(3)]);
    bench.append(hours(0), [client(4)]);
    bench.deliver(json!({}), "all that can be sent", |_, balance| {
        balance.delivered == 2 && balance.dropped.contains_key(&DropReason::TooOld)
    });
    let mut arrived = numbers(&bench.intake.logs());
    arrived.sort_unstable();
    assert_eq!(arrived, [3, 4]);
    let balance = bench.balance();
    assert_eq!((balance.pending(), balance.dropped[&DropReason::TooOld]), (1, 2));
    assert_eq!(bench.intake.look(|ledger| ledger.logs.too_old), 0);
}
