//! Journals what was read of a claim, and cleans up after it.

use tracing::debug;

use crate::component::feed::{HandOverError, Handed};
use crate::component::journal::{Receipt, ReceiptId};
use crate::feeds::redis::desk::{Desk, Work};
use crate::feeds::redis::gather::Gathered;
use crate::feeds::redis::keys::{Queue, State};
use crate::feeds::redis::standing::Fault;
use crate::feeds::redis::store::{Claim, Cleaned, Held};
use crate::support::redis::link::LinkError;

/// A claim that is journalled and waits to be removed.
pub(super) struct Committed<'a> {
    pub(super) id: ReceiptId,
    pub(super) queue: Queue,
    /// Whether the table calls it sealed still.
    pub(super) sealed: bool,
    pub(super) work: Work<'a>,
}

/// Journals it, once, while nobody else has it.
pub(super) async fn commit<'a>(desk: &'a Desk, gathered: Gathered<'a>) -> Result<Committed<'a>, Fault> {
    let Gathered {
        claim,
        mut batch,
        count,
        work,
        ..
    } = gathered;
    let at = |error: LinkError| Fault::of(claim.queue, &error);
    let samples = batch.samples.take();
    if !samples.is_empty() {
        // Before the records are removed; twice rather than never.
        match desk.store.bury(&samples).await {
            // They are counted all the same.
            Err(error @ LinkError::Refused { .. }) => debug!(%error, "Samples are not kept."),
            other => other.map_err(at)?,
        }
    }
    let handed = batch.take();
    let mut sealed = claim.token.is_none();
    match handed {
        None if sealed => {}
        None => holds(
            desk.store
                .settle(&claim, State::Done, Some(count))
                .await
                .map_err(at)?,
        )?,
        Some(handed) if sealed => hand_over(desk, handed, receipt(claim.id)).await?,
        Some(handed) if desk.recorder.takes_fences() => {
            match desk.store.renew(&claim).await.map_err(at)? {
                Some(length) if length == count => {}
                Some(_) => return Err(Fault::Changed),
                None => return Err(Fault::Lost),
            }
            let receipt = Receipt {
                id: claim.id,
                fence: Some(desk.store.fence(&claim)),
            };
            while_held(desk, &claim, hand_over(desk, handed, receipt)).await?;
        }
        Some(handed) => {
            holds(
                desk.store
                    .settle(&claim, State::Sealed, Some(count))
                    .await
                    .map_err(at)?,
            )?;
            sealed = true;
            hand_over(desk, handed, receipt(claim.id)).await?;
        }
    }
    desk.recorder.note(&mut |facts| {
        *facts.records.entry(claim.queue.kind()).or_default() += batch.records;
        for (reason, count) in &batch.unreadable {
            *facts.unreadable.entry(reason).or_default() += count;
        }
        facts.ahead += batch.ahead;
    });
    Ok(Committed {
        id: claim.id,
        queue: claim.queue,
        sealed,
        work,
    })
}

/// Removes a claim that is journalled with all that lies under it, in parts.
pub(super) async fn clean(desk: &Desk, done: Committed<'_>) -> Result<(), Fault> {
    let part = || desk.store.clean(done.id, done.queue, done.sealed);
    loop {
        // One call after the other at the server, but three on their way.
        let (first, second, third) = tokio::join!(part(), part(), part());
        let mut part_left = true;
        for cleaned in [first, second, third] {
            match cleaned.map_err(|error| Fault::of(done.queue, &error))? {
                Cleaned::Part => {}
                Cleaned::All => part_left = false,
                // It was somebody else's after all.
                Cleaned::NotDone => return Err(Fault::Changed),
            }
        }
        if !part_left {
            break;
        }
    }
    desk.forget(Some(done.id)).await;
    Ok(())
}

fn receipt(id: ReceiptId) -> Receipt {
    Receipt { id, fence: None }
}

fn holds(held: Held) -> Result<(), Fault> {
    match held {
        Held::Yes => Ok(()),
        Held::Lost => Err(Fault::Lost),
        Held::Changed => Err(Fault::Changed),
    }
}

async fn hand_over(desk: &Desk, handed: Handed, receipt: Receipt) -> Result<(), Fault> {
    match desk.recorder.hand_over(handed, receipt).await {
        Ok(()) => Ok(()),
        Err(HandOverError::Lost) => Err(Fault::Lost),
        Err(HandOverError::Failed { reason }) => Err(Fault::Journal(reason)),
    }
}

/// Renews the lease for as long as something else takes, the journal mostly.
pub(super) async fn while_held<T>(
    desk: &Desk,
    claim: &Claim,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let renewing = async {
        loop {
            tokio::time::sleep(desk.store.expiry() / 3).await;
            // Where it fails the lease ends, and the fence does not hold.
            let _ = desk.store.renew(claim).await;
        }
    };
    tokio::select! {
        done = work => done,
        () = renewing => Err(Fault::Lost),
    }
}
