use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::component::journal::{DropReason, EntryId};
use crate::journal::conformance::{self, BOUND, NOW, Place, all, balance, block, delivered, id};
use crate::journal::disk::medium::Medium;

mod damage;

mod full;
mod memory;
mod receipts;

struct Scratch(tempfile::TempDir);

impl Scratch {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("journal")
    }

    fn open(&self, outputs: &[&str], clock: &Clock) -> DiskJournal {
        self.try_open(outputs, clock).unwrap()
    }

    fn try_open(&self, outputs: &[&str], clock: &Clock) -> Result<DiskJournal, JournalError> {
        let settings = DiskSettings {
            directory: self.path(),
            bound: BOUND,
            sync: Sync::Every(Duration::from_secs(3600)),
            outputs: outputs.iter().map(|output| id(output)).collect(),
        };
        DiskJournal::open(settings, clock.clone())
    }

    fn files(&self) -> Vec<(String, u64, u32)> {
        let mut files: Vec<_> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let found = entry.metadata().unwrap();
                (
                    entry.file_name().into_string().unwrap(),
                    found.len(),
                    found.permissions().mode() & 0o777,
                )
            })
            .collect();
        files.sort();
        files
    }
}

#[async_trait]
impl Place for Scratch {
    async fn open(&self, outputs: &[&str], bound: u64, clock: &Clock) -> Box<dyn Journal> {
        assert_eq!(bound, BOUND);
        Box::new(self.open(outputs, clock))
    }
}

mod conforms {
    use super::*;

    conformance::conformance!(Scratch::new());
}

fn noon() -> Clock {
    Clock::manual(Timestamp::from_seconds(NOW))
}

#[tokio::test]
async fn a_second_process_is_told_who_has_the_journal() {
    let (scratch, clock) = (Scratch::new(), noon());
    let journal = scratch.open(&["a"], &clock);
    let error = scratch.try_open(&["a"], &clock).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the journal in {} is in use by process {}; stop it, or give this one a folder of its own (TAWNY_JOURNAL_DIR)",
            scratch.path().display(),
            std::process::id()
        )
    );
    drop(journal);
    scratch.open(&["a"], &clock);
}

#[tokio::test]
async fn files_are_for_the_agent_and_its_group_and_nobody_else() {
    let (scratch, clock) = (Scratch::new(), noon());
    let journal = scratch.open(&["a"], &clock);
    let _ = journal.append(block(&clock, 1, vec![1])).await.unwrap();
    let mode = fs::metadata(scratch.path()).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & !0o750, 0);
    let files = scratch.files();
    let names: Vec<_> = files.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["000000000001.seg", "lock", "reserve"]);
    assert!(files.iter().all(|(_, _, mode)| mode & !0o640 == 0), "{files:?}");
}

