//! The stub's own rules, each through the wire.

use std::{collections::BTreeMap, io::Write, time::Duration};

use prost::Message;

use super::{Answer, Counts, Elsewhere, Intake, KEY, Kind, PointKey, V1, V2, proto, rules};
use crate::support::http::{self, Answer as Response};

const NOW: i64 = 1_800_000_000;

/// An intake whose clock stands at [`NOW`].
fn intake() -> Intake {
    let intake = Intake::start();
    intake.clock().pin(NOW);
    intake
}

/// One gauge of `/api/v1/series` as JSON.
fn gauge(name: &str, time: i64, value: f64) -> String {
    format!(
        r#"{{"metric":"{name}","type":"gauge","points":[[{time},{value}]],"host":"h","tags":["b:2","a:1"]}}"#
    )
}

fn v1(intake: &Intake, series: &[String]) -> Response {
    let body = format!(r#"{{"series":[{}]}}"#, series.join(","));
    post(intake, "v1", "application/json", "", body.into_bytes())
}

fn post(intake: &Intake, version: &str, media: &str, encoding: &str, body: Vec<u8>) -> Response {
    try_post(intake, version, media, encoding, body).expect("the intake answers")
}

fn try_post(
    intake: &Intake,
    version: &str,
    media: &str,
    encoding: &str,
    body: Vec<u8>,
) -> Result<Response, http::Failed> {
    let mut headers = vec![("dd-api-key", KEY), ("content-type", media)];
    if !encoding.is_empty() {
        headers.push(("content-encoding", encoding));
    }
    http::request(
        "POST",
        &format!("{}/{version}/series", intake.datadog_url()),
        &headers,
        body,
    )
}

/// A payload of `/api/v2/series` with one series.
fn payload(name: &str, kind: i32, interval: i64, points: &[(i64, f64)]) -> proto::MetricPayload {
    let points = points
        .iter()
        .map(|&(timestamp, value)| proto::MetricPoint { value, timestamp })
        .collect();
    let host = proto::Resource {
        kind: "host".to_owned(),
        name: "h".to_owned(),
    };
    let series = proto::MetricSeries {
        resources: vec![host],
        metric: name.to_owned(),
        tags: vec!["b:2".to_owned(), "a:1".to_owned(), "a:1".to_owned()],
        points,
        kind,
        interval,
        ..proto::MetricSeries::default()
    };
    proto::MetricPayload { series: vec![series] }
}

fn v2(intake: &Intake, payload: &proto::MetricPayload) -> Response {
    post(
        intake,
        "v2",
        "application/x-protobuf",
        "",
        payload.encode_to_vec(),
    )
}

fn key(name: &str, time: i64) -> PointKey {
    PointKey::new(name, "h", &["a:1", "b:2"], Kind::Gauge, time)
}

fn deflate(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).expect("memory takes bytes");
    encoder.finish().expect("memory takes bytes")
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).expect("memory takes bytes");
    encoder.finish().expect("memory takes bytes")
}

