//! From closed windows to delivered points.
