//! Checks the settings, and on request tries everything that they name.

use std::io;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::timeout;

use crate::cli::{End, block_on, log, print};
use crate::component::collector::{CollectError, Collector};
use crate::component::output::{Output, SendError};
use crate::config::environment::Environment;
use crate::config::load::Loaded;
use crate::config::settings::Settings;
use crate::model::sample::Samples;
use crate::support::proxy::Proxies;
use crate::support::url::Url;

mod redis;

/// The most that one try may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tried {
    what: String,
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Ok(String),
    /// It works; a person should know this all the same.
    Warning(String),
    Failed(String),
    /// It is there, though nobody named it.
    Found(String),
    /// Something before it failed, so nobody knows.
    NotTried,
}

/// Says that the settings are fine, with warnings; with `connect` tries what they name, a line each.
pub(super) fn check(loaded: Loaded, environment: &Environment, connect: bool) -> io::Result<End> {
    loaded.warnings.iter().for_each(super::warn);
    let file = loaded
        .file
        .as_ref()
        .map_or("no file".to_string(), |file| file.display().to_string());
    print::text(&format!(
        "{:<7} {:<28} {}\n",
        "ok",
        "settings",
        summary(&loaded.settings, &file)
    ))?;
    for found in &loaded.found {
        print::text(&line(&Tried {
            what: format!("collectors.{}", found.collector),
            outcome: Outcome::Found(found.to_string()),
        }))?;
    }
    if !connect {
        return Ok(End::Done);
    }
    log::start_quiet();
    block_on(try_all(loaded, environment))?
}

fn summary(settings: &Settings, file: &str) -> String {
    let names = |names: Vec<&str>| match names.as_slice() {
        [] => "nothing".to_string(),
        names => names.join(", "),
    };
    let collectors = names(settings.collectors.keys().map(String::as_str).collect());
    let outputs = names(settings.outputs.keys().map(String::as_str).collect());
    let feeds = match settings.feeds.is_empty() {
        true => String::new(),
        false => {
            let feeds = names(settings.feeds.keys().map(String::as_str).collect());
            format!("; takes in from {feeds}")
        }
    };
    format!(
        "{file}; as host {}; collects {collectors}{feeds}; delivers to {outputs}",
        settings.host
    )
}

async fn try_all(loaded: Loaded, environment: &Environment) -> io::Result<End> {
    let mut end = End::Done;
    let mut say = |tried: Vec<Tried>| -> io::Result<()> {
        for one in tried {
            if matches!(one.outcome, Outcome::Failed(_) | Outcome::NotTried) {
                end = End::Failed;
            }
            print::text(&line(&one))?;
        }
        Ok(())
    };
    for (name, output) in &loaded.components.outputs {
        let section = loaded.settings.outputs.get(name).map(|own| &own.section.value);
        let unused = unused(section.unwrap_or(&Value::Null), environment);
        say(try_output(name, output.as_ref(), &unused).await)?;
    }
    if let Some(server) = &loaded.redis {
        say(redis::try_redis(server).await)?;
    }
    if let Some(server) = &loaded.redis_by_name {
        say(redis::try_by_name(server).await)?;
    }
    let found: Vec<&str> = loaded.found.iter().map(|one| one.collector).collect();
    for (name, collector) in loaded.components.collectors {
        let patience = loaded
            .settings
            .collectors
            .get(&name)
            .map_or(PATIENCE, |settings| settings.timeout.0);
        let mut tried = try_collector(&name, collector, patience).await;
        // Nobody asked for it, so that its failing is no fault of the settings.
        if let Outcome::Failed(text) = &tried.outcome
            && found.contains(&name.as_str())
        {
            tried.outcome = Outcome::Warning(text.clone());
        }
        say(vec![tried])?;
    }
    Ok(end)
}

fn line(tried: &Tried) -> String {
    let (word, text) = match &tried.outcome {
        Outcome::Ok(text) => ("ok", text.as_str()),
        Outcome::Warning(text) => ("warning", text.as_str()),
        Outcome::Failed(text) => ("failed", text.as_str()),
        Outcome::Found(text) => ("found", text.as_str()),
        Outcome::NotTried => ("-", "not tried"),
    };
    format!("{word:<7} {:<28} {text}\n", tried.what)
}

/// The steps to a destination, in the order in which they are taken.
const STEPS: [&str; 4] = ["proxy", "url", "tls", "key"];

/// One request tells about every step: the one that failed, those before it, which went well, and those behind it.
async fn try_output(name: &str, output: &dyn Output, unused: &[(usize, &str)]) -> Vec<Tried> {
    let asked = timeout(PATIENCE, output.probe()).await;
    let (failed, text) = match asked {
        Ok(Ok(Some(_))) => (None, "accepted".to_string()),
        Ok(Ok(None)) => (
            None,
            "it answers, and has no page to ask about the key: only a delivery can tell whether address and key are right".to_string(),
        ),
        Ok(Err(error)) => (Some(step_of(&error)), error.to_string()),
        Err(_) => (Some(1), format!("no answer within {} s", PATIENCE.as_secs())),
    };
    let steps = STEPS.iter().enumerate().map(|(step, word)| Tried {
        what: format!("outputs.{name} {word}"),
        outcome: match failed {
            Some(failed) if step == failed => Outcome::Failed(text.clone()),
            Some(failed) if step > failed => Outcome::NotTried,
            None if step == STEPS.len() - 1 => Outcome::Ok(text.clone()),
            _ => {
                let why = unused
                    .iter()
                    .find(|(which, _)| *which == step)
                    .map(|(_, why)| *why);
                Outcome::Ok(why.unwrap_or("works").to_string())
            }
        },
    });
    steps.collect()
}