#[test]
fn both_versions_all_formats_and_encodings_mean_the_same_point() {
    let json = format!(r#"{{"series":[{}]}}"#, gauge("a.b", NOW, 1.5)).into_bytes();
    let json2 = format!(
        r#"{{"series":[{{"metric":"a.b","type":3,"points":[{{"timestamp":{NOW},"value":1.5}}],"tags":["a:1","b:2"],"resources":[{{"type":"host","name":"h"}}]}}]}}"#
    )
    .into_bytes();
    let binary = payload("a.b", 3, 0, &[(NOW, 1.5)]).encode_to_vec();
    let zstd = |plain: &[u8]| zstd::encode_all(plain, 1).expect("memory takes bytes");
    let requests = [
        ("v1", "application/json", "", json.clone()),
        ("v1", "text/json", "deflate", deflate(&json)),
        ("v1", "application/json; charset=utf-8", "gzip", gzip(&json)),
        ("v2", "application/json", "gzip", gzip(&json2)),
        ("v2", "application/x-protobuf", "deflate", deflate(&binary)),
        ("v2", "application/x-protobuf", "gzip", gzip(&binary)),
        ("v2", "application/x-protobuf", "zstd", zstd(&binary)),
    ];
    for (version, media, encoding, body) in requests {
        let intake = intake();
        let answer = post(&intake, version, media, encoding, body);
        assert_eq!(
            answer.status,
            202,
            "{version} {media} {encoding}: {}",
            answer.text()
        );
        let score = intake.score(&BTreeMap::from([(key("a.b", NOW), 1.5)]));
        assert!(score.is_perfect(), "{version} {media} {encoding}: {score}");
    }
}

#[test]
fn a_request_is_written_down_with_its_sizes_and_headers() {
    let intake = intake();
    let plain = payload("a", 3, 0, &[(NOW - 1, 1.0), (NOW, 2.0)]).encode_to_vec();
    let raw = zstd::encode_all(plain.as_slice(), 1).expect("memory takes bytes");
    post(&intake, "v2", "application/x-protobuf", "zstd", raw.clone());
    let requests = intake.series_requests();
    let [request] = requests.as_slice() else {
        panic!("one request: {requests:?}")
    };
    assert_eq!(
        (request.raw, request.plain, request.status),
        (raw.len(), Some(plain.len()), Some(202))
    );
    assert_eq!(
        (request.path.as_str(), request.header("content-encoding")),
        ("/api/v2/series", Some("zstd"))
    );
    assert_eq!(
        (request.points(), request.times().min(), request.at),
        (2, Some(NOW - 1), NOW)
    );
}

#[test]
fn a_body_over_either_limit_is_413_and_one_at_it_is_taken() {
    let intake = intake();
    for (version, media, limits) in [("v1", "application/json", V1), ("v2", "application/json", V2)] {
        let points = if version == "v1" {
            "[[1,1]]"
        } else {
            r#"[{"timestamp":1,"value":1}]"#
        };
        let body = |size: usize| {
            let mut body = format!(r#"{{"series":[{{"metric":"a","points":{points}}}]}}"#).into_bytes();
            body.resize(size, b' ');
            body
        };
        assert_eq!(post(&intake, version, media, "", body(limits.raw)).status, 202);
        assert_eq!(
            post(&intake, version, media, "", body(limits.raw + 1)).status,
            413
        );
        assert_eq!(
            post(&intake, version, media, "deflate", deflate(&body(limits.plain))).status,
            202
        );
        assert_eq!(
            post(
                &intake,
                version,
                media,
                "deflate",
                deflate(&body(limits.plain + 1))
            )
            .status,
            413
        );
    }
}

#[test]
fn what_the_endpoint_does_not_read_is_415_and_rubbish_is_400() {
    let intake = intake();
    assert_eq!(
        post(&intake, "v1", "application/x-protobuf", "", Vec::new()).status,
        415
    );
    assert_eq!(
        post(&intake, "v1", "application/json", "zstd", Vec::new()).status,
        415
    );
    assert_eq!(
        post(&intake, "v2", "application/json", "br", Vec::new()).status,
        415
    );
    assert_eq!(
        post(
            &intake,
            "v1",
            "application/json",
            "deflate",
            b"no deflate".to_vec()
        )
        .status,
        400
    );
    assert_eq!(
        post(&intake, "v1", "application/json", "", b"{".to_vec()).status,
        400
    );
}

#[test]
fn a_wrong_key_is_403_until_the_key_is_right() {
    let intake = intake();
    intake.set_key("another");
    assert_eq!(v1(&intake, &[gauge("a", NOW, 1.0)]).status, 403);
    let validate = format!("{}/v1/validate", intake.datadog_url());
    assert_eq!(
        http::get(&validate, &[("dd-api-key", KEY)])
            .expect("an answer")
            .status,
        403
    );
    intake.set_key(KEY);
    assert_eq!(http::get(&validate, &[]).expect("an answer").status, 403);
    let valid = http::get(&validate, &[("dd-api-key", KEY)]).expect("an answer");
    assert_eq!((valid.status, valid.text().as_str()), (200, r#"{"valid":true}"#));
    assert_eq!(v1(&intake, &[gauge("a", NOW, 1.0)]).status, 202);
    intake.validates(false);
    assert_eq!(
        http::get(&validate, &[("dd-api-key", KEY)])
            .expect("an answer")
            .status,
        404
    );
}

#[test]
fn a_bad_name_or_tag_is_400_with_its_name_and_nothing_is_taken() {
    let intake = intake();
    let answer = v1(&intake, &[gauge("good", NOW, 1.0), gauge("bad-name", NOW, 1.0)]);
    assert_eq!(answer.status, 400);
    assert!(
        answer.text().contains(r#"\"bad-name\" has a character"#),
        "{}",
        answer.text()
    );
    let answer = v1(&intake, &[gauge("good", NOW, 1.0).replace("b:2", "Upper:x")]);
    assert_eq!(answer.status, 400);
    assert!(
        answer
            .text()
            .contains(r#"\"Upper:x\" of metric \"good\" is not in lower case"#),
        "{}",
        answer.text()
    );
    assert_eq!(intake.counts(), Counts::default());
}

#[test]
fn names_and_tags_keep_to_their_letters_and_lengths() {
    for good in ["a", "A.b_c9", &"a".repeat(200)] {
        assert_eq!(rules::name_fault(good), None, "{good}");
    }
    for bad in ["", "9a", "_a", ".a", "a-b", "a b", "é", "aé", &"a".repeat(201)] {
        assert!(rules::name_fault(bad).is_some(), "{bad}");
    }
    for good in [
        "a",
        "a:b",
        "a_b-c:d./e",
        "größe:straße",
        "a:9",
        "a::b",
        &"é".repeat(200),
    ] {
        assert_eq!(rules::tag_fault(good), None, "{good}");
    }
    for bad in ["", "9", ":a", "a:", "a b", "a,b", "A", "É", &"a".repeat(201)] {
        assert!(rules::tag_fault(bad).is_some(), "{bad}");
    }
}

#[test]
fn counts_and_rates_need_an_interval_and_every_series_a_finite_point() {
    let intake = intake();
    assert_eq!(v2(&intake, &payload("a", 1, 10, &[(NOW, 1.0)])).status, 202);
    assert_eq!(v2(&intake, &payload("a", 2, 10, &[(NOW, 1.0)])).status, 202);
    for (kind, interval, points) in [
        (1, 0, &[(NOW, 1.0)][..]),
        (2, 0, &[(NOW, 1.0)]),
        (4, 10, &[(NOW, 1.0)]),
        (3, 0, &[]),
        (3, 0, &[(NOW, f64::NAN)]),
    ] {
        let answer = v2(&intake, &payload("a", kind, interval, points));
        assert_eq!(answer.status, 400, "{kind} {interval} {points:?}");
    }
    let kinds = intake
        .points()
        .into_keys()
        .map(|key| key.kind)
        .collect::<Vec<_>>();
    assert_eq!(kinds, [Kind::Count, Kind::Rate]);
}

#[test]
fn an_old_point_is_answered_with_202_and_forgotten_unless_its_name_is_historical() {
    let intake = intake();
    intake.historical("old");
    for (name, time) in [
        ("a", NOW - 3_600),
        ("a", NOW - 3_601),
        ("a", NOW + 600),
        ("a", NOW + 601),
        ("old", NOW - 86_400),
        ("old", NOW + 601),
    ] {
        assert_eq!(v1(&intake, &[gauge(name, time, 1.0)]).status, 202);
    }
    let expected = [
        key("a", NOW - 3_600),
        key("a", NOW + 600),
        key("old", NOW - 86_400),
    ];
    assert_eq!(intake.points().into_keys().collect::<Vec<_>>(), expected);
    assert_eq!(
        intake.counts(),
        Counts {
            kept: 3,
            too_old: 1,
            too_far_ahead: 2,
            ..Counts::default()
        }
    );
}

#[test]
fn the_clock_can_run_ahead() {
    let intake = Intake::start();
    let before = intake.clock().now();
    intake.clock().set_offset(86_400);
    assert_eq!(v1(&intake, &[gauge("a", before, 1.0)]).status, 202);
    assert_eq!(
        intake.counts(),
        Counts {
            too_old: 1,
            ..Counts::default()
        }
    );
}

#[test]
fn the_last_value_wins_and_repeats_are_counted_apart_from_rewrites() {
    let intake = intake();
    for value in [1.0, 1.0, 2.0] {
        v1(&intake, &[gauge("a", NOW, value)]);
    }
    // Another kind, host or tag is another series.
    v1(&intake, &[gauge("a", NOW, 5.0).replace(r#""h""#, r#""i""#)]);
    v1(&intake, &[gauge("a", NOW, 6.0).replace("b:2", "b:3")]);
    v1(
        &intake,
        &[gauge("a", NOW, 7.0).replace(r#""type":"gauge""#, r#""type":"count","interval":10"#)],
    );
    assert_eq!(
        intake.counts(),
        Counts {
            kept: 6,
            repeated: 1,
            rewritten: 1,
            ..Counts::default()
        }
    );
    assert_eq!(intake.points().len(), 4);
    let kept = intake.points()[&key("a", NOW)];
    assert_eq!((kept.value, kept.times), (2.0, 3));
}

#[test]
fn the_score_names_what_is_missing_wrong_and_extra() {
    let intake = intake();
    v1(
        &intake,
        &[
            gauge("right", NOW, 1.0),
            gauge("wrong", NOW, 2.0),
            gauge("extra", NOW, 3.0),
        ],
    );
    let truth = BTreeMap::from([
        (key("right", NOW), 1.0),
        (key("wrong", NOW), 2.5),
        (key("missing", NOW), 4.0),
    ]);
    let score = intake.score(&truth);
    assert_eq!(score.missing, [key("missing", NOW)]);
    assert_eq!(score.wrong, [(key("wrong", NOW), 2.5, 2.0)]);
    assert_eq!(score.extra, [key("extra", NOW)]);
    assert!(!score.is_perfect());
    assert_eq!(score.without_extra().extra, []);
}

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
        let seen = |ledger: &super::Ledger| ledger.requests.len() == 3;
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
