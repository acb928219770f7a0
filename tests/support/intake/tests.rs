//! The stub's own rules, each through the wire.

mod answers;
mod kept;
mod logs;

use std::collections::BTreeMap;
use std::io::Write;

use prost::Message;

use super::{Counts, Intake, KEY, Kind, PointKey, V1, V2, proto, rules};
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
