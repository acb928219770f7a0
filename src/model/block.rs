//! What the journal stores: a compressed, self-contained batch of one kind of item.

use bytes::Bytes;

use crate::model::time::ClockStamp;

/// What a block holds; each kind has its own age limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockKind {
    /// Points.
    #[default]
    Points,
    /// Log records.
    Logs,
    /// Service checks.
    Checks,
    /// Events.
    Events,
}

impl BlockKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Points, Self::Logs, Self::Checks, Self::Events];

    /// The word for this kind in settings, logs and documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Points => "points",
            Self::Logs => "logs",
            Self::Checks => "checks",
            Self::Events => "events",
        }
    }
}

/// A batch as the journal stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it holds.
    pub kind: BlockKind,
    /// How many items it holds, at least 1.
    pub items: u32,
    /// Time of its oldest item, seconds since 1970-01-01 UTC, by the wall clock of `stamp`.
    pub oldest: i64,
    /// Time of its newest item, likewise.
    pub newest: i64,
    /// The windows whose points it holds, as (start in seconds since 1970-01-01 UTC, amendment), so that an
    /// amendment after a restart bears the next number. Empty for other kinds.
    pub windows: Vec<(i64, u32)>,
    /// What the clocks said when it was made.
    pub stamp: ClockStamp,
    /// The compressed items; their format is the journal's.
    pub payload: Bytes,
}