/// The steps that this output does not take, as far as its settings tell, and why.
fn unused(section: &Value, environment: &Environment) -> Vec<(usize, &'static str)> {
    let text = |key: &str| {
        section
            .get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let address = text("url").map_or_else(
        || format!("https://api.{}", text("site").unwrap_or("datadoghq.com")),
        str::to_string,
    );
    let plain = address.starts_with("http://");
    let names = match plain {
        true => ["HTTP_PROXY", "http_proxy"],
        false => ["HTTPS_PROXY", "https_proxy"],
    };
    let set = names.iter().any(|name| environment.exact(name).is_some());
    let proxies = Proxies::from_env(|name| environment.exact(name).map(str::to_string));
    let excepted = Url::parse(&address).is_ok_and(|url| proxies.shown_for(&url).is_none());
    let mut steps = Vec::new();
    match text("proxy") {
        None if !set => steps.push((0, "none is set")),
        None if excepted => steps.push((0, "not used: NO_PROXY names the host, or it is this machine")),
        Some("none") => steps.push((0, "none is set")),
        _ => {}
    }
    if plain {
        steps.push((2, "not used: the address is plain http"));
    }
    steps
}

/// Which step an error is about.
fn step_of(error: &SendError) -> usize {
    let told = error.to_string().to_ascii_lowercase();
    match error {
        SendError::Unauthorized { .. } | SendError::Refused { .. } | SendError::TooLarge { .. } => 3,
        SendError::Misdirected { .. } => 1,
        // It answers, and is not able now.
        _ if told.starts_with("status ") => 3,
        _ if told.contains("proxy") => 0,
        _ if told.contains("tls") || told.contains("certificate") => 2,
        _ => 1,
    }
}

async fn try_collector(name: &str, mut collector: Box<dyn Collector>, patience: Duration) -> Tried {
    let mut samples = Samples::default();
    let started = Instant::now();
    let outcome = match timeout(patience, collector.collect(&mut samples)).await {
        Ok(Ok(())) => {
            let took = started.elapsed().as_millis();
            Outcome::Ok(format!("{} samples in {took} ms", samples.len()))
        }
        // It is there, and has nothing to say yet.
        Ok(Err(error @ CollectError::NoData { .. })) => Outcome::Ok(error.to_string()),
        Ok(Err(error)) => Outcome::Failed(error.to_string()),
        Err(_) => Outcome::Failed(format!("no answer within {} s", patience.as_secs_f64())),
    };
    Tried {
        what: format!("collectors.{name}"),
        outcome,
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use bytes::Bytes;

    use super::*;
    use crate::component::output::{Encoded, NameStyle, Sent, Series, SeriesName, Speaker, Traits};
    use crate::model::block::BlockKind;
    use crate::model::labels::Labels;
    use crate::model::point::PointKind;

    struct Answering(Result<Option<Sent>, SendError>);

    #[async_trait]
    impl Output for Answering {
        fn traits(&self) -> Traits {
            Traits {
                takes: BlockKind::Points,
                names: NameStyle::Dotted,
                fresh_first: true,
                repeat_harmless: true,
                max_age: None,
            }
        }

        fn name(&self, _: &str, _: &Labels, _: PointKind, _: u32, _: &Speaker) -> Option<SeriesName> {
            None
        }

        fn keeps_historical(&self, _: &str) -> bool {
            false
        }

        fn encode(&self, _: &[Series], _: &Speaker, _: u32) -> Encoded {
            unreachable!("a check sends nothing")
        }

        async fn send(&self, _: Bytes) -> Result<Sent, SendError> {
            unreachable!("a check sends nothing")
        }

        async fn probe(&self) -> Result<Option<Sent>, SendError> {
            self.0.clone()
        }
    }

    async fn words(answer: Result<Option<Sent>, SendError>) -> Vec<String> {
        let tried = try_output("dd", &Answering(answer), &[(0, "none is set")]).await;
        tried
            .iter()
            .map(|one| line(one).split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[tokio::test]
    async fn every_step_to_an_output_has_its_line() {
        assert_eq!(
            words(Ok(Some(Sent::default()))).await,
            [
                "ok outputs.dd proxy none is set",
                "ok outputs.dd url works",
                "ok outputs.dd tls works",
                "ok outputs.dd key accepted"
            ]
        );
        let reason = "TLS with intake.test fails: unknown issuer".to_string();
        assert_eq!(
            words(Err(SendError::Retry { after: None, reason })).await,
            [
                "ok outputs.dd proxy none is set",
                "ok outputs.dd url works",
                "failed outputs.dd tls TLS with intake.test fails: unknown issuer",
                "- outputs.dd key not tried",
            ]
        );
        let reason = "status 403: Forbidden".to_string();
        let refused = words(Err(SendError::Unauthorized { reason })).await;
        assert_eq!(refused[3], "failed outputs.dd key status 403: Forbidden");
    }

    #[test]
    fn a_step_that_is_not_taken_says_so() {
        let environment =
            Environment::from_iter([("https_proxy", "http://proxy:3128"), ("NO_PROXY", "datadoghq.eu")]);
        let plain = serde_json::json!({"url": "http://127.0.0.1:8126/api"});
        let steps = |section: &Value| {
            unused(section, &environment)
                .iter()
                .map(|(step, _)| *step)
                .collect::<Vec<_>>()
        };
        assert_eq!(steps(&plain), [0, 2]);
        assert_eq!(steps(&Value::Null), [0; 0]);
        assert_eq!(steps(&serde_json::json!({"proxy": "none"})), [0]);
        assert_eq!(steps(&serde_json::json!({"site": "datadoghq.eu"})), [0]);
        assert_eq!(
            steps(&serde_json::json!({"url": "https://localhost:8126/api"})),
            [0]
        );
    }
}
