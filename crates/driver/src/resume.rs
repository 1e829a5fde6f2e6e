//! What a start finds on the disk, in the engine's words. It opens nothing and writes nothing.

use alloy_primitives::B256;
use snapsync_storage::{StateSnapshot, Store};
use snapsync_sync::{BlockRange, History, Journal, PendingStorage, Phase};

use crate::{Config, Error, notices};

/// What the engine resumes from: both environments' journals in its words.
pub(crate) fn journal(store: &Store, config: &Config) -> Result<Journal, Error> {
    let (state, history) = (store.state.journal()?, store.history.journal()?);
    let Some(progress) = state.progress else { return Ok(Journal::fresh()) };
    let pin = progress.pin.map(notices::pin);
    let is_orphaned = match pin {
        Some(pin) => {
            let canonical = store.history.snapshot()?.canonical(pin.target.number)?;
            canonical.is_some_and(|hash| hash != pin.target.hash)
        }
        None => false,
    };
    let checkpoint = match config.checkpoint {
        Some(checkpoint) => store.history.snapshot()?.canonical(checkpoint.number)?,
        None => None,
    };
    let slots_about = slots_about(&store.state.snapshot()?, &state.storages)?;
    let phase = Phase::from_number(progress.phase);
    let mut journal = Journal {
        pin,
        targets: state.targets.into_iter().map(notices::pin).collect(),
        brought: state
            .brought
            .into_iter()
            .map(|block| (block.id, notices::pin(block).target.into()))
            .collect(),
        // A phase that this version does not know was checked by the record's own version before.
        phase: phase.unwrap_or(Phase::Idle),
        rebuilt: progress.rebuilt,
        accounts: state.accounts,
        storages: state.storages,
        slots_about,
        codes: state.codes,
        headers: history.headers.map(|piece| notices::header_piece(piece).floor),
        head: history.headers.map(|piece| notices::head(piece.top)),
        is_orphaned,
        descent: history.descent.map(notices::header_piece),
        checkpoint,
        bodies: notices::block_ranges(&history.bodies),
        receipts: notices::block_ranges(&history.receipts),
    };
    // The gaps of what is wanted open apart from the record, and from the headers above: what a kill left unopened is missing.
    if let Some(wanted) = wanted(&journal, config) {
        let opened = history.wanted.map_or(wanted.first, |span| span.last.saturating_add(1));
        let unopened = BlockRange::new(opened.max(wanted.first), wanted.last);
        journal.bodies.extend(unopened);
        journal.receipts.extend(unopened);
    }
    Ok(journal)
}

/// Storages whose slots are looked at for how many they have: more than are ever fetched at once. Of others the first part that comes tells.
const LOOKED_AT_MAX: usize = 1024;

/// How many slots storages have of which some are held.
fn slots_about(snapshot: &StateSnapshot, storages: &[PendingStorage]) -> Result<Vec<(B256, u64)>, Error> {
    let cut = storages.iter().filter(|pending| !pending.parts.is_missing() && !pending.is_filled());
    let about = cut.take(LOOKED_AT_MAX).map(|pending| {
        let slots = snapshot.slots_about(pending.account, &pending.parts)?;
        Ok((pending.account, slots))
    });
    about.collect()
}

/// Blocks whose bodies and receipts are wanted, if a target is recorded. A kill can fall between the two environments'
/// commits, so the gaps are opened again at each start; where they are open, nothing changes.
pub(crate) fn wanted(journal: &Journal, config: &Config) -> Option<BlockRange> {
    let last = journal.wanted_up_to(config.checkpoint)?;
    match config.history {
        History::All => BlockRange::new(1, last),
        History::From(first) => BlockRange::new(first.max(1), last),
        History::None => None,
    }
}
