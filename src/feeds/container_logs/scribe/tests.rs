use std::fs;

use tokio::runtime::Runtime;

use super::*;
use crate::component::feed::Recorder;
use crate::feeds::container_logs::book::Book;
use crate::feeds::container_logs::fake::Fake;
use crate::feeds::container_logs::shared::Plan;
use crate::logs::mapping::Mapping;
use crate::logs::rotate::Limits;
use crate::support::shutdown::{Shutdown, Stopper};

/// An agent with a folder, which can die.
struct Bench {
    folder: tempfile::TempDir,
    runtime: Runtime,
    journal: Arc<Fake>,
    stopper: Stopper,
    stop: Shutdown,
    forward: bool,
    max_size: u64,
}

impl Bench {
    fn new(max_size: u64, forward: bool) -> Self {
        let (stopper, stop) = Stopper::new();
        Self {
            folder: tempfile::tempdir().unwrap(),
            runtime: Runtime::new().unwrap(),
            journal: Arc::default(),
            stopper,
            stop,
            forward,
            max_size,
        }
    }

    fn scribe(&self) -> Scribe {
        self.scribe_of("id")
    }

    /// A scribe as after a start of the agent.
    fn scribe_of(&self, id: &str) -> Scribe {
        let (book, _) = Book::open(&self.folder.path().join("state"), 0).unwrap();
        let plan = Plan {
            directory: self.folder.path().join("logs"),
            limits: Limits {
                max_size: self.max_size,
                max_files: 1000,
                compress: false,
            },
            total_size: None,
            mapping: Mapping::standard().unwrap(),
            interval: Duration::from_secs(5),
            since_at_first: Duration::from_secs(60),
            forward: self.forward,
            machine: "pi".to_string(),
        };
        let into = Arc::clone(&self.journal) as Arc<dyn Recorder>;
        let shared = Arc::new(Shared::new(plan, book, into, self.stop.clone(), 5));
        let whose = Whose {
            id: id.to_string(),
            name: "web".to_string(),
            image: "nginx".to_string(),
            tty: false,
            first: Position::default(),
        };
        Scribe::open(&shared, whose, self.runtime.handle().clone()).unwrap()
    }

    /// All lines of all files, the oldest first.
    fn lines(&self) -> Vec<String> {
        let folder = self.folder.path().join("logs/web");
        let mut files: Vec<(u32, String)> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let number = name.strip_prefix("web.log").unwrap().trim_start_matches('.');
                (number.parse().unwrap_or(0), name)
            })
            .collect();
        files.sort();
        files.reverse();
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let text: String = files.iter().map(|(_, name)| read(name)).collect();
        text.lines().map(str::to_string).collect()
    }
}

/// What a container has printed: pieces with stream, time and text. Some lines are split, some times are equal.
fn printed() -> Vec<(usize, i64, String)> {
    let mut pieces = Vec::new();
    for number in 0..200_i64 {
        let time = 5_000_000_000 + number / 3;
        let stream = usize::from(number % 4 == 0);
        let word = if number % 5 == 0 { "ERROR" } else { "fine" };
        if number % 7 == 0 {
            pieces.push((stream, time, format!("{word} ")));
            pieces.push((1 - stream, time, format!("between {number}\n")));
            pieces.push((stream, time, format!("split {number}\n")));
        } else {
            pieces.push((stream, time, format!("{word} {number}\n")));
        }
    }
    pieces
}

/// The whole lines of those pieces, in order.
fn expected() -> Vec<String> {
    let mut lines = Vec::new();
    let mut held = [String::new(), String::new()];
    for (stream, _, text) in printed() {
        held[stream].push_str(&text);
        if text.ends_with('\n') {
            lines.push(std::mem::take(&mut held[stream]).trim_end().to_string());
        }
    }
    lines
}

