//! The numbered files: moved up one by one, the last ones deleted, compressed in time.

use std::io;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::logs::rotate::place::{Folder, PlaceError};

const GZIP: &str = ".gz";
/// A compressed file that is not complete.
const NEW: &str = ".gz.new";

/// One numbered file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Numbered {
    pub(super) number: u32,
    pub(super) name: String,
}

impl Numbered {
    /// Reads `web.log.3` or `web.log.3.gz`, where `file` is `web.log`; `None` for every other name.
    pub(super) fn parse(file: &str, name: &str) -> Option<Self> {
        let digits = name.strip_prefix(file)?.strip_prefix('.')?;
        let digits = digits.strip_suffix(GZIP).unwrap_or(digits);
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        let number = digits.parse().ok().filter(|_| plain)?;
        let name = name.to_string();
        Some(Self { number, name })
    }
}

/// The numbered files of `file`, the lowest first.
fn numbered(folder: &Folder, file: &str) -> Result<Vec<Numbered>, PlaceError> {
    let names = folder.names()?;
    let mut found: Vec<Numbered> = names
        .iter()
        .filter_map(|name| Numbered::parse(file, name))
        .collect();
    found.sort();
    Ok(found)
}

/// Moves every numbered file up by one and `file` to `.1`; what would have a number beyond `most` is deleted. Tells how
/// many those were. Whenever it is interrupted, every file is there under its old or its new name.
pub(super) fn make_room(folder: &Folder, file: &str, most: u32) -> Result<u64, PlaceError> {
    let mut removed = 0;
    for Numbered { number, name } in numbered(folder, file)?.into_iter().rev() {
        if number >= most {
            removed += u64::from(folder.remove(&name)?);
        } else {
            let gzip = if name.ends_with(GZIP) { GZIP } else { "" };
            folder.rename(&name, &format!("{file}.{}{gzip}", number + 1))?;
        }
    }
    folder.rename(file, &format!("{file}.1"))?;
    Ok(removed)
}

/// Compresses every numbered file that is not. The compressed one is complete on the medium before the plain one goes.
pub(super) fn compress(folder: &Folder, file: &str) -> Result<(), PlaceError> {
    let files = numbered(folder, file)?;
    for plain in files.iter().filter(|one| !one.name.ends_with(GZIP)) {
        let name = &plain.name;
        let (done, new) = (format!("{name}{GZIP}"), format!("{name}{NEW}"));
        // Where both are there, the agent died between the last two steps.
        if !files.iter().any(|other| other.name == done) {
            let Some(mut source) = folder.open_existing(name)? else {
                continue;
            };
            let target = folder.make_empty(&new)?;
            let mut encoder = GzEncoder::new(target, Compression::default());
            let written = io::copy(&mut source, &mut encoder).and_then(|_| encoder.finish()?.sync_all());
            written.map_err(|error| folder.failed(&new, error))?;
            folder.rename(&new, &done)?;
            folder.sync()?;
        }
        folder.remove(name)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_that_it_would_write_are_read() {
        let number = |name: &str| Numbered::parse("web.log", name).map(|read| read.number);
        assert_eq!(number("web.log.1"), Some(1));
        assert_eq!(number("web.log.10.gz"), Some(10));
        for other in [
            "web.log",
            "web.log.",
            "web.log.0",
            "web.log.01",
            "web.log.+1",
            "web.log.1.gz.new",
            "other.log.1",
            "web.log.99999999999",
            "web.logs.1",
        ] {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
