use super::*;

const YEAR: i64 = 31_536_000;
const NOW: i64 = 1_800_000_000;

fn reading(wall: i64, uptime: u64) -> Reading {
    Reading {
        wall: Timestamp::from_seconds(wall),
        uptime: Duration::from_secs(uptime),
        boot: BootId(1),
    }
}

fn standing(wall: i64, uptime: u64, newest: Option<i64>) -> Judge {
    let mut judge = Judge::default();
    judge.observe(reading(wall, uptime));
    judge.examine(newest.map(Timestamp::from_seconds));
    judge
}

#[test]
fn a_clock_is_judged_by_build_and_journal() {
    let table = [
        (NOW, None, Verdict::Believed),
        (NOW, Some(NOW), Verdict::Believed),
        (NOW, Some(NOW + 1), Verdict::BeforeJournal),
        (0, None, Verdict::BeforeBuild),
        (BUILD_DATE.seconds() - 1, None, Verdict::BeforeBuild),
        (BUILD_DATE.seconds(), None, Verdict::Believed),
    ];
    for (wall, newest, expected) in table {
        let mut judge = standing(wall, 100, newest);
        assert_eq!(judge.observe(reading(wall, 100)), expected, "{wall} {newest:?}");
    }
    let mut judge = Judge::default();
    assert_eq!(judge.observe(reading(NOW, 100)), Verdict::Unexamined);
}

#[test]
fn a_slewed_clock_has_not_stepped() {
    let mut judge = standing(NOW, 100, None);
    assert_eq!(judge.observe(reading(NOW + 102, 200)), Verdict::Believed);
    assert_eq!(judge.stepped, None);
}

#[test]
fn from_1970_a_step_to_now_is_believed_at_once() {
    let mut judge = standing(5, 5, None);
    assert_eq!(judge.observe(reading(300, 300)), Verdict::BeforeBuild);
    assert_eq!(judge.observe(reading(NOW, 300)), Verdict::Unexamined);
    assert_eq!(
        judge.stepped,
        Some(ClockStamp {
            wall: Timestamp::from_seconds(300),
            boot: BootId(1),
            uptime: Duration::from_secs(300),
            plausible: false,
        })
    );
    judge.examine(None);
    assert_eq!(judge.observe(reading(NOW, 300)), Verdict::Believed);
}

#[test]
fn a_leap_of_a_year_is_held_until_it_stood_for_ten_minutes() {
    let mut judge = standing(NOW, 1000, None);
    judge.observe(reading(NOW + YEAR, 1000));
    judge.examine(None);
    assert_eq!(judge.observe(reading(NOW + YEAR, 1000)), Verdict::Held);
    assert_eq!(judge.observe(reading(NOW + YEAR + 599, 1599)), Verdict::Held);
    assert_eq!(judge.observe(reading(NOW + YEAR + 600, 1600)), Verdict::Believed);
}

#[test]
fn a_further_step_begins_the_ten_minutes_anew() {
    let mut judge = standing(NOW, 1000, None);
    judge.observe(reading(NOW + YEAR, 1000));
    judge.observe(reading(NOW + YEAR + 505, 1500));
    judge.examine(None);
    assert_eq!(judge.observe(reading(NOW + YEAR + 605, 1600)), Verdict::Held);
    assert_eq!(judge.observe(reading(NOW + YEAR + 1105, 2100)), Verdict::Believed);
}

#[test]
fn a_leap_that_is_taken_back_is_forgotten_at_once() {
    let mut judge = standing(NOW, 1000, None);
    judge.observe(reading(NOW + YEAR, 1000));
    judge.observe(reading(NOW + 60, 1060));
    judge.examine(None);
    assert_eq!(judge.observe(reading(NOW + 60, 1060)), Verdict::Believed);
    let old = judge.stepped.unwrap();
    assert_eq!(
        (old.wall, old.plausible),
        (Timestamp::from_seconds(NOW), true),
        "the first clock"
    );
}

#[test]
fn a_small_step_is_believed() {
    for change in [-599, -3, 3, 600] {
        let mut judge = standing(NOW, 1000, None);
        judge.observe(reading(NOW + change, 1000));
        judge.examine(None);
        assert_eq!(
            judge.observe(reading(NOW + change, 1000)),
            Verdict::Believed,
            "{change}"
        );
        assert!(judge.stepped.is_some());
    }
}

#[test]
fn a_date_ends_or_confirms_the_doubt() {
    let ahead = |date: i64| {
        let mut judge = standing(NOW, 1000, None);
        judge.observe(reading(NOW + YEAR, 1000));
        judge.examine(None);
        let verdict = judge.saw_date(reading(NOW + YEAR, 1000), Timestamp::from_seconds(date));
        (judge, verdict)
    };
    assert_eq!(ahead(NOW + YEAR - 600).1, Verdict::Believed);
    let (mut judge, verdict) = ahead(NOW);
    assert_eq!(verdict, Verdict::Refuted);
    assert_eq!(
        judge.observe(reading(NOW + YEAR + 7200, 8200)),
        Verdict::Refuted,
        "time alone does not heal it"
    );
    let agreed = judge.saw_date(
        reading(NOW + YEAR + 7200, 8200),
        Timestamp::from_seconds(NOW + YEAR),
    );
    assert_eq!(agreed, Verdict::Refuted);
    judge.observe(reading(NOW + 7200, 8200));
    judge.examine(None);
    assert_eq!(judge.observe(reading(NOW + 7200, 8200)), Verdict::Believed);
}

#[test]
fn a_clock_that_nothing_speaks_against_is_not_asked() {
    let mut judge = standing(NOW, 1000, None);
    assert_eq!(
        judge.saw_date(reading(NOW, 1000), Timestamp::from_seconds(NOW + YEAR)),
        Verdict::Believed
    );
}

#[test]
fn journalled_times_of_another_boot_are_overruled_after_an_hour_or_by_a_date() {
    let newest = Some(NOW + YEAR);
    let mut judge = standing(NOW, 10, newest);
    assert_eq!(judge.observe(reading(NOW + 3599, 3609)), Verdict::BeforeJournal);
    assert_eq!(judge.observe(reading(NOW + 3600, 3610)), Verdict::Believed);
    judge.examine(newest.map(Timestamp::from_seconds));
    assert_eq!(judge.observe(reading(NOW + 3601, 3611)), Verdict::Believed);

    let mut judge = standing(NOW, 10, newest);
    assert_eq!(
        judge.saw_date(reading(NOW, 10), Timestamp::from_seconds(NOW + 5)),
        Verdict::Believed
    );
}

#[test]
fn another_boot_is_judged_anew() {
    let mut judge = standing(NOW, 1000, None);
    let other = Reading {
        boot: BootId(2),
        ..reading(NOW + YEAR, 3)
    };
    assert_eq!(judge.observe(other), Verdict::Unexamined);
    assert_eq!(judge.stepped, None);
}
