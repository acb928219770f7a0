//! Settings, and what goes over the wire to a server that answers as told.

use std::io::Read;

use serde_json::{Value, json};

use super::*;
use crate::component::settings::{Problems, Section};
use crate::outputs::datadog::account::Defaults;
use crate::support::http::stub::{Reply, Stub};
use crate::support::proxy::Proxies;
use crate::support::secret::Secret;

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn built(value: Value) -> Result<DatadogLogs, Vec<String>> {
    let mut problems = Problems::default();
    let defaults = Defaults {
        timeout: Duration::from_secs(48),
        proxies: Proxies::none(),
    };
    let section = Section::new("outputs.datadog_logs", value);
    let output = build(&section, &defaults, &mut problems);
    match output {
        Some(output) if problems.is_empty() => Ok(output),
        None if !problems.is_empty() => Err(problems.iter().map(ToString::to_string).collect()),
        _ => panic!("an output exactly where there is no problem"),
    }
}

fn record(json: &str) -> LogRecord {
    LogRecord {
        time: 1_800_000_000,
        json: json.into(),
    }
}

fn plain(body: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(body)
        .read_to_string(&mut text)
        .unwrap();
    text
}

#[test]
fn the_sample_reads_back_as_the_defaults() {
    let text = SAMPLE.replace("${API_KEY}", KEY);
    let section = Section::new("outputs.datadog_logs", serde_saphyr::from_str(&text).unwrap());
    let config: Config = section.read(&mut Problems::default()).unwrap();
    let expected = Config {
        api_key: Some(Secret::new(KEY)),
        ..Config::default()
    };
    assert_eq!(config, expected);
    let Value::Object(keys) = serde_json::to_value(&config).unwrap() else {
        panic!("a map");
    };
    for key in keys.keys() {
        assert!(
            SAMPLE.lines().any(|line| line.starts_with(&format!("{key}:"))),
            "{key}"
        );
    }
    let output = built(section.value).unwrap();
    assert_eq!(
        output.shown_url(),
        "https://http-intake.logs.datadoghq.com/api/v2/logs"
    );
    assert_eq!(
        output.traits(),
        Traits {
            takes: BlockKind::Logs,
            names: NameStyle::Dotted,
            fresh_first: true,
            repeat_harmless: false,
            max_age: Some(Duration::from_secs(64_500)),
        }
    );
    assert!(output.warnings().is_empty());
    assert!(!format!("{output:?}").contains(KEY));
}

#[test]
fn addresses_are_taken_with_and_without_a_slash() {
    let url = |value: Value| built(value).unwrap().shown_url();
    assert_eq!(
        url(json!({"api_key": KEY, "site": "datadoghq.eu"})),
        "https://http-intake.logs.datadoghq.eu/api/v2/logs"
    );
    for base in ["http://127.0.0.1:1/a", "http://127.0.0.1:1/a/"] {
        assert_eq!(
            url(json!({"api_key": KEY, "url": base, "api_version": "v1"})),
            "http://127.0.0.1:1/a/v1/input"
        );
    }
}

#[test]
fn every_wrong_setting_is_reported_at_once_and_no_secret_with_it() {
    let wrong = json!({
        "url": "ftp://me:pw@x", "compression_level": 10, "timeout": "0s", "max_age": "0s", "ca_file": "/no/such",
        "api_version": "v3",
    });
    assert_eq!(
        built(wrong).unwrap_err(),
        [
            "outputs.datadog_logs.api_version: unknown value `v3`; expected one of: v1, v2",
            "outputs.datadog_logs.api_key: expected the API key of the Datadog account (set it here or in API_KEY, or \
             leave the whole section out)",
            "outputs.datadog_logs.url: expected an address that begins with http:// or https:// (such as \
             https://http-intake.logs.datadoghq.com)",
            "outputs.datadog_logs.compression_level: expected a level from 1 to 9",
            "outputs.datadog_logs.timeout: expected more than 0s",
            "outputs.datadog_logs.max_age: expected more than 0s (`never` sends logs of any age)",
            "outputs.datadog_logs.ca_file: cannot read certificates from /no/such: No such file or directory (os error 2)",
        ]
    );
    let never = built(json!({"api_key": KEY, "max_age": "never"})).unwrap();
    assert_eq!(never.traits().max_age, None);
}

#[tokio::test]
async fn entries_go_over_the_wire_as_a_gzipped_array_with_the_key_in_a_header() {
    for (version, status, path, message) in [
        ("v2", 202, "/api/v2/logs", json!("{\"msg\":1}")),
        ("v1", 200, "/v1/input", json!({"msg": 1})),
    ] {
        let stub = Stub::start(move |_| Reply::json(status, "{}")).await;
        let output = built(json!({"api_key": KEY, "url": stub.url, "api_version": version})).unwrap();
        let speaker = Speaker {
            host: "pi".to_string(),
            tags: vec!["g:1".to_string()],
        };
        let json = r#"{"message":{"msg":1},"ddtags":["a:b"],"date":1}"#;
        let entry = output.log_entry(&record(json), false, &speaker).unwrap();
        let encoded = output.encode_logs(&[entry.clone(), entry], 1);
        assert_eq!(encoded.series, 2);
        output.send(encoded.body).await.unwrap();
        let request = &stub.requests()[0];
        assert_eq!(request.target(), path);
        assert_eq!(request.header("dd-api-key"), Some(KEY));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("content-encoding"), Some("gzip"));
        let expected = json!({"message": message, "ddtags": "a:b,g:1", "date": 1, "hostname": "pi"});
        let sent: Value = serde_json::from_str(&plain(&request.body)).unwrap();
        assert_eq!(sent, json!([expected, expected]));
    }
}

#[tokio::test]
async fn a_probe_sends_an_object_without_content() {
    let cases = [
        (202, "accepted"),
        (200, "accepted"),
        (400, "unknown"),
        (403, "unauthorized"),
        (404, "misdirected"),
        (500, "retry"),
    ];
    for (status, expected) in cases {
        let stub = Stub::start(move |_| Reply::json(status, "{}")).await;
        let output = built(json!({"api_key": KEY, "url": stub.url})).unwrap();
        let found = match output.probe().await {
            Ok(Some(_)) => "accepted",
            Ok(None) => "unknown",
            Err(SendError::Unauthorized { .. }) => "unauthorized",
            Err(SendError::Misdirected { .. }) => "misdirected",
            Err(SendError::Retry { .. }) => "retry",
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(found, expected, "{status}");
        let request = &stub.requests()[0];
        assert_eq!(request.target(), "/api/v2/logs");
        assert_eq!(request.header("dd-api-key"), Some(KEY));
        assert_eq!(plain(&request.body), "{}");
    }
}
