//! Bytes of log a second through lines, levels and rotated files, on one core.
//!
//! `cargo bench --bench container_logs`. Nothing waits for the medium here: the agent does so once in an interval and
//! at each rotation.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a bench prints what it measured"
)]

mod figure;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use figure::{figure, machine};
use tawny::logs::classify::Classifier;
use tawny::logs::lines::{Lines, Target};
use tawny::logs::mapping::Mapping;
use tawny::logs::rotate::place::PlaceError;
use tawny::logs::rotate::{Limits, LogFile};

/// Bytes of each run.
const BYTES: usize = 512 << 20;
/// Target of the issue: bytes a second.
const TARGET: f64 = 200e6;

fn main() {
    machine();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let standard = Mapping::standard().expect("the standard words");
    let many = mapping(40);
    for (name, mapping, length) in [
        ("lines of 100 bytes", &standard, 100),
        ("lines of 20 bytes", &standard, 20),
        ("lines of 1000 bytes", &standard, 1000),
        ("lines of 100 bytes, 40 keywords of each kind", &many, 100),
        ("lines of 100 kB in pieces of 16 KiB", &standard, 100_000),
    ] {
        let rate = run(folder.path(), &mapping.of("web"), length);
        figure(
            &format!("container logs: {name}"),
            rate / 1e6,
            "MB/s",
            TARGET / 1e6..,
        );
    }
}

/// A mapping with that many keywords of each kind.
fn mapping(count: usize) -> Mapping {
    let words = |word: &str| {
        (0..count)
            .map(|number| format!("{word}-{number}:"))
            .collect::<Vec<_>>()
    };
    let text = serde_json::json!({"default_mapping": {
        "warning_keywords": words("warning"),
        "error_keywords": words("error"),
        "messages_to_ignore_errors": words("ignored"),
    }});
    Mapping::parse(&text.to_string()).expect("a mapping").0
}

/// Lines of about this many bytes, each tenth an error, as pieces.
fn pieces(length: usize) -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut pieces = Vec::new();
    let mut bytes = 0;
    while bytes < 4 << 20 {
        let word = if random.u8(..10) == 0 { "ERROR" } else { "INFO" };
        let mut line = format!("12:00:00 [{word}] ").into_bytes();
        line.extend((0..length).map(|_| random.alphanumeric() as u8));
        line.truncate(length - 1);
        line.push(b'\n');
        bytes += line.len();
        pieces.extend(line.chunks(16 * 1024).map(<[u8]>::to_vec));
    }
    pieces
}

fn run(folder: &Path, classifier: &Arc<Classifier>, length: usize) -> f64 {
    let limits = Limits {
        max_size: 10 << 20,
        max_files: 2,
        compress: false,
    };
    let pieces = pieces(length);
    let file = LogFile::open(folder, "web", limits, None).expect("a file");
    let mut desk = Desk {
        file,
        classifier: Arc::clone(classifier),
        counts: [0; 3],
    };
    let mut lines = Lines::new([0_u64; 2]);
    let began = Instant::now();
    let mut bytes = 0;
    let mut mark = 0;
    while bytes < BYTES {
        for piece in &pieces {
            mark += 1;
            lines.begin(0, mark, 0, &mut desk).expect("it is written");
            lines.content(0, piece, true, &mut desk).expect("it is written");
            bytes += piece.len();
        }
    }
    desk.file.flush().expect("it is written");
    let seconds = began.elapsed().as_secs_f64();
    assert!(desk.counts.iter().sum::<u64>() > 0);
    drop(desk);
    fs::remove_dir_all(folder.join("web")).expect("the files go");
    bytes as f64 / seconds
}

struct Desk {
    file: LogFile,
    classifier: Arc<Classifier>,
    counts: [u64; 3],
}

impl Target for Desk {
    type Error = PlaceError;

    fn line(&mut self, line: &[u8], _: i64) -> Result<(), PlaceError> {
        self.counts[self.classifier.level(line).index()] += 1;
        if !self.file.has_room(line.len()) {
            let length = self.file.mark().length;
            self.file.turn_over(length)?;
        }
        self.file.append(line)
    }

    fn begin(&mut self, head: &[u8], time: i64) -> Result<(), PlaceError> {
        self.line(head, time)
    }

    fn more(&mut self, bytes: &[u8]) -> Result<(), PlaceError> {
        self.file.append(bytes)
    }

    fn end(&mut self, _: bool) -> Result<(), PlaceError> {
        Ok(())
    }
}