/// Reads the log as an engine gives it: from the second that is asked for.
fn read(scribe: &mut Scribe, pieces: &[(usize, i64, String)]) {
    let since = scribe.since() * 1_000_000_000;
    for (stream, time, text) in pieces.iter().filter(|piece| piece.1 >= since) {
        scribe.begin(*stream, *time).unwrap();
        scribe.content(text.as_bytes(), true).unwrap();
    }
    scribe.show().unwrap();
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn wherever_the_agent_dies_each_line_is_there_once() {
    let pieces = printed();
    for max_size in [1 << 20, 100, 1] {
        let bench = Bench::new(max_size, false);
        let mut random = fastrand::Rng::with_seed(max_size);
        for _ in 0..40 {
            let mut scribe = bench.scribe();
            read(&mut scribe, &pieces[..random.usize(..pieces.len())]);
            if random.bool() {
                scribe.commit().unwrap();
                if random.bool() {
                    scribe.shared.book.save().unwrap();
                }
            }
            // It dies: what is in its memory is gone, what it wrote is not.
        }
        let mut scribe = bench.scribe();
        read(&mut scribe, &pieces);
        scribe.finish().unwrap();
        let counts = scribe.desk.counts;
        assert_eq!(sorted(bench.lines()), sorted(expected()), "{max_size}");
        let errors = expected().iter().filter(|line| line.contains("ERROR")).count() as u64;
        assert_eq!(counts, [expected().len() as u64 - errors, 0, errors]);
    }
}

#[test]
fn a_line_of_ten_megabytes_is_written_whole_into_a_file_of_its_own() {
    let bench = Bench::new(1000, false);
    let mut scribe = bench.scribe();
    let piece = "x".repeat(16 * 1024);
    let mut pieces = vec![(0, 1, "before\n".to_string())];
    pieces.extend((0..640).map(|time| (0, 2 + time, piece.clone())));
    pieces.extend([(0, 700, "end\n".to_string()), (0, 701, "after\n".to_string())]);
    // It dies in the middle of it.
    read(&mut scribe, &pieces[..500]);
    scribe.commit().unwrap();
    scribe.shared.book.save().unwrap();
    assert_eq!(scribe.since(), 0);
    drop(scribe);
    let mut scribe = bench.scribe();
    read(&mut scribe, &pieces);
    scribe.finish().unwrap();
    let lengths: Vec<usize> = bench.lines().iter().map(String::len).collect();
    assert_eq!(lengths, [6, 640 * 16 * 1024 + 3, 5]);
    let folder = bench.folder.path().join("logs/web");
    let length = |name: &str| fs::metadata(folder.join(name)).unwrap().len();
    assert_eq!(length("web.log"), 6);
    assert_eq!(length("web.log.1"), 640 * 16 * 1024 + 4);
    assert_eq!(scribe.desk.counts, [3, 0, 0]);
}

#[test]
fn a_container_made_anew_under_the_name_goes_on_with_file_and_counts() {
    let bench = Bench::new(1 << 20, false);
    for id in ["one", "two"] {
        let mut scribe = bench.scribe_of(id);
        assert_eq!(scribe.since(), 0);
        read(&mut scribe, &[(0, 5, format!("ERROR {id}\n"))]);
        scribe.finish().unwrap();
        scribe.shared.book.save().unwrap();
    }
    assert_eq!(bench.lines(), ["ERROR one", "ERROR two"]);
    assert_eq!(bench.scribe().desk.counts, [0, 0, 2]);
}

#[test]
fn what_a_clock_that_steps_back_writes_is_not_taken_for_old() {
    let bench = Bench::new(1 << 20, false);
    let mut scribe = bench.scribe();
    let pieces = [
        (0, 9_000_000_000, "late\n".to_string()),
        (0, 4_000_000_000, "early\n".to_string()),
    ];
    read(&mut scribe, &pieces);
    scribe.finish().unwrap();
    assert_eq!(bench.lines(), ["late", "early"]);
}

#[test]
fn wherever_it_dies_each_line_is_handed_over_once() {
    let pieces = printed();
    let bench = Bench::new(500, true);
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..40 {
        let mut scribe = bench.scribe();
        read(&mut scribe, &pieces[..random.usize(..pieces.len())]);
        if random.bool() {
            scribe.commit().unwrap();
            if random.bool() {
                scribe.shared.book.save().unwrap();
            }
        }
    }
    let mut scribe = bench.scribe();
    read(&mut scribe, &pieces);
    scribe.finish().unwrap();
    let messages = bench.journal.messages.lock().unwrap().clone();
    let quoted = expected().into_iter().map(|line| format!("\"{line}\""));
    assert_eq!(sorted(messages), sorted(quoted.collect()));
    assert_eq!(sorted(bench.lines()), sorted(expected()));
}

#[test]
fn a_journal_that_took_lines_and_did_not_say_so_is_asked() {
    for (stored, lines) in [(true, 1), (false, 0)] {
        let bench = Bench::new(1 << 20, true);
        *bench.journal.fails.lock().unwrap() = Some((stored, false));
        // The hand-over is not tried for ever once the agent stops.
        bench.stopper.stop();
        let pieces = [(0, 5, "one\n".to_string())];
        let mut scribe = bench.scribe();
        read(&mut scribe, &pieces);
        assert_eq!(scribe.commit().is_ok(), stored);
        assert_eq!(bench.journal.facts.lock().unwrap().warnings.is_empty(), stored);
        drop(scribe);
        *bench.journal.fails.lock().unwrap() = None;
        let mut scribe = bench.scribe();
        assert_eq!(scribe.desk.counts, [lines, 0, 0]);
        read(&mut scribe, &pieces);
        scribe.finish().unwrap();
        assert_eq!(*bench.journal.messages.lock().unwrap(), ["\"one\""]);
        assert_eq!(bench.lines(), ["one"]);
    }
}

#[test]
fn a_silent_stream_does_not_have_the_whole_log_read_again() {
    let bench = Bench::new(1 << 20, false);
    let mut scribe = bench.scribe();
    let second = 1_000_000_000;
    read(&mut scribe, &[(0, 5_000 * second, "out\n".to_string())]);
    scribe.commit().unwrap();
    assert_eq!(scribe.since(), 4_940);
    // It is read again from where a line began that has not ended.
    read(
        &mut scribe,
        &[
            (1, 5_001 * second, "begun ".to_string()),
            (0, 9_000 * second, "out\n".to_string()),
        ],
    );
    assert_eq!(scribe.since(), 5_001);
}
