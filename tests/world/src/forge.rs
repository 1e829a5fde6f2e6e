//! Forgeries of single rows and proofs, down to the byte where there are bytes.
//!
//! Each one is a lie that the prover names differently; `tamper` says who tells it. Nothing here knows the judge.

use alloy_primitives::{B256, Bytes};
use snapsync_trie::{Account, PROOF_NODES_MAX};

use crate::{
    answer::Proof,
    chain::{Flavour, Row},
    chance::Chance,
    tries::slot_value,
    zoo::Kind,
};

/// A row as it may be a block later: another content, well encoded.
#[must_use]
pub fn later(row: &Row, flavour: Flavour, chance: &mut Chance) -> Row {
    let value = match (flavour, Account::from_slim(&row.value)) {
        (Flavour::Virtual, _) => Bytes::copy_from_slice(&chance.draw().to_be_bytes()),
        (Flavour::Real, Ok(account)) => {
            Account { nonce: account.nonce ^ (1 + chance.below(1 << 20)), ..account }.to_slim().into()
        }
        (Flavour::Real, Err(_)) => slot_value(1 + chance.draw() / 2),
    };
    Row { value, weight: row.weight }
}

/// A real row with another content, or with an encoding that nobody may use.
#[must_use]
pub fn row(row: &Row, chance: &mut Chance) -> Row {
    let mut bytes = row.value.to_vec();
    match chance.below(4) {
        // Bytes behind the end.
        0 | 3 => bytes.push(0x80),
        // Another number, well encoded.
        1 => return later(row, Flavour::Real, chance),
        // Any byte, changed.
        _ => {
            let at = chance.index(bytes.len());
            bytes[at] ^= 1 << chance.below(8);
        }
    }
    Row { value: bytes.into(), weight: row.weight }
}

/// A proof that does not hold.
#[must_use]
pub fn proof(proof: Proof, chance: &mut Chance) -> Proof {
    match proof {
        Proof::Absent => Proof::Virtual { root: chance.hash(), last: None },
        Proof::Virtual { root, last } => match chance.below(2) {
            0 => Proof::Virtual { root: chance.hash(), last },
            _ => Proof::Virtual { root, last: Some(last.map_or(B256::ZERO, |_| chance.hash())) },
        },
        Proof::Real(nodes) => Proof::Real(nodes_changed(nodes, chance)),
    }
}

/// Trie nodes as a peer of a kind sends them: others than were asked for, too many, or fewer, which is no lie.
#[must_use]
pub fn nodes(kind: Kind, mut nodes: Vec<Bytes>, chance: &mut Chance) -> Vec<Bytes> {
    if nodes.is_empty() {
        return nodes;
    }
    match kind {
        Kind::CorruptValue => {
            let at = chance.index(nodes.len());
            nodes.swap(0, at);
            nodes.push(nodes.first().cloned().unwrap_or_default());
        }
        Kind::CorruptProof => nodes = nodes_changed(nodes, chance),
        Kind::Bloated => {
            let again = nodes.clone();
            nodes.extend(again);
        }
        // What a server sends that lost some of it while it read.
        Kind::OmitsEntries | Kind::Racing => {
            for node in &mut nodes {
                if chance.hits(300) {
                    *node = Bytes::new();
                }
            }
        }
        Kind::TruncatedTailClaimedComplete => nodes.truncate(chance.index(nodes.len())),
        _ => {}
    }
    nodes
}

fn nodes_changed(mut nodes: Vec<Bytes>, chance: &mut Chance) -> Vec<Bytes> {
    let junk = |chance: &mut Chance| Bytes::copy_from_slice(chance.hash().as_slice());
    if nodes.is_empty() {
        return vec![junk(chance)];
    }
    let at = chance.index(nodes.len());
    match chance.below(5) {
        0 => drop(nodes.remove(at)),
        1 => drop(nodes.remove(0)),
        2 => nodes = (0..=PROOF_NODES_MAX).map(|_| junk(chance)).collect(),
        3 => nodes[at] = junk(chance),
        _ => {
            let mut bytes = nodes[at].to_vec();
            let byte = chance.index(bytes.len());
            bytes[byte] ^= 1 << chance.below(8);
            nodes[at] = bytes.into();
        }
    }
    nodes
}
