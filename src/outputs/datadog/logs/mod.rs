//! Delivers log records to Datadog's logs intake, and to intakes that speak its protocol.
//!
//! * `settings`: the section of the settings, checked
//! * `entry`: a record as the intake reads it; `cut`: no longer than the intake takes it
//! * `body`: packs entries up to the limits

mod body;
mod cut;
mod entry;
mod settings;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use settings::{Config, build, effective};

use crate::component::descriptor::{Descriptor, Role};
use crate::component::entry::Entry;
use crate::component::output::{Encoded, LogEntry, NameStyle, Output, SendError, Sent, Speaker, Traits};
use crate::model::block::BlockKind;
use crate::model::log::LogRecord;
use crate::outputs::datadog::account::{Account, Defaults};
use crate::support::url::{Shown, Url};

/// What the output says of itself.
pub static DESCRIPTOR: Descriptor = Descriptor {
    name: "datadog_logs",
    role: Role::Output,
    summary: "Delivers applications' logs to Datadog, or to an intake that speaks its protocol, at least once.",
    sample: SAMPLE,
    metrics: &[],
};

/// How it is made.
pub static ENTRY: Entry<dyn Output> = Entry {
    descriptor: &DESCRIPTOR,
    build: |section, cx, findings| {
        let made = build(section, &Defaults::of(cx), &mut findings.problems)?;
        findings.warn(section, made.warnings());
        Some(Box::new(made))
    },
    effective,
    find: None,
};

const SAMPLE: &str = "\
# The API key: text, ${VARIABLE}, or file:PATH, which is read again when it changes. Required.
api_key: ${API_KEY}
# The account's site: datadoghq.com, us3.datadoghq.com, us5.datadoghq.com, ap1.datadoghq.com, ap2.datadoghq.com,
# uk1.datadoghq.com, datadoghq.eu, ddog-gov.com, us2.ddog-gov.com.
site: datadoghq.com
# Base address of another intake, without /api/v2/logs; overrides the site.
url: null
# v2, or v1 (/v1/input, a message as the application wrote it) for compatible intakes that know only that.
api_version: v2
# 1 to 9 (gzip); null: 6.
compression_level: null
# Most time for one request; null: four fifths of the release interval.
timeout: null
# Older logs wait in the journal: Datadog would forget them. `never` sends logs of any age.
max_age: 17h55m
# Certificates (PEM) to trust besides the system's.
ca_file: null
# http://USER:PASSWORD@HOST:PORT, or none; null: HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment.
proxy: null
";

/// What a probe sends: an object without content. The intake looks at the key, and there is no log in it.
const NOTHING: &[u8] = b"{}";

/// Which protocol an intake speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// The predecessor's, whose messages are as the application wrote them.
    V1,
    /// The present one, whose messages are text.
    V2,
}

impl Version {
    const fn path(self) -> &'static str {
        match self {
            Self::V1 => "v1/input",
            Self::V2 => "api/v2/logs",
        }
    }
}

/// The output.
#[derive(Debug)]
pub struct DatadogLogs {
    account: Account,
    url: Url,
    version: Version,
    level: u32,
    max_age: Option<Duration>,
    warnings: Vec<String>,
}

impl DatadogLogs {
    /// What a person should know of these settings, though they work: for the log, once.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Where logs go, without user info.
    pub fn shown_url(&self) -> String {
        Shown(&self.url).to_string()
    }
}

#[async_trait]
impl Output for DatadogLogs {
    fn traits(&self) -> Traits {
        Traits {
            takes: BlockKind::Logs,
            names: NameStyle::Dotted,
            fresh_first: true,
            // The intake has nothing to tell one log from the same one again by: what it took and did not answer for
            // is there twice.
            repeat_harmless: false,
            max_age: self.max_age,
        }
    }

    fn log_entry(&self, record: &LogRecord, redated: bool, speaker: &Speaker) -> Option<LogEntry> {
        entry::of(record, redated, speaker, self.version)
    }

    fn encode_logs(&self, entries: &[LogEntry], shrink: u32) -> Encoded {
        body::pack(entries, self.level, shrink)
    }

    async fn send(&self, body: Bytes) -> Result<Sent, SendError> {
        self.account
            .post(&self.url, ("application/json", "gzip"), body)
            .await
    }

    /// Sends an object without content, as Datadog's own agent does to see whether the intake answers: it has no page
    /// for that, and the one for series is on another host, which a relay need not know.
    async fn probe(&self) -> Result<Option<Sent>, SendError> {
        let body = body::compressed(NOTHING, self.level);
        match self.send(body).await {
            Ok(sent) => Ok(Some(sent)),
            // It does not like an empty request: only a real one can tell.
            Err(SendError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
#[cfg(test)]
mod tests;
