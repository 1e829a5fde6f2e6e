//! From an answer about another's trie, and ours beside it, to what differs: trie nodes by their paths, or ranges whose proofs show them. No
//! channel, no clock: the simulation runs the same.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use snapsync_peers::Outcome;
use snapsync_storage::{HealedAccounts, HealedSlots, StateSnapshot, Ticket, Write};
use snapsync_stream::{Answered, RequestId, Verdict, WantedNode};
use snapsync_trie::{
    Differences, Fault, Hashed, NodeClaim, Shown, StorageClaim, StorageQuery, TargetId, VerifiedNode,
    Verifier, compare, compare_accounts, compare_storage, verify_nodes,
};
use snapsync_wire::snap::{AccountRange, StorageRanges, TrieNodes};

use crate::provers::{Proved, content};

/// Trie nodes, each what its claim says, beside what stands at their places in ours. All of them are of the account trie, or all of storages.
///
/// # Errors
/// When our disk fails.
pub fn nodes(
    ours: &StateSnapshot,
    request: RequestId,
    (target, root, wanted): (TargetId, B256, &[WantedNode]),
    answer: TrieNodes,
) -> snapsync_storage::Result<Proved> {
    let response_bytes = content(&answer.nodes);
    let claims: Vec<NodeClaim> = wanted.iter().map(|node| node.claim).collect();
    let nodes = match verify_nodes(&claims, answer.nodes) {
        Ok(nodes) => nodes,
        Err(fault) => return Ok(Proved::lie(fault)),
    };
    if nodes.is_empty() {
        return Ok(Proved::nothing(Verdict::unavailable()));
    }
    let mut compared = Compared::default();
    let mut found = nodes.iter().peekable();
    for node in wanted {
        match found.next_if(|found| found.claim() == node.claim) {
            None => compared.left.push(*node),
            Some(theirs) => {
                if let Err(_no_node) = compared.compare(ours, node.account, theirs)? {
                    // Whoever sent it did not make its digest: it is what the state has there.
                    return Ok(Proved::nothing(Verdict::unavailable()));
                }
            }
        }
    }
    let write = match compared.write(Ticket(request.0), target, root, response_bytes) {
        Ok(write) => write,
        Err(_no_row) => return Ok(Proved::nothing(Verdict::unavailable())),
    };
    let outcome = if compared.left.is_empty() { Outcome::Complete } else { Outcome::Partial };
    let Compared { left, below, .. } = compared;
    let answered = Answered::Nodes { found: nodes.len() as u64, left, below, differ: write.is_some() };
    Ok(Proved { verdict: Verdict { outcome, answered }, hashed: Hashed::default(), write })
}

/// What of an answer's nodes was compared.
#[derive(Default)]
struct Compared {
    left: Vec<WantedNode>,
    below: Vec<WantedNode>,
    accounts: Vec<Differences>,
    storages: BTreeMap<StorageClaim, Vec<Differences>>,
}

impl Compared {
    fn compare(
        &mut self,
        ours: &StateSnapshot,
        account: Option<B256>,
        theirs: &VerifiedNode,
    ) -> snapsync_storage::Result<Result<(), Fault>> {
        let found = match account {
            None => compare(&mut ours.account_trie()?, theirs)?,
            Some(account) => compare(&mut ours.storage_trie(account)?, theirs)?,
        };
        Ok(found.map(|found| {
            self.below.extend(found.nodes().iter().map(|claim| WantedNode { account, claim: *claim }));
            if !(found.rows().is_empty() && found.gone().is_empty()) {
                self.add(account, found);
            }
        }))
    }

    fn add(&mut self, account: Option<B256>, found: Differences) {
        match account {
            None => self.accounts.push(found),
            Some(account) => {
                self.storages.entry(StorageClaim { account, root: found.root() }).or_default().push(found);
            }
        }
    }

