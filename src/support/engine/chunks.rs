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
}

impl Chunks {
    pub(super) fn new(endpoint: &str, body: Incoming) -> Self {
        Self {
            endpoint: endpoint.to_string(),
            body,
        }
    }

    /// The next bytes, once there are some; `None` at the end. Whoever stops waiting loses none.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn next(&mut self) -> Result<Option<Bytes>, EngineError> {
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
