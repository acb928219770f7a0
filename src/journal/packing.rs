//! Compression of what stands in a block.

use std::io::Read;

/// A good ratio for its time, on some kilobytes.
const LEVEL: i32 = 3;
/// 2^24 bytes, beyond any window of [`LEVEL`]; bounds what a decompressor allocates.
const WINDOW_LOG_MAX: u32 = 24;

/// Compresses bytes.
pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    // Compressing into memory fails for lack of memory only, and then there is none for the error either.
    #[allow(clippy::expect_used)]
    zstd::bulk::compress(bytes, LEVEL).expect("compressing into memory cannot fail")
}

/// Decompresses what [`pack`] made of `length` bytes; never more than these, whatever the bytes are.
pub(super) fn unpack(packed: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed).ok()?;
    decoder.window_log_max(WINDOW_LOG_MAX).ok()?;
    let mut bytes = Vec::with_capacity(length.min(1 << 16));
    decoder.take(length as u64 + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() == length).then_some(bytes)
}
