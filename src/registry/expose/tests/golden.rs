//! Whole pages, as every format and escaping writes them.

use super::*;

pub(super) fn awkward() -> Arc<Fake> {
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
    request.created = Some(true);
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
