//! Every way to a Redis: with a login, in another database, by TLS, by Sentinels, in a cluster.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::redis_feed::{agent, ago, wait_delivered, wait_queue_taken, wait_taken};
use crate::support::agent::{Agent, tawny};
use crate::support::intake::{Intake, KEY};
use crate::support::process::{Port, Process};
use crate::support::redis::{DURABLE, Redis};
use crate::support::services::{Service, need};
use crate::support::wait::{PATIENCE, wait_for};
use crate::support::workload::{Workload, write, write_below};

const HOST: &str = "edge-7";
const GLOBAL: [&str; 1] = ["fleet:test"];

/// An agent that finds the Redis by this URL, with its journal in it.
fn agent_by(url: &str, redis: &Redis, intake: &Intake) -> Agent {
    let mut agent = agent(redis, intake, "redis");
    for name in ["REDIS_HOST", "REDIS_PORT"] {
        agent.unset(name);
    }
    agent.set("TAWNY_REDIS_URL", url);
    agent
}

/// Writes records below a prefix and has the agent deliver them exactly; nothing of them is left.
fn delivers(mut agent: Agent, prefix: &str, redis: &Redis, intake: &Intake) -> Agent {
    let workload = Workload::new(21, 2_000, 50, ago(300), 60);
    write_below(redis, prefix, &workload.records);
    agent.start_again();
    wait_queue_taken(redis, prefix, "metrics:raw");
    let truth = workload.truth(10, HOST, &GLOBAL);
    wait_delivered(&agent, truth.len());
    let score = intake.score(&truth);
    assert!(score.is_perfect(), "{score}");
    let journals: u64 = redis.hlen(&format!("{prefix}:journals"));
    assert_eq!(journals, 1, "the journal is in the same place");
    assert!(agent.terminate().success());
    agent
}

#[test]
fn a_password_leads_to_a_database_of_its_own() {
    let Some(program) = need(Service::Redis5) else {
        return;
    };
    let redis = Redis::new(&program, &["--requirepass", "hunter2"]);
    let mut redis = redis.enter(":hunter2@", 3);
    redis.start_again();
    let intake = Intake::start();
    let agent = agent_by(
        &format!("redis://:hunter2@{}/3", redis.address()),
        &redis,
        &intake,
    );
    let agent = delivers(agent, "chouette", &redis, &intake);
    assert!(!agent.log().contains("hunter2"));
    let keyspace: String = redis.run(redis::cmd("INFO").arg("keyspace"));
    assert!(
        keyspace.contains("db3:") && !keyspace.contains("db0:"),
        "{keyspace}"
    );
}

/// What a user must be allowed for the feed and the journal.
const RIGHTS: [&str; 9] = [
    "~chouette:*",
    "-@all",
    "+@connection",
    "+@transaction",
    "+@scripting",
    "+@read",
    "+@write",
    "-@dangerous",
    "+info",
];

#[test]
fn a_user_with_rights_to_the_own_keys_alone_is_enough() {
    let Some(program) = need(Service::Redis) else {
        return;
    };
    let mut arguments = vec!["--requirepass", "hunter2", "--user", "me", "on", ">hunter3"];
    arguments.extend(RIGHTS);
    let redis = Redis::new(&program, &arguments);
    let mut redis = redis.enter(":hunter2@", 0);
    redis.start_again();
    let intake = Intake::start();
    let mut agent = agent(&redis, &intake, "redis");
    agent.set("TAWNY_REDIS_USERNAME", "me");
    agent.set("TAWNY_REDIS_PASSWORD", "hunter3");
    let agent = delivers(agent, "chouette", &redis, &intake);
    assert!(!agent.log().contains("hunter"));
}

#[test]
fn by_tls_records_arrive_too() {
    let Some(program) = need(Service::Redis) else {
        return;
    };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/tls");
    let (certificate, key) = (
        format!("{folder}/localhost.pem"),
        format!("{folder}/localhost.key"),
    );
    let secured = Port::reserve();
    let port = secured.number().to_string();
    // The applications write beside it, without TLS.
    let redis = Redis::start_with(
        &program,
        &[
            "--tls-port",
            &port,
            "--tls-cert-file",
            &certificate,
            "--tls-key-file",
            &key,
            "--tls-ca-cert-file",
            &certificate,
            "--tls-auth-clients",
            "no",
        ],
    );
    let intake = Intake::start();
    let mut agent = agent_by(&format!("rediss://localhost:{port}"), &redis, &intake);
    agent.set("TAWNY_REDIS_CA_FILE", &certificate);
    delivers(agent, "chouette", &redis, &intake);
}

