//! Who hands samples in, how many series each may have, and what was refused.

use std::time::Duration;

use crate::registry::watch::Beat;

/// Who hands samples in: a collector or a feed. Limits and refusals are counted under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(pub(super) u16);

/// Why a sample, or a part of it, was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum RecordError {
    /// It would have been a new series, and there are as many as there may be, none of them idle.
    #[error("the limit of series is reached")]
    SeriesLimit,
    /// It would have been a new series, and its origin has as many as it may have, none of them idle.
    #[error("the limit of series of one origin is reached")]
    OriginLimit,
    /// Its value is not finite.
    #[error("the value is not finite")]
    NotFinite,
    /// The observations or members of the open windows take as much memory as they may.
    #[error("the memory for observations and members of open windows is spent")]
    WindowMemory,
    /// A feed tallied its observations into other buckets than the registry shows.
    #[error("the observations are in other buckets than the page's")]
    OtherBuckets,
}

impl RecordError {
    /// All reasons, in the order of their declaration.
    pub const ALL: [Self; 5] = [
        Self::SeriesLimit,
        Self::OriginLimit,
        Self::NotFinite,
        Self::WindowMemory,
        Self::OtherBuckets,
    ];

    /// The word for this reason in labels and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SeriesLimit => "series_limit",
            Self::OriginLimit => "origin_limit",
            Self::NotFinite => "not_finite",
            Self::WindowMemory => "window_memory",
            Self::OtherBuckets => "other_buckets",
        }
    }
}

/// Numbers about the registry; all but those that say *now* count since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Series now.
    pub series: u64,
    /// Families now.
    pub families: u64,
    /// Open windows now.
    pub open_windows: u64,
    /// Bytes that the open windows take now.
    pub window_bytes: u64,
    /// The numbers of each origin, in order of registration.
    pub origins: Vec<OriginCounts>,
    /// Samples that were more than ten minutes ahead and were stamped with now.
    pub ahead: u64,
    /// Samples that were too old for the page and reached the push only.
    pub backlog: u64,
    /// Idle series that went because a limit needed their room.
    pub evicted: u64,
    /// Families left out of a page because their names clash on it, once a page.
    pub clashed: u64,
}

impl Counts {
    /// Samples recorded, from all origins.
    pub fn samples(&self) -> u64 {
        self.origins.iter().map(|origin| origin.samples).sum()
    }
}

/// Numbers about one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginCounts {
    /// Its name.
    pub name: String,
    /// Its series now.
    pub series: u64,
    /// Samples recorded since the start.
    pub samples: u64,
    /// What was refused since the start, by reason: samples for the limits, single values and members otherwise.
    /// In the order of [`RecordError::ALL`].
    pub refused: [(RecordError, u64); 5],
}

/// What the registry keeps of an origin.
#[derive(Debug)]
pub(super) struct OriginState {
    pub(super) name: String,
    /// Its own staleness in whole seconds, if it is polled.
    pub(super) stale: Option<u32>,
    pub(super) series: usize,
    pub(super) samples: u64,
    /// The series that it recorded last.
    pub(super) last: u32,
    refused: [u64; 5],
    /// Until when looking for idle series of it is in vain.
    pub(super) barren_until: Beat,
    reported: Reported,
}

/// What the log said last about an origin.
#[derive(Clone, Copy, Debug, Default)]
struct Reported {
    refused: u64,
    at: Option<Beat>,
}

impl OriginState {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_string(),
            stale: None,
            series: 0,
            samples: 0,
            last: u32::MAX,
            refused: [0; 5],
            barren_until: 0,
            reported: Reported::default(),
        }
    }

    /// Counts what was refused and gives the reason back.
    pub(super) fn refuse(&mut self, reason: RecordError, many: u64) -> RecordError {
        self.refused[reason as usize] += many;
        reason
    }

    pub(super) fn counts(&self) -> OriginCounts {
        OriginCounts {
            name: self.name.clone(),
            series: self.series as u64,
            samples: self.samples,
            refused: RecordError::ALL.map(|reason| (reason, self.refused[reason as usize])),
        }
    }

    /// How many new series were refused since the log said so last; `None` where there is nothing to say, or the last
    /// word is less than a minute old.
    pub(super) fn report(&mut self, now: Beat) -> Option<u64> {
        let refused =
            self.refused[RecordError::SeriesLimit as usize] + self.refused[RecordError::OriginLimit as usize];
        let news = refused - self.reported.refused;
        if news == 0 || self.reported.at.is_some_and(|at| now < at.saturating_add(60)) {
            return None;
        }
        self.reported = Reported {
            refused,
            at: Some(now),
        };
        Some(news)
    }
}

/// A staleness in whole seconds, at least 1.
pub(super) fn whole_seconds(stale: Duration) -> u32 {
    u32::try_from(stale.as_millis().div_ceil(1000))
        .unwrap_or(u32::MAX)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_speaks_once_a_minute_and_only_of_news() {
        let mut origin = OriginState::new("x");
        assert_eq!(origin.report(0), None);
        origin.refuse(RecordError::NotFinite, 5);
        assert_eq!(origin.report(0), None);
        origin.refuse(RecordError::SeriesLimit, 3);
        assert_eq!(origin.report(0), Some(3));
        origin.refuse(RecordError::OriginLimit, 2);
        assert_eq!(origin.report(59), None);
        assert_eq!(origin.report(60), Some(2));
        assert_eq!(origin.report(200), None);
    }
}
