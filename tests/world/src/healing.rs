//! Answers of trie nodes, through the function that the driver's worker runs beside a snapshot of its disk: here, of the real writer's.
//!
//! What differs is found out once more, so that the model of the disk and the checks see rows; what is written is what the product made.

use alloy_primitives::{B256, Bytes};
use snapsync_driver::{compared, provers::Proved};
use snapsync_peers::Fault;
use snapsync_storage::{HealedAccounts, HealedSlots, StateSnapshot, Write};
use snapsync_stream::{Judgement, RequestId, Verdict, WantedNode, What};
use snapsync_trie::{
    Account as Body, Differences, HashRange, NodeClaim, StorageClaim, StorageQuery, TargetId, compare,
    compare_accounts, compare_storage, verify_accounts, verify_nodes, verify_storages,
};
use snapsync_wire::snap::TrieNodes;

use crate::{
    answer::{Entry, Payload},
    chain::Row,
    disk::Chunk,
    judge, real,
    ruling::Ruling,
    twin::told,
    world::World,
};

/// What differs in one trie.
#[derive(Clone, Debug)]
pub struct Healed {
    /// Whose storage; the accounts, if it is nobody's.
    pub account: Option<B256>,
    /// The root of the trie that they are of.
    pub root: B256,
    /// Where no row is.
    pub gone: Vec<HashRange>,
    /// Rows that are others.
    pub rows: Vec<Entry>,
}

/// The same as the product's prover packs it.
#[derive(Clone, Debug)]
pub enum ProvenHealed {
    /// Accounts.
    Accounts(HealedAccounts),
    /// Slots of storages.
    Slots(Vec<HealedSlots>),
}

impl Healed {
    fn new(account: Option<B256>, found: &Differences) -> Option<Self> {
        let row = |(key, leaf): &(B256, alloy_primitives::Bytes)| {
            let value = match account {
                Some(_) => leaf.clone(),
                None => Body::from_rlp(leaf).ok()?.to_slim().into(),
            };
            Some((*key, Row { weight: value.len() as u32 + 32, value }))
        };
        let rows = found.rows().iter().map(row).collect::<Option<_>>()?;
        Some(Self { account, root: found.root(), gone: found.gone().to_vec(), rows })
    }
}

impl World {
    /// Rules on an answer of nodes.
    pub(crate) fn rule_nodes(&self, judgement: &Judgement, payload: &Payload) -> Result<Ruling, String> {
        let (What::Nodes { target, root, nodes: wanted }, Payload::Nodes(nodes)) = (&judgement.what, payload)
        else {
            return Ok(Ruling::nothing(Verdict::invalid(Fault::WrongKind)));
        };
        let twin = self.disk.twin.as_ref().ok_or("nodes are asked for where there is no real disk")?;
        let ours = twin.snapshot()?;
        let answer = TrieNodes { id: 0, nodes: nodes.clone() };
        let Proved { verdict, write, .. } =
            compared::nodes(&ours, judgement.request, (*target, *root, wanted), answer).map_err(told)?;
        let Some(proven) = proven(write)? else { return Ok(Ruling { verdict, chunk: None, part: None }) };
        let healed = differences(&ours, wanted, nodes.clone())?;
        Ok(Ruling { verdict, chunk: Some(Chunk::Nodes { healed, proven }), part: None })
    }

    /// Rules on a range below a node, and what its proof shows.
    pub(crate) fn rule_range(
        &self,
        request: RequestId,
        (target, root, node): (TargetId, B256, WantedNode),
        payload: &Payload,
    ) -> Result<Ruling, String> {
        let Payload::Ranges { sets, proof } = payload else {
            return Ok(Ruling::nothing(Verdict::invalid(Fault::WrongKind)));
        };
        let Some(proof) = judge::nodes(proof) else {
            return Ok(Ruling::nothing(Verdict::invalid(Fault::WrongKind)));
        };
        let twin = self.disk.twin.as_ref().ok_or("ranges are compared where there is no real disk")?;
        let ours = twin.snapshot()?;
        let Proved { verdict, write, .. } = match node.account {
            None => {
                let answer = real::account_range(sets.first().map_or(&[], Vec::as_slice), proof.clone());
                compared::accounts(&ours, request, (target, root, node.claim), &answer)
            }
            Some(account) => {
                let claim = StorageClaim { account, root: node.claim.root() };
                let answer = real::storage_ranges(sets, proof.clone());
                compared::slots(&ours, request, (target, claim, node.claim), &answer)
            }
        }
        .map_err(told)?;
        let Some(proven) = proven(write)? else { return Ok(Ruling { verdict, chunk: None, part: None }) };
        let healed = differing_rows(&ours, &node, sets, &proof)?;
        Ok(Ruling { verdict, chunk: Some(Chunk::Nodes { healed, proven }), part: None })
    }

