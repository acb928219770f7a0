use super::*;

fn kept(length: u64) -> Kept {
    let position = Position { time: 5, count: 2 };
    Kept {
        inode: 7,
        length,
        counts: [1, 2, 3],
        ids: BTreeMap::from([("id".to_string(), [position; 2])]),
    }
}

fn open(folder: &Path) -> Book {
    let (book, trouble) = Book::open(folder, 100).unwrap();
    assert_eq!(trouble, None);
    book
}

#[test]
fn what_was_saved_is_there_after_a_restart_and_the_rest_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let book = open(folder.path());
    book.keep("web", kept(10));
    book.save().unwrap();
    book.keep("web", kept(20));
    drop(book);
    let (book, _) = Book::open(folder.path(), 999).unwrap();
    assert_eq!((book.kept("web"), book.began()), (Some(kept(10)), 100));
    assert_eq!(book.counts(), [("web".to_string(), [1, 2, 3])]);
}

#[test]
fn the_journal_decides_which_position_holds() {
    let folder = tempfile::tempdir().unwrap();
    let book = open(folder.path());
    book.keep("web", kept(10));
    for (receipt, journalled, length) in [(1, false, 10), (2, true, 20)] {
        book.begin("web", ReceiptId(receipt), kept(20));
        book.save().unwrap();
        assert_eq!(book.kept("web"), Some(kept(10)));
        assert_eq!(book.pending("web"), Some(ReceiptId(receipt)));
        book.end("web", journalled);
        assert_eq!(
            (book.kept("web"), book.pending("web")),
            (Some(kept(length)), None)
        );
    }
    assert_eq!(book.done(), [ReceiptId(2)]);
    book.forgotten(&[ReceiptId(2)]);
    assert_eq!(book.done(), []);
}

#[test]
fn a_broken_book_is_laid_aside() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["{", r#"{"version":2,"began":0,"containers":{},"done":[]}"#] {
        fs::write(folder.path().join(FILE), text).unwrap();
        let (book, trouble) = Book::open(folder.path(), 5).unwrap();
        assert!(trouble.is_some());
        assert_eq!((book.began(), book.counts().len()), (5, 0));
        assert_eq!(fs::read_to_string(folder.path().join(BROKEN)).unwrap(), text);
    }
}

#[test]
fn a_folder_has_one_agent() {
    let folder = tempfile::tempdir().unwrap();
    let _first = open(folder.path());
    assert_eq!(
        Book::open(folder.path(), 0).unwrap_err().to_string(),
        "another agent has it"
    );
}

#[test]
fn a_removed_container_is_forgotten_after_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let book = open(folder.path());
    let present = [("id".to_string(), "web".to_string())];
    let start = 1_000_000;
    book.keep("web", kept(10));
    book.tidy(&present, start);
    book.tidy(&[], start + 10);
    assert_eq!(book.kept("web").unwrap().ids.len(), 0);
    book.tidy(&[], start + MEMORY);
    assert!(book.kept("web").is_some());
    book.tidy(&[], start + MEMORY + 3600);
    assert_eq!(book.kept("web"), None);
}
