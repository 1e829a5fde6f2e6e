//! A trie in memory to prove from and to rebuild, a naive trie to compare with, and leaves to fill both.
#![allow(dead_code, clippy::unwrap_used, reason = "tests; each file uses a part of this one")]

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use alloy_primitives::{B256, U256, keccak256};
use proptest::prelude::*;
use snapsync_trie::{
    Account, Branch, Builder, Built, Changes, EMPTY_CODE, EMPTY_ROOT, Fault, HashRange, Nodes, Path,
    StorageClaim, StorageQuery, TrieSource, VerifiedAccounts, VerifiedStorages,
};

/// Leaves under their keys.
pub(crate) type Leaves = BTreeMap<B256, Vec<u8>>;

/// Leaves in the order of an answer.
pub(crate) type Rows = Vec<(B256, Vec<u8>)>;

/// A trie as a disk would hold it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    pub(crate) rows: Leaves,
    pub(crate) branches: BTreeMap<Path, Branch>,
    pub(crate) root: B256,
    /// Keys of rows that have changed since the branches were derived.
    pub(crate) changed: BTreeSet<B256>,
}

impl Stored {
    pub(crate) fn of(rows: Leaves) -> Self {
        let built = build(&rows);
        let changed = BTreeSet::new();
        Self { branches: built.nodes.branches().collect(), root: built.root, rows, changed }
    }

    /// The proof for a range's two edges.
    pub(crate) fn proof(&self, keys: &[B256]) -> Vec<Vec<u8>> {
        let nodes = snapsync_trie::prove(&mut self.clone(), keys).unwrap();
        nodes.into_iter().map(|node| node.to_vec()).collect()
    }

    /// What an honest peer answers: rows from the origin on, at most `count`, through the first at or after the limit.
    pub(crate) fn answer(&self, range: HashRange, count: usize) -> (Rows, Vec<Vec<u8>>) {
        let mut rows = Rows::new();
        for (key, value) in self.rows.range(range.start()..) {
            if rows.len() == count || rows.last().is_some_and(|(last, _)| *last >= range.last()) {
                break;
            }
            rows.push((*key, value.clone()));
        }
        let last = rows.last().map(|(key, _)| *key);
        let keys: Vec<B256> = [Some(range.start()), last].into_iter().flatten().collect();
        (rows, self.proof(&keys))
    }

    pub(crate) fn apply(&mut self, changes: Changes) {
        for path in changes.removed {
            self.branches.remove(&path);
        }
        self.branches.extend(changes.put.branches());
    }

    /// Changes a row.
    pub(crate) fn write(&mut self, key: B256, value: Option<Vec<u8>>) {
        match value {
            Some(value) => self.rows.insert(key, value),
            None => self.rows.remove(&key),
        };
        self.changed.insert(key);
    }
}

impl TrieSource for Stored {
    type Error = Infallible;

    fn next_row(&mut self, at_or_after: B256, value: &mut Vec<u8>) -> Result<Option<B256>, Infallible> {
        Ok(self.rows.range(at_or_after..).next().map(|(key, bytes)| {
            value.extend_from_slice(bytes);
            *key
        }))
    }

    fn next_branch(&mut self, at_or_after: &Path) -> Result<Option<(Path, Branch)>, Infallible> {
        Ok(self.branches.range(*at_or_after..).next().map(|(path, branch)| (*path, branch.clone())))
    }

    fn dirty(&mut self, path: &Path) -> Result<u16, Infallible> {
        let below = self.changed.range(path.first_key()..=path.last_key());
        Ok(below.fold(0, |dirty, key| dirty | 1 << Path::of_key(key).nibble(path.len())))
    }
}

/// The whole trie from its leaves.
pub(crate) fn build(leaves: &Leaves) -> Built {
    let mut builder = Builder::new();
    for (key, value) in leaves {
        builder.push_leaf(*key, value);
    }
    builder.finish()
}

pub(crate) fn list(nodes: &Nodes) -> Vec<(Path, Branch)> {
    nodes.branches().collect()
}

