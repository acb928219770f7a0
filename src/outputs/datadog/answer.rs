//! What each answer of an intake means for the request: one exhaustive match, a reason on every line.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::component::output::{SendError, Sent};
use crate::support::http::{Answer, header};
use crate::support::secret::MASK;
use crate::support::url::Url;

/// Longest text of a refusal that is passed on, in characters.
const TEXT_MOST: usize = 200;
/// Most complaints of one answer that are passed on.
const COMPLAINTS_MOST: usize = 10;

/// Judges the answer to a request with series or logs.
pub(super) fn of_data(answer: &Answer, key: &str, now: SystemTime) -> Result<Sent, SendError> {
    let said = said(answer, key);
    match answer.status {
        // A page for people: a captive portal or a proxy spoke, not the intake.
        200..=299 if is_html(answer) => {
            Err(misdirected(format!("a web page, not an intake, answered {said}")))
        }
        // 202 is the documented success, 200 the one of older intakes.
        200 | 202 => Ok(Sent {
            complaints: complaints(answer, key),
            date: date(answer),
        }),
        // Not documented as success: whoever says it may have stored nothing.
        201 | 203..=299 => Err(misdirected(format!("no intake of Datadog's answers {said}"))),
        // A redirect would carry the key elsewhere, and turn the request into a GET that stores nothing.
        300..=399 => Err(misdirected(redirect(answer, key))),
        // VictoriaMetrics knows no v2 and says so with a 400; nothing is wrong with the series.
        400 if said.contains("unsupported path") => {
            Err(misdirected(format!("{said} (does it need `api_version: v1`?)")))
        }
        // It read the request and does not like what is in it.
        400 | 422 => Err(SendError::Refused { reason: said }),
        // The key is unknown, may not do this, or its account does not pay.
        401..=403 => Err(SendError::Unauthorized { reason: said }),
        // No intake there (404, 405, 410), not this protocol (406, 411, 415, 417, 426), or not this host (421).
        404..=406 | 410 | 411 | 415 | 417 | 421 | 426 => Err(misdirected(said)),
        // A proxy on the way wants a password, or the law closed the way.
        407 | 451 => Err(misdirected(said)),
        // Too slow, in conflict, locked, too early, too often: the same request can succeed later.
        408 | 409 | 423..=425 | 429 => Err(retry(answer, now, said)),
        413 => Err(SendError::TooLarge { reason: said }),
        // Not about the series, and repeating it changes nothing: a person must look.
        412 | 414 | 416 | 418..=420 | 427 | 428 | 430..=450 | 452..=499 => Err(misdirected(said)),
        // The intake, or a gateway before it, has a problem of its own.
        500..=599 => Err(retry(answer, now, said)),
        // No answer to a request (1xx), or no HTTP status at all.
        0..=199 | 600..=u16::MAX => Err(retry(answer, now, said)),
    }
}

/// Judges the answer of `/v1/validate`. `Ok(None)`: the intake has no such page, or says nothing about the key.
pub(super) fn of_validation(answer: &Answer, key: &str, now: SystemTime) -> Result<Option<Sent>, SendError> {
    let valid = serde_json::from_slice::<Value>(&answer.body)
        .ok()
        .and_then(|body| body.get("valid")?.as_bool());
    match (answer.status, valid) {
        (200, Some(true)) => Ok(Some(Sent {
            complaints: Vec::new(),
            date: date(answer),
        })),
        (200, Some(false)) => Err(SendError::Unauthorized {
            reason: said(answer, key),
        }),
        // Compatible intakes take series and have no such page, or a page that says other things.
        (200..=299 | 404 | 405 | 410 | 501, _) if !is_html(answer) || answer.status >= 400 => Ok(None),
        _ => of_data(answer, key, now).map(|_| None),
    }
}

fn misdirected(reason: String) -> SendError {
    SendError::Misdirected { reason }
}

fn retry(answer: &Answer, now: SystemTime, reason: String) -> SendError {
    SendError::Retry {
        after: retry_after(answer, now),
        reason,
    }
}

