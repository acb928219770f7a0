//! Decides what follows an answer: one exhaustive match, a reason on each line.

use std::time::Duration;

use crate::component::output::{SendError, Sent};

/// What was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// How many series, or log entries.
    pub(crate) units: usize,
    /// How many points; a log entry is one.
    pub(crate) points: usize,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Settle everything in it as delivered.
    Acknowledge,
    /// Keep everything and try again later.
    Retry {
        /// What the destination asked to wait.
        after: Option<Duration>,
        /// Whether the request may have arrived.
        arrived: bool,
    },
    /// Encode less into one request and send at once.
    Shrink,
    /// Send it in halves, to find what is refused.
    Bisect,
    /// This one series is refused: a suspect, until the whole request is judged.
    Suspect,
    /// Keep everything, stop sending, and probe slowly.
    Park(Cause),
}

/// What somebody has to change before an output can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The key.
    Key,
    /// The address.
    Address,
    /// Something about all requests: their encoding, their settings, or the destination itself.
    Requests,
}

impl Cause {
    /// What an operator looks at.
    pub(crate) const fn hint(self) -> &'static str {
        match self {
            Self::Key => "the key is not accepted",
            Self::Address => "this is not the place for it; check the address",
            Self::Requests => "it refuses all or nearly all of what it is sent, so the fault is not theirs",
        }
    }
}

/// What follows an answer to a request.
pub(crate) fn decide(answer: &Result<Sent, SendError>, attempt: Attempt) -> Action {
    let lone = attempt.units <= 1;
    match answer {
        // A documented success, complaints or not: the destination has it, and would refuse nothing again.
        Ok(_) => Action::Acknowledge,
        // The network, 408, 429, 5xx: it passes, and the data is as good later.
        Err(SendError::Retry { after, .. }) => Action::Retry {
            after: *after,
            arrived: false,
        },
        // The same, but nobody knows whether it was taken.
        Err(SendError::Unanswered { .. }) => Action::Retry {
            after: None,
            arrived: true,
        },
        // 413: the same points in smaller requests.
        Err(SendError::TooLarge { .. }) if attempt.points > 1 => Action::Shrink,
        // A single point that is too large will never fit: as if it were refused.
        Err(SendError::TooLarge { .. }) => Action::Suspect,
        // 401, 403: no data is at fault, and a new key makes all of it welcome.
        Err(SendError::Unauthorized { .. }) => Action::Park(Cause::Key),
        // 3xx, 404, 415: whoever answers is not the intake, so its answer says nothing about the data.
        Err(SendError::Misdirected { .. }) => Action::Park(Cause::Address),
        // 400 for one series: it is the offender, or everything is refused.
        Err(SendError::Refused { .. }) if lone => Action::Suspect,
        // 400 for many: most of them are innocent.
        Err(SendError::Refused { .. }) => Action::Bisect,
    }
}

/// How many series of one request may be set aside; when more are refused, the fault is not theirs. A request of
/// up to 1,000 series may lose 10, a larger one 1 % of it.
pub(crate) fn most_refused(series: usize) -> usize {
    (series / 100).max(10)
}

/// Whether refused series are set aside. `witnessed`: the destination took another request, or another part of this
/// one, in the same turn. Without that nothing tells a bad series from a destination that refuses everything.
pub(crate) fn sets_aside(refused: usize, series: usize, witnessed: bool) -> bool {
    witnessed && refused <= most_refused(series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_its_action() {
        let reason = || String::new();
        let second = Some(Duration::from_secs(1));
        let many = Attempt { units: 5, points: 50 };
        let lone = Attempt { units: 1, points: 50 };
        let single = Attempt { units: 1, points: 1 };
        let complaint = Sent {
            complaints: vec!["no".to_string()],
            date: None,
        };
        let retry = |after, arrived| Action::Retry { after, arrived };
        let table = [
            (Ok(Sent::default()), many, Action::Acknowledge),
            (Ok(complaint), many, Action::Acknowledge),
            (
                Err(SendError::Retry {
                    after: second,
                    reason: reason(),
                }),
                many,
                retry(second, false),
            ),
            (
                Err(SendError::Unanswered { reason: reason() }),
                many,
                retry(None, true),
            ),
            (
                Err(SendError::TooLarge { reason: reason() }),
                lone,
                Action::Shrink,
            ),
            (
                Err(SendError::TooLarge { reason: reason() }),
                single,
                Action::Suspect,
            ),
            (
                Err(SendError::Unauthorized { reason: reason() }),
                single,
                Action::Park(Cause::Key),
            ),
            (
                Err(SendError::Misdirected { reason: reason() }),
                many,
                Action::Park(Cause::Address),
            ),
            (Err(SendError::Refused { reason: reason() }), many, Action::Bisect),
            (
                Err(SendError::Refused { reason: reason() }),
                lone,
                Action::Suspect,
            ),
        ];
        for (answer, attempt, action) in table {
            assert_eq!(decide(&answer, attempt), action, "{answer:?}");
        }
    }

    #[test]
    fn ten_series_or_one_percent_may_be_refused() {
        let table = [
            (1, 2, true),
            (10, 11, true),
            (11, 12, false),
            (10, 1000, true),
            (11, 1099, false),
            (20, 2000, true),
            (21, 2000, false),
        ];
        for (refused, series, expected) in table {
            assert_eq!(
                sets_aside(refused, series, true),
                expected,
                "{refused} of {series}"
            );
            assert!(!sets_aside(refused, series, false));
        }
    }
}
