//! Prints: answers to stdout, complaints to stderr.

use std::io::{self, Write};

/// Prints text as it is.
pub(super) fn text(text: &str) -> io::Result<()> {
    bytes(text.as_bytes())
}

/// Prints bytes as they are.
pub(super) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Prints a line for a person. Where stderr is closed there is nobody to tell.
pub(super) fn complaint(line: &str) {
    let _ = writeln!(io::stderr().lock(), "tawny: {line}");
}
