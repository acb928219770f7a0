//! Many threads record while others walk, sweep and close.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

const THREADS: usize = 4;
const SERIES: usize = 200;
const ROUNDS: usize = 50;

#[test]
fn nothing_is_lost_or_shown_twice_while_others_walk_and_close() {
    let rig = Rig::new();
    let done = AtomicBool::new(false);
    let mut pushed = 0.0;
    let sum = |windows: Vec<Window>| -> f64 {
        let series = windows.iter().flat_map(|window| &window.series);
        let of = |aggregate: &Aggregate| match aggregate {
            Aggregate::Delta { sum, .. } => *sum,
            other => panic!("{other:?}"),
        };
        series.map(|series| of(&series.aggregate)).sum()
    };
    thread::scope(|scope| {
        let recorders: Vec<_> = (0..THREADS)
            .map(|thread| {
                let rig = &rig;
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        for number in 0..SERIES {
                            let number = number.to_string();
                            let after = ((round + thread) % 5) as i64 * 10_000;
                            rig.given("d", &[("n", &number)], Value::Delta(1.0), after)
                                .unwrap();
                        }
                    }
                })
            })
            .collect();
        let walker = scope.spawn(|| {
            let mut walks = 0;
            while !done.load(Ordering::Relaxed) || walks == 0 {
                let page = rig.page();
                let mut names: Vec<&str> = page.iter().filter_map(|line| line.split(' ').next()).collect();
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), page.len());
                rig.registry.sweep();
                walks += 1;
            }
        });
        let closer = scope.spawn(|| {
            let mut pushed = 0.0;
            while !done.load(Ordering::Relaxed) {
                pushed += sum(rig.registry.take_all());
            }
            pushed
        });
        recorders
            .into_iter()
            .for_each(|recorder| recorder.join().unwrap());
        done.store(true, Ordering::Relaxed);
        walker.join().unwrap();
        pushed += closer.join().unwrap();
    });
    pushed += sum(rig.registry.take_all());
    assert_eq!(pushed, (THREADS * SERIES * ROUNDS) as f64);
    let page = rig.page();
    assert_eq!(page.len(), SERIES);
    let each = format!(" {}", THREADS * ROUNDS);
    assert!(page.iter().all(|line| line.ends_with(&each)), "{page:?}");
}
