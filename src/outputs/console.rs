//! Prints points: what a push would carry, for people and for `tawny run --dry-run`.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::component::descriptor::{Descriptor, Role};
use crate::component::entry::Entry;
use crate::component::output::{
    Encoded, NameStyle, Output, SendError, Sent, Series, SeriesName, Speaker, Traits,
};
use crate::component::settings::{Problems, Section};
use crate::model::block::BlockKind;
use crate::model::labels::Labels;
use crate::model::point::{Point, PointKind};

/// What the output says of itself.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "console",
    role: Role::Output,
    summary: "Prints points on standard output, as text or as JSON lines.",
    sample: SAMPLE,
    metrics: &[],
};

/// How it is made.
pub static ENTRY: Entry<dyn Output> = Entry {
    descriptor: &DESCRIPTOR,
    build: |section, _, findings| {
        let made = build(section, &mut findings.problems)?;
        Some(Box::new(made))
    },
    effective,
    find: None,
};

const SAMPLE: &str = "\
# text: NAME{TAGS} VALUE TIME KIND/INTERVAL; json: one object a line.
format: text
";

/// Most bytes in one piece, so that a long backlog is not held in memory as text.
const BODY_MOST: usize = 1024 * 1024;

/// How a point is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `name{tag,tag} value time kind/interval`.
    #[default]
    Text,
    /// One JSON object a line, with the fields `metric`, `tags`, `type`, `interval`, `time`, `value`.
    Json,
}

/// The section `outputs.console`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `text` (the default) or `json`.
    pub format: Format,
}

/// The output. Points are printed whatever their age, oldest first.
pub struct Console {
    format: Format,
    writer: Arc<Mutex<Box<dyn Write + Send>>>,
}

impl fmt::Debug for Console {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Console")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// The section as it takes effect, with every default; `None` where it cannot be used.
pub fn effective(section: &Section) -> Option<Value> {
    serde_json::to_value(section.read::<Config>(&mut Problems::default())?).ok()
}

/// Makes the output from its section, printing on standard output. `None` where a problem was found.
pub fn build(section: &Section, problems: &mut Problems) -> Option<Console> {
    let before = problems.iter().count();
    let config: Config = section.read(problems)?;
    (problems.iter().count() == before).then(|| Console::new(config.format, Box::new(std::io::stdout())))
}

impl Console {
    /// Prints to `writer`.
    pub fn new(format: Format, writer: Box<dyn Write + Send>) -> Self {
        Self {
            format,
            writer: Arc::new(Mutex::new(writer)),
        }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    metric: &'a str,
    tags: &'a [String],
    r#type: &'static str,
    interval: u32,
    time: i64,
    /// Null where it is not a finite number.
    value: f64,
}

impl Format {
    /// Appends one point under its dotted name, with the speaker's tags, and a line feed.
    pub fn point(self, point: &Point, speaker: &Speaker, out: &mut Vec<u8>) {
        let (metric, labels, value) = point.dotted();
        let name = SeriesName {
            metric,
            tags: tags(&labels, speaker),
            kind: point.kind,
            interval: point.interval,
        };
        self.line(&name, point.time, value, out);
    }

    /// Appends one point and a line feed; `value` is already scaled for the name.
    pub fn line(self, name: &SeriesName, time: i64, value: f64, out: &mut Vec<u8>) {
        match self {
            Self::Json => {
                let line = Line {
                    metric: &name.metric,
                    tags: &name.tags,
                    r#type: name.kind.name(),
                    interval: name.interval,
                    time,
                    value,
                };
                // Text and numbers always have a JSON form, and a Vec takes every write.
                let _ = serde_json::to_writer(&mut *out, &line);
            }
            Self::Text => {
                let (metric, tags, kind) = (&name.metric, name.tags.join(","), name.kind.name());
                let _ = write!(out, "{metric}{{{tags}}} {value} {time} {kind}/{}s", name.interval);
            }
        }
        out.push(b'\n');
    }
}

/// A series' labels and the speaker's tags as they are printed: `key:value`, sorted.
fn tags(labels: &Labels, speaker: &Speaker) -> Vec<String> {
    let mut tags: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("{key}:{value}"))
        .collect();
    tags.extend(speaker.tags.iter().cloned());
    tags.sort_unstable();
    tags.dedup();
    tags
}

#[async_trait]
impl Output for Console {
    fn traits(&self) -> Traits {
        Traits {
            takes: BlockKind::Points,
            names: NameStyle::Dotted,
            fresh_first: false,
            repeat_harmless: false,
            max_age: None,
        }
    }

    fn name(
        &self,
        metric: &str,
        labels: &Labels,
        kind: PointKind,
        interval: u32,
        speaker: &Speaker,
    ) -> Option<SeriesName> {
        let (metric, tags) = (metric.to_string(), tags(labels, speaker));
        Some(SeriesName {
            metric,
            tags,
            kind,
            interval,
        })
    }

