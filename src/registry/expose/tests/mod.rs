//! A view to show, for golden pages, clashes and chunks.

mod clash;
mod golden;
mod stream;

use std::sync::{Arc, Mutex};

use super::*;
use crate::model::labels::Labels;
use crate::model::time::Timestamp;
use crate::registry::board::Board;
use crate::registry::limits::Counts;
use crate::registry::own::{OwnMetrics, RegistryCounts};
use crate::registry::view::{FamilyId, FamilyView, Position, Running, SeriesView, Shape, View};
use crate::support::time::Clock;

enum Value {
    Number(f64),
    Histogram(Vec<f64>, Vec<u64>, f64),
}

#[derive(Default)]
struct Fake {
    families: Vec<(FamilyView, Vec<(Labels, Value)>)>,
    clashes: Mutex<Vec<(u32, String)>>,
    longest_walk: Mutex<usize>,
}

impl Fake {
    fn add(&mut self, name: &str, shape: Shape, help: &str, series: Vec<(Labels, Value)>) -> &mut Self {
        let family = FamilyView {
            id: FamilyId(self.families.len() as u32),
            name: name.into(),
            shape,
            help: help.into(),
            unit: None,
            defined: false,
        };
        self.families.push((family, series));
        self
    }

    fn number(&mut self, name: &str, shape: Shape, value: f64) -> &mut Self {
        self.add(
            name,
            shape,
            "Help.",
            vec![(Labels::empty(), Value::Number(value))],
        )
    }

    fn last(&mut self) -> &mut FamilyView {
        &mut self.families.last_mut().unwrap().0
    }
}

impl View for Fake {
    fn families(&self) -> Vec<FamilyView> {
        self.families.iter().map(|(family, _)| family.clone()).collect()
    }

    fn walk(
        &self,
        id: FamilyId,
        position: &mut Position,
        most: usize,
        show: &mut dyn FnMut(SeriesView<'_>),
    ) -> bool {
        let series = &self.families[id.0 as usize].1;
        let from = position.0 as usize;
        let to = series.len().min(from + most);
        let mut longest = self.longest_walk.lock().unwrap();
        *longest = (*longest).max(most);
        for (labels, value) in &series[from..to] {
            show(SeriesView {
                labels,
                legacy: labels.is_legacy(),
                created: Some(Timestamp::from_millis(1_700_000_000_123)),
                running: match value {
                    Value::Number(value) => Running::Number(*value),
                    Value::Histogram(bounds, counts, sum) => Running::Histogram {
                        bounds,
                        counts,
                        sum: *sum,
                    },
                },
            });
        }
        position.0 = to as u64;
        to < series.len()
    }

    fn clashed(&self, left_out: &[(FamilyId, Arc<str>)]) {
        let left_out = left_out.iter().map(|(id, name)| (id.0, name.to_string()));
        self.clashes.lock().unwrap().extend(left_out);
    }
}

struct NoCounts;

impl RegistryCounts for NoCounts {
    fn counts(&self) -> Counts {
        Counts::default()
    }
}

fn own() -> Arc<OwnMetrics> {
    Arc::new(OwnMetrics::new(
        Arc::new(Board::default()),
        Arc::new(NoCounts),
        Clock::system(),
    ))
}

/// The page without the agent's own metrics.
fn shown(view: &Arc<Fake>, request: &PageRequest) -> String {
    let mut request = request.clone();
    if request.names.is_empty() {
        let names = view.families.iter().map(|(family, _)| family.name.to_string());
        request.names = names.collect();
    }
    let bytes: Vec<u8> = page(view.clone(), own(), request).flatten().collect();
    String::from_utf8(bytes).unwrap()
}

fn request(format: Format, escaping: Escaping) -> PageRequest {
    PageRequest {
        format,
        escaping,
        ..PageRequest::default()
    }
}
