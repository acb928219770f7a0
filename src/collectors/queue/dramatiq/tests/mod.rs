//! Tests of the collector `dramatiq`: its settings, a real Redis, a stub of RabbitMQ's management API.

mod rabbitmq;
mod redis;
mod settings;

use serde_json::{Value, json};

use super::*;
use crate::model::fold::folded;
use crate::model::labels::Labels;

/// The collector with these settings and this Redis for all, or the problems.
fn built(value: Value, redis: Option<&Target>) -> Result<Dramatiq, Vec<String>> {
    let mut problems = Problems::default();
    let made = build(&Section::new("collectors.dramatiq", value), redis, &mut problems);
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(made.is_some(), problems.is_empty(), "{problems:?}");
    made.ok_or(problems)
}

/// One reading: `QUEUE STATE MESSAGES` for every sample in their order, and the error.
async fn read(collector: &mut Dramatiq) -> (Vec<String>, Result<(), CollectError>) {
    let mut samples = Samples::default();
    let result = collector.collect(&mut samples).await;
    let line =
        |one: &crate::model::sample::Owned| format!("{} {} {}", one.labels[0], one.labels[1], one.value);
    (samples.iter().map(line).collect(), result)
}

#[test]
fn the_ending_of_a_name_is_its_state_and_comes_back_under_the_dotted_name() {
    for (name, queue, state) in [
        ("mail", "mail", "ready"),
        ("mail.DQ", "mail", "delayed"),
        ("mail.XQ", "mail", "dead"),
        ("mail.v2.XQ", "mail.v2", "dead"),
        (".DQ", ".DQ", "ready"),
    ] {
        let mut samples = Samples::default();
        push(&mut samples, name, 7);
        assert_eq!(samples.get(&MESSAGES, &[queue, state]), Some(7.0), "{name}");
        let labels = Labels::new([("queue", queue), ("state", state)]);
        let dotted = folded(&labels, MESSAGES.dotted_labels);
        assert_eq!(dotted.text(), format!("queue=\"{name}\""));
    }
}

#[test]
fn the_sample_is_every_key_with_its_default() {
    let sample: Value = serde_saphyr::from_str(DESCRIPTOR.sample).unwrap();
    assert_eq!(Some(&sample), effective(&Section::new("x", Value::Null)).as_ref());
    assert_eq!(
        effective(&Section::new("x", sample.clone())),
        Some(sample),
        "every key is known"
    );
    let shown = effective(&Section::new("x", json!({"redis_url": "redis://:hunter2@a"})));
    assert_eq!(shown.unwrap()["redis_url"], "********");
}
