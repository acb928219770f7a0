//! Golden pages, clashes, chunks.

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::thread;

use flate2::read::GzDecoder;

use super::*;
use crate::model::labels::Labels;
use crate::model::time::Timestamp;
use crate::registry::board::Board;
use crate::registry::own::{Counts, OwnMetrics, RegistryCounts};
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
                created: Timestamp::from_millis(1_700_000_000_123),
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

fn awkward() -> Arc<Fake> {
    let mut fake = Fake::default();
    let labels = Labels::new([("path", "C:\\a\n\"b\""), ("app.name", "ü")]);
    fake.add(
        "app.\"queue\" size",
        Shape::Gauge,
        "",
        vec![
            (labels, Value::Number(1.5)),
            (Labels::empty(), Value::Number(f64::NAN)),
        ],
    );
    fake.add(
        "host_cpu_seconds_total",
        Shape::Counter,
        "CPU \"time\",\na back\\slash.",
        vec![(Labels::new([("cpu_id", "0")]), Value::Number(12.25))],
    );
    fake.last().unit = Some("seconds");
    fake.last().defined = true;
    fake.number("app.hits", Shape::Counter, 7.0);
    fake.add(
        "web.seconds",
        Shape::Histogram,
        "Time.",
        vec![
            (
                Labels::new([("code", "200")]),
                Value::Histogram(vec![0.5, 1.0], vec![1, 0, 2], 9.75),
            ),
            (
                Labels::empty(),
                Value::Histogram(vec![-1.0, 1e6], vec![0, 1, 0], -0.5),
            ),
        ],
    );
    fake.last().unit = Some("seconds");
    Arc::new(fake)
}

#[test]
fn text_0_0_4_with_underscores() {
    let expected = r#"# TYPE app__queue__size gauge
# HELP app__queue__size Application metric app."queue" size.
app__queue__size{app_name="ü",path="C:\\a\n\"b\""} 1.5
app__queue__size NaN
# TYPE app_hits counter
# HELP app_hits Help.
app_hits 7
# TYPE host_cpu_seconds_total counter
# HELP host_cpu_seconds_total CPU "time",\na back\\slash.
host_cpu_seconds_total{cpu_id="0"} 12.25
# TYPE web_seconds histogram
# HELP web_seconds Time.
web_seconds_bucket{code="200",le="0.5"} 1
web_seconds_bucket{code="200",le="1.0"} 1
web_seconds_bucket{code="200",le="+Inf"} 3
web_seconds_sum{code="200"} 9.75
web_seconds_count{code="200"} 3
web_seconds_bucket{le="-1.0"} 0
web_seconds_bucket{le="1e+06"} 1
web_seconds_bucket{le="+Inf"} 1
web_seconds_sum -0.5
web_seconds_count 1
"#;
    let view = awkward();
    let page = shown(&view, &request(Format::Text004, Escaping::Underscores));
    assert_eq!(page, expected);
    assert_eq!(*view.longest_walk.lock().unwrap(), 128);
}

#[test]
fn text_1_0_0_with_quoted_names() {
    let expected = r#"# TYPE "app.\"queue\" size" gauge
# HELP "app.\"queue\" size" Application metric app."queue" size.
{"app.\"queue\" size","app.name"="ü",path="C:\\a\n\"b\""} 1.5
{"app.\"queue\" size"} NaN
# TYPE "app.hits" counter
# HELP "app.hits" Help.
{"app.hits"} 7
# TYPE host_cpu_seconds_total counter
# HELP host_cpu_seconds_total CPU "time",\na back\\slash.
host_cpu_seconds_total{cpu_id="0"} 12.25
# TYPE "web.seconds" histogram
# HELP "web.seconds" Time.
{"web.seconds_bucket",code="200",le="0.5"} 1
{"web.seconds_bucket",code="200",le="1.0"} 1
{"web.seconds_bucket",code="200",le="+Inf"} 3
{"web.seconds_sum",code="200"} 9.75
{"web.seconds_count",code="200"} 3
{"web.seconds_bucket",le="-1.0"} 0
{"web.seconds_bucket",le="1e+06"} 1
{"web.seconds_bucket",le="+Inf"} 1
{"web.seconds_sum"} -0.5
{"web.seconds_count"} 1
"#;
    let page = shown(&awkward(), &request(Format::Text100, Escaping::AllowUtf8));
    assert_eq!(page, expected);
}

