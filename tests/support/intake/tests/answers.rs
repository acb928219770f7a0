//! The scripted answers, and the listener that goes down and comes up.

use std::time::Duration;

use super::super::{Answer, Counts, Elsewhere, Ledger};
use super::{KEY, NOW, gauge, intake, try_post, v1};
use crate::support::http;

#[test]
fn scripted_answers_come_one_a_request_and_then_the_standing_one() {
    let intake = intake();
    intake.then([
        Answer::Status(500),
        Answer::TooMany { retry_after: 7 },
        Answer::Status(413),
        Answer::Status(404),
    ]);
    intake.always(Answer::Status(400));
    let send = || v1(&intake, &[gauge("a", NOW, 1.0)]);
    assert_eq!(send().status, 500);
    let limited = send();
    assert_eq!((limited.status, limited.header("retry-after")), (429, "7"));
    assert_eq!(send().status, 413);
    assert_eq!(send().status, 404);
    assert_eq!((send().status, send().status), (400, 400));
    assert_eq!(intake.counts(), Counts::default());
    intake.always(Answer::Judge);
    assert_eq!(send().status, 202);
    assert_eq!(intake.counts().kept, 1);
}

#[test]
fn a_poisoned_series_refuses_its_whole_request_without_a_name() {
    let intake = intake();
    intake.poison("evil");
    let answer = v1(&intake, &[gauge("good", NOW, 1.0), gauge("evil", NOW, 1.0)]);
    assert_eq!(answer.status, 400);
    assert!(!answer.text().contains("evil"), "{}", answer.text());
    assert_eq!(v1(&intake, &[gauge("good", NOW, 1.0)]).status, 202);
    assert_eq!(intake.counts().kept, 1);
}

#[test]
fn a_redirect_leads_to_a_host_that_tells_whether_the_key_arrived() {
    let intake = intake();
    intake.then([Answer::Redirect]);
    let answer = v1(&intake, &[gauge("a", NOW, 1.0)]);
    assert_eq!(answer.status, 302);
    assert_eq!(intake.look(|ledger| ledger.elsewhere), Elsewhere::default());
    let location = answer.header("location");
    assert!(
        location.ends_with("/api/v1/series") && !location.starts_with(&intake.url()),
        "{location}"
    );
    http::get(location, &[]).expect("the other host answers");
    http::get(location, &[("dd-api-key", KEY)]).expect("the other host answers");
    assert_eq!(
        intake.look(|ledger| ledger.elsewhere),
        Elsewhere {
            requests: 2,
            with_key: 1
        }
    );
}

#[test]
fn errors_in_a_202_are_told_and_the_points_are_taken() {
    let intake = intake();
    intake.then([Answer::Errors(vec!["some text".to_owned()])]);
    let answer = v1(&intake, &[gauge("a", NOW, 1.0)]);
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (202, r#"{"errors":["some text"]}"#)
    );
    assert_eq!(intake.counts().kept, 1);
}

#[test]
fn a_half_closed_and_a_lost_answer_took_the_points_and_a_hanging_one_did_not() {
    let intake = intake();
    let body = || format!(r#"{{"series":[{}]}}"#, gauge("a", NOW, 1.0)).into_bytes();
    intake.then([Answer::HalfClosed, Answer::Lost]);
    for _ in 0..2 {
        let broken = try_post(&intake, "v1", "application/json", "", body());
        assert!(broken.is_err(), "{broken:?}");
    }
    assert_eq!(
        intake.counts(),
        Counts {
            kept: 2,
            repeated: 1,
            ..Counts::default()
        }
    );

    intake.always(Answer::Hang);
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| try_post(&intake, "v1", "application/json", "", body()));
        let seen = |ledger: &Ledger| ledger.requests.len() == 3;
        intake.wait_until("the third request", Duration::from_secs(20), seen);
        assert!(!hanging.is_finished());
        // Only the end of the connection ends the wait.
        intake.down();
        assert!(hanging.join().expect("the thread ends").is_err());
    });
    assert_eq!(intake.counts().kept, 2);
    let statuses = intake
        .series_requests()
        .iter()
        .map(|request| request.status)
        .collect::<Vec<_>>();
    assert_eq!(statuses, [Some(202), None, None]);
}

#[test]
fn the_head_of_a_half_closed_answer_arrives() {
    use std::io::{Read, Write};
    let intake = intake();
    intake.then([Answer::HalfClosed]);
    let address = intake.url().replace("http://", "");
    let body = format!(r#"{{"series":[{}]}}"#, gauge("a", NOW, 1.0));
    let mut stream = std::net::TcpStream::connect(address).expect("the intake listens");
    let length = body.len();
    write!(
        stream,
        "POST /api/v1/series HTTP/1.1\r\nhost: x\r\ndd-api-key: {KEY}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .expect("the intake reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("the connection is closed");
    assert!(
        answer.starts_with("HTTP/1.1 202 Accepted\r\n") && answer.ends_with("\r\n\r\n"),
        "{answer:?}"
    );
    assert!(answer.contains("content-length: 20\r\n"), "{answer:?}");
}

#[test]
fn while_down_connections_are_refused_and_the_port_stays_the_same() {
    let intake = intake();
    let send = || {
        try_post(
            &intake,
            "v1",
            "application/json",
            "",
            br#"{"series":[]}"#.to_vec(),
        )
    };
    assert_eq!(send().expect("an answer").status, 202);
    for _ in 0..3 {
        intake.down();
        assert!(send().expect_err("nobody listens").is_connect());
        intake.up();
        assert_eq!(send().expect("an answer").status, 202);
    }
}
