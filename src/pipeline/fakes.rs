//! A journal, an output and windows in memory, for the tests of this room.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;

use crate::component::journal::{
    Appended, Balance, Depth, DropReason, Entry, EntryId, ItemSet, Journal, JournalError, JournalStatus,
    OutputId, ReadRequest, Settlement, shift_of,
};
use crate::component::output::{
    Encoded, NameStyle, Output, SendError, Sent, Series, SeriesName, Speaker, Traits,
};
use crate::component::wrapper::Wrapper;
use crate::model::block::{Block, BlockKind};
use crate::model::labels::Labels;
use crate::model::metric::Names;
use crate::model::point::{Point, PointKind};
use crate::model::time::{BootId, ClockStamp, Timestamp};
use crate::model::window::{Aggregate, Window, WindowSeries};
use crate::pipeline::close::Windows;
use crate::support::time::Clock;

/// A plausible moment, at the start of a window.
pub(crate) const NOW: i64 = 1_800_000_000;

/// Lets a manual clock follow tokio's paused time.
pub(crate) fn wind(clock: &Clock) -> tokio::task::JoinHandle<()> {
    let clock = clock.clone();
    tokio::spawn(async move {
        let beat = Duration::from_millis(100);
        let mut ticks = tokio::time::interval(beat);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            clock.advance(beat);
        }
    })
}

pub(crate) fn point(metric: &str, kind: PointKind, time: i64, value: f64) -> Point {
    Point {
        names: Arc::new(Names::given(metric)),
        suffix: None,
        labels: Labels::empty(),
        kind,
        interval: 10,
        time,
        value,
    }
}

pub(crate) fn block_of(points: &[Point], stamp: ClockStamp) -> Block {
    let times = || points.iter().map(|point| point.time);
    Block {
        kind: BlockKind::Points,
        items: u32::try_from(points.len()).unwrap(),
        oldest: times().min().unwrap(),
        newest: times().max().unwrap(),
        windows: Vec::new(),
        stamp,
        payload: crate::pipeline::codec::encode(points),
    }
}

#[derive(Default)]
struct Kept {
    next: u64,
    entries: BTreeMap<u64, (Block, ItemSet)>,
    balance: Balance,
    offsets: BTreeMap<BootId, i64>,
    windows: BTreeMap<i64, u32>,
    appended: Vec<Block>,
    failing: bool,
    reads: u64,
}

/// A journal for one output.
#[derive(Default)]
pub(crate) struct MemoryJournal {
    kept: Mutex<Kept>,
}

impl MemoryJournal {
    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    /// Whether writes fail from now on.
    pub(crate) fn fail(&self, failing: bool) {
        self.kept().failing = failing;
    }

    /// Every block that was ever appended.
    pub(crate) fn appended(&self) -> Vec<Block> {
        self.kept().appended.clone()
    }

    pub(crate) fn account(&self) -> Balance {
        self.kept().balance.clone()
    }

    /// How often blocks were read.
    pub(crate) fn reads(&self) -> u64 {
        self.kept().reads
    }

    /// (wrapped, delivered, pending, too old, refused)
    pub(crate) fn totals(&self) -> (u64, u64, u64, u64, u64) {
        let balance = self.account();
        let dropped = |reason| balance.dropped.get(&reason).copied().unwrap_or(0);
        let (old, refused) = (dropped(DropReason::TooOld), dropped(DropReason::Refused));
        (
            balance.wrapped,
            balance.delivered,
            balance.pending(),
            old,
            refused,
        )
    }
}

fn failed() -> JournalError {
    JournalError::Medium {
        place: "memory".to_string(),
        action: "write",
        source: std::io::Error::other("full"),
    }
}

