//! Settings, and what goes over the wire to a server that answers as told.

use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::*;
use crate::component::settings::{Problems, Section};
use crate::outputs::datadog::account::Defaults;
use crate::support::http::stub::{Reply, Stub};
use crate::support::proxy::Proxies;
use crate::support::secret::Secret;

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn defaults() -> Defaults {
    Defaults {
        timeout: Duration::from_secs(48),
        proxies: Proxies::none(),
    }
}

fn built(value: Value) -> Result<Datadog, Vec<String>> {
    let mut problems = Problems::default();
    let output = build(
        &Section::new("outputs.datadog", value),
        &defaults(),
        &mut problems,
    );
    match output {
        Some(output) if problems.is_empty() => Ok(output),
        None if !problems.is_empty() => Err(problems.iter().map(ToString::to_string).collect()),
        _ => panic!("an output exactly where there is no problem"),
    }
}

fn output(url: &str) -> Datadog {
    built(json!({"api_key": KEY, "url": format!("{url}/api/")})).unwrap()
}

#[test]
fn the_sample_reads_back_as_the_defaults() {
    let text = SAMPLE.replace("${API_KEY}", KEY);
    let section = Section::new("outputs.datadog", serde_saphyr::from_str(&text).unwrap());
    let config: Config = section.read(&mut Problems::default()).unwrap();
    let expected = Config {
        api_key: Some(Secret::new(KEY)),
        ..Config::default()
    };
    assert_eq!(config, expected);
    assert!(!serde_json::to_string(&config).unwrap().contains(KEY));
    let output = built(section.value).unwrap();
    assert_eq!(output.shown_url(), "https://api.datadoghq.com/api/v2/series");
    assert_eq!(output.traits().max_age, Some(Duration::from_secs(3300)));
    assert!(output.warnings().is_empty());
    assert!(!format!("{output:?}").contains(KEY));
}

#[test]
fn every_key_of_the_settings_stands_in_the_sample() {
    let Value::Object(keys) = serde_json::to_value(Config::default()).unwrap() else {
        panic!("a map");
    };
    for key in keys.keys() {
        assert!(
            SAMPLE.lines().any(|line| line.starts_with(&format!("{key}:"))),
            "{key}"
        );
    }
}

#[test]
fn addresses_are_taken_with_and_without_a_slash() {
    let urls = |value: Value| {
        let output = built(value).unwrap();
        (output.series_url.to_string(), output.validate_url.to_string())
    };
    let eu = (
        "https://api.datadoghq.eu/api/v2/series",
        "https://api.datadoghq.eu/api/v1/validate",
    );
    assert_eq!(
        urls(json!({"api_key": KEY, "site": "datadoghq.eu"})),
        (eu.0.to_string(), eu.1.to_string())
    );
    for url in [
        "http://127.0.0.1:8428/datadog/api",
        "http://127.0.0.1:8428/datadog/api/",
    ] {
        let (series, validate) = urls(json!({"api_key": KEY, "url": url, "api_version": "v1"}));
        assert_eq!(series, "http://127.0.0.1:8428/datadog/api/v1/series");
        assert_eq!(validate, "http://127.0.0.1:8428/datadog/api/v1/validate");
    }
}

#[test]
fn what_works_but_looks_wrong_is_a_warning() {
    let warnings = |value: Value| built(value).unwrap().warnings().to_vec();
    assert_eq!(
        warnings(json!({"api_key": KEY, "site": "datadoghq.co"})),
        [
            "`datadoghq.co` is none of the known Datadog sites (did you mean `datadoghq.com`?); it is used as it is"
        ]
    );
    assert_eq!(
        warnings(json!({"api_key": KEY, "url": "http://me:pw@relay.test/"})),
        [
            "http://relay.test/: an intake's address ends in /api in most cases",
            "the API key is sent to http://relay.test/ without encryption; use https, or a relay on this machine",
        ]
    );
    assert_eq!(
        warnings(json!({"api_key": KEY, "url": "http://localhost:1/api"})),
        [""; 0]
    );
    assert_eq!(
        warnings(json!({"api_key": "file:/nowhere/key"})),
        [
            "cannot read the secret from /nowhere/key: No such file or directory (os error 2); until it can be read, \
          everything waits in the journal"
        ]
    );
}

