//! What is recorded is what the official OpenMetrics parser reads from the page, whatever names, labels, help texts and
//! values applications come up with.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::{Arc, Mutex};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value as Json, json};
use tawny::model::labels::Labels;
use tawny::model::time::Timestamp;
use tawny::registry::Counts;
use tawny::registry::board::Board;
use tawny::registry::expose::{Escaping, Format, PageRequest, page};
use tawny::registry::own::{OwnMetrics, RegistryCounts};
use tawny::registry::view::{FamilyId, FamilyView, Position, Running, SeriesView, Shape, View};
use tawny::support::time::Clock;

use crate::support::services::{Service, need};

/// How many random registries are shown, each in four escapings.
const REGISTRIES: usize = 150;

#[derive(Clone, Debug)]
enum Reading {
    Number(f64),
    Histogram {
        bounds: Vec<f64>,
        counts: Vec<u64>,
        sum: f64,
    },
}

#[derive(Clone, Debug)]
struct Family {
    name: String,
    shape: Shape,
    help: String,
    series: Vec<(Labels, Reading)>,
}

#[derive(Debug)]
struct Registry {
    families: Vec<Family>,
    left_out: Mutex<BTreeSet<u32>>,
}

impl View for Registry {
    fn families(&self) -> Vec<FamilyView> {
        let view = |(index, family): (usize, &Family)| FamilyView {
            id: FamilyId(index as u32),
            name: family.name.as_str().into(),
            shape: family.shape,
            help: family.help.as_str().into(),
            unit: None,
            defined: false,
        };
        self.families.iter().enumerate().map(view).collect()
    }

    fn walk(
        &self,
        family: FamilyId,
        position: &mut Position,
        most: usize,
        show: &mut dyn FnMut(SeriesView<'_>),
    ) -> bool {
        let series = &self.families[family.0 as usize].series;
        let from = position.0 as usize;
        let to = series.len().min(from + most);
        for (labels, reading) in &series[from..to] {
            let running = match reading {
                Reading::Number(value) => Running::Number(*value),
                Reading::Histogram { bounds, counts, sum } => Running::Histogram {
                    bounds,
                    counts,
                    sum: *sum,
                },
            };
            show(SeriesView {
                labels,
                legacy: labels.is_legacy(),
                created: Some(Timestamp::from_seconds(1_700_000_000)),
                running,
            });
        }
        position.0 = to as u64;
        to < series.len()
    }

    fn clashed(&self, left_out: &[(FamilyId, Arc<str>)]) {
        let ids = left_out.iter().map(|(id, _)| id.0);
        self.left_out.lock().unwrap().extend(ids);
    }
}

struct NoCounts;

impl RegistryCounts for NoCounts {
    fn counts(&self) -> Counts {
        Counts::default()
    }
}

fn any_text() -> impl Strategy<Value = String> {
    let mean = vec(
        prop::sample::select(vec![
            "\\", "\"", "\n", "{", "}", ",", "=", "#", " ", "_", ".", "n", "é", "😱", "\r", "\t", "le",
        ]),
        0..8,
    );
    prop_oneof![mean.prop_map(|parts| parts.concat()), ".{0,12}", "(?s).{0,12}"]
}

fn any_name() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        "[a-zA-Z_:][a-zA-Z0-9_:]{0,8}",
        "[a-z]{1,3}([._][a-z]{1,3}){0,3}",
        any_text()
    ];
    let ending = prop::sample::select(vec![
        "", "", "", "_total", ".total", "_count", "_bucket", "_created", "_info",
    ]);
    let name = (name, ending).prop_map(|(name, ending)| format!("{name}{ending}"));
    name.prop_filter("empty names are refused before", |name| !name.is_empty())
}

fn any_labels() -> impl Strategy<Value = Labels> {
    let name = prop_oneof!["[a-zA-Z_][a-zA-Z0-9_]{0,5}", any_text()];
    // Reserved names, and the histogram's own, are left out of pages; the unit tests say so.
    let name = name.prop_filter("not reserved", |name| {
        !name.is_empty() && !name.starts_with("__") && name != "le"
    });
    vec((name, any_text()), 0..4).prop_map(Labels::new)
}