fn shift(kept: &Kept, block: &Block, now: &ClockStamp) -> Option<i64> {
    let offset = kept.offsets.get(&block.stamp.boot).copied();
    shift_of(&block.stamp, block.newest, now, offset)
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(&self, block: Block) -> Result<Appended, JournalError> {
        let mut kept = self.kept();
        if kept.failing {
            return Err(failed());
        }
        kept.next += 1;
        let id = kept.next;
        kept.balance.wrapped += u64::from(block.items);
        for (start, number) in &block.windows {
            let highest = kept.windows.entry(*start).or_default();
            *highest = (*highest).max(*number);
        }
        kept.appended.push(block.clone());
        kept.entries.insert(id, (block, ItemSet::default()));
        Ok(Appended {
            id: EntryId(id),
            evicted: BTreeMap::new(),
        })
    }

    async fn read(&self, _: &OutputId, request: &ReadRequest) -> Result<Vec<Entry>, JournalError> {
        let mut kept = self.kept();
        let (mut found, mut items) = (Vec::new(), 0);
        for (id, (block, settled)) in &kept.entries {
            let shift = shift(&kept, block, &request.now);
            let newest = Timestamp::from_seconds(block.newest).shifted(shift.unwrap_or(0));
            let wanted = request.after.is_none_or(|after| EntryId(*id) > after)
                && request.not_before.is_none_or(|from| newest >= from)
                && request.before.is_none_or(|to| newest < to);
            if !wanted {
                continue;
            }
            items += u64::from(block.items);
            if !found.is_empty() && items > request.most_items {
                break;
            }
            found.push(Entry {
                id: EntryId(*id),
                block: block.clone(),
                shift,
                settled: settled.clone(),
            });
        }
        kept.reads += found.len() as u64;
        Ok(found)
    }

    async fn settle(&self, _: &OutputId, settlements: &[Settlement]) -> Result<(), JournalError> {
        let mut kept = self.kept();
        if kept.failing {
            return Err(failed());
        }
        for settlement in settlements {
            let Some((block, settled)) = kept.entries.get_mut(&settlement.id.0) else {
                continue;
            };
            let after = settlement.settled.as_ref().map_or(block.items, ItemSet::len);
            let newly = settlement.delivered + settlement.dropped.values().sum::<u64>();
            assert_eq!(
                u64::from(after - settled.len()),
                newly,
                "every newly settled item is accounted for"
            );
            match &settlement.settled {
                Some(set) => *settled = set.clone(),
                None => {
                    kept.entries.remove(&settlement.id.0);
                }
            }
            kept.balance.delivered += settlement.delivered;
            for (reason, items) in &settlement.dropped {
                *kept.balance.dropped.entry(*reason).or_default() += items;
            }
        }
        Ok(())
    }

    async fn expire(
        &self,
        _: BlockKind,
        time_to_live: Duration,
        now: ClockStamp,
    ) -> Result<BTreeMap<OutputId, u64>, JournalError> {
        let mut kept = self.kept();
        let oldest = now.wall.before(time_to_live);
        let old: Vec<u64> = kept
            .entries
            .iter()
            .filter(|(_, (block, _))| {
                shift(&kept, block, &now)
                    .is_some_and(|shift| Timestamp::from_seconds(block.newest).shifted(shift) < oldest)
            })
            .map(|(id, _)| *id)
            .collect();
        let mut dropped = 0;
        for id in old {
            let (block, settled) = kept.entries.remove(&id).unwrap();
            dropped += u64::from(block.items - settled.len());
        }
        *kept.balance.dropped.entry(DropReason::TooOld).or_default() += dropped;
        Ok(BTreeMap::from([(OutputId::new("test"), dropped)]))
    }

    async fn date_boot(&self, right: ClockStamp) -> Result<(), JournalError> {
        let base = right.wall.millis() - i64::try_from(right.uptime.as_millis()).unwrap();
        self.kept().offsets.insert(right.boot, base);
        Ok(())
    }

    async fn newest_time(&self, now: ClockStamp) -> Option<Timestamp> {
        let base = |stamp: &ClockStamp| stamp.wall.millis() - stamp.uptime.as_millis() as i64;
        self.kept()
            .appended
            .iter()
            .filter(|block| block.stamp.boot != now.boot || base(&block.stamp) <= base(&now) + 1000)
            .map(|block| Timestamp::from_seconds(block.newest))
            .max()
    }

    async fn windows(&self, _: Duration, _: ClockStamp) -> BTreeMap<i64, u32> {
        self.kept().windows.clone()
    }

    async fn depth(&self, _: &OutputId, _: BlockKind, _: ClockStamp) -> Depth {
        let kept = self.kept();
        Depth {
            blocks: kept.entries.len() as u64,
            items: kept.balance.pending(),
            bytes: 0,
            oldest: None,
        }
    }

    async fn balance(&self, _: &OutputId, _: BlockKind) -> Balance {
        self.account()
    }

    async fn status(&self) -> JournalStatus {
        JournalStatus::default()
    }

    async fn flush(&self) -> Result<(), JournalError> {
        Ok(())
    }
}

