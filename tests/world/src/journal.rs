//! What the durable disk claims, in the words of the engine: the journal that a restart resumes from.
//!
//! It reads claims only, never rows; whether the claims are true is the business of `checks`.

use snapsync_sync::{BlockRange, Config, History, Journal, Phase};

use crate::disk::Held;

/// The journal of a disk.
#[must_use]
pub fn read(held: &Held, config: &Config) -> Journal {
    let (progress, ledger) = (held.progress.as_ref(), &held.ledger);
    let mut journal = Journal {
        pin: progress.and_then(|progress| progress.pin),
        targets: held.targets.values().copied().collect(),
        brought: held.brought.iter().map(|(id, block)| (*id, (*block).into())).collect(),
        phase: progress.map_or(Phase::Idle, |progress| progress.phase),
        rebuilt: progress.and_then(|progress| progress.rebuilt),
        accounts: held.coverage.clone(),
        storages: held.pending.values().cloned().collect(),
        // Figures for a watcher, and nobody watches.
        slots_about: Vec::new(),
        codes: held.pending_codes.iter().copied().collect(),
        headers: ledger.held.map(|piece| piece.floor),
        head: ledger.held.map(|piece| piece.head),
        is_orphaned: progress.and_then(|progress| progress.pin).is_some_and(|pin| {
            ledger.canonical.get(&pin.target.number).is_some_and(|hash| *hash != pin.target.hash)
        }),
        descent: ledger.descent,
        checkpoint: config
            .checkpoint
            .and_then(|checkpoint| ledger.canonical.get(&checkpoint.number).copied()),
        bodies: ledger.bodies.iter().collect(),
        receipts: ledger.receipts.iter().collect(),
    };
    if let Some(unopened) = wanted(&journal, config).and_then(|wanted| {
        let opened = ledger.wanted.map_or(wanted.first, |opened| opened.last + 1);
        BlockRange::new(opened.max(wanted.first), wanted.last)
    }) {
        journal.bodies.push(unopened);
        journal.receipts.push(unopened);
    }
    journal
}

/// Blocks whose gaps are opened again at each start.
#[must_use]
pub fn wanted(journal: &Journal, config: &Config) -> Option<BlockRange> {
    let last = journal.wanted_up_to(config.checkpoint)?;
    match config.history {
        History::All => BlockRange::new(1, last),
        History::From(first) => BlockRange::new(first.max(1), last),
        History::None => None,
    }
}
