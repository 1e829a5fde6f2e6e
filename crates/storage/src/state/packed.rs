//! Proved rows in the form in which the writer puts them: laid out by whoever proved them, so that the one writer's thread
//! only searches and copies.
//!
//! They are made of the trie crate's verified types and of nothing else. What they cover may overlap what is held: the writer
//! then takes out the pieces that are missing.

use std::ops::Range;

use alloy_primitives::B256;
use snapsync_trie::{HashRange, Path, StorageClaim, VerifiedAccounts, VerifiedStorages};

use crate::{
    error::Result,
    state::{
        accounts::{self, ROW_MAX, hash_key},
        nodes,
        pack::{PackRows, Packs},
        storages,
        tables::{ACCOUNT_NODES, ACCOUNTS, STORAGE_NODES, STORAGES},
    },
};

/// What the row of an account takes in a pack, about; of a slot.
const ACCOUNT_BYTES: usize = 31 + 24;
const SLOT_BYTES: usize = 32 + 16;
/// What the row of a branch takes besides its body, about: lengths, and what its path does not share with the one before.
const BRANCH_BYTES: usize = 7;

/// A proved range of accounts, ready to be put.
#[derive(Clone, Debug)]
pub struct PackedAccounts {
    covered: HashRange,
    pub(crate) rows: Packs,
    rows_len: usize,
    pub(crate) nodes: Packs,
    /// What the rows claim, rising.
    pub(crate) storages: Vec<StorageClaim>,
    /// Hashes of the codes that the rows name, rising, each once.
    pub(crate) codes: Vec<B256>,
}

impl PackedAccounts {
    fn empty(covered: HashRange, rows: usize, node_bytes: usize) -> Self {
        Self {
            covered,
            rows: Packs::with_capacity(rows, ACCOUNT_BYTES, 1, 0),
            rows_len: 0,
            nodes: Packs::with_capacity(1, node_bytes, 1, 0),
            storages: Vec::new(),
            codes: Vec::new(),
        }
    }

    /// The range in which these are all accounts.
    pub const fn covered(&self) -> HashRange {
        self.covered
    }

    /// How many accounts there are.
    pub const fn rows_len(&self) -> usize {
        self.rows_len
    }

    /// The rows and branches that lie in `pieces`, which are rising and disjoint.
    pub(crate) fn within(&self, pieces: &[HashRange]) -> Result<Self> {
        let mut kept = Self::empty(self.covered, self.rows_len, 0);
        let mut cutter = Cutter::new(pieces);
        for (key, value) in self.rows.iter() {
            let mut rows = PackRows::new(ACCOUNTS, 0, key, value)?;
            while let Some((key, body)) = rows.next()? {
                let hash = hash_key(ACCOUNTS.name, key)?;
                if cutter.keeps(&mut kept.rows, &HashRange::single(hash)) {
                    let account = accounts::decode(key, body)?;
                    kept.rows.push(&[], key, body);
                    kept.note(hash, &account);
                }
            }
        }
        kept.sort_codes();
        within_nodes(self.nodes.iter(), 0, pieces, &mut kept.nodes)?;
        Ok(kept)
    }

    fn note(&mut self, key: B256, account: &snapsync_trie::Account) {
        self.rows_len += 1;
        if account.has_storage() {
            self.storages.push(StorageClaim { account: key, root: account.storage_root });
        }
        if account.has_code() {
            self.codes.push(account.code_hash);
        }
    }

    fn sort_codes(&mut self) {
        self.codes.sort_unstable();
        self.codes.dedup();
    }

    pub(crate) fn bytes_held(&self) -> usize {
        self.rows.bytes_held()
            + self.nodes.bytes_held()
            + self.storages.capacity() * size_of::<StorageClaim>()
            + self.codes.capacity() * size_of::<B256>()
    }
}

impl From<VerifiedAccounts> for PackedAccounts {
    fn from(verified: VerifiedAccounts) -> Self {
        let node_bytes = node_bytes(verified.nodes().iter());
        let mut packed = Self::empty(verified.covered(), verified.rows().len(), node_bytes);
        let mut body = [0; ROW_MAX];
        for row in verified.rows() {
            let len = accounts::encode(&row.account, &mut body);
            packed.rows.push(&[], row.key.as_slice(), &body[..len]);
            packed.note(row.key, &row.account);
        }
        packed.sort_codes();
        push_nodes(verified.nodes().iter(), &[], &mut packed.nodes);
        packed
    }
}

/// Proved storages of some accounts, ready to be put.
#[derive(Clone, Debug)]
pub struct PackedStorages {
    sets: Vec<PackedSet>,
    rows: Packs,
    rows_len: usize,
    nodes: Packs,
}

/// One account's slots, proved against the root that it claims.
#[derive(Clone, Debug)]
struct PackedSet {
    claim: StorageClaim,
    covered: HashRange,
    rows: Range<usize>,
    rows_len: usize,
    nodes: Range<usize>,
}

/// A set among all of its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SetView<'a> {
    all: &'a PackedStorages,
    set: &'a PackedSet,
}

impl PackedStorages {
    /// How many accounts were answered.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Whether no account was answered.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// How many slots there are in all sets.
    pub const fn rows_len(&self) -> usize {
        self.rows_len
    }

