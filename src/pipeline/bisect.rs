//! Finds the refused series of a request by halving it, and sends everything else once on the way.

use std::ops::Range;

/// A bisection of a request that was refused as a whole.
#[derive(Debug)]
pub(crate) struct Bisect {
    /// The last one is next.
    parts: Vec<Part>,
    refused: Vec<usize>,
}

#[derive(Debug)]
struct Part {
    series: Range<usize>,
    guess: Guess,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guess {
    /// It holds an offender, or not.
    Unknown,
    /// It does if the part above it, with which it made a refused whole, is taken.
    IfOtherIsTaken,
    /// It holds an offender.
    Guilty,
}

impl Bisect {
    /// A bisection of this many series, two or more.
    pub(crate) fn new(series: usize) -> Self {
        let whole = Part {
            series: 0..series,
            guess: Guess::Guilty,
        };
        Self {
            parts: vec![whole],
            refused: Vec::new(),
        }
    }

    /// The series to send next; `None` when all are known. Say [`Bisect::taken`] or [`Bisect::refused`] afterwards.
    pub(crate) fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let last = self.parts.last()?;
            // A single series is sent even where its guilt follows: nothing is set aside that was not itself refused.
            if last.guess != Guess::Guilty || last.series.len() == 1 {
                return Some(last.series.clone());
            }
            self.split();
        }
    }

    fn split(&mut self) {
        let Some(Part { series, .. }) = self.parts.pop() else {
            return;
        };
        let middle = series.start + series.len() / 2;
        self.parts.push(Part {
            series: middle..series.end,
            guess: Guess::IfOtherIsTaken,
        });
        self.parts.push(Part {
            series: series.start..middle,
            guess: Guess::Unknown,
        });
    }

    /// The part was taken.
    pub(crate) fn taken(&mut self) {
        self.answered(Guess::Guilty);
    }

    /// The part was refused.
    pub(crate) fn refused(&mut self) {
        let Some(part) = self.answered(Guess::Unknown) else {
            return;
        };
        if part.series.len() == 1 {
            self.refused.push(part.series.start);
        } else {
            self.parts.push(Part {
                guess: Guess::Guilty,
                ..part
            });
        }
    }

    fn answered(&mut self, other: Guess) -> Option<Part> {
        let part = self.parts.pop()?;
        if let Some(last) = self.parts.last_mut()
            && last.guess == Guess::IfOtherIsTaken
        {
            last.guess = other;
        }
        Some(part)
    }

    /// The series that were refused by themselves, so far.
    pub(crate) fn offenders(&self) -> &[usize] {
        &self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests needed, offenders found, and how often each series was taken.
    fn run(series: usize, bad: &[usize]) -> (usize, Vec<usize>, Vec<usize>) {
        let mut bisect = Bisect::new(series);
        let (mut requests, mut taken) = (0, vec![0; series]);
        while let Some(part) = bisect.next() {
            requests += 1;
            if bad.iter().any(|bad| part.contains(bad)) {
                bisect.refused();
            } else {
                part.for_each(|index| taken[index] += 1);
                bisect.taken();
            }
        }
        (requests, bisect.offenders().to_vec(), taken)
    }

    #[test]
    fn one_offender_in_a_thousand_is_found_in_about_twice_log2_requests() {
        for bad in 0..1000 {
            let (requests, offenders, taken) = run(1000, &[bad]);
            assert_eq!(offenders, [bad]);
            assert!(requests <= 21, "{requests} for {bad}");
            assert!(
                taken
                    .iter()
                    .enumerate()
                    .all(|(index, times)| *times == usize::from(index != bad))
            );
        }
    }

    #[test]
    fn several_offenders_are_found_and_the_rest_is_sent_once() {
        let (_, offenders, taken) = run(37, &[0, 1, 17, 36]);
        assert_eq!(offenders, [0, 1, 17, 36]);
        assert_eq!(taken.iter().sum::<usize>(), 33);
        assert!(taken.iter().all(|times| *times <= 1));
        assert_eq!(run(2, &[0, 1]).1, [0, 1]);
    }

    #[test]
    fn a_refusal_that_passes_sets_nothing_aside() {
        let mut bisect = Bisect::new(4);
        while bisect.next().is_some() {
            bisect.taken();
        }
        assert_eq!(bisect.offenders(), [0; 0]);
    }
}