    /// The rows that differ, if any do.
    fn write(
        &self,
        ticket: Ticket,
        target: TargetId,
        root: B256,
        response_bytes: u64,
    ) -> Result<Option<Write>, Fault> {
        if !self.accounts.is_empty() {
            let healed = HealedAccounts::new(root, &self.accounts)?;
            return Ok(Some(Write::HealedAccounts { ticket, target, healed, response_bytes }));
        }
        if self.storages.is_empty() {
            return Ok(None);
        }
        let healed = self.storages.iter().map(|(claim, found)| HealedSlots::new(*claim, found));
        let healed = healed.collect::<Result<Vec<HealedSlots>, _>>()?;
        Ok(Some(Write::HealedSlots { ticket, healed, response_bytes }))
    }
}

/// Accounts below a node, with the proof that shows it.
///
/// # Errors
/// When our disk fails.
pub fn accounts(
    ours: &StateSnapshot,
    request: RequestId,
    (target, root, wanted): (TargetId, B256, NodeClaim),
    answer: &AccountRange,
) -> snapsync_storage::Result<Proved> {
    if answer.accounts.is_empty() && answer.proof.is_empty() {
        return Ok(Proved::nothing(Verdict::unavailable()));
    }
    let node = WantedNode { account: None, claim: wanted };
    let theirs = match Verifier::new().accounts(root, node.range(), &answer.accounts, &answer.proof) {
        Ok(theirs) => theirs,
        Err(fault) => return Ok(Proved::lie(fault)),
    };
    let shown = compare_accounts(&mut ours.account_trie()?, wanted, &theirs, &answer.proof)?;
    let response_bytes = answer.accounts.content_bytes() + content(&answer.proof);
    Ok(of_shown(node, shown, theirs.hashed(), |compared| {
        compared.write(Ticket(request.0), target, root, response_bytes)
    }))
}

/// Slots likewise.
///
/// # Errors
/// When our disk fails.
pub fn slots(
    ours: &StateSnapshot,
    request: RequestId,
    (target, claim, wanted): (TargetId, StorageClaim, NodeClaim),
    answer: &StorageRanges,
) -> snapsync_storage::Result<Proved> {
    if answer.sets.is_empty() && answer.proof.is_empty() {
        return Ok(Proved::nothing(Verdict::unavailable()));
    }
    let node = WantedNode { account: Some(claim.account), claim: wanted };
    let query = StorageQuery { claims: &[claim], range: node.range() };
    let theirs = match Verifier::new().storages(query, &answer.sets, &answer.proof) {
        Ok(theirs) => theirs,
        Err(fault) => return Ok(Proved::lie(fault)),
    };
    let Some(storage) = theirs.sets().next() else { return Ok(Proved::nothing(Verdict::unavailable())) };
    let shown = compare_storage(&mut ours.storage_trie(claim.account)?, wanted, storage, &answer.proof)?;
    let response_bytes = answer.sets.rows().content_bytes() + content(&answer.proof);
    Ok(of_shown(node, shown, theirs.hashed(), |compared| {
        compared.write(Ticket(request.0), target, claim.root, response_bytes)
    }))
}

/// What a range has shown of a node.
fn of_shown(
    WantedNode { account, claim: wanted }: WantedNode,
    shown: Result<Shown, Fault>,
    hashed: Hashed,
    write: impl FnOnce(&Compared) -> Result<Option<Write>, Fault>,
) -> Proved {
    // Whoever sent it did not make what is no node or no row: it is what the state has there.
    let nothing = || Proved { hashed, ..Proved::nothing(Verdict::unavailable()) };
    let Ok(shown) = shown else { return nothing() };
    if shown.left().contains(&wanted) {
        return nothing();
    }
    let mut compared = Compared::default();
    for found in shown.differences() {
        compared.add(account, found.clone());
    }
    let Ok(write) = write(&compared) else { return nothing() };
    let below = shown.left().iter().map(|claim| WantedNode { account, claim: *claim }).collect();
    let answered = Answered::Shown { below, differ: write.is_some() };
    Proved { verdict: Verdict { outcome: Outcome::Complete, answered }, hashed, write }
}
