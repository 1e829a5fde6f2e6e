//! Answers to tamper with: honest ones from small tries, changed as a script of bytes says.
//!
//! Random bytes never get past the first hash of a proof. So a script starts from an honest answer, changes it bit
//! by bit, and may then *relink* it: hashes of changed nodes are put in place in the nodes above them, up to a root
//! of the sender's own. That leads the fuzzer to the code behind the hashes.

pub mod chain;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::LazyLock;

use alloy_primitives::{B256, U256};
use snapsync_keccak::keccak256;
use snapsync_trie::{Account, Branch, Builder, EMPTY_CODE, EMPTY_ROOT, HashRange, Path, TrieSource, prove};

/// A trie in memory.
#[derive(Clone, Debug)]
pub struct Trie {
    /// The values of its leaves under their keys.
    pub rows: BTreeMap<B256, Vec<u8>>,
    /// Its root.
    pub root: B256,
    branches: BTreeMap<Path, Branch>,
}

impl Trie {
    fn of(rows: BTreeMap<B256, Vec<u8>>) -> Self {
        let mut builder = Builder::new();
        for (key, value) in &rows {
            builder.push_leaf(*key, value);
        }
        let built = builder.finish();
        Self { branches: built.nodes.branches().collect(), root: built.root, rows }
    }
}

impl TrieSource for &Trie {
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
}

/// The state that account answers come from: contracts, plain accounts, and keys at both ends.
pub fn accounts() -> &'static Trie {
    static TRIE: LazyLock<Trie> = LazyLock::new(|| {
        let account = |number: u64| Account {
            nonce: number % 300,
            balance: U256::from(number) * U256::from(1_000_000_007u64),
            storage_root: if number.is_multiple_of(5) { key(number + 1) } else { EMPTY_ROOT },
            code_hash: if number.is_multiple_of(5) { key(number % 7) } else { EMPTY_CODE },
        };
        let ends = [B256::ZERO, B256::repeat_byte(0xff)];
        let keys = (0..300).map(key).chain(ends);
        Trie::of(keys.enumerate().map(|(number, key)| (key, account(number as u64).to_rlp())).collect())
    });
    &TRIE
}

/// The storages that slot answers come from. Deep neighbours make for nodes so small that they are inline.
pub fn slots() -> &'static [Trie] {
    static TRIES: LazyLock<Vec<Trie>> = LazyLock::new(|| {
        let value = |number: u64| alloy_rlp::encode(U256::from(number * number + 1));
        let hashed = |count| (0..count).map(move |number| (key(number), value(number)));
        let close = (0..20u8).map(|number| (B256::with_last_byte(number * 3), alloy_rlp::encode(number + 1)));
        vec![
            Trie::of(hashed(1).collect()),
            Trie::of(hashed(40).collect()),
            Trie::of(close.clone().collect()),
            Trie::of(hashed(200).chain(close).collect()),
        ]
    });
    &TRIES
}

fn key(number: u64) -> B256 {
    keccak256(&number.to_be_bytes())
}

/// Bytes that say what to do; without end, for zeros follow.
#[derive(Debug)]
pub struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    /// A script of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    /// The next two bytes as a place in something of this length, which must not be 0.
    fn place(&mut self, length: usize) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()])) % length
    }

    fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// A key near one that the trie holds, or one of two bytes and zeros.
    fn key(&mut self, trie: &Trie) -> B256 {
        match self.byte() % 8 {
            0 => B256::ZERO,
            1 => B256::repeat_byte(0xff),
            2 => B256::right_padding_from(&[self.byte(), self.byte()]),
            how => {
                let place = self.place(trie.rows.len());
                let key = trie.rows.keys().nth(place).copied().unwrap_or_default();
                match how {
                    3 => HashRange::after(key).unwrap_or(key),
                    4 => HashRange::before(key).unwrap_or(key),
                    _ => key,
                }
            }
        }
    }
}

/// What the rows of an answer hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Accounts, in slim form.
    Accounts,
    /// Slots, as RLP integers.
    Slots,
}

/// An answer after the script had its way with it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was asked for.
    pub range: HashRange,
    /// The root that it is to be proved against: the trie's, or after relinking the sender's own.
    pub root: B256,
    /// Keys and values.
    pub rows: Vec<(B256, Vec<u8>)>,
    /// The proof's nodes.
    pub proof: Vec<Vec<u8>>,
}

impl Answer {
    /// Asks and answers as the script says, then tampers with the answer to the script's end.
    pub fn play(script: &mut Script<'_>, trie: &Trie, kind: Kind) -> Self {
        let mut answer = Self::honest(script, trie, kind);
        let relinks = script.byte() % 2 == 1;
        for _ in 0..16 {
            if script.is_over() {
                break;
            }
            answer.tamper(script, relinks);
        }
        answer
    }