/// `Retry-After`: seconds, or a date, which is measured by the sender's own clock if it tells that.
fn retry_after(answer: &Answer, now: SystemTime) -> Option<Duration> {
    let text = answer.header(header::RETRY_AFTER)?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let then = httpdate::parse_http_date(text).ok()?;
    Some(
        then.duration_since(date(answer).unwrap_or(now))
            .unwrap_or(Duration::ZERO),
    )
}

fn date(answer: &Answer) -> Option<SystemTime> {
    httpdate::parse_http_date(answer.header(header::DATE)?).ok()
}

fn is_html(answer: &Answer) -> bool {
    let kind = answer.header(header::CONTENT_TYPE).unwrap_or_default();
    kind.trim_start().to_ascii_lowercase().starts_with("text/html")
}

fn redirect(answer: &Answer, key: &str) -> String {
    let target = answer
        .header(header::LOCATION)
        .and_then(|text| Url::parse(text).ok());
    let host = target.as_ref().and_then(Url::host_str);
    let to = match host {
        Some(host) => format!("to {}", readable(host, key)),
        None => "within the same host, or to nowhere".to_string(),
    };
    format!("status {}: a redirect {to}, which is not followed", answer.status)
}

/// `status 400: what the body says`.
fn said(answer: &Answer, key: &str) -> String {
    let listed = listed_errors(&answer.body);
    let text = match listed.is_empty() {
        true => String::from_utf8_lossy(&answer.body).into_owned(),
        false => listed.join("; "),
    };
    let text = readable(&text, key);
    match text.is_empty() || is_html(answer) {
        true => format!("status {}", answer.status),
        false => format!("status {}: {text}", answer.status),
    }
}

fn complaints(answer: &Answer, key: &str) -> Vec<String> {
    let listed = listed_errors(&answer.body);
    listed
        .iter()
        .take(COMPLAINTS_MOST)
        .map(|text| readable(text, key))
        .collect()
}

/// The texts in `{"errors": […]}`; v1 has also `{"error": "…"}`.
fn listed_errors(body: &[u8]) -> Vec<String> {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return Vec::new();
    };
    let errors = match (body.get("errors"), body.get("error")) {
        (Some(Value::Array(errors)), _) => errors.as_slice(),
        (Some(one), _) | (None, Some(one)) => std::slice::from_ref(one),
        (None, None) => &[],
    };
    let text = |error: &Value| match error {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    };
    errors
        .iter()
        .filter_map(text)
        .filter(|text| !text.is_empty())
        .collect()
}