#[test]
fn every_wrong_setting_is_reported_at_once_and_no_secret_with_it() {
    let wrong = json!({
        "url": "ftp://me:pw@x", "compression_level": 40, "timeout": "0s", "max_age": "0s", "historical": ["a*", " "],
        "ca_file": "/no/such", "api_version": "v3",
    });
    let texts = built(wrong).unwrap_err();
    assert_eq!(
        texts,
        [
            "outputs.datadog.api_version: unknown value `v3`; expected one of: v1, v2",
            "outputs.datadog.api_key: expected the API key of the Datadog account (set it here or in API_KEY, or leave \
             the whole section out)",
            "outputs.datadog.url: expected an address that begins with http:// or https:// (such as \
             https://api.datadoghq.com/api)",
            "outputs.datadog.compression_level: expected a level from 1 to 22 for v2",
            "outputs.datadog.timeout: expected more than 0s",
            "outputs.datadog.max_age: expected more than 0s (`never` sends points of any age)",
            "outputs.datadog.historical[1]: expected a metric name, or a pattern with `*`",
            "outputs.datadog.ca_file: cannot read certificates from /no/such: No such file or directory (os error 2)",
        ]
    );
    let texts = built(json!({"api_key": 12, "proxy": "socks5://me:pw@x", "url": "https://x/api?api_key=k"}))
        .unwrap_err();
    assert_eq!(
        texts,
        [
            "outputs.datadog.api_key: expected the secret as text in quotes, or `file:PATH`",
            "outputs.datadog.url: expected an address without `?` and `#` (the key belongs in api_key)",
            "outputs.datadog.proxy: the proxy's URL has the scheme socks5; expected http://HOST:PORT or \
             https://HOST:PORT",
        ]
    );
    assert_eq!(
        built(json!({"api_key": KEY, "max_age": 55})).unwrap_err().len(),
        1
    );
}

#[test]
fn historical_names_and_any_age_are_kept() {
    let some = built(json!({"api_key": KEY, "historical": ["sensor.*"]})).unwrap();
    assert!(some.keeps_historical("sensor.depth") && !some.keeps_historical("host.sensor.depth"));
    let never = built(json!({"api_key": KEY, "max_age": "never"})).unwrap();
    assert_eq!(never.traits().max_age, None);
}

#[tokio::test]
async fn the_key_goes_in_a_header_and_the_body_as_it_is() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let stub = Stub::start(move |_| {
        let headers = format!("Date: {date}\r\nContent-Type: application/json\r\n");
        Reply::Answer(202, headers, b"{\"errors\":[\"late point\"]}".to_vec())
    })
    .await;
    let sent = output(&stub.url).send(Bytes::from_static(b"body")).await.unwrap();
    assert_eq!(
        sent,
        Sent {
            complaints: vec!["late point".to_string()],
            date: Some(UNIX_EPOCH + Duration::from_secs(784_111_777)),
        }
    );
    let request = &stub.requests()[0];
    assert!(
        request.head.starts_with("POST /api/v2/series HTTP/1.1\r\n"),
        "{}",
        request.head
    );
    assert_eq!(request.header("dd-api-key"), Some(KEY));
    assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
    assert_eq!(request.header("content-encoding"), Some("zstd"));
    assert_eq!(request.body, b"body");

    let old =
        built(json!({"api_key": KEY, "url": format!("{}/api", stub.url), "api_version": "v1"})).unwrap();
    old.send(Bytes::from_static(b"json")).await.unwrap();
    let request = &stub.requests()[1];
    assert_eq!(request.target(), "/api/v1/series");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("content-encoding"), Some("deflate"));
}

/// What a status comes to, in a word.
fn word(result: Result<Sent, SendError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(SendError::Retry { .. }) => "retry",
        Err(SendError::Unanswered { .. }) => "unanswered",
        Err(SendError::TooLarge { .. }) => "too large",
        Err(SendError::Unauthorized { .. }) => "unauthorized",
        Err(SendError::Misdirected { .. }) => "misdirected",
        Err(SendError::Refused { .. }) => "refused",
    }
}

