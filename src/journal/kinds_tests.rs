use super::*;
use crate::component::journal::{DropReason, ItemSet};
use crate::journal::conformance::{self, BOUND, NOW, Place, all, balance, block, delivered, id};
use crate::journal::disk::{DiskJournal, DiskSettings, Sync};
use crate::journal::inspect;
use crate::model::log::LogRecord;
use crate::support::time::Clock;

struct Folders(tempfile::TempDir);

impl Folders {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn disk(&self, name: &str, outputs: &[&str], clock: &Clock) -> Arc<dyn Journal> {
        let settings = DiskSettings {
            directory: self.0.path().join(name),
            bound: BOUND,
            sync: Sync::Every(Duration::from_secs(3600)),
            outputs: outputs.iter().map(|output| id(output)).collect(),
        };
        Arc::new(DiskJournal::open(settings, clock.clone()).unwrap())
    }

    fn open(&self, points: &[&str], logs: &[&str], clock: &Clock) -> ByKind {
        let of =
            |outputs: &[&str], kind| -> Vec<_> { outputs.iter().map(|output| (id(output), kind)).collect() };
        let mut kinds = of(points, BlockKind::Points);
        kinds.extend(of(logs, BlockKind::Logs));
        ByKind::new(
            self.disk("", points, clock),
            self.disk(LOGS_FOLDER, logs, clock),
            kinds.into_iter().collect(),
        )
    }
}

#[async_trait]
impl Place for Folders {
    async fn open(&self, outputs: &[&str], bound: u64, clock: &Clock) -> Box<dyn Journal> {
        assert_eq!(bound, BOUND);
        Box::new(self.open(outputs, &["logs"], clock))
    }
}

mod conforms {
    use super::*;

    // An output takes one kind here, so the case of two kinds at one output is left out.
    conformance::conformance!(one kind: Folders::new());
}

fn logs(clock: &Clock, items: u32, payload: Vec<u8>) -> Block {
    Block {
        kind: BlockKind::Logs,
        windows: Vec::new(),
        ..block(clock, items, payload)
    }
}

fn all_logs(clock: &Clock) -> ReadRequest {
    ReadRequest {
        kind: BlockKind::Logs,
        ..all(clock)
    }
}

#[tokio::test]
async fn blocks_of_the_same_number_are_settled_in_the_journal_that_their_output_sees() {
    let (folders, clock) = (Folders::new(), Clock::manual(Timestamp::from_seconds(NOW)));
    let journal = folders.open(&["a"], &["l"], &clock);
    let first = journal.append(block(&clock, 5, vec![1])).await.unwrap();
    let second = journal.append(logs(&clock, 7, vec![1])).await.unwrap();
    assert_eq!(first.id, second.id);
    let read = journal.read(&id("l"), &all_logs(&clock)).await.unwrap();
    assert_eq!((read.len(), read[0].block.items), (1, 7));
    journal.settle(&id("l"), &[delivered(&read[0])]).await.unwrap();
    assert_eq!(journal.balance(&id("l"), BlockKind::Logs).await.delivered, 7);
    assert_eq!(balance(&journal, "a", &clock).await.pending(), 5);
    // Nobody sees what is not for it.
    for (output, request) in [("a", all_logs(&clock)), ("l", all(&clock))] {
        assert_eq!(journal.read(&id(output), &request).await.unwrap(), []);
        assert_eq!(
            journal.balance(&id(output), request.kind).await,
            Balance::default()
        );
        assert_eq!(
            journal.depth(&id(output), request.kind, request.now).await,
            Depth::default()
        );
    }
    let status = journal.status().await;
    assert_eq!((status.blocks, status.items, status.bound), (1, 5, 2 * BOUND));
}

#[tokio::test]
async fn a_flood_of_logs_evicts_no_point() {
    let (folders, clock) = (Folders::new(), Clock::manual(Timestamp::from_seconds(NOW)));
    let journal = folders.open(&["a"], &["l"], &clock);
    let _ = journal.append(block(&clock, 5, vec![1; 1000])).await.unwrap();
    let mut lost = 0;
    for _ in 0..60 {
        let appended = journal.append(logs(&clock, 10, vec![1; 50_000])).await.unwrap();
        assert_eq!(appended.evicted.get(&id("a")), None);
        lost += appended.evicted.get(&id("l")).copied().unwrap_or(0);
    }
    let account = journal.balance(&id("l"), BlockKind::Logs).await;
    assert!(lost >= 300);
    assert_eq!(account.dropped, BTreeMap::from([(DropReason::Evicted, lost)]));
    assert_eq!(balance(&journal, "a", &clock).await.pending(), 5);
}

