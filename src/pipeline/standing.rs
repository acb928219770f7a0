//! How an output stands with its destination: delivering, trying again, or parked; told to the board and the log
//! when it changes, not at every try.

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use crate::component::journal::OutputId;
use crate::model::time::ClockStamp;
use crate::pipeline::backoff::Backoff;
use crate::pipeline::decide::Cause;
use crate::registry::board::{Board, OutputState};

/// What an output may do; moments are times since boot, so that a step of the wall clock neither hurries nor stalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Send.
    Active,
    /// Send again from this moment on.
    Retrying { until: Duration },
    /// Probe from this moment on.
    Parked { until: Duration, cause: Cause },
}

/// One output's standing.
#[derive(Debug)]
pub(crate) struct Standing {
    output: OutputId,
    board: Arc<Board>,
    mode: Mode,
    retries: Backoff,
    probes: Backoff,
}

impl Standing {
    /// A good one.
    pub(crate) fn new(output: OutputId, board: Arc<Board>) -> Self {
        Self {
            output,
            board,
            mode: Mode::Active,
            retries: Backoff::of_retries(),
            probes: Backoff::of_probes(),
        }
    }

    /// What it may do.
    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// How long to wait before it may try; zero where it may now.
    pub(crate) fn wait(&self, uptime: Duration) -> Duration {
        match self.mode {
            Mode::Active => Duration::ZERO,
            Mode::Retrying { until } | Mode::Parked { until, .. } => until.saturating_sub(uptime),
        }
    }

    /// The destination took a request.
    pub(crate) fn taken(&mut self) {
        self.retries.reset();
        self.probes.reset();
        if self.mode != Mode::Active {
            info!(output = %self.output, "Delivery works again.");
            self.mode = Mode::Active;
            self.show(OutputState::Active);
        }
    }

    /// The destination is not able now.
    pub(crate) fn retry(&mut self, now: ClockStamp, after: Option<Duration>, reason: &str) {
        let wait = self.retries.jittered(after, fastrand::f64());
        if !matches!(self.mode, Mode::Retrying { .. }) {
            warn!(output = %self.output, reason, "Delivery fails; the journal keeps everything, and it is tried again.");
        }
        self.mode = Mode::Retrying {
            until: now.uptime + wait,
        };
        self.show(OutputState::Retrying {
            next_try: now.wall.after(wait),
            reason: reason.to_string(),
        });
    }

    /// Somebody has to change something.
    pub(crate) fn park(&mut self, now: ClockStamp, cause: Cause, reason: &str) {
        let wait = self.probes.steady(fastrand::f64());
        let known = matches!(self.mode, Mode::Parked { cause: before, .. } if before == cause);
        if !known {
            error!(
                output = %self.output,
                reason,
                "Delivery is parked: {}. The journal keeps everything, and it is probed slowly.",
                cause.hint()
            );
        }
        self.mode = Mode::Parked {
            until: now.uptime + wait,
            cause,
        };
        self.show(OutputState::Parked {
            next_try: now.wall.after(wait),
            reason: format!("{}: {reason}", cause.hint()),
        });
    }

    fn show(&self, state: OutputState) {
        self.board
            .facts()
            .outputs
            .entry(self.output.0.to_string())
            .or_default()
            .state = state;
    }
}
