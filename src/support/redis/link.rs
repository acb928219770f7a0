//! One link to a Redis: a connection that is made when it is needed, and again after it broke.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, FromRedisValue, IntoConnectionInfo, Pipeline,
    RedisConnectionInfo, RedisError, ScriptInvocation,
};

use crate::support::redis::target::Target;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Why a command did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The server is not there, or does not let us in. Nothing was sent.
    #[error("{target} cannot be reached: {reason}")]
    Away {
        /// Where.
        target: String,
        /// What happened, without secrets.
        reason: String,
    },
    /// The command went out and no answer came back: it may have been executed.
    #[error("{target} did not answer: {reason}")]
    Unanswered {
        /// Where.
        target: String,
        /// What happened.
        reason: String,
    },
    /// The server answers with an error; it is connected.
    #[error("{target} refuses: {reason}")]
    Refused {
        /// Where.
        target: String,
        /// The error's first word (`WRONGTYPE`, `NOPERM`, `OOM`, `MISCONF`, …).
        code: String,
        /// What it says.
        reason: String,
    },
}

/// A link. Cheap calls, one connection; commands that are issued at once are pipelined.
pub struct Link {
    target: Target,
    connection: Mutex<Option<MultiplexedConnection>>,
    epoch: AtomicU64,
}

impl Link {
    /// A link that is not connected yet.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            connection: Mutex::new(None),
            epoch: AtomicU64::new(0),
        }
    }

    /// Where it leads.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// How many connections it has made: whoever keeps something about the server looks whether it is another one.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// Sends one command.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn query<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, LinkError> {
        let mut connection = self.connected().await?;
        let answer: Result<T, RedisError> = command.query_async(&mut connection).await;
        answer.map_err(|error| self.failed(&error))
    }

    /// Sends a pipeline; in a cluster all its keys lie in one slot.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, LinkError> {
        let mut connection = self.connected().await?;
        let answer: Result<T, RedisError> = pipeline.query_async(&mut connection).await;
        answer.map_err(|error| self.failed(&error))
    }

    /// Runs a script, loading it where the server does not know it.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub async fn invoke<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, LinkError> {
        let mut connection = self.connected().await?;
        let answer: Result<T, RedisError> = script.invoke_async(&mut connection).await;
        answer.map_err(|error| self.failed(&error))
    }

    async fn connected(&self) -> Result<MultiplexedConnection, LinkError> {
        if let Some(connection) = self.lock().clone() {
            return Ok(connection);
        }
        let away = |reason: String| LinkError::Away {
            target: self.target.to_string(),
            reason,
        };
        let password = self
            .target
            .password
            .expose()
            .map_err(|error| away(error.to_string()))?;
        let mut login = RedisConnectionInfo::default().set_db(i64::from(self.target.database));
        if !self.target.username.is_empty() {
            login = login.set_username(self.target.username.as_str());
        }
        if !password.is_empty() {
            login = login.set_password(&*password);
        }
        let (host, port) = self.target.nodes[0].clone();
        let connecting = async {
            let info = ConnectionAddr::Tcp(host, port)
                .into_connection_info()?
                .set_redis_settings(login);
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT))
                .set_response_timeout(Some(ANSWER));
            Client::open(info)?
                .get_multiplexed_async_connection_with_config(&config)
                .await
        };
        let connection = connecting
            .await
            .map_err(|error: RedisError| away(error.to_string()))?;
        *self.lock() = Some(connection.clone());
        self.epoch.fetch_add(1, Ordering::Relaxed);
        Ok(connection)
    }

    fn failed(&self, error: &RedisError) -> LinkError {
        let target = self.target.to_string();
        if let Some(code) = error
            .code()
            .filter(|_| !error.is_io_error() && !error.is_timeout())
        {
            return LinkError::Refused {
                target,
                code: code.to_string(),
                reason: error.to_string(),
            };
        }
        *self.lock() = None;
        LinkError::Unanswered {
            target,
            reason: error.to_string(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<MultiplexedConnection>> {
        self.connection
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