/// A key of the given number.
pub(crate) fn key(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

pub(crate) fn account(number: u64) -> Account {
    Account {
        nonce: number % 300,
        balance: U256::from(number) * U256::from(1_000_000_007u64),
        storage_root: if number.is_multiple_of(5) { key(number + 1) } else { EMPTY_ROOT },
        code_hash: if number.is_multiple_of(5) { key(number % 7) } else { EMPTY_CODE },
    }
}

/// The leaves of so many accounts.
pub(crate) fn accounts(count: u64) -> Leaves {
    (0..count).map(|number| (key(number), account(number).to_rlp())).collect()
}

/// The leaves of so many slots.
pub(crate) fn slots(count: u64) -> Leaves {
    (0..count).map(|number| (key(number), alloy_rlp::encode(U256::from(number * number + 1)))).collect()
}

/// Some of `all`, others changed, others gone.
pub(crate) fn changed(all: &Leaves, dice: &[u8]) -> Leaves {
    let mut dice = dice.iter().cycle();
    all.iter()
        .filter_map(|(key, value)| match dice.next()? {
            0 => None,
            1 => Some((*key, all.values().nth(usize::from(key.0[5]) % all.len())?.clone())),
            _ => Some((*key, value.clone())),
        })
        .collect()
}

/// Keys that share all but a few nibbles, so that extensions are long and small nodes stand in their parents.
pub(crate) fn crowded(count: u64) -> Leaves {
    let place = |number: u64| {
        let mut key = key(number / 40);
        key.0[31] = (number % 7) as u8;
        key.0[30] = (number % 3) as u8;
        key
    };
    (0..count).map(|number| (place(number), vec![1 + (number % 100) as u8])).collect()
}

/// An account's leaf in the form of the wire.
pub(crate) fn slim(leaf: &[u8]) -> Vec<u8> {
    use alloy_rlp::Decodable;
    let account = alloy_trie::TrieAccount::decode(&mut &leaf[..]).unwrap();
    Account {
        nonce: account.nonce,
        balance: account.balance,
        storage_root: account.storage_root,
        code_hash: account.code_hash,
    }
    .to_slim()
}

pub(crate) fn slim_rows(rows: &[(B256, Vec<u8>)]) -> Rows {
    rows.iter().map(|(key, leaf)| (*key, slim(leaf))).collect()
}

/// Keys that share long prefixes, so that extensions, deep branches and inline nodes are met often.
pub(crate) fn crowded_key() -> impl Strategy<Value = B256> {
    (0..4usize, 0..64usize, any::<[u8; 32]>(), prop::collection::vec(0..3u8, 4)).prop_map(
        |(base, shared, tail, twists)| {
            let base = [B256::ZERO, B256::repeat_byte(0xff), key(1), key(2)][base];
            let mut nibbles = Path::of_key(&base).to_key();
            let tail = Path::of_key(&B256::new(tail)).to_key();
            for at in shared..64 {
                nibbles[at] = if at < 60 && shared > 32 { nibbles[at] } else { tail[at] };
            }
            for (at, twist) in (60..).zip(twists) {
                nibbles[at] = twist;
            }
            Path::from_nibbles(&nibbles).unwrap().first_key()
        },
    )
}

pub(crate) fn any_key() -> impl Strategy<Value = B256> {
    prop_oneof![
        4 => any::<[u8; 32]>().prop_map(B256::new),
        4 => crowded_key(),
        1 => Just(B256::ZERO),
        1 => Just(B256::repeat_byte(0xff)),
    ]
}

/// Leaves of a storage trie; small values, so that inline nodes occur.
pub(crate) fn some_slots(max: usize) -> impl Strategy<Value = Leaves> {
    let value = prop_oneof![
        (1..300u64).prop_map(U256::from),
        any::<u64>().prop_map(|value| U256::from(value) + U256::ONE),
        Just(U256::MAX),
    ];
    prop::collection::btree_map(any_key(), value.prop_map(alloy_rlp::encode), 1..=max)
}

/// The root of these leaves by the plainest of algorithms: recursion over nibbles, a hash at each node.
pub(crate) fn naive_root(leaves: &Leaves) -> B256 {
    if leaves.is_empty() {
        return EMPTY_ROOT;
    }
    let leaves: Vec<(Vec<u8>, &[u8])> =
        leaves.iter().map(|(key, value)| (Path::of_key(key).to_key(), value.as_slice())).collect();
    keccak256(naive_node(&leaves, 0))
}

fn naive_node(leaves: &[(Vec<u8>, &[u8])], depth: usize) -> Vec<u8> {
    if let [(path, value)] = leaves {
        return naive_list(&[string(&hex_prefix(&path[depth..], 2)), string(value)]);
    }
    let (first, last) = (&leaves[0].0, &leaves[leaves.len() - 1].0);
    let common = first[depth..].iter().zip(&last[depth..]).take_while(|(a, b)| a == b).count();
    if common > 0 {
        let child = naive_child(leaves, depth + common);
        return naive_list(&[string(&hex_prefix(&first[depth..depth + common], 0)), child]);
    }
    let mut items: Vec<Vec<u8>> = (0..16u8)
        .map(|nibble| {
            let below: Vec<_> = leaves.iter().filter(|(path, _)| path[depth] == nibble).cloned().collect();
            if below.is_empty() { string(&[]) } else { naive_child(&below, depth + 1) }
        })
        .collect();
    items.push(string(&[]));
    naive_list(&items)
}

fn naive_child(leaves: &[(Vec<u8>, &[u8])], depth: usize) -> Vec<u8> {
    let node = naive_node(leaves, depth);
    if node.len() < 32 { node } else { string(keccak256(&node).as_slice()) }
}

fn hex_prefix(nibbles: &[u8], flag: u8) -> Vec<u8> {
    let mut padded = if !nibbles.len().is_multiple_of(2) { vec![flag + 1] } else { vec![flag, 0] };
    padded.extend(nibbles);
    padded.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

pub(crate) fn string(bytes: &[u8]) -> Vec<u8> {
    alloy_rlp::encode(bytes)
}

pub(crate) fn naive_list(items: &[Vec<u8>]) -> Vec<u8> {
    let payload: Vec<u8> = items.concat();
    let mut out = Vec::new();
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend(payload);
    out
}

/// A request and its answer, honest until a test tampers with it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) root: B256,
    pub(crate) range: HashRange,
    /// Leaves as the trie holds them.
    pub(crate) rows: Rows,
    pub(crate) proof: Vec<Vec<u8>>,
}

impl Answer {
    pub(crate) fn honest(stored: &Stored, range: HashRange, count: usize) -> Self {
        let (rows, proof) = stored.answer(range, count);
        Self { root: stored.root, range, rows, proof }
    }

    /// The same with something changed.
    pub(crate) fn but(&self, tamper: impl FnOnce(&mut Self)) -> Self {
        let mut tampered = self.clone();
        tamper(&mut tampered);
        tampered
    }

    pub(crate) fn verify_accounts(&self) -> Result<VerifiedAccounts, Fault> {
        snapsync_trie::verify_accounts(
            self.root,
            self.range,
            snapsync_trie::rows_of(&slim_rows(&self.rows)),
            &self.proof,
        )
    }

    pub(crate) fn verify_slots(&self) -> Result<VerifiedStorages, Fault> {
        let claims = [StorageClaim { account: B256::ZERO, root: self.root }];
        let query = StorageQuery { claims: &claims, range: self.range };
        snapsync_trie::verify_storages(query, [snapsync_trie::rows_of(&self.rows)], &self.proof)
    }

    /// The lie that this is, after showing that its honest twin is none.
    pub(crate) fn account_fault(&self, honest: &Self) -> Fault {
        honest.verify_accounts().expect("the honest twin verifies");
        self.verify_accounts().expect_err("a lie was believed")
    }

    pub(crate) fn slot_fault(&self, honest: &Self) -> Fault {
        honest.verify_slots().expect("the honest twin verifies");
        self.verify_slots().expect_err("a lie was believed")
    }
}

/// The leaves with some changed or (`None`) taken out.
pub(crate) fn with<const N: usize>(leaves: &Leaves, changes: [(B256, Option<Vec<u8>>); N]) -> Leaves {
    let mut leaves = leaves.clone();
    for (key, value) in changes {
        match value {
            Some(value) => leaves.insert(key, value),
            None => leaves.remove(&key),
        };
    }
    leaves
}

/// Where the branches of a trie stand, stored or not, and which nibbles their children have: wherever two keys part.
pub(crate) fn shape(leaves: &Leaves) -> BTreeMap<Path, u16> {
    let mut shape = BTreeMap::new();
    for (one, next) in leaves.keys().zip(leaves.keys().skip(1)) {
        let (one, next) = (Path::of_key(one), Path::of_key(next));
        let at = one.common_prefix(&next);
        *shape.entry(one.truncated(at)).or_default() |= 1 << one.nibble(at) | 1 << next.nibble(at);
    }
    shape
}

/// The fault of rows that make up these leaves instead of those of `root`.
pub(crate) fn other_leaves(root: B256, leaves: &Leaves) -> Fault {
    Fault::RootMismatch { expected: root, derived: naive_root(leaves) }
}

/// The node that the path to `key` needs and the path to `proved` does not show.
pub(crate) fn missing(stored: &Stored, key: B256, proved: B256) -> Fault {
    let (path, other) = (Path::of_key(&key), Path::of_key(&proved));
    let common = path.common_prefix(&other);
    let shape = shape(&stored.rows);
    let branch = (0..=common).rev().map(|len| path.truncated(len)).find(|at| shape.contains_key(at));
    let at = branch.expect("both keys hang below one branch");
    let child = at.child(path.nibble(at.len()));
    Fault::MissingNode { path: child, hash: hash_below(&stored.rows, child) }
}

/// The digest of what hangs below a branch at `path`, which is the child's.
pub(crate) fn hash_below(leaves: &Leaves, path: Path) -> B256 {
    let below: Vec<(Vec<u8>, &[u8])> = leaves
        .range(path.first_key()..=path.last_key())
        .map(|(key, value)| (Path::of_key(key).to_key(), value.as_slice()))
        .collect();
    let node = naive_node(&below, path.len());
    assert!(node.len() >= 32, "the child at {path} is named by its digest");
    keccak256(node)
}

/// A key from the beginning of its hexadecimal form, zeros behind.
pub(crate) fn hex(beginning: &str) -> B256 {
    let nibbles: Vec<u8> = beginning.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    Path::from_nibbles(&nibbles).unwrap().first_key()
}