#[test]
fn openmetrics_with_quoted_names_and_created() {
    let expected = r#"# TYPE "app.\"queue\" size" gauge
# HELP "app.\"queue\" size" Application metric app.\"queue\" size.
{"app.\"queue\" size","app.name"="ü",path="C:\\a\n\"b\""} 1.5
{"app.\"queue\" size"} NaN
# TYPE "app.hits" unknown
# HELP "app.hits" Help.
{"app.hits"} 7
# TYPE host_cpu_seconds counter
# UNIT host_cpu_seconds seconds
# HELP host_cpu_seconds CPU \"time\",\na back\\slash.
host_cpu_seconds_total{cpu_id="0"} 12.25
host_cpu_seconds_created{cpu_id="0"} 1700000000.123
# TYPE "web.seconds" histogram
# HELP "web.seconds" Time.
{"web.seconds_bucket",code="200",le="0.5"} 1
{"web.seconds_bucket",code="200",le="1.0"} 1
{"web.seconds_bucket",code="200",le="+Inf"} 3
{"web.seconds_sum",code="200"} 9.75
{"web.seconds_count",code="200"} 3
{"web.seconds_created",code="200"} 1700000000.123
{"web.seconds_bucket",le="-1.0"} 0
{"web.seconds_bucket",le="1e+06"} 1
{"web.seconds_bucket",le="+Inf"} 1
{"web.seconds_created"} 1700000000.123
# EOF
"#;
    let mut request = request(Format::OpenMetrics100, Escaping::AllowUtf8);
    request.created = true;
    assert_eq!(shown(&awkward(), &request), expected);
}

#[test]
fn openmetrics_0_0_1_with_dots() {
    let expected = r#"# TYPE app_dot___queue____size gauge
# HELP app_dot___queue____size Application metric app.\"queue\" size.
app_dot___queue____size{app_dot_name="ü",path="C:\\a\n\"b\""} 1.5
app_dot___queue____size NaN
# TYPE app_dot_hits unknown
# HELP app_dot_hits Help.
app_dot_hits 7
# TYPE host__cpu__seconds_ counter
# HELP host__cpu__seconds_ CPU \"time\",\na back\\slash.
host__cpu__seconds__total{cpu__id="0"} 12.25
# TYPE web_dot_seconds histogram
# UNIT web_dot_seconds seconds
# HELP web_dot_seconds Time.
web_dot_seconds_bucket{code="200",le="0.5"} 1
web_dot_seconds_bucket{code="200",le="1.0"} 1
web_dot_seconds_bucket{code="200",le="+Inf"} 3
web_dot_seconds_sum{code="200"} 9.75
web_dot_seconds_count{code="200"} 3
web_dot_seconds_bucket{le="-1.0"} 0
web_dot_seconds_bucket{le="1e+06"} 1
web_dot_seconds_bucket{le="+Inf"} 1
# EOF
"#;
    let page = shown(&awkward(), &request(Format::OpenMetrics001, Escaping::Dots));
    assert_eq!(page, expected);
}

#[test]
fn text_0_0_4_with_values() {
    let page = shown(&awkward(), &request(Format::Text004, Escaping::Values));
    let expected = r#"# TYPE U__app_2e__22_queue_22__20_size gauge
# HELP U__app_2e__22_queue_22__20_size Application metric app."queue" size.
U__app_2e__22_queue_22__20_size{U__app_2e_name="ü",path="C:\\a\n\"b\""} 1.5
U__app_2e__22_queue_22__20_size NaN
# TYPE U__app_2e_hits counter
"#;
    assert!(page.starts_with(expected), "{page}");
}

