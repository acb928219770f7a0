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
use crate::journal::inspect::{self, Exported, KindSummary, OutputSummary, Summary};
use crate::model::block::BlockKind;
use crate::model::log::LogRecord;
use crate::model::time::Timestamp;
use crate::outputs::console::Format;
use crate::support::quantity::Span;
use crate::support::time::Clock;

/// Does with the configured journal what is said; `show` if nothing is.
pub(super) fn journal(loaded: &Loaded, command: Option<JournalCommand>) -> io::Result<End> {
    let directory = &loaded.settings.journal.directory;
    if loaded.journal_in_redis()
        && let Some(redis) = &loaded.redis
    {
        print::complaint(&elsewhere(&redis.target.to_string(), directory));
    }
    match command.unwrap_or(JournalCommand::Show) {
        JournalCommand::Show => show(directory),
        JournalCommand::Export => export(directory),
        JournalCommand::Verify => verify(directory),
    }
}

/// Nobody should take what is on disk for all there is.
fn elsewhere(redis: &str, directory: &Path) -> String {
    format!(
        "the journal is in Redis ({redis}), and this command does not look there: in {} lies only what was written while \
         Redis was away; a running agent shows both on its page and under tawny_journal_ on /metrics",
        directory.display()
    )
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
    let mut items = verified.points.to_string();
    if verified.logs > 0 {
        let _ = write!(items, " and {} log records", verified.logs);
    }
    print::text(&format!(
        "records    {} good, {} damaged places\nends       {} torn (one is normal while an agent writes, or after it was killed)\npoints     {} readable, {} blocks cannot be decoded\n",
        verified.records, verified.damaged, verified.torn, items, verified.undecodable
    ))?;
    Ok(match verified.damaged + verified.undecodable {
        0 => End::Done,
        _ => End::Failed,
    })
}

/// Host and global tags are left out: they are added when an item is sent.
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
            match exported {
                Exported::Point(point) => Format::Json.point(point, &nobody, &mut line),
                Exported::Log(record) => log(record, &mut line),
            }
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

/// A log record in one line. Within a JSON text, line ends stand between tokens only, where a blank does as well.
fn log(record: &LogRecord, out: &mut Vec<u8>) {
    let json = record.json.replace(['\n', '\r'], " ");
    // A Vec takes every write.
    let _ = writeln!(out, "{{\"time\":{},\"log\":{json}}}", record.time);
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
    held(&summary.points, ["points", "point"], now, &mut text);
    if summary.logs.blocks > 0 {
        held(&summary.logs, ["logs", "record"], now, &mut text);
    }
    for one in &summary.outputs {
        let _ = writeln!(text, "output     {}", output(one, now));
    }
    text
}

fn held(summary: &KindSummary, [word, item]: [&str; 2], now: Timestamp, text: &mut String) {
    let _ = write!(text, "{word:<10} {} in {} blocks", summary.items, summary.blocks);
    if let Some(bytes) = summary.bytes_an_item() {
        let _ = write!(text, ", {bytes:.2} bytes a {item}");
    }
    text.push('\n');
    for (word, time) in [("oldest", summary.oldest), ("newest", summary.newest)] {
        if let Some(time) = time {
            let _ = writeln!(text, "{word:<10} {} ({} ago)", moment(time), age(time, now));
        }
    }
}

fn output(summary: &OutputSummary, now: Timestamp) -> String {
    let OutputSummary {
        output,
        kind,
        depth,
        balance,
    } = summary;
    let kind = match kind {
        BlockKind::Points => String::new(),
        other => format!(" ({})", other.name()),
    };
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
        "{output}{kind}: {waits}; wrapped {}, delivered {}",
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
    fn a_journal_in_redis_is_not_passed_over_in_silence() {
        assert_eq!(
            elsewhere("10.0.0.1:6379", Path::new("/j")),
            "the journal is in Redis (10.0.0.1:6379), and this command does not look there: in /j lies only what was \
             written while Redis was away; a running agent shows both on its page and under tawny_journal_ on /metrics"
        );
    }

    #[test]
    fn what_waits_is_shown_with_ages_and_the_account() {
        let summary = Summary {
            segments: 2,
            bytes: 8192,
            points: KindSummary {
                blocks: 3,
                items: 1000,
                payload_bytes: 3500,
                oldest: Some(Timestamp::from_seconds(1_800_000_000)),
                newest: Some(Timestamp::from_seconds(1_800_000_060)),
            },
            logs: KindSummary::default(),
            outputs: vec![OutputSummary {
                output: OutputId::new("datadog"),
                kind: BlockKind::Points,
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

    #[test]
    fn logs_are_shown_by_name() {
        let summary = Summary {
            logs: KindSummary {
                blocks: 1,
                items: 4,
                payload_bytes: 100,
                oldest: None,
                newest: None,
            },
            outputs: vec![OutputSummary {
                output: OutputId::new("intake"),
                kind: BlockKind::Logs,
                depth: Depth::default(),
                balance: Balance {
                    wrapped: 4,
                    delivered: 4,
                    dropped: BTreeMap::new(),
                },
            }],
            ..Summary::default()
        };
        assert_eq!(
            shown(&summary, Path::new("/j"), Timestamp::from_seconds(0)),
            "folder     /j: 0 segments, 0 bytes\n\
             points     0 in 0 blocks\n\
             logs       4 in 1 blocks, 25.00 bytes a record\n\
             output     intake (logs): nothing waits; wrapped 4, delivered 4\n"
        );
    }

    #[test]
    fn a_log_record_is_one_line_however_it_was_written() {
        let record = LogRecord {
            time: 1_800_000_000,
            json: "{\r\n \"message\": \"a\\nb\"\n}".into(),
        };
        let mut line = Vec::new();
        log(&record, &mut line);
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "{\"time\":1800000000,\"log\":{   \"message\": \"a\\nb\" }}\n"
        );
    }
}
