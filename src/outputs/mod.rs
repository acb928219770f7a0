//! Where points are sent.
