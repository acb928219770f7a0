//! Families and series whose names clash, and values that no format can hold.

use super::*;

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
fn dots_escape_legacy_label_names_too() {
    let mut fake = Fake::default();
    let one = |pairs: &[(&str, &str)]| (Labels::new(pairs.to_vec()), Value::Number(1.0));
    let series = vec![
        one(&[("a", "x_\"=\"\\"), ("a_b_", "_")]),
        one(&[("a", "1"), ("_b", "2")]),
        one(&[("a.b_c", "3")]),
        one(&[("a", "2"), ("z", "_")]),
    ];
    fake.add("m_n", Shape::Gauge, "Help.", series);
    let fake = Arc::new(fake);
    let page = shown(&fake, &request(Format::Text004, Escaping::Dots));
    let lines: Vec<&str> = page.lines().skip(2).collect();
    // `_b` would become `__b`, which is reserved.
    assert_eq!(
        lines,
        [
            r#"m__n{a="x_\"=\"\\",a__b__="_"} 1"#,
            r#"m__n{a_dot_b__c="3"} 1"#,
            r#"m__n{a="2",z="_"} 1"#
        ]
    );
    assert_eq!(*fake.clashes.lock().unwrap(), [(0, "m_n".to_string())]);
}