#[tokio::test]
async fn every_status_from_a_server_has_its_meaning() {
    let stub =
        Stub::start(|request| Reply::json(String::from_utf8_lossy(&request.body).parse().unwrap(), "{}"))
            .await;
    let output = output(&stub.url);
    for status in 200_u16..600 {
        let expected = match status {
            200 | 202 => "ok",
            400 | 422 => "refused",
            401..=403 => "unauthorized",
            413 => "too large",
            408 | 409 | 423 | 424 | 425 | 429 | 500..600 => "retry",
            _ => "misdirected",
        };
        assert_eq!(
            word(output.send(Bytes::from(status.to_string())).await),
            expected,
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_redirect_names_its_host_and_nothing_is_sent_there() {
    let elsewhere = Stub::start(|_| Reply::json(202, "{}")).await;
    let location = format!("Location: {}/steal?api_key={KEY}\r\n", elsewhere.url);
    let stub = Stub::start(move |_| Reply::Answer(302, location.clone(), Vec::new())).await;
    let error = output(&stub.url)
        .send(Bytes::from_static(b"b"))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        SendError::Misdirected {
            reason: "status 302: a redirect to 127.0.0.1, which is not followed".to_string()
        }
    );
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_hang_a_cut_and_a_closed_port_are_tried_again() {
    let hang = Stub::start(|_| Reply::Hang).await;
    let quick = json!({"api_key": KEY, "url": format!("{}/api", hang.url), "timeout": "50ms"});
    let error = built(quick)
        .unwrap()
        .send(Bytes::from_static(b"b"))
        .await
        .unwrap_err();
    assert_eq!(
        error,
        SendError::Unanswered {
            reason: format!("{}/api/v2/series: no answer within 50ms", hang.url),
        }
    );
    let half = Stub::start(|_| Reply::Half).await;
    assert_eq!(
        word(output(&half.url).send(Bytes::from_static(b"b")).await),
        "unanswered"
    );
    assert_eq!(
        word(output("http://127.0.0.1:1").send(Bytes::from_static(b"b")).await),
        "retry"
    );
}

#[tokio::test]
async fn the_proxy_of_the_section_is_used() {
    let proxy = Stub::start(|_| Reply::json(202, "{}")).await;
    let settings = json!({"api_key": KEY, "url": "http://intake.invalid/api", "proxy": proxy.url});
    assert_eq!(
        word(built(settings).unwrap().send(Bytes::from_static(b"b")).await),
        "ok"
    );
    assert_eq!(
        proxy.requests()[0].target(),
        "http://intake.invalid/api/v2/series"
    );
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_unauthorized_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let settings = json!({"api_key": format!("file:{}", path.display()), "url": "http://127.0.0.1:1/api"});
    let output = built(settings).unwrap();
    assert_eq!(word(output.send(Bytes::new()).await), "unauthorized");
    std::fs::write(&path, "two\nlines").unwrap();
    let error = output.send(Bytes::new()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the API key has characters that no header can carry"
    );
}

#[tokio::test]
async fn a_probe_asks_for_the_keys_validity() {
    let cases = [
        (200, "{\"valid\":true}", "valid"),
        (200, "{\"valid\":false}", "unauthorized"),
        (200, "{}", "unknown"),
        (202, "", "unknown"),
        (403, "{\"errors\":[\"Forbidden\"]}", "unauthorized"),
        (401, "", "unauthorized"),
        (404, "", "unknown"),
        (405, "", "unknown"),
        (429, "", "retry"),
        (500, "", "retry"),
        (302, "", "misdirected"),
        (400, "", "refused"),
    ];
    for (status, body, expected) in cases {
        let stub = Stub::start(move |_| Reply::json(status, body)).await;
        let found = match output(&stub.url).probe().await {
            Ok(Some(_)) => "valid",
            Ok(None) => "unknown",
            Err(error) => word(Err(error)),
        };
        assert_eq!(found, expected, "{status} {body}");
        let request = &stub.requests()[0];
        assert!(
            request.head.starts_with("GET /api/v1/validate HTTP/1.1\r\n"),
            "{}",
            request.head
        );
        assert_eq!(request.header("dd-api-key"), Some(KEY));
    }
}
