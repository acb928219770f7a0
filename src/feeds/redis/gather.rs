//! Claims records of a queue and reads them, or reads what lies under a claim already.

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;

use crate::feeds::redis::batch::{AHEAD, Batch, Moment};
use crate::feeds::redis::desk::{Desk, Work};
use crate::feeds::redis::keys::Queue;
use crate::feeds::redis::piece::{Answer, Piece};
use crate::feeds::redis::standing::Fault;
use crate::feeds::redis::store::{Claim, Held, PUT_BACK, Range};
use crate::model::time::Timestamp;
use crate::support::redis::link::LinkError;
use crate::support::shutdown::Shutdown;

/// A claim and what was read of it: all that lies under it.
pub(super) struct Gathered<'a> {
    pub(super) claim: Claim,
    pub(super) batch: Batch,
    /// How many keys lie under it.
    pub(super) count: u64,
    /// Whether records were left in the queue.
    pub(super) more: bool,
    pub(super) work: Work<'a>,
}

/// Which scores of a queue are ready: all, but of raw records only those of closed windows.
pub(super) fn ready(queue: Queue, moment: &Moment) -> Range {
    Range {
        least: "-inf".to_owned(),
        greatest: match queue {
            Queue::Raw => below(moment.closed),
            Queue::Wrapped | Queue::Logs => "+inf".to_owned(),
        },
    }
}

/// Scores that are too far ahead to be true: the record's own time decides.
pub(super) fn ahead(moment: &Moment) -> Range {
    Range {
        least: below(moment.now.after(AHEAD)),
        greatest: "+inf".to_owned(),
    }
}

/// A bound of scores that excludes this second.
fn below(time: Timestamp) -> String {
    format!("({}", time.seconds())
}

/// Claims what is ready: whole windows, unless there is too much in one. `None` where nothing is.
pub(super) async fn gather<'a>(
    desk: &'a Desk,
    queue: Queue,
    moment: Moment,
    with_ahead: bool,
    stop: &Shutdown,
) -> Result<Option<Gathered<'a>>, Fault> {
    let pace = &desk.pace;
    let claim = desk.store.draw(queue);
    let Some(work) = desk.begin(claim.id) else {
        return Ok(None);
    };
    let mut batch = Batch::new(queue, moment, desk);
    let mut ranges = vec![ready(queue, &moment)];
    if with_ahead {
        ranges.insert(0, ahead(&moment));
    }
    // The first call makes the claim; only then others may follow it.
    let (mut range, first) = loop {
        let Some(range) = ranges.pop() else {
            return Ok(None);
        };
        let answer = desk.store.take(&claim, &range, pace.chunk, true).await;
        if let Some(piece) = piece(queue, answer)? {
            break (range, piece);
        }
    };
    let (mut open, mut last, mut count) = (first.more, first.last, first.keys.len() as u64);
    absorb(desk, &claim, &mut batch, first).await?;

    let mut in_flight = FuturesOrdered::new();
    let mut ends = false;
    let more = loop {
        while open
            && in_flight.len() < pace.in_flight
            && (ends || !batch.is_enough(pace))
            && !batch.is_full(pace)
            && !stop.is_stopped()
        {
            let (store, claim, range) = (&desk.store, &claim, range.clone());
            in_flight.push_back(async move { store.take(claim, &range, pace.chunk, false).await });
        }
        if let Some(answer) = in_flight.next().await {
            match piece(queue, answer)? {
                Some(piece) => {
                    open &= piece.more;
                    last = last.max(piece.last);
                    count += piece.keys.len() as u64;
                    absorb(desk, &claim, &mut batch, piece).await?;
                }
                None => open = false,
            }
        } else if stop.is_stopped() || batch.is_full(pace) {
            break open || ends || !ranges.is_empty();
        } else if ends && !open {
            break true;
        } else if open {
            // Enough for one block: the window that it has come to is read to its end, so that no part of it has to
            // follow as an amendment.
            let end = (queue == Queue::Raw)
                .then(|| Timestamp::from_seconds_f64(last))
                .flatten()
                .map(|last| {
                    let interval = desk.recorder.interval();
                    last.window_start(interval).after(interval)
                });
            match end.filter(|end| *end <= moment.closed) {
                Some(end) => range.greatest = below(end),
                None => break true,
            }
            ends = true;
        } else if let Some(next) = ranges.pop() {
            (range, open) = (next, true);
        } else {
            break false;
        }
    };
    drop(in_flight);
    Ok(Some(Gathered {
        claim,
        batch,
        count,
        more,
        work,
    }))
}

/// Reads all that lies under a claim that was begun before.
pub(super) async fn resume<'a>(desk: &'a Desk, claim: Claim, work: Work<'a>) -> Result<Gathered<'a>, Fault> {
    // A sealed claim has no lease that would let records go back.
    let moment = Moment {
        waits: claim.token.is_some(),
        ..desk.moment()
    };
    let mut batch = Batch::new(claim.queue, moment, desk);
    let mut count = 0;
    loop {
        let answer = desk.store.read(&claim, count, desk.pace.chunk).await;
        let Some(piece) = piece(claim.queue, answer)? else {
            break;
        };
        count += piece.keys.len() as u64;
        absorb(desk, &claim, &mut batch, piece).await?;
    }
    Ok(Gathered {
        claim,
        batch,
        count,
        more: false,
        work,
    })
}

fn piece(queue: Queue, answer: Result<Answer, LinkError>) -> Result<Option<Piece>, Fault> {
    match answer {
        Ok(Answer::Piece(piece)) => Ok(Some(piece)),
        Ok(Answer::None) => Ok(None),
        Ok(Answer::Lost) => Err(Fault::Lost),
        Err(error) => Err(Fault::of(queue, &error)),
    }
}

async fn absorb(desk: &Desk, claim: &Claim, batch: &mut Batch, piece: Piece) -> Result<(), Fault> {
    let waiting = batch.add(&piece);
    drop(piece);
    for part in waiting.chunks(PUT_BACK) {
        match desk.store.put_back(claim, part).await {
            Ok(Held::Yes) => {}
            Ok(_) => return Err(Fault::Lost),
            Err(error) => return Err(Fault::of(claim.queue, &error)),
        }
    }
    // A chunk is milliseconds of work; others have their turn between two.
    tokio::task::yield_now().await;
    Ok(())
}