/// On one line, without the key, cut to a readable length. The key goes first: a cut must not leave half of it.
fn readable(text: &str, key: &str) -> String {
    let masked = without(text, key);
    let line: Vec<&str> = masked
        .split(|char: char| char.is_whitespace() || char.is_control())
        .collect();
    let line = line
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    match line.char_indices().nth(TEXT_MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Masks the key in either case: Datadog's are hexadecimal, and a host's name comes back in lower case.
fn without(text: &str, key: &str) -> String {
    if key.is_empty() {
        return text.to_string();
    }
    let (lowered, key) = (text.to_ascii_lowercase(), key.to_ascii_lowercase());
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    for (at, found) in lowered.match_indices(&key) {
        masked.push_str(&text[from..at]);
        masked.push_str(MASK);
        from = at + found.len();
    }
    masked.push_str(&text[from..]);
    masked
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn answer(status: u16, headers: &[(header::HeaderName, &str)], body: &str) -> Answer {
        let pair = |(name, value): &(header::HeaderName, &str)| (name.clone(), value.parse().unwrap());
        Answer {
            status,
            headers: headers.iter().map(pair).collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    fn judged(answer: &Answer) -> Result<Sent, SendError> {
        of_data(answer, KEY, SystemTime::UNIX_EPOCH)
    }

    fn reason(status: u16, body: &str) -> String {
        judged(&answer(status, &[], body)).unwrap_err().to_string()
    }

    #[test]
    fn the_key_is_never_in_a_text_even_if_the_server_echoes_it() {
        let upper = KEY.to_uppercase();
        assert_eq!(
            reason(403, &format!("no key {KEY}, no {upper}!")),
            "status 403: no key ********, no ********!"
        );
        assert_eq!(
            reason(400, &format!(r#"{{"errors":["bad {KEY}"]}}"#)),
            "status 400: bad ********"
        );
        let body = format!(r#"{{"errors":["{KEY} was late"]}}"#);
        assert_eq!(
            judged(&answer(202, &[], &body)).unwrap().complaints,
            ["******** was late"]
        );
        let far = format!("{}{KEY}", "x".repeat(190));
        assert_eq!(
            reason(500, &far),
            format!("status 500: {}********", "x".repeat(190))
        );
        let host = format!("https://{KEY}.test/?k={KEY}");
        let redirect = judged(&answer(307, &[(header::LOCATION, &host)], ""))
            .unwrap_err()
            .to_string();
        assert_eq!(
            redirect,
            "status 307: a redirect to ********.test, which is not followed"
        );
    }

    #[test]
    fn a_refusals_text_is_one_line_of_readable_length() {
        assert_eq!(reason(400, " a\r\n\tb\u{7} \u{1b}[1m"), "status 400: a b [1m");
        assert_eq!(
            reason(400, &"é".repeat(300)),
            format!("status 400: {}…", "é".repeat(200))
        );
        assert_eq!(reason(400, ""), "status 400");
        assert_eq!(
            reason(400, r#"{"errors":["one",{"detail":2}]}"#),
            r#"status 400: one; {"detail":2}"#
        );
        assert_eq!(reason(400, r#"{"error":"v1"}"#), "status 400: v1");
    }

    #[test]
    fn a_web_page_is_no_intake_whatever_its_status() {
        let page = answer(
            200,
            &[(header::CONTENT_TYPE, "Text/HTML; charset=utf-8")],
            "<p>Log in</p>",
        );
        assert_eq!(
            judged(&page),
            Err(SendError::Misdirected {
                reason: "a web page, not an intake, answered status 200".to_string()
            })
        );
        assert!(matches!(
            of_validation(&page, KEY, SystemTime::UNIX_EPOCH),
            Err(SendError::Misdirected { .. })
        ));
    }

    #[test]
    fn an_intake_that_knows_no_such_path_is_not_the_fault_of_the_series() {
        let refusal = judged(&answer(
            400,
            &[],
            "unsupported path requested: \"/datadog/api/v2/series\"",
        ));
        assert_eq!(
            refusal,
            Err(SendError::Misdirected {
                reason: "status 400: unsupported path requested: \"/datadog/api/v2/series\" (does it need \
                         `api_version: v1`?)"
                    .to_string()
            })
        );
    }

    #[test]
    fn the_wait_is_read_in_seconds_and_as_a_date() {
        let after =
            |status, headers: &[(header::HeaderName, &str)]| match judged(&answer(status, headers, "")) {
                Err(SendError::Retry { after, .. }) => after,
                other => panic!("{other:?}"),
            };
        let (wait, date) = (header::RETRY_AFTER, header::DATE);
        let now = "Sun, 06 Nov 1994 08:49:37 GMT";
        let later = "Sun, 06 Nov 1994 08:50:07 GMT";
        assert_eq!(after(429, &[(wait.clone(), "30")]), Some(Duration::from_secs(30)));
        assert_eq!(after(503, &[(wait.clone(), " 0 ")]), Some(Duration::ZERO));
        assert_eq!(
            after(429, &[(wait.clone(), later), (date.clone(), now)]),
            Some(Duration::from_secs(30))
        );
        assert_eq!(
            after(429, &[(wait.clone(), now), (date, later)]),
            Some(Duration::ZERO)
        );
        assert_eq!(
            after(429, &[(wait.clone(), now)]),
            Some(Duration::from_secs(784_111_777))
        );
        assert_eq!(after(429, &[(wait, "soon")]), None);
        assert_eq!(after(500, &[]), None);
    }

    #[test]
    fn a_number_that_is_no_status_is_tried_again() {
        for status in [0, 100, 101, 199, 600, u16::MAX] {
            assert!(
                matches!(judged(&answer(status, &[], "")), Err(SendError::Retry { .. })),
                "{status}"
            );
        }
    }
}
