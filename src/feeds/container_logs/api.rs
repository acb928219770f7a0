//! What the engine is asked for, beside the logs themselves.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::feeds::container_logs::stamp;
use crate::support::engine::error::EngineError;
use crate::support::engine::link::Link;

/// How long an answer may take. A busy engine takes its time.
const PATIENCE: Duration = Duration::from_secs(30);

/// The path of the events of containers: `{"type":["container"],"event":["start","rename","destroy"]}`.
pub(super) const EVENTS: &str = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22start%22%2C%22rename%22%2C%22destroy%22%5D%7D";

/// A container of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: String,
    /// Without the slash.
    pub(super) name: String,
    pub(super) image: String,
    /// Whether it is neither ended nor still to be started.
    pub(super) is_running: bool,
    /// Whether it has ever been started.
    pub(super) has_run: bool,
}

/// What is looked at before a container is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Looked {
    /// Whether it has a terminal.
    pub(super) tty: bool,
    pub(super) is_running: bool,
    /// Nanoseconds since 1970-01-01 UTC; 0 where nobody knows.
    pub(super) created: i64,
    /// When it ended last; 0 where it has not.
    pub(super) finished: i64,
}

/// What has happened to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Happened {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) image: String,
    pub(super) is_start: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Row {
    id: String,
    names: Option<Vec<String>>,
    image: String,
    state: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Inspected {
    created: String,
    state: RunState,
    config: Config,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RunState {
    running: bool,
    finished_at: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    tty: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event {
    #[serde(rename = "Action")]
    action: String,
    #[serde(rename = "Actor")]
    actor: Actor,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Actor {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Attributes")]
    attributes: Attributes,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attributes {
    name: String,
    image: String,
}

/// All containers, ended ones too.
///
/// # Errors
/// See [`EngineError`].
pub(super) async fn list(link: &Link) -> Result<Vec<Listed>, EngineError> {
    let path = "/containers/json?all=1";
    let rows: Vec<Row> = read(link, path, &link.get(path, PATIENCE).await?)?;
    Ok(rows.into_iter().filter_map(listed).collect())
}

fn listed(row: Row) -> Option<Listed> {
    let names = row.names.unwrap_or_default();
    // Beside its own a container may have names as others' neighbour: `/other/alias`.
    let own = names.iter().map(|name| name.trim_start_matches('/'));
    let name = own.min_by_key(|name| name.matches('/').count())?;
    Some(Listed {
        name: name.to_string(),
        id: row.id,
        image: row.image,
        is_running: matches!(
            row.state.as_str(),
            "running" | "paused" | "restarting" | "removing" | "stopping"
        ),
        has_run: !matches!(row.state.as_str(), "created" | "configured" | "initialized"),
    })
}

/// What is to be known of one container.
///
/// # Errors
/// See [`EngineError`].
pub(super) async fn look(link: &Link, id: &str) -> Result<Looked, EngineError> {
    let path = format!("/containers/{id}/json");
    let read: Inspected = read(link, &path, &link.get(&path, PATIENCE).await?)?;
    let time = |text: &str| stamp::parse(text.as_bytes()).unwrap_or(0);
    Ok(Looked {
        tty: read.config.tty,
        is_running: read.state.running,
        created: time(&read.created),
        finished: time(&read.state.finished_at),
    })
}

/// The path of a container's log from a second on.
pub(super) fn logs(id: &str, since: i64, follow: bool) -> String {
    let follow = u8::from(follow);
    format!("/containers/{id}/logs?stdout=1&stderr=1&timestamps=1&tail=all&follow={follow}&since={since}")
}

/// Reads one line of the events; `None` for what is none of ours.
pub(super) fn event(line: &[u8]) -> Option<Happened> {
    let event: Event = serde_json::from_slice(line).ok()?;
    Some(Happened {
        is_start: event.action == "start",
        id: event.actor.id,
        name: event.actor.attributes.name,
        image: event.actor.attributes.image,
    })
}

fn read<T: DeserializeOwned>(link: &Link, path: &str, json: &[u8]) -> Result<T, EngineError> {
    serde_json::from_slice(json).map_err(|error| EngineError::Malformed {
        endpoint: link.endpoint().to_string(),
        path: path.to_string(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_own_name_is_told_from_its_neighbours_names_for_it() {
        let row: Row = serde_json::from_str(
            r#"{"Id":"1","Names":["/app/db","/db"],"Image":"redis","State":"running","Other":1}"#,
        )
        .unwrap();
        let found = listed(row).unwrap();
        assert_eq!(
            (found.name.as_str(), found.is_running, found.has_run),
            ("db", true, true)
        );
        let row: Row = serde_json::from_str(r#"{"Id":"1","Names":["/x"],"State":"created"}"#).unwrap();
        let found = listed(row).unwrap();
        assert!(!found.is_running && !found.has_run);
        let row: Row = serde_json::from_str(r#"{"Id":"1","Names":null}"#).unwrap();
        assert_eq!(listed(row), None);
    }

    #[test]
    fn an_event_tells_whom_it_is_about() {
        let line = br#"{"status":"start","id":"a","from":"redis","Type":"container","Action":"start","Actor":{"ID":"a","Attributes":{"image":"redis","name":"db"}},"scope":"local","time":1}"#;
        let happened = event(line).unwrap();
        assert_eq!(
            (happened.id.as_str(), happened.name.as_str(), happened.is_start),
            ("a", "db", true)
        );
        assert_eq!(event(b"nonsense"), None);
    }
}
