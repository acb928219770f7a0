use std::borrow::Cow;
use std::collections::BTreeMap;

use super::*;
use crate::model::fold::Fold;
use crate::model::labels::Labels;
use crate::model::metric::Names;

fn point(name: &str, labels: &[(&str, &str)], time: i64, value: f64) -> Point {
    Point {
        names: Arc::new(Names::given(name)),
        suffix: None,
        labels: Labels::new(labels.iter().copied()),
        kind: PointKind::Gauge,
        interval: 10,
        time,
        value,
    }
}

type Key = (
    String,
    Option<String>,
    u64,
    Vec<Fold>,
    Option<String>,
    String,
    PointKind,
    u32,
    i64,
    u64,
);

fn key(point: &Point) -> Key {
    (
        point.names.name.to_string(),
        point.names.dotted.as_ref().map(ToString::to_string),
        point.names.scale.to_bits(),
        point.names.folds.to_vec(),
        point.suffix.as_ref().map(ToString::to_string),
        point.labels.text().to_owned(),
        point.kind,
        point.interval,
        point.time,
        point.value.to_bits(),
    )
}

fn random_folds(seed: &mut fastrand::Rng) -> Cow<'static, [Fold]> {
    let fold = |index: usize| Fold {
        label: format!("k {index}").into(),
        into: if index == 1 { "" } else { "k 0" }.into(),
        endings: (0..index)
            .map(|ending| (format!("{ending}").into(), ".DQ".into()))
            .collect(),
    };
    (0..seed.usize(0..3)).map(fold).collect()
}

fn random_points(seed: &mut fastrand::Rng) -> Vec<Point> {
    let names: Vec<Arc<Names>> = (0..seed.usize(1..6))
        .map(|index| {
            Arc::new(Names {
                name: format!("näme{index}").into(),
                dotted: seed.bool().then(|| format!("n.{index}").into()),
                scale: seed.choice([1.0, 100.0, -0.0]).unwrap(),
                folds: random_folds(seed),
            })
        })
        .collect();
    let suffixes: [Option<Arc<str>>; 3] = [None, Some("".into()), Some(".max".into())];
    let sets: Vec<Labels> = (0..seed.usize(1..9))
        .map(|_| {
            Labels::new(
                (0..seed.u8(0..4)).map(|key| (format!("k {key}"), format!("\"v\\{}\n", seed.u8(0..20)))),
            )
        })
        .collect();
    (0..seed.usize(0..200))
        .map(|_| Point {
            names: seed.choice(&names).unwrap().clone(),
            suffix: seed.choice(&suffixes).unwrap().clone(),
            labels: seed.choice(&sets).unwrap().clone(),
            kind: seed
                .choice([PointKind::Gauge, PointKind::Count, PointKind::Rate])
                .unwrap(),
            interval: seed.choice([1, 10, u32::MAX]).unwrap(),
            time: seed
                .choice([i64::MIN, -7, 0, 10, 20, 1_700_000_000, i64::MAX])
                .unwrap(),
            value: match seed.u8(0..4) {
                0 => f64::from_bits(seed.u64(..)),
                1 => f64::from(seed.u16(..)),
                2 => f64::from(seed.i16(..)) / 100.0,
                _ => 0.0,
            },
        })
        .collect()
}

#[test]
fn all_points_read_back_with_every_bit_in_a_fixed_order() {
    let mut seed = fastrand::Rng::with_seed(7);
    for _ in 0..500 {
        let mut points = random_points(&mut seed);
        let decoded = decode(&encode(&points)).unwrap();
        let count = |points: &[Point]| {
            let mut counts: BTreeMap<Key, usize> = BTreeMap::new();
            points
                .iter()
                .for_each(|point| *counts.entry(key(point)).or_default() += 1);
            counts
        };
        assert_eq!(count(&decoded), count(&points));
        let ordered: Vec<Key> = decoded.iter().map(key).collect();
        let again: Vec<Key> = decode(&encode(&decoded)).unwrap().iter().map(key).collect();
        assert_eq!(again, ordered);
        points.sort_by_key(|point| point.time);
        let sorted: Vec<Key> = decode(&encode(&points)).unwrap().iter().map(key).collect();
        assert_eq!(sorted, ordered);
    }
}

#[test]
fn equal_texts_at_different_addresses_are_one() {
    let points = [
        point("b", &[("x", "1")], 20, 2.0),
        point("a", &[("x", "1")], 10, 1.0),
        point("b", &[("x", "1")], 10, 3.0),
    ];
    let decoded = decode(&encode(&points)).unwrap();
    let short: Vec<_> = decoded
        .iter()
        .map(|point| (&*point.names.name, point.time, point.value))
        .collect();
    assert_eq!(short, [("a", 10, 1.0), ("b", 10, 3.0), ("b", 20, 2.0)]);
    assert!(Arc::ptr_eq(&decoded[1].names, &decoded[2].names));
    assert_eq!(decoded[0].labels.address(), decoded[1].labels.address());
}

#[test]
fn no_points_are_a_block_too() {
    assert_eq!(decode(&encode(&[])).unwrap(), []);
}

#[test]
fn any_bytes_are_an_error_or_points_never_a_panic() {
    let mut seed = fastrand::Rng::with_seed(11);
    let points = random_points(&mut seed);
    let payload = encode(&points);
    for cut in 0..payload.len() {
        // What is cut may end in bits that nothing asks for; more than a byte of them there are none.
        assert!(decode(&payload[..cut]).is_err(), "{cut}");
    }
    for _ in 0..2_000 {
        let mut flipped = payload.to_vec();
        for _ in 0..seed.usize(1..4) {
            let at = seed.usize(..flipped.len());
            flipped[at] ^= 1 << seed.u8(0..8);
        }
        let _ = decode(&flipped);
    }
    // The same inside the compressed head, where no checksum of the compressor stands before.
    let mut outer = Reader::new(&payload[1..]);
    let (unpacked, packed) = (outer.len(1 << 20).unwrap(), outer.len(1 << 20).unwrap());
    let head = unpack(outer.bytes(packed).unwrap(), unpacked).unwrap();
    for _ in 0..5_000 {
        let mut flipped = head.clone();
        let at = seed.usize(..flipped.len());
        flipped[at] = seed.u8(..);
        let _ = take_points(&mut Reader::new(&flipped), &mut BitReader::new(outer.rest()));
    }
}

#[test]
fn a_newer_version_says_so() {
    let error = decode(&[VERSION + 1, 0, 0]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a block cannot be decoded: its format 3 is newer than this agent's 2"
    );
}

#[test]
fn what_has_no_folds_is_written_for_older_agents() {
    let mut points = vec![point("a", &[("state", "dead")], 10, 1.0)];
    assert_eq!(encode(&points)[0], 1);
    let mut names = Names::given("b");
    names.folds = Cow::Owned(vec![Fold::without("state")]);
    points[0].names = Arc::new(names);
    let payload = encode(&points);
    assert_eq!(payload[0], 2);
    let read = decode(&payload).unwrap();
    assert_eq!(read, points);
    assert_eq!(read[0].dotted().1, Labels::empty());
}
