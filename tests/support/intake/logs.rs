//! The intake for logs: what it refuses, what it cuts and forgets without a word, and what it keeps.

use std::collections::{BTreeSet, VecDeque};
use std::time::UNIX_EPOCH;

use axum::body::Bytes;
use hyper::http::request::Parts;
use serde_json::Value;
use serde_json::value::RawValue;

use super::payload::{self, Unreadable, Version};
use super::server::{Reply, authorized, header, scripted};
use super::{Answer, Intake, Ledger, Request};

/// Most bytes of a request before compression.
pub(crate) const MOST_BYTES: usize = 5_000_000;
/// Most entries of a request.
pub(crate) const MOST_ENTRIES: usize = 1_000;
/// A longer entry is cut, in bytes.
pub(crate) const LONGEST: usize = 1_000_000;
/// An entry older than this many seconds is forgotten.
const PAST: i64 = 18 * 3_600;

/// A log that was taken and is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Log {
    /// Empty when none was sent.
    pub(crate) host: String,
    pub(crate) tags: BTreeSet<String>,
    pub(crate) service: String,
    /// `status` or `level`.
    pub(crate) status: String,
    /// Text, or what else the old endpoint was sent.
    pub(crate) message: Value,
    /// Unix seconds; the time of arrival where no date was sent.
    pub(crate) time: i64,
    /// The whole entry as it was sent.
    pub(crate) entry: Value,
}

/// All that the intake knows of logs.
#[derive(Debug)]
pub(crate) struct LogBook {
    /// In the order of their arrival, repeats included: to the intake each is a log of its own.
    pub(crate) kept: Vec<Log>,
    /// Entries that were too long: their rest is lost.
    pub(crate) cut: u64,
    /// Answered with success and forgotten: over 18 hours old.
    pub(crate) too_old: u64,
    pub(super) next: VecDeque<Answer>,
    pub(super) standing: Answer,
}

impl Default for LogBook {
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            cut: 0,
            too_old: 0,
            next: VecDeque::new(),
            standing: Answer::Judge,
        }
    }
}

impl Intake {
    /// What `DATADOG_LOGS_URL` takes.
    pub(crate) fn logs_url(&self) -> String {
        self.url()
    }

    /// Puts answers in line; each is for one request with logs.
    pub(crate) fn then_to_logs(&self, answers: impl IntoIterator<Item = Answer>) {
        self.change(|ledger| ledger.logs.next.extend(answers));
    }

    /// The answer of every request with logs for which none stands in line.
    pub(crate) fn always_to_logs(&self, answer: Answer) {
        self.change(|ledger| ledger.logs.standing = answer);
    }

    /// Every log that is kept.
    pub(crate) fn logs(&self) -> Vec<Log> {
        self.look(|ledger| ledger.logs.kept.clone())
    }

    /// Every request to an endpoint for logs, oldest first.
    pub(crate) fn log_requests(&self) -> Vec<Request> {
        self.look(|ledger| {
            let requests = ledger.requests.iter();
            requests
                .filter(|request| is_of_logs(&request.path))
                .cloned()
                .collect()
        })
    }
}

/// Whether a path is one of the endpoints for logs.
pub(super) fn is_of_logs(path: &str) -> bool {
    path.ends_with("/api/v2/logs") || path.ends_with("/v1/input")
}

