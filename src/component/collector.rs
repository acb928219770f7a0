//! A collector: polled, asks one target, returns samples.

use async_trait::async_trait;

use crate::model::sample::Samples;

/// Asks one target. The driver times it, bounds it, catches its panics, and logs what it returns.
#[async_trait]
pub trait Collector: Send {
    /// Reads the target once and adds what it knows. What was added before an error is kept.
    ///
    /// # Errors
    /// See [`CollectError`].
    async fn collect(&mut self, out: &mut Samples) -> Result<(), CollectError>;
}

/// Why a collection gave nothing, or not all.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CollectError {
    /// The target does not answer, or is not there.
    #[error("{target} cannot be reached: {reason}")]
    Unreachable {
        /// The address, path or program.
        target: String,
        /// What went wrong.
        reason: String,
    },
    /// The target answers what cannot be read.
    #[error("{target} answered what cannot be read: {reason}")]
    Malformed {
        /// The address, path or program.
        target: String,
        /// What was expected, and what stood there.
        reason: String,
    },
    /// The target does not let us read.
    #[error("no permission to read {target}: {reason}")]
    Forbidden {
        /// The address, path or program.
        target: String,
        /// What the operator can do.
        reason: String,
    },
    /// The target answers, and there is nothing in it.
    #[error("{target} has no data")]
    NoData {
        /// The address, path or program.
        target: String,
    },
}