    fn honest(script: &mut Script<'_>, trie: &Trie, kind: Kind) -> Self {
        let (a, b) = (script.key(trie), script.key(trie));
        let range = HashRange::new(a.min(b), a.max(b)).unwrap_or_else(|| HashRange::single(a));
        let count = usize::from(script.byte()) % 24;
        let mut rows: Vec<(B256, Vec<u8>)> = Vec::new();
        for (key, value) in trie.rows.range(range.start()..).take(count) {
            rows.push((
                *key,
                match kind {
                    Kind::Accounts => slim(value),
                    Kind::Slots => value.clone(),
                },
            ));
            if *key >= range.last() {
                break;
            }
        }
        let edges: Vec<B256> =
            [Some(range.start()), rows.last().map(|(key, _)| *key)].into_iter().flatten().collect();
        let mut source = trie;
        let Ok(proof) = prove(&mut source, &edges);
        Self { range, root: trie.root, rows, proof: proof.into_iter().map(|node| node.to_vec()).collect() }
    }

    fn tamper(&mut self, script: &mut Script<'_>, relinks: bool) {
        match script.byte() % 12 {
            0..=3 => self.change_node(script, relinks),
            4 if !self.rows.is_empty() => {
                let row = script.place(self.rows.len());
                change(&mut self.rows[row].1, script);
            }
            5 if !self.rows.is_empty() => {
                let row = script.place(self.rows.len());
                let byte = script.place(32);
                self.rows[row].0[byte] ^= script.byte();
            }
            6 if !self.rows.is_empty() => {
                self.rows.remove(script.place(self.rows.len()));
            }
            7 if !self.rows.is_empty() => {
                let row = self.rows[script.place(self.rows.len())].clone();
                self.rows.insert(script.place(self.rows.len() + 1), row);
            }
            8 if !self.rows.is_empty() => {
                let (a, b) = (script.place(self.rows.len()), script.place(self.rows.len()));
                self.rows.swap(a, b);
            }
            9 if !self.proof.is_empty() => {
                self.proof.remove(script.place(self.proof.len()));
            }
            10 if !self.proof.is_empty() => {
                let node = self.proof[script.place(self.proof.len())].clone();
                self.proof.insert(script.place(self.proof.len() + 1), node);
            }
            11 => self.rows.truncate(script.place(self.rows.len() + 1)),
            _ => {}
        }
    }

    fn change_node(&mut self, script: &mut Script<'_>, relinks: bool) {
        if self.proof.is_empty() {
            return;
        }
        let place = script.place(self.proof.len());
        let mut old = keccak256(&self.proof[place]);
        change(&mut self.proof[place], script);
        if !relinks {
            return;
        }
        let mut new = keccak256(&self.proof[place]);
        // A proof is no deeper than a key has nibbles.
        for _ in 0..64 {
            if self.root == old {
                self.root = new;
                return;
            }
            let is_above = |node: &&mut Vec<u8>| node.windows(32).any(|window| window == old.as_slice());
            let Some(above) = self.proof.iter_mut().find(is_above) else { return };
            let above_old = keccak256(above);
            let at = above.windows(32).position(|window| window == old.as_slice()).unwrap_or_default();
            above[at..at + 32].copy_from_slice(new.as_slice());
            (old, new) = (above_old, keccak256(above));
        }
    }
}

/// Changes a byte, puts one in, or takes one out.
fn change(bytes: &mut Vec<u8>, script: &mut Script<'_>) {
    let how = script.byte();
    let at = script.place(bytes.len() + 1);
    match how % 4 {
        0 => bytes.insert(at, script.byte()),
        1 if at < bytes.len() => {
            bytes.remove(at);
        }
        2 => bytes.truncate(at),
        _ if at < bytes.len() => bytes[at] = script.byte(),
        _ => {}
    }
}

/// An account's leaf as the wire has it: the root and code that are empty are left out.
fn slim(leaf: &[u8]) -> Vec<u8> {
    let mut fields = leaf;
    let decoded = alloy_rlp::Header::decode_bytes(&mut fields, true).and_then(|mut list| {
        Ok(Account {
            nonce: alloy_rlp::Decodable::decode(&mut list)?,
            balance: alloy_rlp::Decodable::decode(&mut list)?,
            storage_root: alloy_rlp::Decodable::decode(&mut list)?,
            code_hash: alloy_rlp::Decodable::decode(&mut list)?,
        })
    });
    decoded.map(|account| account.to_slim()).expect("the leaf was made from an account")
}