#[test]
fn a_family_that_clashes_is_left_out_and_reported() {
    use Shape::{Counter, Gauge, Histogram};
    let text = Format::Text004;
    let openmetrics = Format::OpenMetrics100;
    // Families in order of registration; `!` marks ours. Then who is left out for whom.
    type Case = (
        Format,
        Escaping,
        &'static [(&'static str, Shape)],
        &'static [(u32, &'static str)],
    );
    let cases: &[Case] = &[
        (
            text,
            Escaping::Underscores,
            &[("a.b", Gauge), ("a_b", Gauge)],
            &[(1, "a.b")],
        ),
        (
            text,
            Escaping::Underscores,
            &[("a.b", Gauge), ("!a_b", Gauge)],
            &[(0, "a_b")],
        ),
        (
            openmetrics,
            Escaping::AllowUtf8,
            &[("a.b", Gauge), ("a_b", Gauge)],
            &[],
        ),
        (text, Escaping::Values, &[("a.b", Gauge), ("a_b", Gauge)], &[]),
        (
            text,
            Escaping::Underscores,
            &[("a", Gauge), ("a", Counter)],
            &[(1, "a")],
        ),
        (
            text,
            Escaping::Underscores,
            &[("a", Gauge), ("a_total", Counter)],
            &[],
        ),
        (
            openmetrics,
            Escaping::Underscores,
            &[("a", Gauge), ("a_total", Counter)],
            &[(1, "a")],
        ),
        (
            openmetrics,
            Escaping::Underscores,
            &[("a_total", Counter), ("a_created", Gauge)],
            &[(1, "a_total")],
        ),
        (
            openmetrics,
            Escaping::Underscores,
            &[("a_total", Gauge), ("a", Counter)],
            &[],
        ),
        (
            openmetrics,
            Escaping::Underscores,
            &[("a_total", Gauge), ("a_total", Counter)],
            &[(1, "a_total")],
        ),
        (
            text,
            Escaping::Underscores,
            &[("a", Histogram), ("a_count", Gauge), ("a_created", Gauge)],
            &[(1, "a")],
        ),
        (
            openmetrics,
            Escaping::Underscores,
            &[("a_sum", Gauge), ("a_bucket", Gauge), ("a", Histogram)],
            &[(2, "a_bucket")],
        ),
        (
            openmetrics,
            Escaping::Underscores,
            &[("a", Histogram), ("a_created", Gauge)],
            &[(1, "a")],
        ),
        (
            text,
            Escaping::Underscores,
            &[("tawny_build_info", Gauge)],
            &[(0, "tawny_build_info")],
        ),
        (text, Escaping::Underscores, &[("", Gauge)], &[(0, "")]),
    ];
    for (format, escaping, families, expected) in cases {
        let mut fake = Fake::default();
        for (name, shape) in *families {
            fake.number(name.trim_start_matches('!'), *shape, 1.0);
            fake.last().defined = name.starts_with('!');
            if *shape == Histogram {
                fake.families.last_mut().unwrap().1[0].1 = Value::Histogram(vec![1.0], vec![1, 1], 3.0);
            }
        }
        let fake = Arc::new(fake);
        let text = shown(&fake, &request(*format, *escaping));
        let mut clashes = fake.clashes.lock().unwrap().clone();
        clashes.sort();
        let expected: Vec<_> = expected
            .iter()
            .map(|(id, name)| (*id, name.to_string()))
            .collect();
        assert_eq!(clashes, expected, "{families:?}");
        let heads = text.lines().filter(|line| line.starts_with("# TYPE")).count();
        // The filter asks for our own family of that name too.
        let ours = usize::from(families[0].0 == "tawny_build_info");
        assert_eq!(heads, families.len() - expected.len() + ours, "{text}");
    }
}

#[test]
fn series_that_become_one_after_escaping_are_shown_once() {
    let mut fake = Fake::default();
    let one = |pairs: &[(&str, &str)], value: f64| (Labels::new(pairs.to_vec()), Value::Number(value));
    let mut series: Vec<_> = (0..200).map(|n| one(&[("n", &n.to_string())], 1.0)).collect();
    series.extend([
        one(&[("a.b", "1"), ("c", "2")], 10.0),
        one(&[("a-b", "1"), ("c", "2")], 11.0),
        one(&[("a.b", "1"), ("a_b", "1")], 12.0),
        one(&[("x.y", "1")], 13.0),
        one(&[("a_b", "2"), ("c", "2")], 14.0),
        one(&[("a.b", "2"), ("c", "2")], 15.0),
        one(&[("__name__", "x")], 16.0),
        one(&[("..z", "x")], 17.0),
    ]);
    fake.add("m", Shape::Gauge, "Help.", series);
    let fake = Arc::new(fake);
    let tail = |page: &str| -> Vec<String> { page.lines().skip(202).map(str::to_string).collect() };
    let page = shown(&fake, &request(Format::Text004, Escaping::Underscores));
    assert_eq!(
        tail(&page),
        [
            "m{a_b=\"1\",c=\"2\"} 10",
            "m{x_y=\"1\"} 13",
            "m{a_b=\"2\",c=\"2\"} 14"
        ]
    );
    assert_eq!(*fake.clashes.lock().unwrap(), [(0, "m".to_string())]);
    let page = shown(&fake, &request(Format::Text100, Escaping::AllowUtf8));
    assert_eq!(tail(&page).len(), 7, "{page}");
}

