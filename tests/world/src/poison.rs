//! Poisoned storage: a root that names bytes which no honest trie has, and the liars that prove it.
//!
//! Some lies cannot be told about a true root, because the hash of the malformed node would have to be found. Here the
//! account itself claims such a root, so that the prover meets each malformed node once. Nobody can ever settle that
//! account, and nothing of it may reach the disk.

use std::rc::Rc;

use alloy_primitives::{B256, Bytes};
use snapsync_keccak::keccak256;
use snapsync_trie::Account;

use crate::{
    answer::{Entry, Library, Payload, Proof, Question},
    chain::{Row, State},
    chance::Chance,
    tries::{Leaf, Trie},
};

/// A root and the nodes that show it, the root's first.
#[derive(Clone, Debug)]
pub struct Poison {
    /// The account that claims the root.
    pub account: B256,
    /// What the liars send.
    pub nodes: Vec<Bytes>,
}

/// Makes one account of the state claim a poisoned root, of one of six sorts.
pub fn plant(state: &mut State, sort: u64, chance: &mut Chance) {
    let nth = chance.index(state.accounts.len());
    let Some((key, account)) = state.accounts.iter_mut().nth(nth) else { return };
    let Ok(slim) = Account::from_slim(&account.row.value) else { return };
    let nodes = nodes(sort % 6);
    let storage_root = keccak256(&nodes[0]);
    account.storage_root = storage_root;
    account.row.value = Account { storage_root, ..slim }.to_slim().into();
    let mut rows = state.trie.rows.clone();
    rows.insert(*key, account.row.clone());
    state.poison = Some(Poison { account: *key, nodes });
    state.trie = Rc::new(Trie::make(state.flavour, Leaf::Account, rows));
    state.root = state.trie.root;
}

/// What a liar answers when it is asked for the poisoned account: everything before it, then the poison.
#[must_use]
pub fn answer(question: &Question, library: &Library<'_>) -> Option<Payload> {
    let Question::Storages { root, claims, .. } = question else { return None };
    let state = library.states.of(root)?;
    let poison = state.poison.as_ref()?;
    let at = claims.iter().position(|(account, _)| *account == poison.account)?;
    let mut sets: Vec<Vec<Entry>> = Vec::new();
    for (account, _) in &claims[..at] {
        let rows = &state.slots_of(account)?.rows;
        sets.push(rows.iter().map(|(key, row)| (*key, row.clone())).collect());
    }
    sets.push(vec![(B256::ZERO, Row { value: Bytes::from_static(&[1]), weight: 33 })]);
    Some(Payload::Ranges { sets, proof: Proof::Real(poison.nodes.clone()) })
}

/// The malformed tries. Each shows its fault on the path of zeros, where the one row stands.
fn nodes(sort: u64) -> Vec<Bytes> {
    let leaf = |nibbles: usize| list(&[string(&even_path(0x20, nibbles)), string(&[1])]);
    match sort {
        // A branch that holds a value.
        0 => vec![branch(&string(&[7; 32]), &string(&[9]))],
        // A leaf that ends too low.
        1 => vec![leaf(66)],
        // A leaf that ends too high.
        2 => vec![leaf(62)],
        // A leaf of a few bytes, named by its hash.
        3 => {
            let small = list(&[string(&[0x30]), string(&[1])]);
            let parent = branch(&string(keccak256(&small).as_slice()), &string(&[]));
            let top = list(&[string(&even_path(0x00, 62)), string(keccak256(&parent).as_slice())]);
            vec![top, parent, small]
        }
        // A list of three items, which is neither a branch nor a path with its end.
        4 => vec![list(&[string(&[0x20; 33]), string(&[1]), string(&[1])])],
        // A long leaf that stands in its parent.
        _ => vec![branch(&list(&[string(&[0x30; 33]), string(&[1; 20])]), &string(&[]))],
    }
    .into_iter()
    .map(Bytes::from)
    .collect()
}

fn even_path(flag: u8, nibbles: usize) -> Vec<u8> {
    std::iter::once(flag).chain(std::iter::repeat_n(0, nibbles / 2)).collect()
}

/// A branch with one child at nibble zero, another one beside it, and a value.
fn branch(child: &[u8], value: &[u8]) -> Vec<u8> {
    let mut items = vec![child.to_vec(), string(&[8; 32])];
    items.extend(std::iter::repeat_n(string(&[]), 14));
    items.push(value.to_vec());
    list(&items)
}

fn string(bytes: &[u8]) -> Vec<u8> {
    match bytes {
        [byte @ ..=0x7f] => vec![*byte],
        _ => headed(0x80, bytes),
    }
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    headed(0xc0, &items.concat())
}

/// Lengths up to 65,535 are enough for a node.
fn headed(base: u8, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u16;
    let head = match length {
        0..=55 => vec![base + length as u8],
        56..=255 => vec![base + 56, length as u8],
        _ => [&[base + 57][..], &length.to_be_bytes()].concat(),
    };
    [&head[..], bytes].concat()
}
