//! The endpoints for logs.

use std::io::Write;

use serde_json::{Value, json};

use super::super::{Answer, Intake, KEY};
use super::{NOW, intake};
use crate::support::http::{self, Answer as Response};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn send(intake: &Intake, path: &str, key: &str, body: &Value) -> Response {
    let headers = [
        ("dd-api-key", key),
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ];
    let url = format!("{}{path}", intake.logs_url());
    http::request("POST", &url, &headers, gzip(body.to_string().as_bytes())).expect("the intake answers")
}

fn v2(intake: &Intake, body: &Value) -> u16 {
    send(intake, "/api/v2/logs", KEY, body).status
}

#[test]
fn what_is_taken_is_kept_with_its_host_and_tags() {
    let intake = intake();
    let entry = json!({"message": "m", "ddtags": "a:1,b", "hostname": "h", "service": "s", "level": "WARN",
        "date": "2027-01-15T07:59:58.5+00:00", "x": 1});
    let answer = send(&intake, "/api/v2/logs", KEY, &json!([entry]));
    assert_eq!((answer.status, answer.text().as_str()), (202, "{}"));
    let logs = intake.logs();
    assert_eq!(logs.len(), 1);
    assert_eq!((logs[0].host.as_str(), logs[0].service.as_str()), ("h", "s"));
    assert_eq!((logs[0].status.as_str(), logs[0].time), ("WARN", NOW - 2));
    assert_eq!(logs[0].tags, ["a:1".to_owned(), "b".to_owned()].into());
    assert_eq!(logs[0].entry, entry);
    let request = &intake.log_requests()[0];
    assert_eq!((request.logs, request.status), (1, Some(202)));
}

#[test]
fn the_old_endpoint_answers_200_and_takes_any_message() {
    let intake = intake();
    let body = json!([{"message": {"msg": 1}}]);
    assert_eq!(send(&intake, "/v1/input", KEY, &body).status, 200);
    assert_eq!(intake.logs()[0].message, json!({"msg": 1}));
    assert_eq!(v2(&intake, &body), 400);
    assert_eq!(v2(&intake, &json!([{"level": "INFO"}])), 400);
}

#[test]
fn what_breaks_a_rule_is_refused_as_a_whole() {
    let intake = intake();
    let good = json!({"message": "m"});
    assert_eq!(send(&intake, "/api/v2/logs", "wrong", &json!([good])).status, 403);
    assert_eq!(
        v2(&intake, &json!([good, {"message": "m", "ddtags": ["a"]}])),
        400
    );
    assert_eq!(v2(&intake, &json!([good, "text"])), 400);
    assert_eq!(v2(&intake, &json!(vec![good.clone(); 1001])), 400);
    assert_eq!(
        v2(&intake, &json!(vec![json!({"message": "x".repeat(900_000)}); 6])),
        413
    );
    intake.poison("evil");
    assert_eq!(
        v2(&intake, &json!([good, {"message": "m", "service": "evil"}])),
        400
    );
    let headers = [("dd-api-key", KEY), ("content-type", "application/json")];
    let url = format!("{}/api/v2/logs", intake.logs_url());
    let plain = http::request("POST", &url, &headers, b"[]".to_vec()).expect("the intake answers");
    assert_eq!(plain.status, 415);
    assert!(intake.logs().is_empty());
    assert_eq!(v2(&intake, &json!(vec![good; 1000])), 202);
    assert_eq!(intake.logs().len(), 1000);
}

#[test]
fn what_is_too_long_is_cut_and_what_is_too_old_forgotten_without_a_word() {
    let intake = intake();
    let frame = json!([{"message": ""}]).to_string().len() - 2;
    let of = |bytes: usize| json!({"message": "x".repeat(bytes - frame)});
    assert_eq!(v2(&intake, &json!([of(1_000_000), of(1_000_001)])), 202);
    assert_eq!(
        intake.look(|ledger| (ledger.logs.cut, ledger.logs.kept.len())),
        (1, 2)
    );
    let dated = |time: i64| json!({"message": "m", "date": time * 1000});
    assert_eq!(
        v2(&intake, &json!([dated(NOW - 64_800), dated(NOW - 64_801)])),
        202
    );
    assert_eq!(
        intake.look(|ledger| (ledger.logs.too_old, ledger.logs.kept.len())),
        (1, 3)
    );
}

#[test]
fn scripted_answers_are_for_logs_alone() {
    let intake = intake();
    intake.then_to_logs([Answer::Status(500), Answer::TooMany { retry_after: 7 }]);
    intake.always_to_logs(Answer::Status(400));
    let body = json!([{"message": "m"}]);
    assert_eq!(
        [v2(&intake, &body), v2(&intake, &body), v2(&intake, &body)],
        [500, 429, 400]
    );
    assert_eq!(super::v1(&intake, &[super::gauge("a", NOW, 1.0)]).status, 202);
    intake.always_to_logs(Answer::Judge);
    assert_eq!((v2(&intake, &body), intake.logs().len()), (202, 1));
    assert_eq!((v2(&intake, &json!({})), intake.logs().len()), (202, 1));
}