/// Answers one request with logs, and takes them if that is the answer.
pub(super) fn logs(ledger: &mut Ledger, head: &Parts, body: &Bytes, now: i64, record: &mut Request) -> Reply {
    let book = &mut ledger.logs;
    let script = book.next.pop_front().unwrap_or_else(|| book.standing.clone());
    if let Some(reply) = scripted(&script) {
        return reply;
    }
    let old = record.path.ends_with("/v1/input");
    let taken = match judge(ledger, head, body, old, now, record) {
        Ok(taken) => taken,
        Err((status, why)) => {
            return Reply::Plain(status, serde_json::json!({ "errors": [why] }).to_string());
        }
    };
    for (log, bytes) in taken {
        if log.time < now - PAST {
            ledger.logs.too_old += 1;
            continue;
        }
        ledger.logs.cut += u64::from(bytes > LONGEST);
        ledger.logs.kept.push(log);
    }
    match script {
        Answer::HalfClosed => Reply::HalfClosed,
        Answer::Lost => Reply::Lost,
        Answer::Errors(errors) => Reply::Plain(202, serde_json::json!({ "errors": errors }).to_string()),
        _ => Reply::Plain(if old { 200 } else { 202 }, "{}".to_owned()),
    }
}

/// The logs of a request that keeps every rule, with their bytes, or the status and the reason of its refusal.
fn judge(
    ledger: &Ledger,
    head: &Parts,
    body: &Bytes,
    old: bool,
    now: i64,
    record: &mut Request,
) -> Result<Vec<(Log, usize)>, (u16, String)> {
    if !authorized(head, &ledger.key) {
        return Err((403, "Forbidden".to_owned()));
    }
    if body.len() > ledger.most_bytes {
        return Err((413, "Payload too large".to_owned()));
    }
    // The real one takes plain bodies too; the agent is to send none.
    if header(head, "content-encoding") != "gzip" || header(head, "content-type") != "application/json" {
        return Err((415, "expected JSON in gzip".to_owned()));
    }
    let text =
        payload::decompress(Version::V2, "gzip", body, MOST_BYTES).map_err(
            |unreadable| match unreadable {
                Unreadable::TooLarge => (413, "Payload too large after decompression".to_owned()),
                Unreadable::Unsupported(why) | Unreadable::Malformed(why) => (400, why),
            },
        )?;
    record.plain = Some(text.len());
    let bad = |why: String| (400, why);
    if text == b"{}" {
        // An object without content: whoever sends it wants to know whether the key is good.
        return Ok(Vec::new());
    }
    let entries: Vec<&RawValue> = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    record.logs = entries.len();
    if entries.len() > MOST_ENTRIES {
        return Err(bad(format!("{} entries", entries.len())));
    }
    let mut logs = Vec::new();
    for entry in entries {
        let log = read(entry, old, now).map_err(bad)?;
        if ledger.poisoned.contains(&log.service) {
            return Err(bad("Payload is not in the expected format".to_owned()));
        }
        logs.push((log, entry.get().len()));
    }
    Ok(logs)
}

fn read(entry: &RawValue, old: bool, now: i64) -> Result<Log, String> {
    let value: Value = serde_json::from_str(entry.get()).map_err(|error| error.to_string())?;
    let object = value.as_object().ok_or("an entry that is no object")?;
    let text = |key: &str| match object.get(key) {
        None => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(format!("{key} is no text: {other}")),
    };
    let message = object.get("message").cloned().unwrap_or_default();
    if !old && !message.is_string() {
        return Err("message is no text".to_owned());
    }
    let status = match object.get("status").or(object.get("level")) {
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    };
    let tags = text("ddtags")?;
    Ok(Log {
        host: text("hostname")?,
        tags: tags
            .split(',')
            .filter(|tag| !tag.is_empty())
            .map(str::to_owned)
            .collect(),
        service: text("service")?,
        status,
        message,
        time: object.get("date").and_then(time).unwrap_or(now),
        entry: value,
    })
}

/// ISO 8601 in UTC, or milliseconds since 1970.
fn time(date: &Value) -> Option<i64> {
    if let Some(millis) = date.as_i64() {
        return Some(millis.div_euclid(1000));
    }
    let text = date.as_str()?;
    let text = text
        .strip_suffix("+00:00")
        .or(text.strip_suffix('Z'))
        .unwrap_or(text);
    let moment = humantime::parse_rfc3339_weak(text).ok()?;
    i64::try_from(moment.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}
