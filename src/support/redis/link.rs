//! One link to a Redis: a connection that is made when it is needed, and again after it broke.
//!
//! While the server is away calls fail at once, and one connection is tried from time to time: whoever can do without
//! Redis (the journal, by its disk) then loses no time on it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Pipeline, RedisError, ScriptInvocation};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::support::redis::connect::{ANSWER, CONNECT, Connection, connect};
use crate::support::redis::failure::{self, Meaning};
use crate::support::redis::target::Target;

pub use crate::support::redis::failure::LinkError;

/// How long nobody tries to connect after the first attempt that failed; the wait doubles with every further one.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How often a command is sent again because a cluster says that its slot has moved.
const MOVES: usize = 3;

/// A link. Cheap calls, one connection; commands that are issued at once are pipelined.
pub struct Link {
    target: Target,
    state: Mutex<State>,
    /// Held by the one who connects; the others wait for what comes of it.
    connecting: tokio::sync::Mutex<()>,
    epoch: AtomicU64,
    /// How long an answer is waited for, where there is no time for more.
    hurry: watch::Sender<Option<Duration>>,
}

#[derive(Default)]
struct State {
    connection: Option<(u64, Connection)>,
    /// Where the last connection led.
    reached: Option<String>,
    away: Option<Away>,
}

/// The last attempt to connect failed.
struct Away {
    until: Instant,
    wait: Duration,
    error: LinkError,
}

/// What is sent.
enum Message<'a> {
    Command(&'a Cmd),
    Pipeline(&'a Pipeline),
    Script(&'a ScriptInvocation<'a>),
}

impl Message<'_> {
    async fn send<T: FromRedisValue>(&self, connection: &mut Connection) -> Result<T, RedisError> {
        match self {
            Self::Command(command) => command.query_async(connection).await,
            Self::Pipeline(pipeline) => pipeline.query_async(connection).await,
            Self::Script(script) => script.invoke_async(connection).await,
        }
    }

    fn commands(&self) -> usize {
        match self {
            Self::Command(_) | Self::Script(_) => 1,
            Self::Pipeline(pipeline) => pipeline.len(),
        }
    }
}