/// What a scripted destination does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Take,
    Fail(SendError),
    Hang,
}

impl Answer {
    pub(crate) fn retry(after: Option<u64>) -> Self {
        Self::Fail(SendError::Retry {
            after: after.map(Duration::from_secs),
            reason: "503".to_string(),
        })
    }

    pub(crate) fn refused() -> Self {
        Self::Fail(SendError::Refused {
            reason: "400 bad".to_string(),
        })
    }
}

#[derive(Default)]
struct Intake {
    script: VecDeque<Answer>,
    always: Option<Answer>,
    /// (metric, time, value) in order of arrival.
    accepted: Vec<(String, i64, f64)>,
    /// Tokio's time, points and outcome of each request.
    requests: Vec<(Duration, usize, bool)>,
    probes: u64,
    probe: Option<Result<Option<Sent>, SendError>>,
}

/// An output that refuses metrics whose name holds `poison`, takes the rest, and follows its script before.
pub(crate) struct ScriptedOutput {
    pub(crate) traits: Traits,
    pub(crate) series_limit: usize,
    began: tokio::time::Instant,
    intake: Mutex<Intake>,
}

impl ScriptedOutput {
    pub(crate) fn new() -> Self {
        Self {
            traits: Traits {
                names: NameStyle::Dotted,
                fresh_first: true,
                repeat_harmless: true,
                max_age: None,
            },
            series_limit: usize::MAX,
            began: tokio::time::Instant::now(),
            intake: Mutex::default(),
        }
    }

    fn intake(&self) -> std::sync::MutexGuard<'_, Intake> {
        self.intake.lock().unwrap()
    }

    pub(crate) fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.intake().script.extend(answers);
    }

    /// What it does from now on, whatever is sent; `None` for its own judgement.
    pub(crate) fn always(&self, answer: Option<Answer>) {
        self.intake().always = answer;
    }

    pub(crate) fn probe_with(&self, answer: Result<Option<Sent>, SendError>) {
        self.intake().probe = Some(answer);
    }

    pub(crate) fn accepted(&self) -> Vec<(String, i64, f64)> {
        self.intake().accepted.clone()
    }

    /// Points and outcome of each request.
    pub(crate) fn requests(&self) -> Vec<(usize, bool)> {
        self.intake()
            .requests
            .iter()
            .map(|(_, points, taken)| (*points, *taken))
            .collect()
    }

    pub(crate) fn times(&self) -> Vec<Duration> {
        self.intake().requests.iter().map(|(at, ..)| *at).collect()
    }

    pub(crate) fn probes(&self) -> u64 {
        self.intake().probes
    }
}

pub(crate) fn dated(seconds: i64) -> Sent {
    Sent {
        complaints: Vec::new(),
        date: Some(SystemTime::from(
            UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs()),
        )),
    }
}

#[async_trait]
impl Output for ScriptedOutput {
    fn traits(&self) -> Traits {
        self.traits
    }

