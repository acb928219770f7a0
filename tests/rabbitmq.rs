//! The RabbitMQ that tests stand on: it takes messages, survives a kill, and leaves nothing behind.

use crate::support::rabbitmq::RabbitMq;
use crate::support::wait::{PATIENCE, wait_for};

#[test]
fn a_broker_keeps_its_queue_over_a_kill() {
    let Some(mut broker) = RabbitMq::start() else {
        return;
    };
    let made = broker.ask("PUT", "queues/%2f/jobs", r#"{"durable":true}"#);
    assert_eq!(made.map(|answer| answer.status), Some(201));
    let message = r#"{"properties":{"delivery_mode":2},"routing_key":"jobs","payload":"1","payload_encoding":"string"}"#;
    let sent = broker
        .ask("POST", "exchanges/%2f/amq.default/publish", message)
        .expect("an answer");
    assert_eq!(sent.json()["routed"], true);

    broker.kill_9();
    assert!(broker.ask("GET", "overview", "").is_none());
    broker.start_again();
    let kept = wait_for("the queue that was kept", PATIENCE, || {
        broker
            .ask("GET", "queues/%2f/jobs", "")
            .filter(|answer| answer.status == 200)
    });
    assert_eq!(kept.json()["name"], "jobs");
}