#[test]
fn what_no_format_can_hold_is_left_out() {
    let mut fake = Fake::default();
    fake.number("a_total", Shape::Counter, -1.0);
    fake.number("b_total", Shape::Counter, f64::NAN);
    let bucket = Value::Histogram(vec![1.0], vec![1, 0], 0.5);
    fake.add(
        "h",
        Shape::Histogram,
        "Help.",
        vec![(Labels::new([("le", "1")]), bucket)],
    );
    let bucket = Value::Histogram(vec![1.0], vec![1, 0], 0.5);
    fake.add(
        "i",
        Shape::Histogram,
        "Help.",
        vec![(Labels::new([("a", ",le=")]), bucket)],
    );
    let page = shown(
        &Arc::new(fake),
        &request(Format::OpenMetrics100, Escaping::AllowUtf8),
    );
    let first: Vec<&str> = page.lines().take(3).collect();
    assert_eq!(
        first,
        [
            "# TYPE i histogram",
            "# HELP i Help.",
            "i_bucket{a=\",le=\",le=\"1.0\"} 1"
        ]
    );
}

#[test]
fn the_filter_takes_written_escaped_and_sample_names() {
    let view = awkward();
    for (name, expected) in [
        ("app.hits", "app_hits"),
        ("app_hits", "app_hits"),
        ("host_cpu_seconds_total", "host_cpu_seconds"),
        ("host_cpu_seconds", "host_cpu_seconds"),
        ("web_seconds_bucket", "web_seconds"),
        ("tawny_ready", "tawny_ready"),
    ] {
        let mut request = request(Format::OpenMetrics100, Escaping::Underscores);
        request.names = vec![name.to_string(), "no such".to_string()];
        let page = shown(&view, &request);
        let heads: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .collect();
        assert_eq!(heads.len(), 1, "{page}");
        assert!(heads[0].starts_with(&format!("{expected} ")), "{page}");
    }
}

fn long() -> Arc<Fake> {
    let mut fake = Fake::default();
    for family in 0..20 {
        let series = (0..1000).map(|n| {
            (
                Labels::new([("n", n.to_string())]),
                Value::Number(f64::from(n) / 7.0),
            )
        });
        fake.add(&format!("m{family:02}"), Shape::Gauge, "Help.", series.collect());
    }
    Arc::new(fake)
}

#[test]
fn chunks_are_small_and_compressed_ones_hold_the_same_page() {
    let view = long();
    let plain = request(Format::OpenMetrics100, Escaping::AllowUtf8);
    let names: Vec<String> = (0..20).map(|n| format!("m{n:02}")).collect();
    let plain = PageRequest { names, ..plain };
    let chunks: Vec<_> = page(view.clone(), own(), plain.clone()).collect();
    let whole: Vec<u8> = chunks.iter().flatten().copied().collect();
    assert!(chunks.len() > 5, "{}", chunks.len());
    assert!(chunks.iter().all(|chunk| chunk.len() < 2 * 64 * 1024));
    assert_eq!(whole.iter().filter(|byte| **byte == b'\n').count(), 20 * 1002 + 1);

    let packed: Vec<_> = page(view, own(), PageRequest { gzip: true, ..plain }).collect();
    let packed: Vec<u8> = packed.into_iter().flatten().collect();
    assert!(packed.len() < whole.len() / 4);
    let mut unpacked = Vec::new();
    GzDecoder::new(&*packed).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == whole);
}

#[test]
fn pages_that_are_written_at_once_are_equal() {
    let view = long();
    let expected = shown(&view, &PageRequest::default());
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| shown(&view, &PageRequest::default())))
            .collect();
        for thread in threads {
            assert!(thread.join().unwrap() == expected);
        }
    });
}

#[test]
fn the_own_metrics_stand_on_every_page_and_count_it() {
    let own = own();
    let view = Arc::new(Fake::default());
    for format in Format::ALL {
        for escaping in Escaping::ALL {
            if escaping == Escaping::AllowUtf8 && !format.quotes_names() {
                continue;
            }
            let bytes: Vec<u8> = page(view.clone(), own.clone(), request(format, escaping))
                .flatten()
                .collect();
            let text = String::from_utf8(bytes).unwrap();
            let name = if escaping == Escaping::Dots {
                "tawny__build__info{"
            } else {
                "tawny_build_info{"
            };
            assert!(text.lines().any(|line| line.starts_with(name)), "{text}");
            assert_eq!(text.ends_with("# EOF\n"), format.is_openmetrics());
        }
    }
    let page: Vec<u8> = page(view, own, PageRequest::default()).flatten().collect();
    let page = String::from_utf8(page).unwrap();
    assert!(
        page.contains("\ntawny_scrapes_total{format=\"openmetrics_1.0.0\"} 4\n"),
        "{page}"
    );
    assert!(page.contains(
        "# TYPE tawny_scrapes_total counter\n# HELP tawny_scrapes_total Pages that were written to their end, by format.\n"
    ));
}
