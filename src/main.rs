//! Tawny.
fn main() {}
