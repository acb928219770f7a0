//! Reading what was sent: decompression, protobuf and JSON of both versions.

use std::collections::BTreeSet;
use std::io::Read;

use prost::Message;
use serde::Deserialize;

/// The kind of a point, as the intake knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Gauge,
    Count,
    Rate,
}

/// One entry of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    pub(crate) name: String,
    /// Empty when none was sent.
    pub(crate) host: String,
    /// Sorted; neither order nor repetition means anything to the intake.
    pub(crate) tags: BTreeSet<String>,
    pub(crate) kind: Kind,
    /// Seconds; 0 when none was sent.
    pub(crate) interval: i64,
    /// Unix seconds and value.
    pub(crate) points: Vec<(i64, f64)>,
}

/// Why a body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// More than the limit after decompression: 413.
    TooLarge,
    /// An encoding or type that the endpoint does not know: 415.
    Unsupported(String),
    /// Not what the headers say: 400.
    Malformed(String),
}

/// Which endpoint was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// Takes the compression off; at most `limit` bytes come out.
pub(crate) fn decompress(
    version: Version,
    encoding: &str,
    raw: &[u8],
    limit: usize,
) -> Result<Vec<u8>, Unreadable> {
    let reader: Box<dyn Read + '_> = match (encoding, version) {
        ("" | "identity", _) => Box::new(raw),
        ("deflate", _) => Box::new(flate2::read::ZlibDecoder::new(raw)),
        ("gzip", _) => Box::new(flate2::read::GzDecoder::new(raw)),
        ("zstd" | "zstd1", Version::V2) => Box::new(zstd::Decoder::new(raw).map_err(malformed)?),
        _ => {
            return Err(Unreadable::Unsupported(format!(
                "Content-Encoding {encoding} is not supported"
            )));
        }
    };
    let mut plain = Vec::new();
    let most = u64::try_from(limit).expect("a limit fits") + 1;
    reader.take(most).read_to_end(&mut plain).map_err(malformed)?;
    if plain.len() > limit {
        Err(Unreadable::TooLarge)
    } else {
        Ok(plain)
    }
}

/// Reads the series of a body that is not compressed any more.
pub(crate) fn decode(version: Version, content_type: &str, plain: &[u8]) -> Result<Vec<Series>, Unreadable> {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    match (version, media) {
        (Version::V2, "application/x-protobuf") => {
            let payload = proto::MetricPayload::decode(plain).map_err(malformed)?;
            payload
                .series
                .into_iter()
                .map(proto::MetricSeries::read)
                .collect()
        }
        (Version::V2, "application/json") => {
            let payload: json::Payload<json::V2> = serde_json::from_slice(plain).map_err(malformed)?;
            payload.series.into_iter().map(json::V2::read).collect()
        }
        (Version::V1, "application/json" | "text/json") => {
            let payload: json::Payload<json::V1> = serde_json::from_slice(plain).map_err(malformed)?;
            payload.series.into_iter().map(json::V1::read).collect()
        }
        _ => Err(Unreadable::Unsupported(format!(
            "Content-Type {media} is not supported"
        ))),
    }
}

fn malformed(error: impl std::fmt::Display) -> Unreadable {
    Unreadable::Malformed(error.to_string())
}

fn kind_of_number(number: i64) -> Result<Kind, Unreadable> {
    match number {
        0 | 3 => Ok(Kind::Gauge),
        1 => Ok(Kind::Count),
        2 => Ok(Kind::Rate),
        other => Err(malformed(format!("{other} is no type"))),
    }
}

/// The host and the further tags that a list of resources means.
fn resources(
    resources: impl Iterator<Item = (String, String)>,
    tags: Vec<String>,
) -> (String, BTreeSet<String>) {
    let mut host = String::new();
    let mut tags = tags.into_iter().collect::<BTreeSet<_>>();
    for (kind, name) in resources {
        if kind == "host" {
            host = name;
        } else {
            tags.insert(format!("{kind}:{name}"));
        }
    }
    (host, tags)
}

