use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};

use flate2::read::GzDecoder;
use tempfile::TempDir;

use super::cap::{Enforced, enforce};
use super::*;

const SMALL: Limits = Limits {
    max_size: 10,
    max_files: 2,
    compress: false,
};

/// All files of a folder with their content.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let content = fs::read(entry.path()).unwrap();
        let content = match name.ends_with(".gz") {
            true => {
                let mut text = Vec::new();
                GzDecoder::new(&content[..]).read_to_end(&mut text).unwrap();
                text
            }
            false => content,
        };
        found.insert(name, String::from_utf8(content).unwrap());
    }
    found
}

fn expect(folder: &TempDir, container: &str, expected: &[(&str, &str)]) {
    let expected = expected
        .iter()
        .map(|(name, text)| (name.to_string(), text.to_string()));
    assert_eq!(files(&folder.path().join(container)), expected.collect());
}

fn open(folder: &TempDir, limits: Limits, mark: Option<Mark>) -> LogFile {
    LogFile::open(folder.path(), "web", limits, mark).unwrap()
}

/// Writes lines as a user does who keeps no mark.
fn write(file: &mut LogFile, lines: &[&str]) {
    for line in lines {
        if !file.has_room(line.len()) {
            let keep = file.mark().length;
            file.turn_over(keep).unwrap();
            file.compress().unwrap();
        }
        file.append(line.as_bytes()).unwrap();
    }
    file.sync().unwrap();
}

#[test]
fn a_file_is_turned_over_between_lines_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = open(&folder, SMALL, None);
    write(&mut file, &["1234\n", "5678\n"]);
    expect(&folder, "web", &[("web.log", "1234\n5678\n")]);
    write(&mut file, &["9\n", "a line that is too long\n", "b\n", "c\n"]);
    expect(
        &folder,
        "web",
        &[
            ("web.log", "b\nc\n"),
            ("web.log.1", "a line that is too long\n"),
            ("web.log.2", "9\n"),
        ],
    );
    assert_eq!(file.mark().length, 4);
    assert_eq!(file.turn_over(4).unwrap(), 1);
}

#[test]
fn without_a_bound_on_size_or_number_it_is_never_turned_over() {
    let folder = tempfile::tempdir().unwrap();
    for (container, limits) in [
        ("size", Limits { max_size: 0, ..SMALL }),
        (
            "number",
            Limits {
                max_files: 0,
                ..SMALL
            },
        ),
    ] {
        let mut file = LogFile::open(folder.path(), container, limits, None).unwrap();
        write(&mut file, &["0123456789\n", "0123456789\n"]);
        let name = format!("{container}.log");
        expect(&folder, container, &[(&name, "0123456789\n0123456789\n")]);
    }
}

#[test]
fn files_are_for_their_owner_and_group_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = open(
        &folder,
        Limits {
            compress: true,
            ..SMALL
        },
        None,
    );
    write(&mut file, &["0123456789\n", "0123456789\n"]);
    let mode = |name: &str| {
        fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    };
    // Whatever the umask takes away beyond that is the administrator's will.
    for (name, most) in [
        ("web", 0o750),
        ("web/web.log", 0o640),
        ("web/web.log.1.gz", 0o640),
    ] {
        assert_eq!(mode(name) & !most, 0, "{name}: {:o}", mode(name));
        assert_eq!(mode(name) & 0o600, 0o600, "{name}");
    }
}

#[test]
fn turned_over_files_are_compressed_and_shift_with_plain_ones() {
    let folder = tempfile::tempdir().unwrap();
    write(&mut open(&folder, SMALL, None), &["0123456789\n", "a\n"]);
    let mut file = open(
        &folder,
        Limits {
            compress: true,
            ..SMALL
        },
        None,
    );
    write(&mut file, &["bcdefghij\n", "k\n"]);
    expect(
        &folder,
        "web",
        &[
            ("web.log", "k\n"),
            ("web.log.1.gz", "bcdefghij\n"),
            ("web.log.2.gz", "a\n"),
        ],
    );
}

#[test]
fn a_half_compressed_file_is_compressed_anew_and_a_whole_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        compress: true,
        ..SMALL
    };
    write(&mut open(&folder, SMALL, None), &["0123456789\n", "a\n"]);
    let web = folder.path().join("web");
    // It died while it compressed.
    fs::write(web.join("web.log.1.gz.new"), b"half").unwrap();
    open(&folder, limits, None).compress().unwrap();
    expect(
        &folder,
        "web",
        &[("web.log", "a\n"), ("web.log.1.gz", "0123456789\n")],
    );
    // It died before it deleted the plain one.
    fs::write(web.join("web.log.1"), b"0123456789\n").unwrap();
    open(&folder, limits, None).compress().unwrap();
    expect(
        &folder,
        "web",
        &[("web.log", "a\n"), ("web.log.1.gz", "0123456789\n")],
    );
}

#[test]
fn a_file_is_cut_to_its_mark() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = open(&folder, SMALL, None);
    write(&mut file, &["one\n"]);
    let mark = file.mark();
    write(&mut file, &["two\n"]);
    drop(file);
    let mut file = open(&folder, SMALL, Some(mark));
    assert_eq!(file.mark(), mark);
    write(&mut file, &["2\n"]);
    expect(&folder, "web", &[("web.log", "one\n2\n")]);
}

