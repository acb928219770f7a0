//! The feed and the journal on every kind of server that is served: all arrives, and nothing is asked of the server
//! that the oldest does not know or that holds it up.

use std::path::Path;

use crate::redis_feed::{agent, ago, wait_delivered};
use crate::support::agent::Agent;
use crate::support::intake::Intake;
use crate::support::redis::Redis;
use crate::support::services::{Service, need};
use crate::support::wait::{PATIENCE, wait_for};
use crate::support::workload::Workload;

const HOST: &str = "edge-7";
const GLOBAL: [&str; 1] = ["fleet:test"];

/// Every command that the agent may use. Redis 5.0 has all of them, and none looks at more than it is told to: no `KEYS`,
/// no `HGETALL`, no `SMEMBERS`.
const ALLOWED: [&str; 44] = [
    "AUTH",
    "CLIENT",
    "CONFIG",
    "DEL",
    "EVAL",
    "EVALSHA",
    "EXEC",
    "GET",
    "GETRANGE",
    "HDEL",
    "HEXISTS",
    "HGET",
    "HLEN",
    "HMGET",
    "HSCAN",
    "HSET",
    "HSTRLEN",
    "INFO",
    "LINDEX",
    "LLEN",
    "LPUSH",
    "LRANGE",
    "LREM",
    "LTRIM",
    "MULTI",
    "PERSIST",
    "PEXPIRE",
    "PING",
    "RPUSH",
    "SCRIPT",
    "SELECT",
    "SET",
    "TIME",
    "TYPE",
    "XADD",
    "XDEL",
    "XLEN",
    "XRANGE",
    "ZADD",
    "ZCARD",
    "ZCOUNT",
    "ZRANGEBYSCORE",
    "ZREM",
    "ZREMRANGEBYRANK",
];
/// What else is used, by the test itself or of sorted sets one member at a time.
const BESIDE: [&str; 2] = ["SLOWLOG", "ZSCORE"];

/// Has an agent with its journal in this Redis deliver all that was written, and stop.
fn delivers(redis: &Redis, workload: &Workload) -> Agent {
    let intake = Intake::start();
    let mut agent = agent(redis, &intake, "redis");
    agent.start_again();
    let truth = workload.truth(10, HOST, &GLOBAL);
    wait_delivered(&agent, truth.len());
    let score = intake.score(&truth);
    assert!(score.is_perfect(), "{score}");
    assert_eq!(intake.counts().rewritten, 0);
    // Claims are cleaned up after their records were delivered.
    wait_for("no claim to be left", PATIENCE, || {
        (redis.hlen("chouette:claims") == 0).then_some(())
    });
    assert!(agent.terminate().success());
    agent
}

/// Forgets what the server has counted.
fn reset(redis: &Redis) {
    redis.run::<String>(redis::cmd("CONFIG").arg("RESETSTAT"));
    redis.run::<String>(redis::cmd("SLOWLOG").arg("RESET"));
}

fn every_record_arrives_by_commands_of_redis_5(server: &Path) {
    let redis = Redis::start_with(server, &["--appendonly", "no"]);
    let workload = Workload::new(11, 5_000, 100, ago(300), 120);
    workload.write(&redis);
    reset(&redis);
    let agent = delivers(&redis, &workload);
    let used = redis.commands_used();
    let others: Vec<&String> = used
        .iter()
        .filter(|name| !ALLOWED.contains(&name.as_str()) && !BESIDE.contains(&name.as_str()))
        .collect();
    assert!(others.is_empty(), "{others:?} of {used:?}");
    assert!(
        used.iter().any(|name| name == "XADD"),
        "the journal is in it: {used:?}"
    );
    for left in [
        "chouette:metrics:raw.keys",
        "chouette:metrics:raw.values",
        "chouette:claims",
        "chouette:dead",
    ] {
        assert!(!redis.run::<bool>(redis::cmd("EXISTS").arg(left)), "{left}");
    }
    // What a server does not know it refuses, and what is refused is said.
    let log = agent.log().to_ascii_lowercase();
    for word in ["unknown", "wrong number", "syntax error", "noscript", " error "] {
        assert!(!log.contains(word), "{word}: {log}");
    }
}

#[test]
fn redis_5_delivers_every_record_and_knows_all_that_is_asked_of_it() {
    if let Some(server) = need(Service::Redis5) {
        every_record_arrives_by_commands_of_redis_5(&server);
    }
}

#[test]
fn redis_7_delivers_every_record_by_commands_of_redis_5() {
    if let Some(server) = need(Service::Redis) {
        every_record_arrives_by_commands_of_redis_5(&server);
    }
}

#[test]
fn valkey_delivers_every_record_by_commands_of_redis_5() {
    if let Some(server) = need(Service::Valkey) {
        every_record_arrives_by_commands_of_redis_5(&server);
    }
}

/// What took the server more than 20 ms: number, time, microseconds, words, and on newer servers who it was.
fn slow(redis: &Redis) -> Vec<redis::Value> {
    redis.run(redis::cmd("SLOWLOG").arg("GET").arg(10))
}

#[test]
fn a_window_of_100_000_records_never_holds_redis_up_for_20_ms() {
    let Some(server) = need(Service::Redis) else {
        return;
    };
    let mut found = Vec::new();
    // The server measures by the wall clock, also the time in which a busy machine does not let it run: where the system
    // allows it, it goes before others. A script that is too long is so at each of its 200 calls, so one or two are no
    // proof.
    for _ in 0..3 {
        let redis = Redis::start_with(
            &server,
            &["--appendonly", "no", "--slowlog-log-slower-than", "20000"],
        );
        let workload = Workload::new(12, 100_000, 200, ago(60), 10);
        workload.write(&redis);
        redis.favour();
        reset(&redis);
        delivers(&redis, &workload);
        found = slow(&redis);
        if found.len() <= 2 {
            return;
        }
    }
    panic!("three times something took more than 20 ms: {found:?}");
}
