//! Which points a window becomes.
