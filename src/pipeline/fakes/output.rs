//! A destination that follows a script.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;

use crate::component::output::{
    Encoded, LogEntry, NameStyle, Output, SendError, Sent, Series, SeriesName, Speaker, Traits,
};
use crate::model::block::BlockKind;
use crate::model::labels::Labels;
use crate::model::log::LogRecord;
use crate::model::point::PointKind;

/// What a scripted destination does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Take,
    Fail(SendError),
    Hang,
}

impl Answer {
    pub(crate) fn retry(after: Option<u64>) -> Self {
        Self::Fail(SendError::Retry {
            after: after.map(Duration::from_secs),
            reason: "503".to_string(),
        })
    }

    pub(crate) fn refused() -> Self {
        Self::Fail(SendError::Refused {
            reason: "400 bad".to_string(),
        })
    }
}

#[derive(Default)]
struct Intake {
    script: VecDeque<Answer>,
    always: Option<Answer>,
    /// (metric, time, value) in order of arrival.
    accepted: Vec<(String, i64, f64)>,
    /// Tokio's time, points and outcome of each request.
    requests: Vec<(Duration, usize, bool)>,
    probes: u64,
    probe: Option<Result<Option<Sent>, SendError>>,
}

/// An output that refuses metrics, and logs, whose name holds `poison`, takes the rest, and follows its script before.
pub(crate) struct ScriptedOutput {
    pub(crate) traits: Traits,
    pub(crate) series_limit: usize,
    began: tokio::time::Instant,
    intake: Mutex<Intake>,
}

impl ScriptedOutput {
    pub(crate) fn new() -> Self {
        Self {
            traits: Traits {
                takes: BlockKind::Points,
                names: NameStyle::Dotted,
                fresh_first: true,
                repeat_harmless: true,
                max_age: None,
            },
            series_limit: usize::MAX,
            began: tokio::time::Instant::now(),
            intake: Mutex::default(),
        }
    }

    fn intake(&self) -> std::sync::MutexGuard<'_, Intake> {
        self.intake.lock().unwrap()
    }

    pub(crate) fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.intake().script.extend(answers);
    }

    /// What it does from now on, whatever is sent; `None` for its own judgement.
    pub(crate) fn always(&self, answer: Option<Answer>) {
        self.intake().always = answer;
    }

    pub(crate) fn probe_with(&self, answer: Result<Option<Sent>, SendError>) {
        self.intake().probe = Some(answer);
    }

    pub(crate) fn accepted(&self) -> Vec<(String, i64, f64)> {
        self.intake().accepted.clone()
    }

    /// Points and outcome of each request.
    pub(crate) fn requests(&self) -> Vec<(usize, bool)> {
        self.intake()
            .requests
            .iter()
            .map(|(_, points, taken)| (*points, *taken))
            .collect()
    }

    pub(crate) fn times(&self) -> Vec<Duration> {
        self.intake().requests.iter().map(|(at, ..)| *at).collect()
    }

    pub(crate) fn probes(&self) -> u64 {
        self.intake().probes
    }
}

pub(crate) fn dated(seconds: i64) -> Sent {
    Sent {
        complaints: Vec::new(),
        date: Some(UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())),
    }
}

#[async_trait]
impl Output for ScriptedOutput {
    fn traits(&self) -> Traits {
        self.traits
    }

    fn name(
        &self,
        metric: &str,
        labels: &Labels,
        kind: PointKind,
        interval: u32,
        speaker: &Speaker,
    ) -> Option<SeriesName> {
        let mut tags: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}:{value}"))
            .collect();
        tags.extend(speaker.tags.iter().cloned());
        tags.sort();
        (metric != "unspeakable").then(|| SeriesName {
            metric: metric.replace('-', "_"),
            tags,
            kind,
            interval,
        })
    }

    fn keeps_historical(&self, metric: &str) -> bool {
        metric.starts_with("historical")
    }

    fn encode(&self, series: &[Series], _: &Speaker, shrink: u32) -> Encoded {
        let most = (self.series_limit / shrink as usize).max(1);
        let taken = &series[..series.len().min(most)];
        let mut body = String::new();
        for series in taken {
            for (time, value) in &series.points {
                body.push_str(&format!("{} {time} {value}\n", series.name.metric));
            }
        }
        Encoded {
            raw_bytes: body.len() as u64,
            body: Bytes::from(body),
            series: taken.len(),
            points_of_next: 0,
        }
    }

    fn log_entry(&self, record: &LogRecord, redated: bool, _: &Speaker) -> Option<LogEntry> {
        (&*record.json != "unspeakable").then(|| LogEntry {
            time: record.time,
            json: if redated {
                format!("redated-{}", record.json).into()
            } else {
                record.json.clone()
            },
            cut: record.json.contains("long"),
        })
    }

    fn encode_logs(&self, entries: &[LogEntry], shrink: u32) -> Encoded {
        let most = (self.series_limit / shrink as usize).max(1);
        let taken = &entries[..entries.len().min(most)];
        let lines = taken
            .iter()
            .map(|entry| format!("{} {} 1\n", entry.json, entry.time));
        Encoded {
            body: Bytes::from(lines.collect::<String>()),
            series: taken.len(),
            ..Encoded::default()
        }
    }

    async fn send(&self, body: Bytes) -> Result<Sent, SendError> {
        let text = String::from_utf8(body.to_vec()).unwrap();
        let answer = {
            let mut intake = self.intake();
            let poisoned = text.contains("poison").then(Answer::refused);
            let answer = intake.script.pop_front().or(intake.always.clone()).or(poisoned);
            let answer = answer.unwrap_or(Answer::Take);
            let taken = matches!(answer, Answer::Take);
            let at = self.began.elapsed();
            intake.requests.push((at, text.lines().count(), taken));
            if taken {
                for line in text.lines() {
                    let mut words = line.split(' ');
                    let metric = words.next().unwrap().to_string();
                    let time = words.next().unwrap().parse().unwrap();
                    intake
                        .accepted
                        .push((metric, time, words.next().unwrap().parse().unwrap()));
                }
            }
            answer
        };
        match answer {
            Answer::Take => Ok(Sent::default()),
            Answer::Fail(error) => Err(error),
            Answer::Hang => std::future::pending().await,
        }
    }

    async fn probe(&self) -> Result<Option<Sent>, SendError> {
        let mut intake = self.intake();
        intake.probes += 1;
        intake.probe.clone().unwrap_or(Ok(None))
    }
}
