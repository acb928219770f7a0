//! Bodies, read back by decoders that know nothing of the encoders.

use std::io::Read;

use proptest::prelude::*;
use prost::Message;
use serde_json::value::RawValue;

use super::*;
use crate::outputs::datadog::account::Defaults;

#[derive(Clone, PartialEq, Message)]
struct MetricPayload {
    #[prost(message, repeated, tag = "1")]
    series: Vec<MetricSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct MetricSeries {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<Resource>,
    #[prost(string, tag = "2")]
    metric: String,
    #[prost(string, repeated, tag = "3")]
    tags: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    points: Vec<MetricPoint>,
    #[prost(int32, tag = "5")]
    kind: i32,
    #[prost(int64, tag = "8")]
    interval: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "2")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct MetricPoint {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

#[derive(Deserialize)]
struct JsonPayload {
    series: Vec<JsonSeries>,
}

#[derive(Deserialize)]
struct JsonSeries {
    metric: String,
    points: Vec<(i64, Box<RawValue>)>,
}

fn output(version: &str, level: Option<u32>) -> Datadog {
    let defaults = Defaults {
        timeout: Duration::from_secs(48),
        proxies: crate::support::proxy::Proxies::none(),
    };
    let value = serde_json::json!({"api_key": "k", "api_version": version, "compression_level": level});
    let section = crate::component::settings::Section::new("outputs.datadog", value);
    build(
        &section,
        &defaults,
        &mut crate::component::settings::Problems::default(),
    )
    .unwrap()
}

fn speaker() -> Speaker {
    Speaker {
        host: "edge \"7\"".to_string(),
        tags: vec!["env:prod".to_string()],
    }
}

fn series(output: &Datadog, metric: &str, kind: PointKind, points: &[(i64, f64)]) -> Series {
    let labels = Labels::new([("mode", "user")]);
    Series {
        name: output.name(metric, &labels, kind, 10, &speaker()).unwrap(),
        points: points.to_vec(),
    }
}

fn decompressed(version: Version, body: &[u8]) -> Vec<u8> {
    let mut raw = Vec::new();
    match version {
        Version::V2 => zstd::stream::read::Decoder::new(body)
            .unwrap()
            .read_to_end(&mut raw),
        Version::V1 => flate2::read::ZlibDecoder::new(body).read_to_end(&mut raw),
    }
    .unwrap();
    raw
}

/// Metric and points (times, bits of values) of each entry of a body.
fn entries(version: Version, raw: &[u8]) -> Vec<(String, Vec<(i64, u64)>)> {
    match version {
        Version::V2 => {
            let payload = MetricPayload::decode(raw).unwrap();
            let points = |one: &MetricSeries| {
                one.points
                    .iter()
                    .map(|p| (p.timestamp, p.value.to_bits()))
                    .collect()
            };
            payload
                .series
                .iter()
                .map(|one| (one.metric.clone(), points(one)))
                .collect()
        }
        Version::V1 => {
            let payload: JsonPayload = serde_json::from_slice(raw).unwrap();
            // The library's own reading of numbers is a bit off in the last place.
            let point =
                |(time, value): &(i64, Box<RawValue>)| (*time, value.get().parse::<f64>().unwrap().to_bits());
            let series = payload.series.iter();
            series
                .map(|one| (one.metric.clone(), one.points.iter().map(point).collect()))
                .collect()
        }
    }
}

#[test]
fn a_v2_body_says_what_the_series_say() {
    let output = output("v2", None);
    let given = [
        series(
            &output,
            "cpu.usage",
            PointKind::Gauge,
            &[(1_785_542_400, 0.0), (1_785_542_410, -1.5)],
        ),
        series(&output, "requests", PointKind::Count, &[(-5, 3.0)]),
        series(
            &output,
            "speed",
            PointKind::Rate,
            &[(0, 0.1), (10, f64::NAN), (20, f64::INFINITY)],
        ),
        series(&output, "unknown", PointKind::Gauge, &[(0, f64::NAN)]),
    ];
    let encoded = output.encode(&given, &speaker(), 1);
    assert_eq!((encoded.series, encoded.points_of_next), (4, 0));
    let raw = decompressed(Version::V2, &encoded.body);
    assert_eq!(encoded.raw_bytes, raw.len() as u64);
    let of = |metric: &str, kind, interval, points: &[(i64, f64)]| MetricSeries {
        resources: vec![Resource {
            kind: "host".to_string(),
            name: "edge \"7\"".to_string(),
        }],
        metric: metric.to_string(),
        tags: vec!["env:prod".to_string(), "mode:user".to_string()],
        points: points
            .iter()
            .map(|(timestamp, value)| MetricPoint {
                value: *value,
                timestamp: *timestamp,
            })
            .collect(),
        kind,
        interval,
    };
    assert_eq!(
        MetricPayload::decode(&*raw).unwrap().series,
        [
            of("cpu.usage", 3, 0, &[(1_785_542_400, 0.0), (1_785_542_410, -1.5)]),
            of("requests", 1, 10, &[(-5, 3.0)]),
            of("speed", 2, 10, &[(0, 0.1)]),
        ]
    );
}

#[test]
fn a_v1_body_says_what_the_series_say() {
    let output = output("v1", None);
    let given = [
        series(
            &output,
            "cpu.usage",
            PointKind::Gauge,
            &[(1_785_542_400, 0.1), (1_785_542_410, 1e300)],
        ),
        series(&output, "unknown", PointKind::Gauge, &[(0, f64::NAN)]),
        series(&output, "requests", PointKind::Count, &[(1, 3.0)]),
        series(
            &output,
            "speed",
            PointKind::Rate,
            &[(1, f64::INFINITY), (2, -2.5)],
        ),
    ];
    let encoded = output.encode(&given, &speaker(), 1);
    assert_eq!((encoded.series, encoded.points_of_next), (4, 0));
    let raw = decompressed(Version::V1, &encoded.body);
    assert_eq!(encoded.raw_bytes, raw.len() as u64);
    let start = r#"{"host":"edge \"7\"","metric":"#;
    assert_eq!(
        String::from_utf8(raw).unwrap(),
        format!(
            "{{\"series\":[{start}\"cpu.usage\",\"tags\":[\"env:prod\",\"mode:user\"],\"type\":\"gauge\",\
             \"points\":[[1785542400,0.1],[1785542410,1e+300]]}},\
             {start}\"requests\",\"tags\":[\"env:prod\",\"mode:user\"],\"type\":\"count\",\"interval\":10,\
             \"points\":[[1,3]]}},\
             {start}\"speed\",\"tags\":[\"env:prod\",\"mode:user\"],\"type\":\"rate\",\"interval\":10,\
             \"points\":[[2,-2.5]]}}]}}"
        )
    );
}

#[test]
fn without_a_host_none_is_named() {
    for (name, version) in [("v1", Version::V1), ("v2", Version::V2)] {
        let output = output(name, None);
        let one = series(&output, "a", PointKind::Gauge, &[(1, 1.0)]);
        let raw = decompressed(version, &output.encode(&[one], &Speaker::default(), 1).body);
        assert!(!raw.windows(4).any(|part| part == b"host"), "{name}");
    }
}

#[test]
fn noise_fills_bodies_up_to_the_limit_and_not_beyond() {
    let output = output("v2", Some(1));
    let mut random = fastrand::Rng::with_seed(1);
    let noise: Vec<(i64, f64)> = (0..100_000).map(|at| (at, random.f64())).collect();
    let mut given = vec![series(&output, "noise", PointKind::Gauge, &noise)];
    let mut sizes = Vec::new();
    while !given.is_empty() {
        let encoded = output.encode(&given, &speaker(), 1);
        sizes.push(encoded.body.len());
        given.drain(..encoded.series);
        if let Some(next) = given.first_mut() {
            next.points.drain(..encoded.points_of_next);
        }
    }
    let full = &sizes[..sizes.len() - 1];
    assert!(
        !full.is_empty() && sizes.iter().all(|size| *size <= 512_000),
        "{sizes:?}"
    );
    assert!(full.iter().all(|size| *size > 400_000), "{sizes:?}");
}

fn values() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        prop::collection::vec(any::<f64>(), 1..400),
        prop::collection::vec(-9.0..9.0_f64, 1..400),
        (any::<f64>(), 1..2000_usize).prop_map(|(value, count)| vec![value; count]),
        prop::collection::vec(prop::sample::select(vec![0.0, 1.0, 2.5, f64::NAN]), 1..400),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn bodies_keep_both_limits_and_hold_exactly_what_they_say(
        given in prop::collection::vec(("[a-z]{1,200}", values()), 1..16),
        shrink in prop::sample::select(vec![1_u32, 20, 100, 300, 1000, 20_000, u32::MAX]),
        (name, version, most) in prop::sample::select(vec![("v1", Version::V1, 9_u32), ("v2", Version::V2, 19)]),
        level in any::<prop::sample::Index>(),
    ) {
        let output = output(name, Some(1 + level.index(most as usize) as u32));
        let mut rest: Vec<Series> = given.iter().map(|(metric, values)| {
            let points: Vec<(i64, f64)> =
                values.iter().enumerate().map(|(at, value)| (1_785_542_400 + 10 * at as i64, *value)).collect();
            series(&output, metric, PointKind::Count, &points)
        }).collect();
        let limits = output.version.limits().shrunk(shrink);
        while !rest.is_empty() {
            let encoded = output.encode(&rest, &speaker(), shrink);
            prop_assert!(encoded.series + encoded.points_of_next > 0);
            let mut expected: Vec<(String, Vec<(i64, u64)>)> = Vec::new();
            for (index, one) in rest.iter().enumerate().take(encoded.series + 1) {
                let count = if index < encoded.series { one.points.len() } else { encoded.points_of_next };
                let finite = one.points[..count].iter().filter(|point| point.1.is_finite());
                expected.push((one.name.metric.clone(), finite.map(|(time, value)| (*time, value.to_bits())).collect()));
            }
            expected.retain(|one| !one.1.is_empty());
            // A series may stand in several entries, one after the other.
            let raw = decompressed(version, &encoded.body);
            let mut found: Vec<(String, Vec<(i64, u64)>)> = Vec::new();
            for (metric, points) in entries(version, &raw) {
                match found.last_mut() {
                    Some(last) if last.0 == metric && last.1.last() < points.first() => last.1.extend(points),
                    _ => found.push((metric, points)),
                }
            }
            let single = expected.iter().map(|one| one.1.len()).sum::<usize>() <= 1;
            prop_assert!(single || encoded.body.len() <= limits.compressed, "{} bytes", encoded.body.len());
            prop_assert!(single || raw.len() <= limits.raw, "{} bytes", raw.len());
            prop_assert_eq!(encoded.raw_bytes, raw.len() as u64);
            prop_assert!(found == expected);
            rest.drain(..encoded.series);
            if let Some(next) = rest.first_mut() {
                next.points.drain(..encoded.points_of_next);
            }
        }
    }
}