    fn name(
        &self,
        metric: &str,
        labels: &Labels,
        kind: PointKind,
        interval: u32,
        speaker: &Speaker,
    ) -> Option<SeriesName> {
        let mut tags: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}:{value}"))
            .collect();
        tags.extend(speaker.tags.iter().cloned());
        tags.sort();
        (metric != "unspeakable").then(|| SeriesName {
            metric: metric.replace('-', "_"),
            tags,
            kind,
            interval,
        })
    }

    fn keeps_historical(&self, metric: &str) -> bool {
        metric.starts_with("historical")
    }

    fn encode(&self, series: &[Series], _: &Speaker, shrink: u32) -> Encoded {
        let most = (self.series_limit / shrink as usize).max(1);
        let taken = &series[..series.len().min(most)];
        let mut body = String::new();
        for series in taken {
            for (time, value) in &series.points {
                body.push_str(&format!("{} {time} {value}\n", series.name.metric));
            }
        }
        Encoded {
            raw_bytes: body.len() as u64,
            body: Bytes::from(body),
            series: taken.len(),
            points_of_next: 0,
        }
    }

    async fn send(&self, body: Bytes) -> Result<Sent, SendError> {
        let text = String::from_utf8(body.to_vec()).unwrap();
        let answer = {
            let mut intake = self.intake();
            let poisoned = text.contains("poison").then(Answer::refused);
            let answer = intake.script.pop_front().or(intake.always.clone()).or(poisoned);
            let answer = answer.unwrap_or(Answer::Take);
            let taken = matches!(answer, Answer::Take);
            let at = self.began.elapsed();
            intake.requests.push((at, text.lines().count(), taken));
            if taken {
                for line in text.lines() {
                    let mut words = line.split(' ');
                    let metric = words.next().unwrap().to_string();
                    let time = words.next().unwrap().parse().unwrap();
                    intake
                        .accepted
                        .push((metric, time, words.next().unwrap().parse().unwrap()));
                }
            }
            answer
        };
        match answer {
            Answer::Take => Ok(Sent::default()),
            Answer::Fail(error) => Err(error),
            Answer::Hang => std::future::pending().await,
        }
    }

    async fn probe(&self) -> Result<Option<Sent>, SendError> {
        let mut intake = self.intake();
        intake.probes += 1;
        intake.probe.clone().unwrap_or(Ok(None))
    }
}

/// Open windows of one interval of ten seconds; each sample is one count of the metric `c`.
#[derive(Default)]
pub(crate) struct MemoryWindows {
    open: Mutex<BTreeMap<i64, f64>>,
    pub(crate) folded: Mutex<u64>,
    pub(crate) swept: Mutex<u64>,
}

impl MemoryWindows {
    pub(crate) fn record(&self, time: Timestamp, value: f64) {
        let start = time.window_start(Duration::from_secs(10)).seconds();
        *self.open.lock().unwrap().entry(start).or_default() += value;
    }

    fn take(&self, wanted: impl Fn(i64) -> bool) -> Vec<Window> {
        let mut open = self.open.lock().unwrap();
        let starts: Vec<i64> = open.keys().copied().filter(|start| wanted(*start)).collect();
        let window = |start: i64, sum: f64| Window {
            start: Timestamp::from_seconds(start),
            interval: Duration::from_secs(10),
            amendment: 0,
            series: vec![WindowSeries {
                names: Arc::new(Names::given("c")),
                labels: Labels::empty(),
                aggregate: Aggregate::Delta { sum, count: 1 },
            }],
        };
        starts
            .into_iter()
            .filter_map(|start| open.remove(&start).map(|sum| window(start, sum)))
            .collect()
    }
}

impl Windows for MemoryWindows {
    fn take_closed(&self, before: Timestamp) -> Vec<Window> {
        self.take(|start| start + 10 <= before.seconds())
    }

    fn take_starting_before(&self, start: Timestamp) -> Vec<Window> {
        self.take(|open| open < start.seconds())
    }

    fn take_all(&self) -> Vec<Window> {
        self.take(|_| true)
    }

    fn fold_late(&self, _: Window) -> u64 {
        *self.folded.lock().unwrap() += 1;
        1
    }

    fn sweep(&self) {
        *self.swept.lock().unwrap() += 1;
    }
}

/// Wraps deltas to counts.
pub(crate) struct CountWrapper;

impl Wrapper for CountWrapper {
    fn wrap(&self, window: &Window, out: &mut Vec<Point>) {
        for series in &window.series {
            if let Aggregate::Delta { sum, .. } = series.aggregate {
                out.push(Point {
                    names: series.names.clone(),
                    suffix: None,
                    labels: series.labels.clone(),
                    kind: PointKind::Count,
                    interval: window.interval_seconds(),
                    time: window.point_time(),
                    value: sum,
                });
            }
        }
    }
}