/// The messages of `/api/v2/series`, with only the fields that matter here.
pub(crate) mod proto {
    use super::{Series, Unreadable, kind_of_number, resources};

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct MetricPayload {
        #[prost(message, repeated, tag = "1")]
        pub(crate) series: Vec<MetricSeries>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct MetricSeries {
        #[prost(message, repeated, tag = "1")]
        pub(crate) resources: Vec<Resource>,
        #[prost(string, tag = "2")]
        pub(crate) metric: String,
        #[prost(string, repeated, tag = "3")]
        pub(crate) tags: Vec<String>,
        #[prost(message, repeated, tag = "4")]
        pub(crate) points: Vec<MetricPoint>,
        #[prost(int32, tag = "5")]
        pub(crate) kind: i32,
        #[prost(string, tag = "6")]
        pub(crate) unit: String,
        #[prost(string, tag = "7")]
        pub(crate) source_type_name: String,
        #[prost(int64, tag = "8")]
        pub(crate) interval: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Resource {
        #[prost(string, tag = "1")]
        pub(crate) kind: String,
        #[prost(string, tag = "2")]
        pub(crate) name: String,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(crate) struct MetricPoint {
        #[prost(double, tag = "1")]
        pub(crate) value: f64,
        #[prost(int64, tag = "2")]
        pub(crate) timestamp: i64,
    }

    impl MetricSeries {
        pub(super) fn read(self) -> Result<Series, Unreadable> {
            let kind = kind_of_number(i64::from(self.kind))?;
            let (host, tags) = resources(
                self.resources
                    .into_iter()
                    .map(|resource| (resource.kind, resource.name)),
                self.tags,
            );
            let points = self
                .points
                .iter()
                .map(|point| (point.timestamp, point.value))
                .collect();
            Ok(Series {
                name: self.metric,
                host,
                tags,
                kind,
                interval: self.interval,
                points,
            })
        }
    }
}

/// The JSON of both versions.
mod json {
    use super::{Deserialize, Kind, Series, Unreadable, kind_of_number, malformed, resources};

    #[derive(Deserialize)]
    pub(super) struct Payload<T> {
        pub(super) series: Vec<T>,
    }

    #[derive(Deserialize)]
    pub(super) struct V1 {
        metric: String,
        points: Vec<(f64, f64)>,
        #[serde(default)]
        r#type: String,
        #[serde(default)]
        interval: Option<i64>,
        #[serde(default)]
        host: Option<String>,
        #[serde(default)]
        device: Option<String>,
        #[serde(default)]
        tags: Vec<String>,
    }

    impl V1 {
        pub(super) fn read(self) -> Result<Series, Unreadable> {
            let kind = match self.r#type.as_str() {
                "" | "gauge" => Kind::Gauge,
                "count" => Kind::Count,
                "rate" => Kind::Rate,
                other => return Err(malformed(format!("{other} is no type"))),
            };
            let host = self.host.map(|name| ("host".to_owned(), name));
            let device = self.device.map(|name| ("device".to_owned(), name));
            let (host, tags) = resources(host.into_iter().chain(device), self.tags);
            let points = self
                .points
                .iter()
                .map(|(time, value)| (time.floor() as i64, *value))
                .collect();
            Ok(Series {
                name: self.metric,
                host,
                tags,
                kind,
                interval: self.interval.unwrap_or(0),
                points,
            })
        }
    }

    #[derive(Deserialize)]
    pub(super) struct V2 {
        metric: String,
        points: Vec<V2Point>,
        #[serde(default)]
        r#type: i64,
        #[serde(default)]
        interval: Option<i64>,
        #[serde(default)]
        resources: Vec<V2Resource>,
        #[serde(default)]
        tags: Vec<String>,
    }

    #[derive(Deserialize)]
    struct V2Point {
        timestamp: i64,
        value: f64,
    }

    #[derive(Deserialize)]
    struct V2Resource {
        r#type: String,
        name: String,
    }

    impl V2 {
        pub(super) fn read(self) -> Result<Series, Unreadable> {
            let named = self
                .resources
                .into_iter()
                .map(|resource| (resource.r#type, resource.name));
            let (host, tags) = resources(named, self.tags);
            let points = self
                .points
                .iter()
                .map(|point| (point.timestamp, point.value))
                .collect();
            let kind = kind_of_number(self.r#type)?;
            Ok(Series {
                name: self.metric,
                host,
                tags,
                kind,
                interval: self.interval.unwrap_or(0),
                points,
            })
        }
    }
}
