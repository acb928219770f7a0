use std::fs;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{advance, timeout};

use super::*;
use crate::feeds::container_logs::book::{Book, Kept, Position};
use crate::feeds::container_logs::fake::Fake;
use crate::feeds::container_logs::shared::Plan;
use crate::logs::mapping::Mapping;
use crate::logs::rotate::Limits;
use crate::support::shutdown::Shutdown;

const LIST: &str = "/containers/json";
const EVENTS: &str = "/events";
const LOOK: &str = "/a1/json";
const LOGS: &str = "/a1/logs";
/// Sent and nothing more: no answer.
const SILENCE: &str = "";
const GONE: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}";
/// An answer that does not end.
const ENDLESS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
/// Nobody waits longer in a test that succeeds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Follows every container.
fn every() -> Filter {
    Filter::new(Vec::new(), None, Vec::new())
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn endless(body: &str) -> String {
    format!("{ENDLESS}{:x}\r\n{body}\r\n", body.len())
}

/// A container is started.
const START: &str = r#"{"Action":"start","Actor":{"ID":"a1","Attributes":{"name":"web","image":"i"}}}"#;

fn list(containers: &str) -> String {
    ok(&format!("[{containers}]"))
}

const RUNNING: &str = r#"{"Id":"a1","Names":["/web"],"Image":"i","State":"running"}"#;

fn looked() -> String {
    ok(r#"{"Created":"2026-08-01T00:00:00Z","State":{"Running":true},"Config":{"Tty":false}}"#)
}

/// An engine whose answers are given by parts of their paths, and the requests that come to it.
fn engine(folder: &Path, answers: &[(&'static str, String)]) -> (Engine, UnboundedReceiver<String>) {
    let path = folder.join("engine.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (came, coming) = unbounded_channel();
    let mut answers = answers.to_vec();
    answers.push(("/version", ok(r#"{"ApiVersion":"1.41"}"#)));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (came, answers) = (came.clone(), answers.clone());
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).await.unwrap();
                let line = String::from_utf8_lossy(&request[..read]);
                let line = line.lines().next().unwrap_or_default().to_string();
                let answer = answers.iter().find(|(part, _)| line.contains(part));
                let _ = came.send(line);
                let answer = answer.map_or(SILENCE, |(_, answer)| answer);
                let _ = stream.write_all(answer.as_bytes()).await;
                // Stays open until the other side has enough.
                let _ = stream.read(&mut request).await;
            });
        }
    });
    (Engine::parse(path.to_str().unwrap()).unwrap(), coming)
}

fn shared(folder: &Path) -> (Arc<Shared>, Arc<Fake>, Stopper) {
    let (stopper, stop): (Stopper, Shutdown) = Stopper::new();
    let (book, _) = Book::open(&folder.join("state"), 0).unwrap();
    let plan = Plan {
        directory: folder.join("logs"),
        limits: Limits {
            max_size: 0,
            max_files: 0,
            compress: false,
        },
        total_size: None,
        mapping: Mapping::standard().unwrap(),
        interval: Duration::from_secs(5),
        since_at_first: Duration::from_secs(60),
        forward: false,
        machine: "pi".to_string(),
    };
    let fake = Arc::new(Fake::default());
    let into = Arc::clone(&fake);
    (Arc::new(Shared::new(plan, book, into, stop, 5)), fake, stopper)
}

async fn wait_for(coming: &mut UnboundedReceiver<String>, part: &str, mut done: impl FnMut() -> bool) {
    let wait = async {
        loop {
            let line = coming.recv().await.unwrap();
            if line.contains(part) && done() {
                return;
            }
        }
    };
    timeout(PATIENCE, wait).await.unwrap();
}

#[tokio::test]
async fn an_engine_that_hangs_does_not_hold_up_the_end() {
    for hangs in [LIST, EVENTS, LOOK, LOGS] {
        let folder = tempfile::tempdir().unwrap();
        let mut answers = vec![
            (LIST, list(RUNNING)),
            (EVENTS, ENDLESS.to_string()),
            (LOOK, looked()),
            (LOGS, ENDLESS.to_string()),
        ];
        answers.retain(|(part, _)| *part != hangs);
        let (engine, mut coming) = engine(folder.path(), &answers);
        let (shared, _, stopper) = shared(folder.path());
        let watch = tokio::spawn(Watch::new(shared, engine, every()).run());
        wait_for(&mut coming, hangs, || true).await;
        stopper.stop();
        // The agent ends parts that take longer than 2.5 s; nothing here has to wait at all.
        let ended = timeout(Duration::from_secs(2), watch).await;
        assert!(ended.is_ok(), "{hangs} holds it up");
    }
}

#[tokio::test]
async fn without_events_the_engine_is_there_all_the_same() {
    // It was away and back each second, and said so.
    let folder = tempfile::tempdir().unwrap();
    let refused = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_string();
    let answers = [
        (LIST, list(RUNNING)),
        (EVENTS, refused),
        (LOOK, looked()),
        (LOGS, ENDLESS.to_string()),
    ];
    let (engine, mut coming) = engine(folder.path(), &answers);
    let (shared, fake, stopper) = shared(folder.path());
    let mut watch = Watch::new(Arc::clone(&shared), engine, every());
    watch.alone = Duration::from_millis(50);
    let watch = tokio::spawn(watch.run());
    wait_for(&mut coming, "/version", || true).await;
    let mut lists = 0;
    let no_version = async {
        while lists < 5 {
            let line = coming.recv().await.unwrap();
            assert!(!line.contains("/version"), "it began anew");
            lists += u32::from(line.contains(LIST));
        }
    };
    timeout(PATIENCE, no_version).await.unwrap();
    assert_eq!(shared.failed(Failure::Engine), 1);
    let warnings = fake.facts.lock().unwrap().warnings.clone();
    assert!(warnings.is_empty(), "{warnings:?}");
    assert!(shared.attended.load(Ordering::Relaxed));
    stopper.stop();
    watch.await.unwrap();
}

#[tokio::test]
async fn where_only_the_version_may_be_asked_for_the_engine_is_not_back() {
    let folder = tempfile::tempdir().unwrap();
    let refused = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n".to_string();
    let (engine, mut coming) = engine(folder.path(), &[(LIST, refused)]);
    let (shared, _, stopper) = shared(folder.path());
    let mut watch = Watch::new(Arc::clone(&shared), engine.clone(), every());
    let link = engine.link().await.unwrap();
    for wait in [1, 2, 4] {
        let error = watch.attend(&link).await.unwrap_err();
        wait_for(&mut coming, LIST, || true).await;
        assert_eq!(watch.is_away(&error), Duration::from_secs(wait));
        assert!(!shared.attended.load(Ordering::Relaxed));
    }
    stopper.stop();
}

/// What comes of a container that is started and removed before anybody can look at it.
async fn removed_at_once(log: String) -> (String, u64) {
    let folder = tempfile::tempdir().unwrap();
    let answers = [
        (LIST, list("")),
        (EVENTS, endless(&format!("{START}\n"))),
        (LOOK, GONE.to_string()),
        (LOGS, log),
    ];
    let (engine, mut coming) = engine(folder.path(), &answers);
    let (shared, _, stopper) = shared(folder.path());
    let watch = tokio::spawn(Watch::new(Arc::clone(&shared), engine, every()).run());
    wait_for(&mut coming, LOGS, || true).await;
    // Once it has ended, the list is asked for.
    let file = folder.path().join("logs/web/web.log");
    wait_for(&mut coming, LIST, || {
        file.exists() || shared.failed(Failure::Removed) > 0
    })
    .await;
    stopper.stop();
    watch.await.unwrap();
    let text = fs::read_to_string(file).unwrap_or_default();
    (text, shared.failed(Failure::Removed))
}

#[tokio::test]
async fn what_is_removed_the_next_moment_is_read() {
    // Three of four that said one line with `docker run --rm` were missing, and nobody counted them.
    let text = "2026-08-01T00:00:00.000000001Z gone\n";
    let ended = "0\r\n\r\n";
    let header = format!(
        "\u{1}\0\0\0\0\0\0{}",
        char::from(u8::try_from(text.len()).unwrap())
    );
    for log in [format!("{header}{text}"), text.to_string()] {
        let (file, removed) = removed_at_once(format!("{}{ended}", endless(&log))).await;
        assert_eq!((file.as_str(), removed), ("gone\n", 0));
    }
}

#[tokio::test]
async fn what_is_removed_before_it_can_be_read_is_counted() {
    assert_eq!(removed_at_once(GONE.to_string()).await, (String::new(), 1));
}

#[tokio::test]
async fn one_that_is_started_again_while_its_log_ends_is_not_done_with() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, _coming) = engine(folder.path(), &[]);
    let (shared, _, stopper) = shared(folder.path());
    let link = engine.link().await.unwrap();
    let mut watch = Watch::new(shared, engine, every());
    let happened = api::event(START.as_bytes()).unwrap();
    for again in [false, true] {
        watch.started(&link, happened.clone());
        if again {
            watch.started(&link, happened.clone());
        }
        let container = Listed {
            id: "a1".to_string(),
            name: "web".to_string(),
            image: "i".to_string(),
            is_running: true,
            has_run: true,
        };
        watch.ended(container, End::Finished);
        assert_eq!(watch.finished.contains("a1"), !again);
    }
    stopper.stop();
}

