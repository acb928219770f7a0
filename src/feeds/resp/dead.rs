//! Samples of records that cannot be read, in a bounded file for people: `dead.jsonl`, newest last.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::feeds::resp::write::Queue;
use crate::model::time::Timestamp;

/// The file's name.
const NAME: &str = "dead.jsonl";
/// What its next version is called until it is whole.
const NEXT: &str = "dead.next";
/// Most samples.
const MOST: usize = 1000;
/// Most bytes of the file.
const MOST_BYTES: usize = 1 << 20;
/// Bytes of a record that are kept.
const CUT: usize = 4096;
/// Bytes of a record's key that are kept.
const CUT_KEY: usize = 256;

/// The file.
#[derive(Debug)]
pub(super) struct Dead {
    path: PathBuf,
    lines: usize,
    bytes: usize,
}

#[derive(Serialize)]
struct Sample<'a> {
    time: String,
    queue: &'static str,
    reason: &'static str,
    key: &'a str,
    record: &'a str,
}

impl Dead {
    /// The file in a folder. One that cannot be read counts as full, and is written anew.
    pub(super) fn open(folder: &Path) -> Self {
        let path = folder.join(NAME);
        let (lines, bytes) = match fs::metadata(&path) {
            Ok(found) if found.len() <= MOST_BYTES as u64 => fs::read(&path)
                .map(|text| (text.iter().filter(|byte| **byte == b'\n').count(), text.len()))
                .unwrap_or((MOST, MOST_BYTES)),
            Ok(_) => (MOST, MOST_BYTES),
            Err(_) => (0, 0),
        };
        Self { path, lines, bytes }
    }

    /// Adds a sample; the oldest ones make room.
    ///
    /// # Errors
    /// The medium fails. The record was counted, and the sample is lost.
    pub(super) fn add(
        &mut self,
        now: Timestamp,
        queue: Queue,
        reason: &'static str,
        key: &[u8],
        record: &[u8],
    ) -> io::Result<()> {
        let sample = Sample {
            time: now.to_string(),
            queue: match queue {
                Queue::Metrics => "metrics",
                Queue::Logs => "logs",
            },
            reason,
            key: &String::from_utf8_lossy(&key[..key.len().min(CUT_KEY)]),
            record: &String::from_utf8_lossy(&record[..record.len().min(CUT)]),
        };
        let mut line = serde_json::to_string(&sample)?;
        line.push('\n');
        if self.lines >= MOST || self.bytes + line.len() > MOST_BYTES {
            self.make_room(line.len())?;
        }
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).mode(0o640).open(&self.path)?;
        file.write_all(line.as_bytes())?;
        self.lines += 1;
        self.bytes += line.len();
        Ok(())
    }

    /// Keeps the newest nine tenths, so that not every sample costs the whole file.
    fn make_room(&mut self, bytes: usize) -> io::Result<()> {
        let text = match fs::metadata(&self.path) {
            Ok(found) if found.len() <= 2 * MOST_BYTES as u64 => fs::read(&self.path)?,
            _ => Vec::new(),
        };
        let (mut kept, mut from) = (0, text.len());
        for line in text.split_inclusive(|byte| *byte == b'\n').rev() {
            let size = text.len() - from + line.len();
            if kept >= MOST * 9 / 10 || size > MOST_BYTES * 9 / 10 || size + bytes > MOST_BYTES {
                break;
            }
            kept += 1;
            from -= line.len();
        }
        let next = self.path.with_file_name(NEXT);
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o640)
            .open(&next);
        file?.write_all(&text[from..])?;
        fs::rename(&next, &self.path)?;
        (self.lines, self.bytes) = (kept, text.len() - from);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_samples_are_kept_and_each_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let mut dead = Dead::open(folder.path());
        for index in 0..2_345 {
            let key = format!("key{index}");
            dead.add(
                Timestamp::from_seconds(7),
                Queue::Logs,
                "not_json",
                key.as_bytes(),
                b"\"\xff\n",
            )
            .unwrap();
            if index % 500 == 0 {
                dead = Dead::open(folder.path());
            }
        }
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() >= 900 && lines.len() <= MOST, "{}", lines.len());
        assert_eq!(
            lines.last(),
            Some(
                &"{\"time\":\"7.000\",\"queue\":\"logs\",\"reason\":\"not_json\",\"key\":\"key2344\",\
                  \"record\":\"\\\"\u{fffd}\\n\"}"
            )
        );
        // Control characters take six bytes each in JSON.
        for _ in 0..200 {
            dead.add(
                Timestamp::default(),
                Queue::Metrics,
                "not_json",
                b"k",
                &[1; 1 << 20],
            )
            .unwrap();
            assert!(fs::metadata(&path).unwrap().len() <= MOST_BYTES as u64);
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.lines().last().unwrap().len() < 6 * CUT + 200);
    }
}
