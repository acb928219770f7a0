//! The section `feeds.redis` of the settings, checked.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::component::settings::{Problems, Section};
use crate::feeds::redis::{Redis, Server, Wants};
use crate::support::quantity::Span;

/// The shortest life of a claim: below it a busy Redis alone would make agents lose theirs.
const SHORTEST_CLAIM: Duration = Duration::from_secs(1);
/// The longest one: what a dead agent had begun would lie for a day.
const LONGEST_CLAIM: Duration = Duration::from_secs(24 * 3600);

/// The section `feeds.redis`. Where the Redis is stands in the section `redis`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long an agent that has begun with some records keeps them for itself without a sign of life: then another
    /// agent on the same Redis takes them over. Default 30s, at least 1s. Raise it where agents sleep (laptops) or the
    /// way to Redis is slow; lower it where several agents share a Redis and one's death must not delay anything.
    pub claim_expiry: Span,
    /// Whether log records are read, too. Default: true, where an output takes logs. They stay in Redis, and fill it,
    /// where nobody reads them.
    pub logs: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            claim_expiry: Span::seconds(30),
            logs: true,
        }
    }
}

/// The section as it takes effect, with every default; `None` where it cannot be used.
pub fn effective(section: &Section) -> Option<Value> {
    serde_json::to_value(section.read::<Config>(&mut Problems::default())?).ok()
}

/// Makes the feed from its section; connects to nothing. `None` where a problem was found.
pub fn build(section: &Section, server: Server, wants: Wants, problems: &mut Problems) -> Option<Redis> {
    let before = problems.iter().count();
    let config: Config = section.read(problems)?;
    if !(SHORTEST_CLAIM..=LONGEST_CLAIM).contains(&config.claim_expiry.0) {
        problems.add(
            format!("{}.claim_expiry", section.path),
            format!("expected 1s to 24h, found {}", config.claim_expiry),
        );
    }
    if problems.iter().count() > before {
        return None;
    }
    Some(Redis {
        server,
        logs: config.logs && wants.logs,
        claim_expiry: config.claim_expiry.0,
        pace: super::pace::Pace::default(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::feeds::redis::DESCRIPTOR;
    use crate::support::redis::target::Target;

    fn server() -> Server {
        Server {
            target: Target::server("127.0.0.1", 6379),
            prefix: "chouette".to_owned(),
        }
    }

    fn built(value: Value) -> Result<(Duration, bool), Vec<String>> {
        let mut problems = Problems::default();
        let section = Section::new("feeds.redis", value);
        match build(&section, server(), Wants { logs: true }, &mut problems) {
            Some(feed) => Ok((feed.claim_expiry, feed.logs)),
            None => Err(problems.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn an_empty_section_holds_claims_for_30_seconds_and_reads_logs() {
        assert_eq!(built(Value::Null), Ok((Duration::from_secs(30), true)));
        assert_eq!(
            effective(&Section::new("feeds.redis", Value::Null)),
            Some(json!({"claim_expiry": "30s", "logs": true}))
        );
    }

    #[test]
    fn a_claim_that_ends_at_once_is_a_problem() {
        assert_eq!(
            built(json!({"claim_expiry": "999ms"})),
            Err(vec![
                "feeds.redis.claim_expiry: expected 1s to 24h, found 999ms".to_owned()
            ])
        );
    }

    #[test]
    fn logs_are_read_only_where_both_sides_want_them() {
        let section = Section::new("feeds.redis", Value::Null);
        let feed = build(
            &section,
            server(),
            Wants { logs: false },
            &mut Problems::default(),
        );
        assert!(!feed.unwrap().logs);
        assert_eq!(built(json!({"logs": false})).map(|(_, logs)| logs), Ok(false));
    }

    #[test]
    fn the_sample_names_every_key_with_its_default() {
        let sample = DESCRIPTOR.sample;
        assert!(sample.contains("claim_expiry: 30s\n") && sample.contains("logs: true\n"));
    }
}