#[tokio::test]
async fn all_files_together_stay_within_the_bound_and_settled_segments_go() {
    let (scratch, clock) = (Scratch::new(), noon());
    let journal = scratch.open(&["a", "stuck"], &clock);
    let mut random = fastrand::Rng::with_seed(1);
    for round in 0..1500 {
        let payload: Vec<u8> = std::iter::once(1)
            .chain((0..random.usize(0..3000)).map(|_| random.u8(..)))
            .collect();
        let _ = journal.append(block(&clock, 10, payload)).await.unwrap();
        let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
        journal.settle(&id("a"), &[delivered(&read[0])]).await.unwrap();
        if round % 10 == 0 {
            let files = scratch.files();
            let bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
            assert!(bytes <= BOUND, "{files:?}");
            assert!(journal.status().await.bytes >= bytes);
        }
    }
    let account = balance(&journal, "stuck", &clock).await;
    assert_eq!(account.wrapped, 15_000);
    assert!(account.pending() > 4_000 && account.dropped[&DropReason::Evicted] > 4_000);
    let read = journal.read(&id("stuck"), &all(&clock)).await.unwrap();
    let settlements: Vec<_> = read.iter().map(delivered).collect();
    journal.settle(&id("stuck"), &settlements).await.unwrap();
    journal.flush().await.unwrap();
    let names: Vec<_> = scratch.files().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[tokio::test]
async fn settlements_alone_do_not_grow_the_log() {
    let (scratch, clock) = (Scratch::new(), noon());
    let journal = scratch.open(&["a"], &clock);
    let appended = journal.append(block(&clock, 4000, vec![1])).await.unwrap().id;
    let mut settled = crate::component::journal::ItemSet::default();
    for item in 0..3999 {
        settled.insert(item);
        let settlement = Settlement {
            id: appended,
            settled: Some(settled.clone()),
            delivered: 1,
            dropped: BTreeMap::new(),
        };
        journal.settle(&id("a"), &[settlement]).await.unwrap();
    }
    let status = journal.status().await;
    // A megabyte was written: the segment with the block, and the current one, are left of it.
    assert!(
        status.bytes_written > 1_000_000 && status.bytes < 250_000,
        "{status:?}"
    );
    drop(journal);
    let journal = scratch.open(&["a"], &clock);
    assert_eq!(balance(&journal, "a", &clock).await.delivered, 3999);
}

#[tokio::test]
async fn an_output_that_is_not_configured_is_forgotten_after_a_day() {
    let (scratch, clock) = (Scratch::new(), noon());
    let journal = scratch.open(&["a", "b"], &clock);
    let _ = journal.append(block(&clock, 6, vec![1])).await.unwrap();
    drop(journal);
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    drop(scratch.open(&["a"], &clock));
    clock.advance(hours(23));
    let journal = scratch.open(&["a"], &clock);
    assert_eq!(balance(&journal, "b", &clock).await.pending(), 6);
    let _ = journal.append(block(&clock, 2, vec![1])).await.unwrap();
    drop(journal);
    // Back in time: nothing is lost, and the day begins anew.
    drop(scratch.open(&["a", "b"], &clock));
    let journal = scratch.open(&["a"], &clock);
    clock.advance(hours(23));
    assert_eq!(balance(&journal, "b", &clock).await.pending(), 8);
    clock.advance(hours(1));
    let _ = journal.append(block(&clock, 1, vec![1])).await.unwrap();
    assert_eq!(balance(&journal, "b", &clock).await, Balance::default());
    drop(journal);
    let journal = scratch.open(&["a", "b"], &clock);
    assert_eq!(balance(&journal, "b", &clock).await, Balance::default());
    assert_eq!(balance(&journal, "a", &clock).await.pending(), 9);
}

#[tokio::test]
async fn what_a_newer_version_wrote_is_kept_and_skipped() {
    let (scratch, clock) = (Scratch::new(), noon());
    let journal = scratch.open(&["a"], &clock);
    let _ = journal.append(block(&clock, 6, vec![9, 9])).await.unwrap();
    let _ = journal.append(block(&clock, 1, vec![1])).await.unwrap();
    drop(journal);
    let mut newer = b"TAWNYJ\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00".to_vec();
    newer.extend_from_slice(&crc32c::crc32c(&newer).to_le_bytes());
    newer.extend_from_slice(b"from the future");
    fs::write(scratch.path().join("000000000000.seg"), &newer).unwrap();
    let journal = scratch.open(&["a"], &clock);
    let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
    assert_eq!((read.len(), read[0].block.items), (1, 1));
    assert_eq!(
        (
            journal.status().await.foreign_blocks,
            journal.status().await.damaged_records
        ),
        (2, 0)
    );
    assert_eq!(balance(&journal, "a", &clock).await.pending(), 7);
    journal.settle(&id("a"), &[delivered(&read[0])]).await.unwrap();
    journal.flush().await.unwrap();
    assert_eq!(fs::read(scratch.path().join("000000000000.seg")).unwrap(), newer);
    assert_eq!(balance(&journal, "a", &clock).await.pending(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_appends_share_a_sync_and_keep_their_order() {
    let (scratch, clock) = (Scratch::new(), noon());
    let settings = DiskSettings {
        directory: scratch.path(),
        bound: BOUND,
        sync: Sync::Batch,
        outputs: vec![id("a")],
    };
    let journal = Arc::new(DiskJournal::open(settings, clock.clone()).unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (journal, clock) = (Arc::clone(&journal), clock.clone());
        tasks.spawn(async move {
            for _ in 0..20 {
                let _ = journal.append(block(&clock, 1, vec![1])).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let store = journal.shared.store();
    assert_eq!((store.state.next, store.written), (160, store.synced));
}

#[tokio::test]
async fn a_journal_can_be_looked_into_while_it_is_written() {
    let (scratch, clock) = (Scratch::new(), noon());
    let journal = scratch.open(&["a"], &clock);
    let point = |value: f64| crate::model::point::Point {
        names: Arc::new(crate::model::metric::Names::given("x")),
        suffix: None,
        labels: crate::model::labels::Labels::empty(),
        kind: crate::model::point::PointKind::Gauge,
        interval: 10,
        time: NOW,
        value,
    };
    for value in [1.0, 2.0] {
        let payload = crate::journal::points::encode(&[point(value)]);
        let _ = journal.append(block(&clock, 1, payload)).await.unwrap();
    }
    let _ = journal.append(block(&clock, 1, vec![1, 2, 3])).await.unwrap();
    let read = journal.read(&id("a"), &all(&clock)).await.unwrap();
    journal.settle(&id("a"), &[delivered(&read[0])]).await.unwrap();
    let file = scratch.path().join("000000000001.seg");
    let mut bytes = fs::read(&file).unwrap();
    bytes.extend_from_slice(&[0xb7, 1, 9]);
    fs::write(&file, bytes).unwrap();

    use crate::journal::inspect;
    let summary = inspect::summary(&scratch.path(), clock.stamp(true)).unwrap();
    assert_eq!(
        (summary.segments, summary.points.blocks, summary.points.items),
        (1, 3, 3)
    );
    assert_eq!(summary.outputs.len(), 1);
    assert_eq!(
        (
            summary.outputs[0].depth.items,
            summary.outputs[0].balance.delivered
        ),
        (2, 1)
    );
    assert_eq!(summary.points.oldest, Some(Timestamp::from_seconds(NOW - 20)));
    let mut values = Vec::new();
    let mut last = (0, 1);
    let left_out = inspect::export(
        &scratch.path(),
        |done, all| last = (done, all),
        |exported| {
            let inspect::Exported::Point(point) = exported else {
                panic!("{exported:?}")
            };
            values.push(point.value);
            true
        },
    );
    // The first one is delivered; the third block is no block of points.
    assert_eq!((left_out.unwrap(), values), (1, vec![2.0]));
    assert_eq!(last.0, last.1);
    let verified = inspect::verify(&scratch.path(), |_, _| {}).unwrap();
    assert_eq!(
        (
            verified.damaged,
            verified.torn,
            verified.undecodable,
            verified.points
        ),
        (0, 1, 1, 2)
    );
    assert!(inspect::summary(Path::new("/no/such/folder"), clock.stamp(true)).is_err());
}
