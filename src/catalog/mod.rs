//! The one list of every component.
