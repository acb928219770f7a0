//! Shows, exports and verifies a journal, beside a running agent or without one.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::cli::arguments::JournalCommand;
use crate::cli::progress::Progress;
use crate::cli::{End, print};
use crate::component::journal::JournalError;
use crate::component::output::Speaker;
use crate::config::load::Loaded;
use crate::journal::inspect::{self, OutputSummary, Summary};
use crate::model::time::Timestamp;
use crate::outputs::console::Format;
use crate::support::quantity::Span;
use crate::support::time::Clock;

/// Does with the configured journal what is said; `show` if nothing is.
pub(super) fn journal(loaded: &Loaded, command: Option<JournalCommand>) -> io::Result<End> {
    let directory = &loaded.settings.journal.directory;
    match command.unwrap_or(JournalCommand::Show) {
        JournalCommand::Show => show(directory),
        JournalCommand::Export => export(directory),
        JournalCommand::Verify => verify(directory),
    }
}

fn show(directory: &Path) -> io::Result<End> {
    let clock = Clock::system();
    match inspect::summary(directory, clock.stamp(true)) {
        Ok(summary) => {
            print::text(&shown(&summary, directory, clock.now()))?;
            Ok(End::Done)
        }
        Err(error) => failed(&error),
    }
}

fn verify(directory: &Path) -> io::Result<End> {
    let mut progress = Progress::new("Verifying");
    let verified = inspect::verify(directory, |done, of| progress.at(done, of));
    drop(progress);
    let verified = match verified {
        Ok(verified) => verified,
        Err(error) => return failed(&error),
    };
    print::text(&format!(
        "records    {} good, {} damaged places\nends       {} torn (one is normal while an agent writes, or after it was killed)\npoints     {} readable, {} blocks cannot be decoded\n",
        verified.records, verified.damaged, verified.torn, verified.points, verified.undecodable
    ))?;
    Ok(match verified.damaged + verified.undecodable {
        0 => End::Done,
        _ => End::Failed,
    })
}

/// Host and global tags are left out: they are added when a point is sent.
fn export(directory: &Path) -> io::Result<End> {
    let mut progress = Progress::new("Exporting");
    let nobody = Speaker::default();
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let mut line = Vec::new();
    let mut written = Ok(());
    let exported = inspect::export(
        directory,
        |done, of| progress.at(done, of),
        |exported| {
            line.clear();
            Format::Json.point(exported.point, &nobody, &mut line);
            written = out.write_all(&line);
            written.is_ok()
        },
    );
    written.and_then(|()| out.flush())?;
    drop(progress);
    match exported {
        Ok(0) => Ok(End::Done),
        Ok(lost) => {
            print::complaint(&format!("{lost} blocks cannot be decoded and were left out"));
            Ok(End::Failed)
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &JournalError) -> io::Result<End> {
    print::complaint(&error.to_string());
    Ok(End::Failed)
}

// Writing to a string cannot fail.
fn shown(summary: &Summary, directory: &Path, now: Timestamp) -> String {
    let mut text = format!(
        "folder     {}: {} segments, {} bytes\n",
        directory.display(),
        summary.segments,
        summary.bytes
    );
    let _ = write!(text, "points     {} in {} blocks", summary.points, summary.blocks);
    if let Some(bytes) = summary.bytes_a_point() {
        let _ = write!(text, ", {bytes:.2} bytes a point");
    }
    text.push('\n');
    for (word, time) in [("oldest", summary.oldest), ("newest", summary.newest)] {
        if let Some(time) = time {
            let _ = writeln!(text, "{word:<10} {} ({} ago)", moment(time), age(time, now));
        }
    }
    for one in &summary.outputs {
        let _ = writeln!(text, "output     {}", output(one, now));
    }
    text
}

fn output(summary: &OutputSummary, now: Timestamp) -> String {
    let OutputSummary {
        output,
        depth,
        balance,
    } = summary;
    let waits = match depth.oldest {
        Some(oldest) => format!(
            "{} wait in {} blocks, {} bytes, oldest {} old",
            depth.items,
            depth.blocks,
            depth.bytes,
            age(oldest, now)
        ),
        None => "nothing waits".to_string(),
    };
    let mut text = format!(
        "{output}: {waits}; wrapped {}, delivered {}",
        balance.wrapped, balance.delivered
    );
    for (reason, items) in &balance.dropped {
        let _ = write!(text, ", dropped as {} {items}", reason.name());
    }
    text
}

fn moment(time: Timestamp) -> String {
    let since = Duration::from_secs(u64::try_from(time.seconds()).unwrap_or(0));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

fn age(time: Timestamp, now: Timestamp) -> Span {
    Span::seconds(now.since(time).as_secs())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::component::journal::{Balance, Depth, DropReason, OutputId};

    #[test]
    fn what_waits_is_shown_with_ages_and_the_account() {
        let summary = Summary {
            segments: 2,
            bytes: 8192,
            blocks: 3,
            points: 1000,
            payload_bytes: 3500,
            oldest: Some(Timestamp::from_seconds(1_800_000_000)),
            newest: Some(Timestamp::from_seconds(1_800_000_060)),
            outputs: vec![OutputSummary {
                output: OutputId::new("datadog"),
                depth: Depth {
                    blocks: 2,
                    items: 600,
                    bytes: 2100,
                    oldest: Some(Timestamp::from_seconds(1_800_000_030)),
                },
                balance: Balance {
                    wrapped: 1000,
                    delivered: 390,
                    dropped: BTreeMap::from([(DropReason::TooOld, 10)]),
                },
            }],
        };
        assert_eq!(
            shown(&summary, Path::new("/j"), Timestamp::from_seconds(1_800_000_120)),
            "folder     /j: 2 segments, 8192 bytes\n\
             points     1000 in 3 blocks, 3.50 bytes a point\n\
             oldest     2027-01-15T08:00:00Z (2m ago)\n\
             newest     2027-01-15T08:01:00Z (1m ago)\n\
             output     datadog: 600 wait in 2 blocks, 2100 bytes, oldest 1m 30s old; wrapped 1000, delivered 390, \
             dropped as too_old 10\n"
        );
    }
}