impl Link {
    /// A link that is not connected yet.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            state: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
            epoch: AtomicU64::new(0),
            hurry: watch::Sender::new(None),
        }
    }

    /// Where it leads.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Where its last connection led: the master that the Sentinels named, else the target; `None` before the first.
    pub fn reached(&self) -> Option<String> {
        self.state().reached.clone()
    }

    /// How many connections it has made: whoever keeps something about the server looks whether it is another one.
    /// A connection to a cluster counts as one.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Sends one command.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, LinkError> {
        self.send(Message::Command(command)).await
    }

    /// Sends a pipeline; in a cluster all its keys lie in one slot.
    ///
    /// # Errors
    /// See [`LinkError`]. Where some of its commands succeeded and others could not be served, it is
    /// [`LinkError::Unanswered`].
    pub async fn pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, LinkError> {
        self.send(Message::Pipeline(pipeline)).await
    }

    /// Runs a script, loading it where the server does not know it.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn invoke<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, LinkError> {
        self.send(Message::Script(script)).await
    }

    async fn send<T: FromRedisValue>(&self, message: Message<'_>) -> Result<T, LinkError> {
        let mut moves = 0;
        loop {
            let (epoch, mut connection) = self.connected().await?;
            // The library's own limit covers the answer; this one also a queue that does not move.
            let most = ANSWER + CONNECT;
            let sent = tokio::select! {
                sent = timeout(most, message.send(&mut connection)) => sent.map_err(|_| most),
                most = self.hurried() => Err(most),
            };
            let failure = match sent {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => failure::read(&error, message.commands()),
                Err(most) => failure::Failure {
                    meaning: Meaning::Unknown,
                    code: String::new(),
                    reason: format!("no answer within {} s", most.as_secs_f64()),
                },
            };
            // A cluster's connection has learnt by now where the slot is.
            let moved = failure.code == "MOVED" && matches!(connection, Connection::Cluster(_));
            if moved && failure.meaning == Meaning::Elsewhere && moves < MOVES {
                moves += 1;
                continue;
            }
            return Err(self.failed(epoch, failure));
        }
    }

    /// From now on no answer is waited for longer than this, nor one that was asked for before.
    pub fn hurry(&self, most: Duration) {
        self.hurry.send_replace(Some(most));
    }

    /// Ends when an answer has been waited for too long, where there is no time; else never.
    async fn hurried(&self) -> Duration {
        let mut hurry = self.hurry.subscribe();
        let most = hurry.wait_for(Option::is_some).await.ok().and_then(|most| *most);
        let Some(most) = most else {
            return std::future::pending().await;
        };
        tokio::time::sleep(most).await;
        most
    }

    async fn connected(&self) -> Result<(u64, Connection), LinkError> {
        if let Some(known) = self.known() {
            return known;
        }
        let _turn = self.connecting.lock().await;
        if let Some(known) = self.known() {
            return known;
        }
        match connect(&self.target).await {
            Ok((connection, place)) => {
                let epoch = self.epoch.fetch_add(1, Ordering::Relaxed) + 1;
                let mut state = self.state();
                state.away = None;
                state.reached = Some(place);
                state.connection = Some((epoch, connection.clone()));
                Ok((epoch, connection))
            }
            Err(reason) => {
                let error = LinkError::Away {
                    target: self.target.to_string(),
                    reason,
                };
                let mut state = self.state();
                let wait = match &state.away {
                    Some(away) => (away.wait * 2).min(LONGEST_WAIT),
                    None => FIRST_WAIT,
                };
                state.away = Some(Away {
                    until: Instant::now() + wait,
                    wait,
                    error: error.clone(),
                });
                Err(error)
            }
        }
    }

    /// The connection there is, or that none is tried now; `None` when one is to be made.
    fn known(&self) -> Option<Result<(u64, Connection), LinkError>> {
        let state = self.state();
        if let Some(connected) = &state.connection {
            return Some(Ok(connected.clone()));
        }
        let away = state.away.as_ref()?;
        (Instant::now() < away.until).then(|| Err(away.error.clone()))
    }

    fn failed(&self, epoch: u64, failure: failure::Failure) -> LinkError {
        let target = self.target.to_string();
        let reason = match self.target.password.expose() {
            Ok(password) => failure::without(&failure.reason, &password),
            Err(_) => failure.reason,
        };
        let away = LinkError::Away {
            target: target.clone(),
            reason: reason.clone(),
        };
        match failure.meaning {
            Meaning::Answer => LinkError::Refused {
                target,
                code: failure.code,
                reason,
            },
            Meaning::Later => away,
            Meaning::Elsewhere => {
                self.drop_connection(epoch, Some(&away));
                away
            }
            Meaning::Unknown => {
                self.drop_connection(epoch, None);
                LinkError::Unanswered { target, reason }
            }
        }
    }

    /// Gives up a connection, unless it was replaced already; for `away` no other one is tried for a moment.
    fn drop_connection(&self, epoch: u64, away: Option<&LinkError>) {
        let mut state = self.state();
        if state.connection.as_ref().is_none_or(|(known, _)| *known != epoch) {
            return;
        }
        state.connection = None;
        state.away = away.map(|error| Away {
            until: Instant::now() + FIRST_WAIT,
            wait: FIRST_WAIT,
            error: error.clone(),
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::secret::Secret;

    #[tokio::test(start_paused = true)]
    async fn while_it_is_away_calls_fail_at_once_and_attempts_grow_rare() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        // A password that cannot be read fails before anything is sent, so that each attempt can be told apart.
        let mut target = Target::server("127.0.0.1", 1);
        target.password = Secret::new(&format!("file:{}", path.display()));
        let link = Link::new(target);
        let ping = redis::cmd("PING");
        let told = |error: LinkError| error.to_string();
        let mut waits = Vec::new();
        for _ in 0..7 {
            let missing = told(link.query::<()>(&ping).await.unwrap_err());
            assert!(missing.contains("No such file"), "{missing}");
            std::fs::write(&path, "").unwrap();
            let wait = link.state().away.as_ref().unwrap().wait;
            tokio::time::advance(wait - Duration::from_millis(1)).await;
            assert_eq!(told(link.query::<()>(&ping).await.unwrap_err()), missing);
            std::fs::remove_file(&path).unwrap();
            tokio::time::advance(Duration::from_millis(1)).await;
            waits.push(wait.as_millis());
        }
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 5000, 5000]);
        assert_eq!(link.epoch(), 0);
    }
}