#[tokio::test]
async fn receipts_of_both_kinds_are_remembered_and_forgotten() {
    let (folders, clock) = (Folders::new(), Clock::manual(Timestamp::from_seconds(NOW)));
    let ids = [1, 2].map(ReceiptId);
    let receipt = |id| Receipt { id, fence: None };
    {
        let journal = folders.open(&["a"], &["l"], &clock);
        let points = block(&clock, 1, vec![1]);
        let _ = journal.append_with(points, &receipt(ids[0])).await.unwrap();
        let _ = journal
            .append_with(logs(&clock, 1, vec![1]), &receipt(ids[1]))
            .await
            .unwrap();
    }
    let journal = folders.open(&["a"], &["l"], &clock);
    assert!(journal.remembers(ids[0]).await && journal.remembers(ids[1]).await);
    assert!(!journal.remembers(ReceiptId(3)).await);
    journal.forget(&ids).await.unwrap();
    assert!(!journal.remembers(ids[0]).await && !journal.remembers(ids[1]).await);
    assert!(!journal.takes_fences());
}

#[tokio::test]
async fn logs_expire_by_themselves_and_their_times_speak_too() {
    let (folders, clock) = (Folders::new(), Clock::manual(Timestamp::from_seconds(NOW)));
    let journal = folders.open(&["a"], &["l"], &clock);
    let _ = journal.append(block(&clock, 5, vec![1])).await.unwrap();
    clock.advance(Duration::from_secs(100));
    let _ = journal.append(logs(&clock, 7, vec![1])).await.unwrap();
    let now = clock.stamp(true);
    assert_eq!(
        journal.newest_time(now).await,
        Some(Timestamp::from_seconds(NOW + 90))
    );
    clock.advance(Duration::from_secs(3600));
    let now = clock.stamp(true);
    let expired = journal
        .expire(BlockKind::Logs, Duration::from_secs(60), now)
        .await
        .unwrap();
    assert_eq!(expired, BTreeMap::from([(id("l"), 7)]));
    assert_eq!(balance(&journal, "a", &clock).await.pending(), 5);
}

#[test]
fn logs_get_half_of_the_bound_at_most() {
    assert_eq!(shares(5), (3, 2));
    assert_eq!(shares(u64::MAX), (1 << 63, u64::MAX / 2));
}

#[tokio::test]
async fn logs_are_looked_into_beside_points() {
    let (folders, clock) = (Folders::new(), Clock::manual(Timestamp::from_seconds(NOW)));
    let journal = folders.open(&["a"], &["l"], &clock);
    let _ = journal
        .append(block(&clock, 1, crate::journal::points::encode(&[])))
        .await
        .unwrap();
    let records = ["{\"message\":\"one\"}", "{\"message\":\"two\"}"].map(|json| LogRecord {
        time: NOW,
        json: json.into(),
    });
    let payload = crate::journal::logs::encode(&records).to_vec();
    for _ in 0..2 {
        let _ = journal.append(logs(&clock, 2, payload.clone())).await.unwrap();
    }
    let read = journal.read(&id("l"), &all_logs(&clock)).await.unwrap();
    let mut settled = ItemSet::default();
    settled.insert(0);
    let first = Settlement {
        settled: Some(settled),
        delivered: 1,
        ..delivered(&read[0])
    };
    journal
        .settle(&id("l"), &[first, delivered(&read[1])])
        .await
        .unwrap();

    let summary = inspect::summary(folders.0.path(), clock.stamp(true)).unwrap();
    assert_eq!(
        (summary.segments, summary.points.items, summary.logs.items),
        (2, 1, 4)
    );
    let outputs: Vec<_> = summary
        .outputs
        .iter()
        .map(|one| (&*one.output.0, one.kind, one.depth.items))
        .collect();
    assert_eq!(outputs, [("a", BlockKind::Points, 1), ("l", BlockKind::Logs, 1)]);
    let verified = inspect::verify(folders.0.path(), |_, _| {}).unwrap();
    assert_eq!((verified.logs, verified.undecodable), (4, 0));
    let mut texts = Vec::new();
    let left_out = inspect::export(
        folders.0.path(),
        |_, _| {},
        |exported| {
            if let inspect::Exported::Log(record) = exported {
                texts.push(record.json.to_string());
            }
            true
        },
    );
    assert_eq!(
        (left_out.unwrap(), texts),
        (0, vec!["{\"message\":\"two\"}".to_string()])
    );
}