fn any_reading(shape: Shape) -> BoxedStrategy<Reading> {
    let number = any::<f64>();
    let whole = any::<i32>().prop_map(f64::from);
    let value = prop_oneof![
        number,
        whole,
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(f64::NAN),
        Just(-0.0)
    ];
    match shape {
        Shape::Gauge => value.prop_map(Reading::Number).boxed(),
        // A count is at least 0.
        Shape::Counter => value
            .prop_map(|value| Reading::Number(if value.is_nan() { 0.5 } else { value.abs() }))
            .boxed(),
        Shape::Histogram => (vec((any::<f64>(), 0..1u64 << 48), 0..6), 0..1u64 << 48, value)
            .prop_map(|(mut buckets, rest, sum)| {
                buckets.retain(|bucket| bucket.0.is_finite());
                buckets.sort_by(|left, right| left.0.total_cmp(&right.0));
                buckets.dedup_by(|left, right| left.0 == right.0);
                let (bounds, mut counts): (Vec<f64>, Vec<u64>) = buckets.into_iter().unzip();
                counts.push(rest);
                Reading::Histogram { bounds, counts, sum }
            })
            .boxed(),
    }
}

fn any_family() -> impl Strategy<Value = Family> {
    let shape = prop::sample::select(vec![Shape::Gauge, Shape::Counter, Shape::Histogram]);
    shape.prop_flat_map(|shape| {
        let series = vec((any_labels(), any_reading(shape)), 1..5);
        (any_name(), any_text(), series).prop_map(move |(name, help, series)| {
            // One series a label set, as in a registry.
            let series: BTreeMap<Labels, Reading> = series.into_iter().collect();
            Family {
                name,
                shape,
                help,
                series: series.into_iter().collect(),
            }
        })
    })
}

fn shown(registry: &Arc<Registry>, escaping: Escaping) -> String {
    let own = Arc::new(OwnMetrics::new(
        Arc::new(Board::default()),
        Arc::new(NoCounts),
        Clock::system(),
    ));
    let request = PageRequest {
        format: Format::OpenMetrics100,
        escaping,
        ..PageRequest::default()
    };
    registry.left_out.lock().unwrap().clear();
    let bytes: Vec<u8> = page(registry.clone(), own, request).flatten().collect();
    String::from_utf8(bytes).expect("a page is UTF-8")
}

fn bits(value: f64) -> Json {
    // The parser knows one NaN only.
    let value = if value.is_nan() { f64::NAN } else { value };
    json!(format!("{:016x}", value.to_bits()))
}

fn sample(name: &str, labels: &Labels, more: Option<(&str, &str)>, value: f64) -> Json {
    let mut pairs: BTreeMap<String, String> = labels
        .iter()
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    pairs.extend(more.map(|(name, value)| (name.to_string(), value.to_string())));
    json!([name, pairs, bits(value)])
}

/// A family as the parser must read it from a page with quoted names.
fn expected(family: &Family) -> Json {
    let total = family.name.strip_suffix("_total").filter(|stem| !stem.is_empty());
    let (name, kind) = match (family.shape, total) {
        (Shape::Gauge, _) => (&*family.name, "gauge"),
        (Shape::Histogram, _) => (&*family.name, "histogram"),
        (Shape::Counter, Some(stem)) => (stem, "counter"),
        (Shape::Counter, None) => (&*family.name, "unknown"),
    };
    let help = match family.help.trim() {
        "" => format!("Application metric {}.", family.name),
        help => help.to_string(),
    };
    let mut samples = Vec::new();
    for (labels, reading) in &family.series {
        match reading {
            Reading::Number(value) => samples.push(sample(&family.name, labels, None, *value)),
            Reading::Histogram { bounds, counts, sum } => {
                let mut cumulative = 0;
                for (index, count) in counts.iter().enumerate() {
                    cumulative += count;
                    let bound = bounds.get(index).copied().unwrap_or(f64::INFINITY);
                    samples.push(sample(
                        &format!("{name}_bucket"),
                        labels,
                        Some(("le", &bound.to_string())),
                        cumulative as f64,
                    ));
                }
                if *sum >= 0.0 && bounds.first().is_none_or(|first| *first >= 0.0) {
                    samples.push(sample(&format!("{name}_sum"), labels, None, *sum));
                    samples.push(sample(&format!("{name}_count"), labels, None, cumulative as f64));
                }
            }
        }
    }
    json!([name, kind, "", help, samples])
}

