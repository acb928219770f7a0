//! What is asked of an engine in one pass.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::collectors::container::docker::inspect::{self, Inspected};
use crate::collectors::container::docker::json::{flag, object, positive, text};
use crate::collectors::container::docker::stats::{self, Stats};
use crate::collectors::container::docker::values::Machine;
use crate::collectors::container::docker::watch::Watch;
use crate::support::engine::Engine;
use crate::support::engine::error::EngineError;
use crate::support::engine::link::Link;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A way to an engine, and what was heard of it.
#[derive(Debug)]
pub(super) struct Session {
    link: Link,
    pub(super) watch: Watch,
    pub(super) machine: Machine,
}

/// What came of asking about one container.
#[derive(Debug)]
pub(super) enum Asked<T> {
    Answer(T),
    /// It went between two requests, which is no fault.
    Gone,
    Failed(EngineError),
}

impl Session {
    /// Reaches the engine and begins to hear its events.
    pub(super) async fn open(engine: &Engine) -> Result<Self, EngineError> {
        let link = engine.link().await?;
        // A proxy that lets only containers through refuses this, and little is lost: most engines name the machine's
        // memory and CPUs with each container.
        let machine = match link.get("/info", PATIENCE).await {
            Ok(answer) => machine(&answer),
            Err(_) => Machine::default(),
        };
        Ok(Self {
            watch: Watch::start(link.docker().clone()),
            link,
            machine,
        })
    }

    /// The ids of all containers, running or not.
    pub(super) async fn list(&self) -> Result<BTreeSet<String>, EngineError> {
        let path = "/containers/json?all=true";
        let answer = self.link.get(path, PATIENCE).await?;
        let malformed = |reason: String| self.malformed(path, reason);
        let list: Vec<serde_json::Value> =
            serde_json::from_slice(&answer).map_err(|error| malformed(error.to_string()))?;
        let ids = list.iter().map(|one| text(one, "/Id").map(str::to_string));
        ids.collect::<Option<_>>()
            .ok_or_else(|| malformed("a container without `Id`".to_string()))
    }

    /// Asks how these containers stand, `most` at once.
    pub(super) async fn inspect(
        &self,
        ids: BTreeSet<String>,
        most: usize,
    ) -> Vec<(String, Asked<Inspected>)> {
        let asked = stream::iter(ids).map(async |id| {
            let path = format!("/containers/{id}/json");
            let answer = self.ask(&path, inspect::parse).await;
            (id, answer)
        });
        asked.buffer_unordered(most).collect().await
    }

    /// Asks what these containers use, `most` at once; `None` for one that does not run any more.
    pub(super) async fn stats(&self, ids: Vec<String>, most: usize) -> Vec<(String, Asked<Option<Stats>>)> {
        // Without `one-shot` an engine takes two samples, a second apart; older ones know nothing else.
        let once = if self.link.is_at_least(1, 41) {
            "&one-shot=true"
        } else {
            ""
        };
        let asked = stream::iter(ids).map(async |id| {
            let path = format!("/containers/{id}/stats?stream=false{once}");
            let answer = self.ask(&path, stats::parse).await;
            (id, answer)
        });
        asked.buffer_unordered(most).collect().await
    }

    async fn ask<T>(&self, path: &str, parse: fn(&[u8]) -> Result<T, String>) -> Asked<T> {
        match self.link.get(path, PATIENCE).await {
            Ok(answer) => match parse(&answer) {
                Ok(parsed) => Asked::Answer(parsed),
                Err(reason) => Asked::Failed(self.malformed(path, reason)),
            },
            Err(error) if error.is_gone() => Asked::Gone,
            Err(error) => Asked::Failed(error),
        }
    }

    fn malformed(&self, path: &str, reason: String) -> EngineError {
        EngineError::Malformed {
            endpoint: self.link.endpoint().to_string(),
            path: path.to_string(),
            reason,
        }
    }
}

/// What the engine says of its machine.
fn machine(answer: &Bytes) -> Machine {
    let Ok(value) = object(answer) else {
        return Machine::default();
    };
    Machine {
        cpus: positive(&value, "/NCPU"),
        memory: positive(&value, "/MemTotal"),
        counts_memory: value.get("MemoryLimit").map(|_| flag(&value, "/MemoryLimit")),
    }
}
