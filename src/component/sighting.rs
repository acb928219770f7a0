//! What a collector sees of its target where nobody configured anything.

/// Whether a target is there. Looking is quick, changes nothing and connects to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// It is not on this device.
    Absent,
    /// It is there and can be read: the collector runs.
    Readable {
        /// What was seen, with its place: `/usr/bin/tegrastats`.
        what: String,
    },
    /// It is there, and this user may not read it: the log says so once, and it is left alone.
    Unreadable {
        /// What was seen, with its place.
        what: String,
        /// What a person can do, beginning with a verb: `add the agent's user to the group docker`.
        remedy: String,
    },
}
