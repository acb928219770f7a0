//! Open windows and a wrapper for them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::component::wrapper::Wrapper;
use crate::model::labels::Labels;
use crate::model::metric::Names;
use crate::model::point::{Point, PointKind};
use crate::model::time::Timestamp;
use crate::model::window::{Aggregate, Window, WindowSeries};
use crate::pipeline::windows::Windows;

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