    fn keeps_historical(&self, _metric: &str) -> bool {
        true
    }

    fn encode(&self, series: &[Series], _speaker: &Speaker, shrink: u32) -> Encoded {
        let most = BODY_MOST / shrink.max(1) as usize;
        let mut body = Vec::new();
        let (mut done, mut of_next) = (0, 0);
        'series: for one in series {
            for (time, value) in &one.points {
                let before = body.len();
                self.format.line(&one.name, *time, *value, &mut body);
                if before > 0 && body.len() > most {
                    body.truncate(before);
                    break 'series;
                }
                of_next += 1;
            }
            done += 1;
            of_next = 0;
        }
        Encoded {
            raw_bytes: body.len() as u64,
            body: Bytes::from(body),
            series: done,
            points_of_next: of_next,
        }
    }

    async fn send(&self, body: Bytes) -> Result<Sent, SendError> {
        let writer = self.writer.clone();
        // A pipe that nobody reads blocks its writer.
        let written = tokio::task::spawn_blocking(move || {
            let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.write_all(&body).and_then(|()| writer.flush())
        });
        let failed = |reason: String| SendError::Retry { after: None, reason };
        match written.await {
            Ok(Ok(())) => Ok(Sent::default()),
            Ok(Err(error)) => Err(failed(format!("cannot print: {error}"))),
            Err(error) => Err(failed(format!("cannot print: {error}"))),
        }
    }

    async fn probe(&self) -> Result<Option<Sent>, SendError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use serde_json::json;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn series(console: &Console, values: &[f64]) -> Series {
        let labels = Labels::new([("mode", "user"), ("env", "test")]);
        let speaker = Speaker {
            host: "h".to_string(),
            tags: vec!["env:test".to_string(), "site:b".to_string()],
        };
        Series {
            name: console
                .name("host.cpu.seconds", &labels, PointKind::Count, 10, &speaker)
                .unwrap(),
            points: values
                .iter()
                .enumerate()
                .map(|(at, value)| (1000 + 10 * at as i64, *value))
                .collect(),
        }
    }

    async fn printed(format: Format, values: &[f64]) -> String {
        let page = Page::default();
        let console = Console::new(format, Box::new(page.clone()));
        let encoded = console.encode(&[series(&console, values)], &Speaker::default(), 1);
        assert_eq!((encoded.series, encoded.points_of_next), (1, 0));
        assert_eq!(console.send(encoded.body).await, Ok(Sent::default()));
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[tokio::test]
    async fn points_are_printed_as_text() {
        assert_eq!(
            printed(Format::Text, &[0.5, 12.0]).await,
            "host.cpu.seconds{env:test,mode:user,site:b} 0.5 1000 count/10s\n\
             host.cpu.seconds{env:test,mode:user,site:b} 12 1010 count/10s\n"
        );
    }

    #[tokio::test]
    async fn points_are_printed_as_json_lines() {
        assert_eq!(
            printed(Format::Json, &[0.5, f64::NAN]).await,
            "{\"metric\":\"host.cpu.seconds\",\"tags\":[\"env:test\",\"mode:user\",\"site:b\"],\"type\":\"count\",\
             \"interval\":10,\"time\":1000,\"value\":0.5}\n\
             {\"metric\":\"host.cpu.seconds\",\"tags\":[\"env:test\",\"mode:user\",\"site:b\"],\"type\":\"count\",\
             \"interval\":10,\"time\":1010,\"value\":null}\n"
        );
    }

    #[test]
    fn a_piece_ends_at_the_limit_and_says_where() {
        let console = Console::new(Format::Text, Box::new(io::sink()));
        let series = [series(&console, &[1.0]), series(&console, &[1.0; 5])];
        let line = "host.cpu.seconds{env:test,mode:user,site:b} 1 1000 count/10s\n".len();
        let shrink = |lines: usize| (BODY_MOST / (lines * line)) as u32;
        let encoded = console.encode(&series, &Speaker::default(), shrink(3));
        assert_eq!(
            (encoded.series, encoded.points_of_next, encoded.body.len()),
            (1, 2, 3 * line)
        );
        let least = console.encode(&series, &Speaker::default(), u32::MAX);
        assert_eq!((least.series, least.points_of_next), (1, 0));
    }

    #[test]
    fn the_sample_reads_back_as_the_defaults() {
        let read = |value| Section::new("outputs.console", value).read::<Config>(&mut Problems::default());
        assert_eq!(
            read(serde_saphyr::from_str(SAMPLE).unwrap()),
            Some(Config::default())
        );
        let mut problems = Problems::default();
        assert!(
            build(
                &Section::new("outputs.console", json!({"format": "jsn"})),
                &mut problems
            )
            .is_none()
        );
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "outputs.console.format: unknown value `jsn`; expected one of: text, json (did you mean `json`?)"
            ]
        );
    }
}
