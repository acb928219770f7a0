//! The engine's events, which say of which containers something has changed.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How many containers may change between two passes before all are asked about.
const MOST: usize = 1000;
/// Silence after which a stream counts as open: an engine that refuses does so at once.
const OPEN: Duration = Duration::from_secs(1);
/// How long is waited before a lost stream is asked for again, at first and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Listens to an engine until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    changes: Arc<Mutex<Changes>>,
    /// Ends with this.
    _task: JoinSet<()>,
}

/// What has to be asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Everything: events may have been missed.
    pub(super) all: bool,
    /// These containers, by id.
    pub(super) ids: BTreeSet<String>,
    /// Whether events are heard at present.
    heard: bool,
}

impl Watch {
    /// Begins to listen.
    pub(super) fn start(docker: Docker) -> Self {
        let changes = Arc::new(Mutex::new(Changes::default()));
        let mut task = JoinSet::new();
        task.spawn(listen(docker, changes.clone()));
        Self { changes, _task: task }
    }

    /// What has changed since it was last asked; everything, while no events are heard.
    pub(super) fn take(&self) -> Changes {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = changes.heard;
        let rest = Changes {
            heard,
            ..Changes::default()
        };
        let mut taken = std::mem::replace(&mut *changes, rest);
        taken.all |= !heard;
        taken
    }
}

async fn listen(docker: Docker, changes: Arc<Mutex<Changes>>) {
    let change =
        |how: &dyn Fn(&mut Changes)| how(&mut changes.lock().unwrap_or_else(PoisonError::into_inner));
    let mut wait = BACK_OFF.0;
    loop {
        let filters = HashMap::from([("type".to_string(), vec!["container".to_string()])]);
        let mut events = docker.events(Some(EventsOptions {
            filters: Some(filters),
            ..EventsOptions::default()
        }));
        let mut next = match timeout(OPEN, events.next()).await {
            Ok(first) => first,
            Err(_) => {
                change(&Changes::open);
                wait = BACK_OFF.0;
                events.next().await
            }
        };
        while let Some(Ok(event)) = next {
            wait = BACK_OFF.0;
            change(&|changes| changes.take(&event));
            next = events.next().await;
        }
        // The engine went, or a proxy ended what it thought was idle. Who polls finds the former out for himself.
        change(&|changes| changes.heard = false);
        sleep(wait).await;
        wait = (wait * 2).min(BACK_OFF.1);
    }
}

impl Changes {
    /// Takes note that events are heard from now on: what was before is unknown.
    fn open(&mut self) {
        self.heard = true;
        self.all = true;
    }

    fn take(&mut self, event: &EventMessage) {
        if !self.heard {
            self.open();
        }
        let action = event.action.as_deref().unwrap_or_default();
        // What a person or a health check does inside a container changes nothing about it.
        let word = action.split([':', ' ']).next().unwrap_or_default();
        let idle = [
            "exec_create",
            "exec_start",
            "exec_die",
            "exec_detach",
            "attach",
            "detach",
            "resize",
            "top",
        ];
        if idle.contains(&word) {
            return;
        }
        match event.actor.as_ref().and_then(|actor| actor.id.clone()) {
            Some(id) if self.ids.len() < MOST => drop(self.ids.insert(id)),
            _ => self.all = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::EventActor;

    use super::*;

    fn event(id: Option<&str>, action: &str) -> EventMessage {
        EventMessage {
            action: Some(action.to_string()),
            actor: Some(EventActor {
                id: id.map(str::to_string),
                attributes: None,
            }),
            ..EventMessage::default()
        }
    }

    #[test]
    fn an_event_names_its_container_unless_it_changes_nothing() {
        let mut changes = Changes {
            heard: true,
            ..Changes::default()
        };
        for action in [
            "exec_create: /bin/check",
            "exec_start: x",
            "exec_die",
            "top",
            "attach",
        ] {
            changes.take(&event(Some("a"), action));
        }
        assert_eq!((changes.all, changes.ids.len()), (false, 0));
        changes.take(&event(Some("a"), "die"));
        changes.take(&event(Some("b"), "health_status: healthy"));
        assert_eq!(changes.ids, BTreeSet::from(["a".to_string(), "b".to_string()]));
        assert!(!changes.all);
        changes.take(&event(None, "die"));
        assert!(changes.all);
    }

    #[test]
    fn the_first_event_of_a_stream_asks_for_everything() {
        let mut changes = Changes::default();
        changes.take(&event(Some("a"), "start"));
        assert!(changes.all && changes.heard);
    }

    #[test]
    fn too_many_changes_are_all() {
        let mut changes = Changes {
            heard: true,
            ..Changes::default()
        };
        (0..=MOST).for_each(|id| changes.take(&event(Some(&id.to_string()), "start")));
        assert_eq!((changes.ids.len(), changes.all), (MOST, true));
    }
}
