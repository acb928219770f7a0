//! What the engine says happens to its containers, as it says it.

use std::time::Duration;

use tokio::time::sleep;

use crate::feeds::container_logs::api::{self, EVENTS};
use crate::support::engine::chunks::Chunks;
use crate::support::engine::error::EngineError;
use crate::support::engine::link::Link;

/// An event is never longer.
const LONGEST_EVENT: usize = 1 << 20;

/// The engine's events, asked for or coming.
pub(super) enum Events {
    Asked(std::pin::Pin<Box<dyn Future<Output = Result<Chunks, EngineError>> + Send>>),
    Coming {
        chunks: Chunks,
        held: Vec<u8>,
    },
    /// The engine, or a proxy before it, does not tell them.
    Refused,
}

/// What came of listening.
#[derive(Debug)]
pub(super) enum Heard {
    /// They begin to come: what happened before shows only the list.
    Begun,
    Happened(Vec<api::Happened>),
    /// They end, though the engine may be there: a proxy may have thought it idle. They are asked for again.
    Ended,
    /// They will not be told, for this reason.
    Refused(EngineError),
}

impl Events {
    /// Asks for them after a while.
    pub(super) fn ask(link: &Link, after: Duration) -> Self {
        let link = link.clone();
        Self::Asked(Box::pin(async move {
            sleep(after).await;
            link.stream(EVENTS).await
        }))
    }

    /// Whether nothing will be heard.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self, Self::Refused)
    }

    /// What is heard next. Whoever stops waiting loses none.
    pub(super) async fn next(&mut self) -> Result<Heard, EngineError> {
        match self {
            Self::Asked(asked) => match asked.await {
                Ok(chunks) => {
                    let held = Vec::new();
                    *self = Self::Coming { chunks, held };
                    Ok(Heard::Begun)
                }
                Err(error @ EngineError::Refused { .. }) => {
                    *self = Self::Refused;
                    Ok(Heard::Refused(error))
                }
                Err(error) => Err(error),
            },
            Self::Coming { chunks, held } => {
                let Some(chunk) = chunks.next().await? else {
                    return Ok(Heard::Ended);
                };
                held.extend_from_slice(&chunk);
                let Some(end) = memchr::memrchr(b'\n', held) else {
                    return Ok(match held.len() > LONGEST_EVENT {
                        true => Heard::Ended,
                        false => Heard::Happened(Vec::new()),
                    });
                };
                let happened = held[..end]
                    .split(|byte| *byte == b'\n')
                    .filter_map(api::event)
                    .collect();
                held.drain(..=end);
                Ok(Heard::Happened(happened))
            }
            Self::Refused => std::future::pending().await,
        }
    }
}
