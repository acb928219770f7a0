use std::fs;

use super::recorder::Mood;
use super::*;

/// Writes records one by one until the connection breaks; the sum of those that were answered, and of the one that was
/// not, if any.
async fn write(address: SocketAddr, from: u64) -> (u64, u64) {
    let Ok(stream) = TcpStream::connect(address).await else {
        return (0, 0);
    };
    let mut client = Client(stream);
    let mut answered = 0;
    for index in from.. {
        let time = NOW - fastrand::i64(0..40);
        let sent = stored(&format!("k{index}"), time, &count("n", 1.0, time));
        if client.0.write_all(&sent).await.is_err() {
            return (answered, 1);
        }
        let mut answer = vec![0; STORED.len()];
        if client.0.read_exact(&mut answer).await.is_err() {
            return (answered, 1);
        }
        assert_eq!(answer, STORED.as_bytes());
        answered += 1;
    }
    (answered, 0)
}

/// What a client does whose connection broke: the same key again.
async fn write_again(address: SocketAddr, index: u64) -> bool {
    let Ok(stream) = TcpStream::connect(address).await else {
        return false;
    };
    let mut client = Client(stream);
    let sent = stored(&format!("k{index}"), NOW, &count("n", 1.0, NOW));
    let mut answer = vec![0; STORED.len()];
    client.0.write_all(&sent).await.is_ok() && client.0.read_exact(&mut answer).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_are_exact_however_often_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let into = Fake::new(NOW);
    into.set_mood(Mood::Random);
    let (mut answered, mut open) = (0, 0);
    let mut next = 0;
    let mut now = NOW;
    for _ in 0..50 {
        let feed = Running::start(folder.path(), json!({}), &into).await;
        let writing = tokio::spawn(write(feed.address, next));
        // The moment of the kill is what is random; nothing is waited for.
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..60))).await;
        if fastrand::bool() {
            now += 10;
            into.set_now(now);
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..20))).await;
        }
        feed.kill().await;
        let (written, unknown) = writing.await.unwrap();
        answered += written;
        open += unknown;
        next += written + unknown;
    }
    assert!(answered > 100, "{answered}");
    into.set_mood(Mood::Takes);
    loop {
        let feed = Running::start(folder.path(), json!({}), &into).await;
        if write_again(feed.address, u64::MAX).await {
            answered += 1;
            feed.stop().await;
            break;
        }
    }
    let journal = into.journal();
    let sum = journal.sums["n"] as u64;
    // What was not answered may be there, and no more than that.
    assert!((answered..=answered + open).contains(&sum), "{answered} + {open}: {sum}");
    assert_eq!((journal.remembered.len(), journal.facts.waiting), (0, 0));
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_costs_nothing_that_was_whole() {
    let folder = tempfile::tempdir().unwrap();
    let into = Fake::new(NOW);
    let feed = Running::start(folder.path(), json!({}), &into).await;
    let mut client = feed.connect().await;
    for key in ["a", "b"] {
        client.send(stored(key, NOW, &count("n", 1.0, NOW))).await;
        client.expect(STORED).await;
    }
    into.set_mood(Mood::Fails);
    feed.stop().await;
    let files: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains(&format!("{}-", NOW - 5)))
        .collect();
    let [path] = &files[..] else { panic!("{files:?}") };
    let bytes = fs::read(path).unwrap();
    into.set_mood(Mood::Takes);
    let before = into.journal().facts;
    fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    Running::start(folder.path(), json!({}), &into).await.stop().await;
    let journal = into.journal();
    assert_eq!(journal.sums["n"], 1.0);
    assert_eq!((before.unreadable.get("torn"), journal.facts.unreadable.get("torn")), (None, Some(&1)));
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_that_the_journal_has_is_not_handed_over_again() {
    let folder = tempfile::tempdir().unwrap();
    let into = Fake::new(NOW);
    let feed = Running::start(folder.path(), json!({}), &into).await;
    let mut client = feed.connect().await;
    client.send(stored("a", NOW, &count("n", 1.0, NOW))).await;
    client.expect(STORED).await;
    into.set_mood(Mood::Forgets);
    feed.stop().await;
    assert_eq!((into.journal().blocks, into.journal().remembered.len()), (1, 1));
    into.set_mood(Mood::Takes);
    Running::start(folder.path(), json!({}), &into).await.stop().await;
    let journal = into.journal();
    assert_eq!((journal.blocks, journal.remembered.len(), journal.asked), (1, 0, 1));
    assert_eq!(journal.sums["n"], 1.0);
}

#[tokio::test]
async fn a_second_process_is_kept_out_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let into = Fake::new(NOW);
    let feed = Running::start(folder.path(), json!({}), &into).await;
    feed.connect().await.ask(&["PING"], "+PONG\r\n").await;
    let second = Running::start(folder.path(), json!({}), &into).await;
    let error = second.task.await.unwrap().unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "cannot use {}: another process uses it; give this agent a folder of its own (TAWNY_JOURNAL_DIR)",
            folder.path().display()
        )
    );
    feed.stop().await;
}

#[tokio::test]
async fn a_medium_that_fails_refuses_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let into = Fake::new(NOW);
    let feed = Running::start(folder.path(), json!({}), &into).await;
    let mut client = feed.connect().await;
    client.ask(&["PING"], "+PONG\r\n").await;
    let away = folder.path().with_extension("away");
    fs::rename(folder.path(), &away).unwrap();
    let refused = "-MISCONF the agent cannot write to its disk, so commands that may modify the data are disabled\r\n";
    client.send(stored("a", NOW, &count("n", 1.0, NOW))).await;
    client.expect(&format!("+OK\r\n+QUEUED\r\n+QUEUED\r\n{refused}")).await;
    into.wait(|journal| journal.facts.trouble.is_some()).await;
    fs::rename(&away, folder.path()).unwrap();
    into.wait(|journal| journal.facts.trouble.is_none()).await;
    client.send(stored("a", NOW, &count("n", 1.0, NOW))).await;
    client.expect(STORED).await;
    feed.stop().await;
    assert_eq!(into.journal().sums["n"], 1.0);
    assert_eq!(into.journal().facts.refused, [("disk", 1)].into());
}