/// Spells bounds one way, because `1e+06` and `1000000` are one bound.
fn normalised(family: &Json) -> Json {
    let mut family = family.clone();
    for sample in family[4].as_array_mut().expect("samples") {
        if let Some(Json::String(bound)) = sample[1].get_mut("le") {
            *bound = bound.parse::<f64>().expect("a bound").to_string();
        }
    }
    family
}

#[test]
fn the_official_parser_reads_back_what_was_recorded() {
    let Some(python) = need(Service::Python) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder for the pages");
    let mut runner = TestRunner::default();
    let mut cases = Vec::new();
    let mut names = BTreeSet::new();
    for index in 0..REGISTRIES {
        let families = vec(any_family(), 1..8)
            .new_tree(&mut runner)
            .expect("a registry")
            .current();
        names.extend(families.iter().map(|family| family.name.clone()));
        let registry = Arc::new(Registry {
            families,
            left_out: Mutex::default(),
        });
        for (offset, escaping) in Escaping::ALL.into_iter().enumerate() {
            let text = shown(&registry, escaping);
            let path = folder.path().join(format!("{}.txt", index * 4 + offset));
            std::fs::write(path, &text).expect("the page is written");
            let left_out = registry.left_out.lock().unwrap().clone();
            cases.push((registry.clone(), escaping, left_out, text));
        }
    }
    std::fs::write(folder.path().join("names.json"), json!(names).to_string())
        .expect("the names are written");

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openmetrics.py");
    let output = Command::new(python)
        .arg(script)
        .arg(folder.path())
        .output()
        .expect("Python runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let answers = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let mut answers = answers
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).expect("a line of JSON"));
    let pages: Vec<Json> = answers.by_ref().take(cases.len()).collect();
    let escaped = answers.next().expect("the names");

    for ((registry, escaping, left_out, text), answer) in cases.iter().zip(&pages) {
        let families = answer["families"].as_array();
        let families = families.unwrap_or_else(|| panic!("{answer} in {escaping:?}\n{text}"));
        let ours = |name: &str| name.starts_with("tawny_") || name.starts_with("process_");
        let read: BTreeMap<&str, &Json> = families
            .iter()
            .map(|family| (family[0].as_str().expect("a name"), family))
            .filter(|(name, _)| !ours(name))
            .collect();
        let stay = registry.families.iter().enumerate();
        let stay = stay.filter(|(index, _)| !left_out.contains(&(*index as u32)));
        match escaping {
            Escaping::AllowUtf8 => {
                let expected: Vec<Json> = stay.map(|(_, family)| expected(family)).collect();
                assert_eq!(read.len(), expected.len(), "{text}");
                for family in expected {
                    let name = family[0].as_str().expect("a name");
                    let read = read.get(name).unwrap_or_else(|| panic!("{name} in {text}"));
                    assert_eq!(normalised(read), normalised(&family), "{text}");
                }
            }
            _ => {
                for (_, family) in stay.filter(|(_, family)| family.shape == Shape::Gauge) {
                    // The library takes `a` and a line feed for a legacy name: its `$` matches before the line feed.
                    if family.name.ends_with('\n') {
                        continue;
                    }
                    let name = escaped[escaping.name()][&family.name]
                        .as_str()
                        .expect("an escaped name");
                    let read = read.get(name).unwrap_or_else(|| panic!("{name} in {text}"));
                    let count = read[4].as_array().expect("samples").len();
                    assert_eq!(count, family.series.len(), "{text}");
                }
            }
        }
    }
}
