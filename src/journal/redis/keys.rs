//! The keys of one stream.

use crate::component::journal::JournalError;
use crate::support::redis::link::LinkError;

/// All keys of one stream. With a `{tag}` in the prefix they lie in one slot of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    /// The stream's name.
    pub(super) name: String,
    /// A hash that stays: `holder` (token of the agent whose it is), `born` (its incarnation), `speaker`; and `removed`
    /// once it was taken over and drained.
    pub(super) about: String,
    /// The lease: the holder's token, for as long as it is alive.
    pub(super) owner: String,
    /// Everything but the blocks.
    pub(super) state: String,
    /// The stream of blocks.
    pub(super) blocks: String,
    /// The hash of all streams of this kind, by name; the value is since when one has no owner, or empty.
    pub(super) list: String,
}

impl Keys {
    pub(super) fn of(prefix: &str, suffix: &str, name: &str) -> Self {
        let key = |what: &str| format!("{prefix}:journal:{name}{suffix}:{what}");
        Self {
            name: name.to_string(),
            about: key("about"),
            owner: key("owner"),
            state: key("state"),
            blocks: key("blocks"),
            list: list(prefix, suffix),
        }
    }
}

/// The key of the hash of all streams of one kind.
pub(super) fn list(prefix: &str, suffix: &str) -> String {
    format!("{prefix}:journals{suffix}")
}

/// The id of a block's entry.
pub(super) fn entry_id(number: u64) -> String {
    format!("{number}-0")
}

/// The number of an entry; `None` for one that nobody here made.
pub(super) fn number_of(entry: &str) -> Option<u64> {
    entry.strip_suffix("-0")?.parse().ok()
}

/// A link's error as the journal's.
pub(super) fn medium(action: &'static str, error: LinkError) -> JournalError {
    let (LinkError::Away { target, .. }
    | LinkError::Unanswered { target, .. }
    | LinkError::Refused { target, .. }) = &error;
    JournalError::Medium {
        place: target.clone(),
        action,
        source: std::io::Error::other(error),
    }
}
