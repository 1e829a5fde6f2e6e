//! A mending from its first step to its last.

use snapsync_trie::{Path, subtries};

use crate::{
    error::Result,
    gate::{CommitGate, Open},
    history::store::HistoryStore,
    mend::{
        begin::begin,
        codes, history,
        mending::Mending,
        packs,
        record::{Mended, Step},
        storages,
        tries::{self, SUBTRIE_DEPTH},
    },
    state::{
        store::StateStore,
        tables::{ACCOUNT_NODES, ACCOUNTS, STORAGE_NODES, STORAGES},
    },
};

/// Sub-tries after which it is put down how far it is, if nothing had to be changed: a commit waits for the disk.
const SUBTRIES_PER_COMMIT: u16 = 16;

/// Puts right what is damaged of the state, or goes on with it; a sync fetches then what is missing. The record is set back to `phase`, as the
/// engine numbers them. No writer may run beside it.
///
/// BLOCKING: it reads all rows.
///
/// # Errors
/// When the databases cannot be read at all, or the journal's own record cannot: then there is nothing to go by.
pub fn mend(state: &StateStore, phase: u8) -> Result<Mended> {
    mend_behind(state, phase, &mut Open)
}

/// The same behind a gate, for tests of what a crash leaves.
pub fn mend_behind(state: &StateStore, phase: u8, gate: &mut dyn CommitGate) -> Result<Mended> {
    let Some(mut mending) = begin(state, gate, phase)? else { return Ok(Mended::default()) };
    let prefixes = subtries(SUBTRIE_DEPTH);
    while let Some(at) = mending.at {
        match at.step {
            Step::AccountBranchPacks => packs::mend(&mut mending, ACCOUNT_NODES)?,
            Step::StorageBranchPacks => packs::mend(&mut mending, STORAGE_NODES)?,
            Step::AccountPacks => packs::mend(&mut mending, ACCOUNTS)?,
            Step::SlotPacks => packs::mend(&mut mending, STORAGES)?,
            Step::Codes => codes::mend(&mut mending)?,
            Step::AccountTrie => each(&mut mending, &prefixes, tries::mend)?,
            Step::Root => {
                let is_proven = tries::mend_top(&mut mending)?;
                if let Some(at) = &mut mending.at {
                    at.is_proven = is_proven;
                }
            }
            Step::Storages => each(&mut mending, &prefixes, storages::mend)?,
        }
        mending.change(|_, mending| {
            mending.finish_step();
            Ok(())
        })?;
    }
    Ok(mending.mended)
}

/// Puts right what is damaged of the history: a sync asks again for what goes. No writer may run beside it.
///
/// BLOCKING: it reads all blocks.
///
/// # Errors
/// When the database cannot be read at all, or its record cannot: then there is nothing to go by.
pub fn mend_history(store: &HistoryStore) -> Result<Mended> {
    let mut mended = Mended::default();
    history::mend(store, &mut mended)?;
    Ok(mended)
}

/// Goes through the sub-tries that are not done yet.
fn each(
    mending: &mut Mending<'_>,
    prefixes: &[Path],
    mend: impl Fn(&mut Mending<'_>, Path) -> Result<()>,
) -> Result<()> {
    let done = mending.at.map_or(0, |at| usize::from(at.next));
    for prefix in prefixes.iter().skip(done) {
        mend(mending, *prefix)?;
        let Some(at) = &mut mending.at else { break };
        at.next += 1;
        if at.next.is_multiple_of(SUBTRIES_PER_COMMIT) {
            mending.change(|_, _| Ok(()))?;
        }
    }
    Ok(())
}
