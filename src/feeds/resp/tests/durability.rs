use std::collections::BTreeSet;
use std::fs;

use tokio::sync::watch;

use super::recorder::Mood;
use super::*;

/// Writes records of 1, each of a series of its own, one by one until the connection breaks, and counts those that were answered.
async fn write(mut client: Client, from: u64, answered: watch::Sender<u64>) {
    for index in from.. {
        let time = NOW - fastrand::i64(0..40);
        let sent = stored(
            &format!("k{index}"),
            time,
            &count(&format!("n{index}"), 1.0, time),
        );
        let mut answer = vec![0; STORED.len()];
        if client.0.write_all(&sent).await.is_err() || client.0.read_exact(&mut answer).await.is_err() {
            return;
        }
        if answer.starts_with(b"+OK\r\n+QUEUED\r\n+QUEUED\r\n-LOADING") {
            return;
        }
        assert_eq!(answer, STORED.as_bytes());
        answered.send_modify(|count| *count += 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_are_exact_however_often_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let into = Fake::new(NOW);
    into.set_mood(Mood::Random);
    let (mut unanswered, mut next, mut now) = (BTreeSet::new(), 0, NOW);
    for round in 0..50 {
        let feed = restart(folder.path(), &into).await;
        let (count, mut counted) = watch::channel(0);
        let writing = tokio::spawn(write(feed.connect().await, next, count));
        let target = fastrand::u64(0..60);
        let _ = counted.wait_for(|count| *count >= target).await;
        if round % 3 == 0 {
            // Killed in the middle of a hand-over, while records come in.
            let tries = into.journal().tries;
            now += 10;
            into.set_now(now);
            into.wait(|journal| journal.tries > tries).await;
        }
        feed.kill().await;
        writing.await.unwrap();
        let written = *counted.borrow();
        unanswered.insert(next + written);
        next += written + 1;
    }
    into.set_mood(Mood::Takes);
    restart(folder.path(), &into).await.stop().await;
    let journal = into.journal();
    for index in 0..next {
        match journal.sums.get(&format!("n{index}")) {
            Some(sum) => assert_eq!(*sum, 1.0, "record {index} of {next}"),
            // The one that was on its way at a kill may be there or not.
            None => assert!(unanswered.contains(&index), "record {index} of {next} is lost"),
        }
    }
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
    assert_eq!(
        (
            before.unreadable.get("torn"),
            journal.facts.unreadable.get("torn")
        ),
        (None, Some(&1))
    );
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
    assert_eq!(
        (journal.blocks, journal.remembered.len(), journal.asked),
        (1, 0, 1)
    );
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
    let refused =
        "-MISCONF the agent cannot write to its disk, so commands that may modify the data are disabled\r\n";
    client.send(stored("a", NOW, &count("n", 1.0, NOW))).await;
    client
        .expect(&format!("+OK\r\n+QUEUED\r\n+QUEUED\r\n{refused}"))
        .await;
    into.wait(|journal| journal.facts.trouble.is_some()).await;
    fs::rename(&away, folder.path()).unwrap();
    into.wait(|journal| journal.facts.trouble.is_none()).await;
    client.send(stored("a", NOW, &count("n", 1.0, NOW))).await;
    client.expect(STORED).await;
    feed.stop().await;
    assert_eq!(into.journal().sums["n"], 1.0);
    assert_eq!(into.journal().facts.refused, [("disk", 1)].into());
}