#[test]
fn a_file_that_was_turned_over_after_its_mark_is_cut_under_its_new_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = open(&folder, SMALL, None);
    write(&mut file, &["one\n"]);
    let mark = file.mark();
    // The rest of a long line moves to the new file; then the agent dies.
    file.append(b"a long li").unwrap();
    file.turn_over(mark.length).unwrap();
    expect(
        &folder,
        "web",
        &[("web.log", "a long li"), ("web.log.1", "one\n")],
    );
    file.append(b"ne").unwrap();
    file.sync().unwrap();
    drop(file);
    let file = open(&folder, SMALL, Some(mark));
    assert_eq!(file.mark().length, 0);
    expect(&folder, "web", &[("web.log", ""), ("web.log.1", "one\n")]);
}

#[test]
fn a_file_that_died_between_its_two_names_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = open(&folder, SMALL, None);
    write(&mut file, &["one\n", "two\n"]);
    let mark = Mark {
        length: 4,
        ..file.mark()
    };
    let web = folder.path().join("web");
    fs::rename(web.join("web.log"), web.join("web.log.1")).unwrap();
    assert_eq!(open(&folder, SMALL, Some(mark)).mark().length, 0);
    expect(&folder, "web", &[("web.log", ""), ("web.log.1", "one\n")]);
}

#[test]
fn a_file_of_somebody_else_is_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    write(&mut open(&folder, SMALL, None), &["theirs\n"]);
    let unknown = Some(Mark { inode: 1, length: 2 });
    write(&mut open(&folder, SMALL, unknown), &["o\n"]);
    expect(&folder, "web", &[("web.log", "theirs\no\n")]);
}

#[test]
fn nothing_is_written_through_a_symlink() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "precious").unwrap();

    symlink(outside.path(), folder.path().join("linked")).unwrap();
    let refused = LogFile::open(folder.path(), "linked", SMALL, None).unwrap_err();
    assert!(
        refused.to_string().ends_with(
            "linked is a symlink, and is left alone; remove it so that lines can be written there"
        )
    );

    fs::create_dir(folder.path().join("web")).unwrap();
    symlink(&victim, folder.path().join("web/web.log")).unwrap();
    let refused = LogFile::open(folder.path(), "web", SMALL, None).unwrap_err();
    assert!(matches!(
        refused,
        PlaceError::Strange {
            what: "a symlink",
            ..
        }
    ));

    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn a_symlink_under_a_numbered_name_is_moved_and_never_followed() {
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let limits = Limits {
        compress: true,
        ..SMALL
    };
    let mut file = open(&folder, limits, None);
    write(&mut file, &["0123456789\n"]);
    symlink(&victim, folder.path().join("web/web.log.1.gz.new")).unwrap();
    write(&mut file, &["a\n"]);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    expect(
        &folder,
        "web",
        &[("web.log", "a\n"), ("web.log.1.gz", "0123456789\n")],
    );
}

#[test]
fn a_pipe_in_place_of_the_file_is_refused_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("web")).unwrap();
    let path = folder.path().join("web/web.log");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let refused = LogFile::open(folder.path(), "web", SMALL, None).unwrap_err();
    assert!(matches!(refused, PlaceError::Strange { what: "a pipe", .. }));
}

#[test]
fn odd_names_stay_beneath_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("logs/deep");
    for (container, safe) in [("../x", "%2E.%2Fx"), ("a/b", "a%2Fb"), ("", "%"), (".", "%2E")] {
        let mut file = LogFile::open(&base, container, SMALL, None).unwrap();
        write(&mut file, &["x\n"]);
        assert_eq!(
            fs::read_to_string(base.join(safe).join(format!("{safe}.log"))).unwrap(),
            "x\n"
        );
    }
    assert_eq!(fs::read_dir(&base).unwrap().count(), 4);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn beyond_the_bound_of_all_files_the_oldest_turned_over_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    for (container, lines) in [("a", 3), ("b", 2)] {
        let limits = Limits {
            max_files: 9,
            ..SMALL
        };
        let mut file = LogFile::open(folder.path(), container, limits, None).unwrap();
        write(&mut file, &["012345678\n"].repeat(lines));
    }
    for (name, seconds) in [("a/a.log.1", 300), ("a/a.log.2", 300), ("b/b.log.1", 100)] {
        let file = File::options()
            .append(true)
            .open(folder.path().join(name))
            .unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds))
            .unwrap();
    }
    fs::write(folder.path().join("a/notes"), "not ours, and large").unwrap();
    let done = |removed, bytes| Enforced { removed, bytes };
    assert_eq!(enforce(folder.path(), 50).unwrap(), done(0, 50));
    assert_eq!(enforce(folder.path(), 49).unwrap(), done(1, 40));
    assert!(!folder.path().join("b/b.log.1").exists());
    assert_eq!(enforce(folder.path(), 39).unwrap(), done(1, 30));
    assert!(folder.path().join("a/a.log.1").exists() && !folder.path().join("a/a.log.2").exists());
    assert_eq!(enforce(folder.path(), 0).unwrap(), done(1, 20));
    assert_eq!(files(&folder.path().join("a")).len(), 2);
}
