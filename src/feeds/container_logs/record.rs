//! A line as a log record for the logs intake.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use crate::logs::classify::Level;
use crate::model::log::LogRecord;

/// What every record of a container says.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The container's name.
    pub(super) container: String,
    /// Its image, as it was named when the container was made.
    pub(super) image: String,
    /// The machine's name.
    pub(super) machine: String,
}

impl Origin {
    /// The record of a line, which was written at `time`: nanoseconds since 1970-01-01 UTC. The message is without the
    /// line break; bytes that are no UTF-8 are replaced.
    pub(super) fn record(&self, line: &[u8], time: i64, level: Level) -> LogRecord {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let since = Duration::from_nanos(u64::try_from(time).unwrap_or(0));
        let date = humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string();
        let mut tags = vec![
            format!("container:{}", self.container),
            format!("machine:{}", self.machine),
        ];
        if !self.image.is_empty() {
            tags.push(format!("image:{}", self.image));
        }
        let record = json!({
            "date": date,
            "ddsource": self.source(),
            "ddtags": tags,
            "level": level.name(),
            "message": String::from_utf8_lossy(line),
            "service": self.container,
        });
        LogRecord {
            time: time.div_euclid(1_000_000_000),
            json: record.to_string().into(),
        }
    }

    /// The image's short name, by which Datadog chooses how a line is read: `nginx` of `docker.io/library/nginx:1.25`.
    fn source(&self) -> &str {
        let last = self.image.rsplit('/').next().unwrap_or_default();
        let name = last.split([':', '@']).next().unwrap_or_default();
        if name.is_empty() { "container" } else { name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(image: &str) -> Origin {
        Origin {
            container: "web-1".to_string(),
            image: image.to_string(),
            machine: "pi".to_string(),
        }
    }

    #[test]
    fn a_record_says_what_the_intake_asks_for() {
        let record = origin("docker.io/library/nginx:1.25").record(
            b"GET \xff\"/\"\r\n",
            1_785_542_400_500_000_000,
            Level::Warning,
        );
        assert_eq!(record.time, 1_785_542_400);
        assert_eq!(
            &*record.json,
            r#"{"date":"2026-08-01T00:00:00.500Z","ddsource":"nginx","ddtags":["container:web-1","machine:pi","image:docker.io/library/nginx:1.25"],"level":"warning","message":"GET �\"/\"","service":"web-1"}"#
        );
    }

    #[test]
    fn the_source_is_the_images_short_name() {
        for (image, source) in [
            ("redis", "redis"),
            ("localhost:5000/a/b@sha256:12", "b"),
            ("sha256:0123", "sha256"),
            ("", "container"),
        ] {
            assert_eq!(origin(image).source(), source);
        }
    }
}
