use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use super::*;

/// Generous: a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(30);

fn shell(script: &str, patience: Duration) -> Program {
    Program {
        path: "/bin/sh".into(),
        arguments: vec!["-c".to_string(), script.to_string()],
        patience,
    }
}

async fn first(script: &str, patience: Duration) -> Heard {
    let listener = Listener::start(shell(script, patience));
    let heard = timeout(PATIENCE, listener.heard()).await;
    heard.expect("something is heard")
}

fn text(heard: &Heard) -> Option<&str> {
    heard.line.as_ref().map(|line| &*line.text)
}

#[tokio::test]
async fn the_newest_line_is_kept_and_a_blank_one_passed_over() {
    let heard = first("printf 'one\\ntwo \\n\\n'; exec sleep 60", PATIENCE).await;
    assert_eq!((text(&heard), &heard.failure), (Some("two"), &None));
}

#[tokio::test]
async fn a_child_is_told_nothing_of_the_agents_environment() {
    assert!(std::env::var_os("HOME").is_some());
    let heard = first("echo \"$LANG [$HOME]\"; exec sleep 60", PATIENCE).await;
    assert_eq!(text(&heard), Some("C []"));
}

#[tokio::test]
async fn a_child_that_ends_is_told_with_its_last_error_and_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let starts = folder.path().join("starts");
    let script = format!(
        "echo started >> {}; printf 'a warning\\nno device\\n' >&2; exit 3",
        starts.display()
    );
    let mut listener = Listener::start(shell(&script, PATIENCE));
    for start in 1..=2 {
        let changed = timeout(PATIENCE, listener.heard.changed()).await;
        changed.expect("the child ends").unwrap();
        let failure = listener.heard().await.failure.unwrap();
        assert_eq!(
            failure,
            Failure {
                what: What::Ended(ExitStatus::from_raw(3 << 8)),
                said: Some("no device".to_string())
            }
        );
        assert_eq!(
            failure.to_string(),
            "it ended (exit status: 3), and said `no device`"
        );
        assert_eq!(fs::read_to_string(&starts).unwrap().lines().count(), start);
        listener.heard.mark_unchanged();
    }
}

#[tokio::test]
async fn the_last_line_of_a_child_that_ended_is_still_there() {
    let mut listener = Listener::start(shell("echo last", PATIENCE));
    let ended = listener.heard.wait_for(|heard| heard.failure.is_some());
    let heard = timeout(PATIENCE, ended).await.unwrap().unwrap().clone();
    assert_eq!(text(&heard), Some("last"));
    assert_eq!(heard.failure.unwrap().what, What::Ended(ExitStatus::from_raw(0)));
}

#[tokio::test]
async fn a_flood_without_an_end_of_line_is_cut_off() {
    let heard = first("exec tr '\\000' x < /dev/zero", PATIENCE).await;
    let failure = heard.failure.unwrap();
    assert_eq!((heard.line.is_none(), &failure.what), (true, &What::Overlong));
    assert_eq!(failure.to_string(), "it wrote a line of more than 16384 bytes");
}

#[tokio::test]
async fn a_child_that_says_nothing_is_given_up() {
    let patience = Duration::from_millis(20);
    let failure = first("exec sleep 60", patience).await.failure.unwrap();
    assert_eq!(failure.what, What::Silent(patience));
    assert_eq!(failure.to_string(), "it wrote no line for 20ms");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told() {
    let program = Program {
        path: "/nowhere/tegrastats".into(),
        arguments: Vec::new(),
        patience: PATIENCE,
    };
    let heard = Listener::start(program).heard().await;
    assert_eq!(
        heard.failure.unwrap().to_string(),
        "it cannot be started: No such file or directory (os error 2)"
    );
}

#[tokio::test]
async fn a_dropped_listener_leaves_no_process() {
    let listener = Listener::start(shell("echo $$; exec sleep 60", PATIENCE));
    let heard = timeout(PATIENCE, listener.heard()).await.unwrap();
    let process = format!("/proc/{}", text(&heard).unwrap());
    assert!(Path::new(&process).exists());
    drop(listener);
    let gone = async {
        // Gone is also waited for: a dead child that nobody asked about would still be listed.
        while Path::new(&process).exists() {
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(timeout(PATIENCE, gone).await, Ok(()));
}
