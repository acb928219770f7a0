//! What is kept of what was taken, and the score.

use std::collections::BTreeMap;

use super::super::{Counts, Intake};
use super::{NOW, gauge, intake, key, v1};

#[test]
fn an_old_point_is_answered_with_202_and_forgotten_unless_its_name_is_historical() {
    let intake = intake();
    intake.historical("old");
    for (name, time) in [
        ("a", NOW - 3_600),
        ("a", NOW - 3_601),
        ("a", NOW + 600),
        ("a", NOW + 601),
        ("old", NOW - 86_400),
        ("old", NOW + 601),
    ] {
        assert_eq!(v1(&intake, &[gauge(name, time, 1.0)]).status, 202);
    }
    let expected = [
        key("a", NOW - 3_600),
        key("a", NOW + 600),
        key("old", NOW - 86_400),
    ];
    assert_eq!(intake.points().into_keys().collect::<Vec<_>>(), expected);
    assert_eq!(
        intake.counts(),
        Counts {
            kept: 3,
            too_old: 1,
            too_far_ahead: 2,
            ..Counts::default()
        }
    );
}

#[test]
fn the_clock_can_run_ahead() {
    let intake = Intake::start();
    let before = intake.clock().now();
    intake.clock().set_offset(86_400);
    assert_eq!(v1(&intake, &[gauge("a", before, 1.0)]).status, 202);
    assert_eq!(
        intake.counts(),
        Counts {
            too_old: 1,
            ..Counts::default()
        }
    );
}

#[test]
fn the_last_value_wins_and_repeats_are_counted_apart_from_rewrites() {
    let intake = intake();
    for value in [1.0, 1.0, 2.0] {
        v1(&intake, &[gauge("a", NOW, value)]);
    }
    // Another kind, host or tag is another series.
    v1(&intake, &[gauge("a", NOW, 5.0).replace(r#""h""#, r#""i""#)]);
    v1(&intake, &[gauge("a", NOW, 6.0).replace("b:2", "b:3")]);
    v1(
        &intake,
        &[gauge("a", NOW, 7.0).replace(r#""type":"gauge""#, r#""type":"count","interval":10"#)],
    );
    assert_eq!(
        intake.counts(),
        Counts {
            kept: 6,
            repeated: 1,
            rewritten: 1,
            ..Counts::default()
        }
    );
    assert_eq!(intake.points().len(), 4);
    let kept = intake.points()[&key("a", NOW)];
    assert_eq!((kept.value, kept.times), (2.0, 3));
}

#[test]
fn the_score_names_what_is_missing_wrong_and_extra() {
    let intake = intake();
    v1(
        &intake,
        &[
            gauge("right", NOW, 1.0),
            gauge("wrong", NOW, 2.0),
            gauge("extra", NOW, 3.0),
        ],
    );
    let truth = BTreeMap::from([
        (key("right", NOW), 1.0),
        (key("wrong", NOW), 2.5),
        (key("missing", NOW), 4.0),
    ]);
    let score = intake.score(&truth);
    assert_eq!(score.missing, [key("missing", NOW)]);
    assert_eq!(score.wrong, [(key("wrong", NOW), 2.5, 2.0)]);
    assert_eq!(score.extra, [key("extra", NOW)]);
    assert!(!score.is_perfect());
    assert_eq!(score.without_extra().extra, []);
}