#[tokio::test]
async fn one_that_ran_again_unheard_is_read_again() {
    // It was started and ended while the engine could not be heard, and passed for one that is done with.
    let folder = tempfile::tempdir().unwrap();
    let exited = RUNNING.replace("running", "exited");
    let over = format!("{ENDLESS}0\r\n\r\n");
    let answers = [
        (LIST, list(&exited)),
        (EVENTS, over.clone()),
        (
            LOOK,
            ok(r#"{"Created":"2026-08-01T00:00:00Z","State":{"Running":false},"Config":{"Tty":false}}"#),
        ),
        (LOGS, over),
    ];
    let (engine, mut coming) = engine(folder.path(), &answers);
    let (shared, _, stopper) = shared(folder.path());
    let kept = Kept {
        ids: [("a1".to_string(), [Position::default(); 2])].into(),
        ..Kept::default()
    };
    shared.book.keep("web", kept);
    let watch = tokio::spawn(Watch::new(shared, engine, every()).run());
    for _ in 0..3 {
        wait_for(&mut coming, EVENTS, || true).await;
        wait_for(&mut coming, LOGS, || true).await;
    }
    stopper.stop();
    watch.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_counts_of_a_removed_container_end_after_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let (shared, _, _stopper) = shared(folder.path());
    for name in ["web", "db"] {
        let kept = Kept {
            ids: [(name.to_string(), [Position::default(); 2])].into(),
            ..Kept::default()
        };
        shared.book.keep(name, kept);
        shared.set_counts(name, [1, 2, 3]);
    }
    let mut watch = Watch::new(Arc::clone(&shared), Engine::default(), every());
    let (web, both) = (
        HashSet::from(["web".to_string()]),
        ["web", "db"].map(str::to_string),
    );
    watch.forget_counts(&web);
    advance(Duration::from_secs(599)).await;
    watch.forget_counts(&web);
    assert!(shared.tells("web") && shared.tells("db"));
    // One that was made anew meanwhile begins anew.
    watch.forget_counts(&both.into());
    watch.forget_counts(&web);
    advance(Duration::from_secs(599)).await;
    watch.forget_counts(&web);
    assert!(shared.tells("db"));
    advance(Duration::from_secs(1)).await;
    watch.forget_counts(&web);
    assert!(shared.tells("web") && !shared.tells("db"));
    assert!(shared.book.has("db"));
}
