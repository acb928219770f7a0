//! An answer of an engine that has no end, read as it comes.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::Bytes;
use hyper::body::{Body, Incoming};

use crate::support::engine::error::EngineError;

/// The bytes of an answer.
#[derive(Debug)]
pub struct Chunks {
    endpoint: String,
    body: Incoming,
    /// What was looked at, and not yet taken.
    peeked: Option<Bytes>,
}

impl Chunks {
    pub(super) fn new(endpoint: &str, body: Incoming) -> Self {
        Self {
            endpoint: endpoint.to_string(),
            body,
            peeked: None,
        }
    }

    /// Whether a container's log, asked for with times, is the plain text that a terminal's is; any other has headers,
    /// whose first byte is no digit. Waits for its first bytes, and takes none.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn is_text(&mut self) -> Result<bool, EngineError> {
        while self.peeked.as_ref().is_none_or(Bytes::is_empty) {
            match self.receive().await? {
                Some(bytes) => self.peeked = Some(bytes),
                None => break,
            }
        }
        let first = self.peeked.as_ref().and_then(|bytes| bytes.first());
        Ok(first.is_some_and(u8::is_ascii_digit))
    }

    /// The next bytes, once there are some; `None` at the end. Whoever stops waiting loses none.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn next(&mut self) -> Result<Option<Bytes>, EngineError> {
        match self.peeked.take() {
            Some(peeked) => Ok(Some(peeked)),
            None => self.receive().await,
        }
    }

    async fn receive(&mut self) -> Result<Option<Bytes>, EngineError> {
        while let Some(frame) = poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await {
            let frame = frame.map_err(|error| EngineError::Unreachable {
                endpoint: self.endpoint.clone(),
                reason: error.to_string(),
            })?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}
