//! Tawny.