    pub(crate) fn sets(&self) -> impl ExactSizeIterator<Item = SetView<'_>> + '_ {
        self.sets.iter().map(|set| SetView { all: self, set })
    }

    pub(crate) fn bytes_held(&self) -> usize {
        self.rows.bytes_held() + self.nodes.bytes_held() + self.sets.capacity() * size_of::<PackedSet>()
    }
}

impl From<VerifiedStorages> for PackedStorages {
    fn from(verified: VerifiedStorages) -> Self {
        let with_nodes = verified.sets().filter(|set| set.nodes().len() > 0).count();
        let node_bytes = verified.sets().map(|set| node_bytes(set.nodes())).sum();
        let (sets, rows, prefix) = (verified.len(), verified.rows_len(), B256::len_bytes());
        let mut packed = Self {
            sets: Vec::with_capacity(sets),
            rows: Packs::with_capacity(rows, SLOT_BYTES, sets, prefix),
            rows_len: rows,
            // Small storages have no branch that is stored.
            nodes: Packs::with_capacity(1, node_bytes, with_nodes, prefix),
        };
        for set in verified.sets() {
            let account = set.claim().account;
            let (rows, nodes) = (packed.rows.len(), packed.nodes.len());
            packed.rows.cut();
            packed.nodes.cut();
            for row in set.rows() {
                let key = row.key.as_slice();
                storages::encode(row, |digits| packed.rows.push(account.as_slice(), key, digits));
            }
            push_nodes(set.nodes(), account.as_slice(), &mut packed.nodes);
            packed.sets.push(PackedSet {
                claim: set.claim(),
                covered: set.covered(),
                rows: rows..packed.rows.len(),
                rows_len: set.rows().len(),
                nodes: nodes..packed.nodes.len(),
            });
        }
        packed
    }
}

impl<'a> SetView<'a> {
    pub(crate) fn claim(&self) -> StorageClaim {
        self.set.claim
    }

    pub(crate) fn covered(&self) -> HashRange {
        self.set.covered
    }

    /// Whether these are all the slots of the account.
    pub(crate) fn is_whole(&self) -> bool {
        self.set.covered == HashRange::FULL
    }

    pub(crate) fn rows_len(&self) -> u64 {
        self.set.rows_len as u64
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.all.rows.slice(self.set.rows.clone())
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.all.nodes.slice(self.set.nodes.clone())
    }

    /// The rows and branches that lie in `pieces`, which are rising and disjoint; and how many rows these are.
    pub(crate) fn within(&self, pieces: &[HashRange]) -> Result<(Packs, Packs, u64)> {
        let account = self.set.claim.account;
        let (mut kept, mut branches, mut count) = (Packs::default(), Packs::default(), 0);
        let mut cutter = Cutter::new(pieces);
        for (key, value) in self.rows() {
            let mut rows = PackRows::new(STORAGES, account.len(), key, value)?;
            while let Some((key, body)) = rows.next()? {
                let slot = storages::decode(account.as_slice(), key, body)?;
                if cutter.keeps(&mut kept, &HashRange::single(slot.key)) {
                    kept.push(account.as_slice(), key, body);
                    count += 1;
                }
            }
        }
        within_nodes(self.nodes(), account.len(), pieces, &mut branches)?;
        Ok((kept, branches, count))
    }
}

/// What branches take in packs, about.
fn node_bytes<'a>(nodes: impl Iterator<Item = (Path, &'a [u8])>) -> usize {
    nodes.map(|(_, branch)| BRANCH_BYTES + branch.len()).sum()
}

fn push_nodes<'a>(nodes: impl Iterator<Item = (Path, &'a [u8])>, prefix: &[u8], packs: &mut Packs) {
    let mut key = Vec::with_capacity(Path::NIBBLES_MAX);
    for (path, branch) in nodes {
        key.clear();
        path.write_key(&mut key);
        packs.push(prefix, &key, branch);
    }
}

fn within_nodes<'a>(
    all: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    prefix_len: usize,
    pieces: &[HashRange],
    kept: &mut Packs,
) -> Result<()> {
    let table = if prefix_len == 0 { ACCOUNT_NODES } else { STORAGE_NODES };
    let mut cutter = Cutter::new(pieces);
    for (pack_key, value) in all {
        let mut rows = PackRows::new(table, prefix_len, pack_key, value)?;
        while let Some((key, branch)) = rows.next()? {
            if cutter.keeps(kept, &nodes::path(table, key)?.range()) {
                kept.push(&pack_key[..prefix_len], key, branch);
            }
        }
    }
    Ok(())
}

/// Keeps what lies inside one of some pieces, and cuts packs where a piece ends: between two pieces there may be packs of others.
struct Cutter<'a> {
    pieces: &'a [HashRange],
    last: Option<usize>,
}

impl<'a> Cutter<'a> {
    const fn new(pieces: &'a [HashRange]) -> Self {
        Self { pieces, last: None }
    }

    fn keeps(&mut self, packs: &mut Packs, range: &HashRange) -> bool {
        let at = self.pieces.partition_point(|piece| piece.last() < range.start());
        let keeps = self.pieces.get(at).is_some_and(|piece| piece.covers(range));
        if keeps && self.last.replace(at) != Some(at) {
            packs.cut();
        }
        keeps
    }
}
