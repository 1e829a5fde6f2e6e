//! What a sync does after a mending, so simple that it cannot be wrong: what is missing is fetched, what is owed derived, and what differs is
//! found node by node.

use alloy_primitives::B256;
use snapsync_storage::{Derived, HealedAccounts, HealedSlots, Settlement, StateStore, Store, Summary, Write};
use snapsync_trie::{
    Differences, NodeClaim, PendingStorage, StorageClaim, TrieSource, compare, prove_node, rebuild_whole,
    verify_codes, verify_nodes,
};

use super::{
    Ended, Run, TARGET, Trie, World, derive_accounts, fetch_accounts, fetch_storage, rebuild_storage,
    record_whole, renew,
};

/// Walks down the account trie after which something is wrong.
const WALKS_MAX: usize = 3;

/// Goes on from where a mending ended, to the target's root; gives how many walks down the account trie that took.
pub(crate) fn go_on(world: &World, store: &Store, run: &mut Run) -> Result<usize, Ended> {
    for walks in 0..WALKS_MAX {
        fill(world, store, run)?;
        if derive_accounts(store, run)? == world.accounts.root {
            record_whole(world, run)?;
            return Ok(walks);
        }
        walk(&world.accounts, &store.state, None, |found| {
            let healed = HealedAccounts::new(world.accounts.root, &[found]).unwrap();
            let write = |ticket| Write::HealedAccounts { ticket, target: TARGET, healed, response_bytes: 1 };
            run.write(write).map(drop)
        })?;
    }
    panic!("walks do not end")
}

/// Fetches what is missing, and what is pending.
fn fill(world: &World, store: &Store, run: &mut Run) -> Result<(), Ended> {
    loop {
        let journal = store.state.journal()?;
        if let Some(gap) = journal.accounts.gaps().next() {
            fetch_accounts(world, run, gap)?;
        } else if !journal.codes.is_empty() {
            let found = journal.codes.iter().map(|hash| world.codes[hash].clone()).collect();
            let codes = verify_codes(&journal.codes, found).unwrap();
            run.write(|ticket| Write::Codes { ticket, codes, response_bytes: 1 })?;
        } else if let Some(pending) = journal.storages.first() {
            storage(world, store, run, pending)?;
        } else {
            return Ok(());
        }
    }
}

fn storage(world: &World, store: &Store, run: &mut Run, pending: &PendingStorage) -> Result<(), Ended> {
    let account = pending.account;
    match pending.claim() {
        None if pending.is_filled() => derive_owed(store, run, account),
        None => renew(world, run, account),
        Some(claim) if !pending.is_filled() => {
            assert_eq!(claim.root, world.storages[&account].root, "an honest peer has no other");
            fetch_storage(world, store, run, pending)
        }
        Some(claim) => heal(world, store, run, claim),
    }
}

/// The account's row takes the root that its slots give.
fn derive_owed(store: &Store, run: &mut Run, account: B256) -> Result<(), Ended> {
    let snapshot = store.state.snapshot()?;
    let seen = snapshot.number()?;
    let (root, changes) = rebuild_whole(&mut snapshot.storage_trie(account)?)?;
    let last = changes.len() - 1;
    for (nth, nodes) in changes.into_iter().enumerate() {
        let derived = if nth == last { Derived::Whole(root) } else { Derived::Part };
        let told = run.write(|ticket| Write::StorageNodes { ticket, account, nodes, derived, seen })?;
        let Summary::StorageNodes { settlement, .. } = told else { panic!("{told:?}") };
        assert!(nth < last || matches!(settlement, Settlement::Taken { .. }), "{settlement:?}");
    }
    Ok(())
}

fn heal(world: &World, store: &Store, run: &mut Run, claim: StorageClaim) -> Result<(), Ended> {
    walk(&world.storages[&claim.account], &store.state, Some(claim.account), |found| {
        let healed = vec![HealedSlots::new(claim, &[found]).unwrap()];
        run.write(|ticket| Write::HealedSlots { ticket, healed, response_bytes: 1 }).map(drop)
    })?;
    rebuild_storage(store, run, claim)
}

/// Walks down one of their tries beside ours.
fn walk(
    theirs: &Trie,
    state: &StateStore,
    account: Option<B256>,
    mut put: impl FnMut(Differences) -> Result<(), Ended>,
) -> Result<(), Ended> {
    let mut open = vec![NodeClaim::of_root(theirs.root)];
    while let Some(claim) = open.pop() {
        let Ok(node) = prove_node(&mut &*theirs, &claim.path());
        let node = verify_nodes(&[claim], vec![node.unwrap()]).unwrap().remove(0);
        let snapshot = state.snapshot()?;
        let found = match account {
            None => beside(&mut snapshot.account_trie()?, &node),
            Some(account) => beside(&mut snapshot.storage_trie(account)?, &node),
        };
        open.extend(found.nodes());
        put(found)?;
    }
    Ok(())
}

fn beside<S: TrieSource>(ours: &mut S, node: &snapsync_trie::VerifiedNode) -> Differences
where
    S::Error: std::fmt::Debug,
{
    compare(ours, node).unwrap().unwrap()
}