#[test]
fn a_cluster_holds_records_and_journal_below_a_tag() {
    let Some(program) = need(Service::Redis) else {
        return;
    };
    let bus = Port::reserve();
    let bus = bus.number().to_string();
    let redis = Redis::start_with(&program, &["--cluster-enabled", "yes", "--cluster-port", &bus]);
    let mut all = redis::cmd("CLUSTER");
    all.arg("ADDSLOTS").arg((0..16_384).collect::<Vec<u16>>());
    redis.run::<String>(&all);
    wait_for("the cluster to be one", PATIENCE, || {
        let info: String = redis.run(redis::cmd("CLUSTER").arg("INFO"));
        info.contains("cluster_state:ok").then_some(())
    });
    let intake = Intake::start();
    let url = format!("redis+cluster://{}", redis.address());
    let mut agent = agent_by(&url, &redis, &intake);
    agent.set("TAWNY_REDIS_PREFIX", "{chouette}");
    delivers(agent, "{chouette}", &redis, &intake);
}

#[test]
fn a_cluster_without_a_tag_is_a_mistake_that_check_explains() {
    let output = tawny(
        &["check"],
        &[
            ("API_KEY", KEY),
            ("TAWNY_REDIS_URL", "redis+cluster://127.0.0.1:7000"),
        ],
    );
    assert_eq!(output.status.code(), Some(2), "{}", output.status);
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("redis.prefix: `chouette` has no `{tag}`, which a cluster needs")
            && told.contains("write `{chouette}`"),
        "{told}"
    );
}

/// A Sentinel that watches a server under the name `mymaster`.
struct Sentinel {
    port: Port,
    _process: Process,
    _folder: TempDir,
}

impl Sentinel {
    fn start(program: &Path, watched: &Redis) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let port = Port::reserve();
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "port {}\nbind 127.0.0.1\ndir {}\nsentinel monitor mymaster 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds mymaster 300\nsentinel failover-timeout mymaster 3000\n",
            port.number(),
            folder.path().display(),
            watched.port(),
        );
        std::fs::write(&file, text).expect("the settings are written");
        let mut command = Command::new(program);
        command.arg(&file).arg("--sentinel");
        let process = Process::start("sentinel", &mut command, &folder.path().join("log"));
        Self {
            port,
            _process: process,
            _folder: folder,
        }
    }

    /// Asks it; nothing while it starts.
    fn ask<T: redis::FromRedisValue>(&self, question: &str) -> Option<T> {
        let client = redis::Client::open(format!("redis://{}", self.port.address()));
        let mut connection = client.ok()?.get_connection().ok()?;
        let mut command = redis::cmd("SENTINEL");
        command.arg(question).arg("mymaster").query(&mut connection).ok()
    }
}

#[test]
fn a_failover_of_the_sentinels_loses_and_doubles_nothing() {
    let Some(program) = need(Service::Redis) else {
        return;
    };
    let mut first = Redis::start_with(&program, &DURABLE);
    let of = format!("127.0.0.1 {}", first.port());
    let replica = [
        "--replicaof",
        &of,
        "--repl-diskless-sync-delay",
        "0",
        "--appendonly",
        "yes",
    ];
    let second = Redis::start_with(&program, &replica);
    let sentinel = Sentinel::start(&program, &first);
    wait_for("the replica to be known and in step", PATIENCE, || {
        let known: Vec<redis::Value> = sentinel.ask("slaves")?;
        let told: String = second.run(redis::cmd("INFO").arg("replication"));
        (known.len() == 1 && told.contains("master_link_status:up")).then_some(())
    });

    let intake = Intake::start();
    intake.down();
    let url = format!(
        "redis+sentinel://127.0.0.1:1,{}/mymaster",
        sentinel.port.address()
    );
    let mut agent = agent_by(&url, &first, &intake);
    let mut workload = Workload::new(22, 4_000, 50, ago(400), 200);
    let late = workload.records.split_off(2_000);
    write(&first, &workload.records);
    agent.start_again();
    wait_taken(&first);
    // What the journal holds is with the replica, too: a failover keeps what was replicated, no more.
    let mut wait = redis::cmd("WAIT");
    wait.arg(1).arg(10_000);
    assert_eq!(first.run::<i64>(&wait), 1);
    first.kill_9();
    wait_for("the failover", PATIENCE, || {
        let (_, port): (String, String) = sentinel.ask("get-master-addr-by-name")?;
        let role: Vec<redis::Value> = second.run(&redis::cmd("ROLE"));
        (port == second.port() && role.first() == Some(&redis::Value::BulkString(b"master".to_vec())))
            .then_some(())
    });
    write(&second, &late);
    intake.up();
    wait_taken(&second);
    let first_part: f64 = ones(&workload.records);
    let total = first_part + ones(&late);
    wait_for("all counts to arrive", PATIENCE, || {
        (counted(&intake) == total).then_some(())
    });
    crate::support::account::Account::wait_settled(&agent);
    assert_eq!(counted(&intake), total);
    assert_eq!(intake.counts().rewritten, 0);
    assert!(agent.terminate().success());
}

/// The sum of what was counted in these records.
fn ones(records: &[crate::support::workload::Record]) -> f64 {
    let counts = records.iter().filter(|record| record.kind == "count");
    counts.filter_map(|record| record.value.as_f64()).sum()
}

/// The sum of all counts at the intake.
fn counted(intake: &Intake) -> f64 {
    let points = intake.points();
    let counts = points
        .iter()
        .filter(|(key, _)| key.name.starts_with("app.count."));
    counts.map(|(_, kept)| kept.value).sum()
}
