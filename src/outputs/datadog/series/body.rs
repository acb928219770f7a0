//! Packs series into one compressed body, and stops before either limit, whatever the data is like.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use zstd::stream::raw::CParameter;
use zstd::stream::write::Encoder as ZstdEncoder;

use crate::component::output::{Encoded, Series};

/// Bytes that one body may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// As it is sent.
    pub(super) compressed: usize,
    /// After the intake has decompressed it.
    pub(super) raw: usize,
}

impl Limits {
    /// A part of them, after an intake said that a body was too large.
    pub(super) fn shrunk(self, by: u32) -> Self {
        let by = by.max(1) as usize;
        Self {
            compressed: self.compressed / by,
            raw: self.raw / by,
        }
    }
}

/// The bytes of one wire format.
pub(super) trait Format {
    /// What opens a body.
    const HEAD: &'static [u8];
    /// What closes it.
    const TAIL: &'static [u8];

    /// Writes an entry of the points of `series` from `from` on, as many of them as `room` bytes hold, and says how
    /// many those are. Points without a finite value are passed over; an entry without points is not written.
    fn entry(&self, series: &Series, from: usize, first: bool, room: usize, out: &mut Vec<u8>) -> usize;
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// `Content-Encoding: zstd`, at a level from 1 to 22.
    Zstd { level: i32, window_log: u32 },
    /// `Content-Encoding: deflate` (zlib, RFC 1950), at a level from 1 to 9.
    Zlib { level: u32 },
}

enum Compressor {
    Zstd(ZstdEncoder<'static, Vec<u8>>),
    Zlib(ZlibEncoder<Vec<u8>>),
}

/// What compression may add to a body whatever is in it: headers, the last block, a checksum.
const SLACK: usize = 256;

/// A compressor that knows what it may still take.
///
/// A flush tells the exact size of what is compressed; until the next one, everything written counts as if it were
/// incompressible. So the limit holds without a look into the compressor, and a body that compresses well costs a
/// few flushes more, each on a shorter rest.
struct Packer {
    compressor: Compressor,
    limits: Limits,
    /// Bytes written.
    raw: usize,
    /// Compressed bytes up to the last flush.
    settled: usize,
    /// Bytes written since.
    pending: usize,
}

impl Packer {
    fn new(method: Method, limits: Limits) -> Self {
        let compressor = match method {
            Method::Zstd { level, window_log } => Compressor::Zstd(zstd_encoder(level, window_log)),
            Method::Zlib { level } => Compressor::Zlib(ZlibEncoder::new(Vec::new(), Compression::new(level))),
        };
        Self {
            compressor,
            limits,
            raw: 0,
            settled: 0,
            pending: 0,
        }
    }

    /// Bytes that may still be written, whatever they are.
    fn room(&self) -> usize {
        // Incompressible data grows by a three-byte header for 128 KiB (zstd), five bytes for 16 KiB (deflate's
        // stored blocks), an eighth (deflate's fixed codes at its fastest level): by less than a seventh.
        let compressed = self.limits.compressed.saturating_sub(self.settled + SLACK) / 8 * 7;
        let raw = self.limits.raw.saturating_sub(self.raw);
        raw.min(compressed.saturating_sub(self.pending))
    }

    #[allow(clippy::expect_used, reason = "a Vec takes every write")]
    fn write(&mut self, bytes: &[u8]) {
        let written = match &mut self.compressor {
            Compressor::Zstd(encoder) => encoder.write_all(bytes),
            Compressor::Zlib(encoder) => encoder.write_all(bytes),
        };
        written.expect("a compressor over a Vec takes every write");
        self.raw += bytes.len();
        self.pending += bytes.len();
    }

    #[allow(clippy::expect_used, reason = "a Vec takes every write")]
    fn flush(&mut self) {
        let flushed = match &mut self.compressor {
            Compressor::Zstd(encoder) => encoder.flush(),
            Compressor::Zlib(encoder) => encoder.flush(),
        };
        flushed.expect("a compressor over a Vec takes every write");
        self.settled = match &self.compressor {
            Compressor::Zstd(encoder) => encoder.get_ref().len(),
            Compressor::Zlib(encoder) => encoder.get_ref().len(),
        };
        self.pending = 0;
    }

    #[allow(clippy::expect_used, reason = "a Vec takes every write")]
    fn finish(self) -> Vec<u8> {
        let finished = match self.compressor {
            Compressor::Zstd(encoder) => encoder.finish(),
            Compressor::Zlib(encoder) => encoder.finish(),
        };
        finished.expect("a compressor over a Vec takes every write")
    }
}

#[allow(clippy::expect_used, reason = "fails only where memory is out")]
fn zstd_encoder(level: i32, window_log: u32) -> ZstdEncoder<'static, Vec<u8>> {
    let mut encoder = ZstdEncoder::new(Vec::new(), level).expect("memory for a compressor");
    // Without these a high level takes 80 MiB of tables, and clears them, for a body of a few KiB.
    for parameter in [
        CParameter::WindowLog(window_log),
        CParameter::HashLog(window_log),
        CParameter::ChainLog(window_log),
    ] {
        encoder
            .set_parameter(parameter)
            .expect("sizes within the library's bounds");
    }
    encoder
}

/// Packs as many of `series` from the front as the limits allow, but at least one point.
pub(super) fn pack<F: Format>(format: &F, series: &[Series], method: Method, limits: Limits) -> Encoded {
    let mut packer = Packer::new(method, limits);
    packer.write(F::HEAD);
    let (mut done, mut of_next, mut any) = (0, 0, false);
    let mut entry = Vec::new();
    'series: for one in series {
        of_next = 0;
        while of_next < one.points.len() {
            let left = one.points.len() - of_next;
            entry.clear();
            let mut room = packer.room().saturating_sub(F::TAIL.len());
            let mut taken = format.entry(one, of_next, !any, room, &mut entry);
            if taken < left && packer.pending > 0 {
                packer.flush();
                entry.clear();
                room = packer.room().saturating_sub(F::TAIL.len());
                taken = format.entry(one, of_next, !any, room, &mut entry);
            }
            // A body that is nearly full ends between two series rather than in one of them.
            let nearly_full = room < limits.compressed.min(limits.raw) / 8;
            if any && taken < left && (nearly_full || taken == 0) {
                break 'series;
            }
            if taken == 0 {
                let mut single = one.clone();
                single.points = vec![one.points[of_next]];
                taken = format.entry(&single, 0, !any, usize::MAX, &mut entry);
            }
            any |= !entry.is_empty();
            packer.write(&entry);
            of_next += taken;
        }
        done += 1;
        of_next = 0;
    }
    packer.write(F::TAIL);
    let raw_bytes = packer.raw as u64;
    Encoded {
        body: Bytes::from(packer.finish()),
        series: done,
        points_of_next: of_next,
        raw_bytes,
    }
}
