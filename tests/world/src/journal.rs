//! What the durable disk claims, in the words of the engine: the journal that a restart resumes from.
//!
//! It reads claims only, never rows; whether the claims are true is the business of `checks`.

use alloy_primitives::B256;
use snapsync_sync::{Checkpoint, HeaderFloor, Journal, Phase};

use crate::disk::Held;

/// The journal of a disk.
#[must_use]
pub fn read(held: &Held, checkpoint: Option<Checkpoint>) -> Journal {
    let progress = held.progress.as_ref();
    Journal {
        pin: progress.and_then(|progress| progress.pin),
        targets: held.targets.values().copied().collect(),
        phase: progress.map_or(Phase::Idle, |progress| progress.phase),
        rebuilt: progress.and_then(|progress| progress.rebuilt),
        accounts: held.coverage.clone(),
        storages: held.pending.values().cloned().collect(),
        codes: held.pending_codes.iter().copied().collect(),
        headers: header_floor(held),
        checkpoint: checkpoint.and_then(|checkpoint| header_hash(held, checkpoint.number)),
        bodies: held.bodies.iter().collect(),
        receipts: held.receipts.iter().collect(),
    }
}

/// Down to where headers are held in one piece from the highest.
fn header_floor(held: &Held) -> Option<HeaderFloor> {
    let mut ahead = held.headers.values().rev();
    let mut lowest = ahead.next()?;
    for header in ahead {
        if header.hash != lowest.parent {
            break;
        }
        lowest = header;
    }
    Some(HeaderFloor { number: lowest.number, parent: lowest.parent })
}

fn header_hash(held: &Held, number: u64) -> Option<B256> {
    held.headers.get(&number).map(|header| header.hash)
}