    /// Before a write: what is healed is what the state has that was asked for.
    pub(crate) fn check_healed(&self, what: &What, healed: &[Healed]) -> Result<(), String> {
        let state = crate::judge::state_of(&self.states, what);
        for Healed { account, root, gone, rows } in healed {
            let trie = match account {
                None => Some(state.trie.as_ref()).filter(|trie| trie.root == *root),
                Some(account) => state.slots_of(account).filter(|trie| trie.root == *root),
            };
            let Some(trie) = trie else {
                return Err(format!("{account:?} is healed to {root}, which it never was"));
            };
            if let Some((key, _)) = rows.iter().find(|(key, row)| trie.rows.get(key) != Some(row)) {
                return Err(format!("{account:?} is healed by a row at {key} that is not true"));
            }
            let is_there =
                |range: &&HashRange| trie.rows.range(range.start()..=range.last()).next().is_some();
            if let Some(range) = gone.iter().find(is_there) {
                return Err(format!("rows of {account:?} in {range:?} are said to be gone"));
            }
        }
        Ok(())
    }
}

fn proven(write: Option<Write>) -> Result<Option<ProvenHealed>, String> {
    Ok(Some(match write {
        Some(Write::HealedAccounts { healed, .. }) => ProvenHealed::Accounts(healed),
        Some(Write::HealedSlots { healed, .. }) => ProvenHealed::Slots(healed),
        Some(other) => return Err(format!("{other:?} comes of what was compared")),
        None => return Ok(None),
    }))
}

/// What differs where a range has shown it.
fn differing_rows(
    ours: &StateSnapshot,
    node: &WantedNode,
    sets: &[Vec<Entry>],
    proof: &[Bytes],
) -> Result<Vec<Healed>, String> {
    let lie = |fault| format!("a range that was proved: {fault}");
    let (wanted, range) = (node.claim, node.range());
    let shown = match node.account {
        None => {
            let answer = real::account_range(sets.first().map_or(&[], Vec::as_slice), proof.to_vec());
            let theirs =
                verify_accounts(wanted.root(), range, &answer.accounts, &answer.proof).map_err(lie)?;
            compare_accounts(&mut ours.account_trie().map_err(told)?, wanted, &theirs, proof)
        }
        Some(account) => {
            let claims = [StorageClaim { account, root: wanted.root() }];
            let answer = real::storage_ranges(sets, proof.to_vec());
            let query = StorageQuery { claims: &claims, range };
            let theirs = verify_storages(query, &answer.sets, &answer.proof).map_err(lie)?;
            let storage = theirs.sets().next().ok_or("a storage that was proved is none")?;
            compare_storage(&mut ours.storage_trie(account).map_err(told)?, wanted, storage, proof)
        }
    };
    let shown = shown.map_err(told)?.map_err(lie)?;
    let healed = shown.differences().iter().map(|found| Healed::new(node.account, found));
    healed.collect::<Option<_>>().ok_or_else(|| "a row that was proved is no account".to_owned())
}

/// What differs in each trie; of storages, those of one claim together.
fn differences(
    ours: &StateSnapshot,
    wanted: &[WantedNode],
    nodes: Vec<alloy_primitives::Bytes>,
) -> Result<Vec<Healed>, String> {
    let claims: Vec<NodeClaim> = wanted.iter().map(|node| node.claim).collect();
    let verified =
        verify_nodes(&claims, nodes).map_err(|fault| format!("nodes that were proved: {fault}"))?;
    let mut ahead = wanted.iter();
    let mut healed = Vec::new();
    for node in &verified {
        let Some(WantedNode { account, .. }) = ahead.find(|wanted| wanted.claim == node.claim()) else {
            return Err(format!("{:?} was not asked for", node.claim()));
        };
        let found = match account {
            None => compare(&mut ours.account_trie().map_err(told)?, node),
            Some(account) => compare(&mut ours.storage_trie(*account).map_err(told)?, node),
        };
        let found = found.map_err(told)?.map_err(|fault| format!("a node that was proved: {fault}"))?;
        if !(found.rows().is_empty() && found.gone().is_empty()) {
            healed.push(Healed::new(*account, &found).ok_or("a row that was proved is no account")?);
        }
    }
    Ok(healed)
}
