//! What the agent polls, in groups; a collector is one file and one line in [`crate::catalog`].
