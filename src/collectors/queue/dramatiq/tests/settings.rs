//! What the settings of the collector `dramatiq` allow.

use serde_json::{Value, json};

use crate::collectors::queue::dramatiq::tests::built;
use crate::support::redis::target::{Target, TargetKind};

fn problems(value: Value) -> Vec<String> {
    let redis = Target::server("redis", 6379);
    built(value, Some(&redis)).err().unwrap_or_default()
}

#[test]
fn without_any_redis_the_problem_says_what_to_set() {
    assert_eq!(
        built(Value::Null, None).err().unwrap(),
        [
            "collectors.dramatiq.redis_url: says nothing, and no Redis is set that could be dramatiq's broker (set it, \
             or REDIS_HOST where the agent's Redis is dramatiq's as well, or `rabbitmq_url`)"
        ]
    );
    assert_eq!(problems(Value::Null), [""; 0]);
    assert!(built(json!({"redis_url": "redis://a"}), None).is_ok());
    assert!(built(json!({"rabbitmq_url": "http://a:15672"}), None).is_ok());
}

#[test]
fn two_brokers_are_one_too_many() {
    assert_eq!(
        problems(json!({"redis_url": "redis://a", "rabbitmq_url": "http://b:15672"})),
        [
            "collectors.dramatiq.rabbitmq_url: stands beside `redis_url`; dramatiq has one broker (leave one of them \
             out, or name a second collector with `type: dramatiq`)"
        ]
    );
}

#[test]
fn a_cluster_is_refused_whoever_names_it() {
    let mut cluster = Target::server("a", 1);
    cluster.kind = TargetKind::Cluster;
    let hint = "in which SCAN sees the keys of one node only (name the one Redis that is dramatiq's broker, as \
                redis://HOST:PORT)";
    assert_eq!(
        built(Value::Null, Some(&cluster)).err().unwrap(),
        [format!(
            "collectors.dramatiq.redis_url: is not set, and the section `redis` names a cluster, {hint}"
        )]
    );
    assert_eq!(
        problems(json!({"redis_url": "redis+cluster://a:1,b:2"})),
        [format!("collectors.dramatiq.redis_url: is a cluster, {hint}")]
    );
}

#[test]
fn every_wrong_url_is_told_without_its_password() {
    let wanted = "expected http://[USER:PASSWORD@]HOST:15672[/VHOST], or https://";
    for (value, message) in [
        (
            json!({"redis_url": "redis://me:hunter2"}),
            "redis_url: has a port that is none",
        ),
        // Who has no key for the password is not told to use it.
        (
            json!({"redis_url": "redis://me:hunter#2@a"}),
            "write them as %2F, %3F, %23, %40",
        ),
        (json!({"rabbitmq_url": "amqp://me:hunter2@a:5672"}), wanted),
        (json!({"rabbitmq_url": "http://me:hunter2/@a:1"}), wanted),
        (
            json!({"rabbitmq_url": "http://me:hunter2@a:1/x/y"}),
            "written %2F",
        ),
        (
            json!({"rabbitmq_url": "http://me:hunter2%zz@a:1"}),
            "rabbitmq_url: has a `%`",
        ),
        (json!({"rabbitmq_url": "hunter2"}), wanted),
    ] {
        let told = problems(value.clone());
        assert_eq!(told.len(), 1, "{value} {told:?}");
        assert!(told[0].contains(message), "{told:?}");
        assert!(!told[0].contains("hunter"), "{told:?}");
        assert!(!told[0].contains("`password`"), "{told:?}");
    }
}

#[test]
fn what_would_have_no_effect_is_a_problem() {
    for (value, key) in [
        (json!({"rabbitmq_user": "me"}), "rabbitmq_user"),
        (json!({"rabbitmq_password": "x"}), "rabbitmq_password"),
        (
            json!({"ca_file": "/etc/ssl/certs/ca-certificates.crt"}),
            "ca_file",
        ),
        (
            json!({"ca_file": "/etc/ssl/certs/ca-certificates.crt", "rabbitmq_url": "http://a:1"}),
            "ca_file",
        ),
        (json!({"namespace": ""}), "namespace"),
        (json!({"namespace": "jobs:"}), "namespace"),
        (json!({"redis_url": "file:/nowhere/url"}), "redis_url"),
    ] {
        let told = problems(value);
        assert!(
            told[0].starts_with(&format!("collectors.dramatiq.{key}: ")),
            "{told:?}"
        );
    }
}
