//! A made-up state of any size, as proved answers in the order in which a sync gets them. Nothing of it is held but the piece
//! that is next.
//!
//! The key space is cut into pieces, one an answer; each is proved against a root of its own, since the writer does not compare
//! roots between answers. Inside a piece, rows and branches are those of a whole state.

use std::collections::VecDeque;

use alloy_primitives::{B256, Bytes, U256};
use snapsync_bench::{Piece, scramble};
use snapsync_keccak::keccak256;
use snapsync_storage::{StorageCopy, Ticket, Write};
use snapsync_trie::{
    Account, Builder, HashRange, StorageClaim, StorageQuery, TargetId, prove, rows_of, verify_accounts,
    verify_codes, verify_storages,
};

/// Account ranges that take turns.
const RANGES: u64 = 16;
/// Accounts in an answer: ~128 KiB.
const ANSWER_ACCOUNTS: u64 = 2048;
/// Slots, or accounts, at which an answer of storages is full.
const ANSWER_SLOTS: usize = 2048;
const ANSWER_SETS: usize = 256;
/// One account in so many has storage.
const CONTRACT_EVERY: u64 = 24;

/// A kind of write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Accounts,
    Storages,
    Codes,
    Copies,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Accounts, Self::Storages, Self::Codes, Self::Copies];
}

/// Accounts and slots in a write. A copy's are counted by the storages that it stands for.
pub(crate) fn leaves(write: &Write) -> u64 {
    match write {
        Write::Accounts { accounts, .. } => accounts.rows_len() as u64,
        Write::Storages { storages, .. } => storages.rows_len() as u64,
        Write::CopyStorages { copies, .. } => {
            copies.iter().map(|copy| copy.accounts.len() as u64 * COPIED_SLOTS).sum()
        }
        _ => 0,
    }
}

/// Slots of the storage that several accounts share.
const COPIED_SLOTS: u64 = 4;

/// The writes of a sync.
pub(crate) struct Rounds {
    pieces: u64,
    accounts_a_piece: u64,
    turn: u64,
    ready: VecDeque<(Kind, Write)>,
    /// Of the turn before: what its accounts claimed.
    claimed: Claimed,
}

/// What accounts of a turn claim.
#[derive(Default)]
struct Claimed {
    storages: Vec<(StorageClaim, Slots)>,
    codes: Vec<(B256, Bytes)>,
    copies: Vec<(StorageClaim, Vec<B256>)>,
}

type Slots = Vec<(B256, Vec<u8>)>;

impl Rounds {
    /// A state of about so many leaves.
    pub(crate) fn new(leaves: u64) -> Self {
        // An account brings about one slot: see `slots_of`.
        let accounts = leaves / 2;
        let turns = (accounts / ANSWER_ACCOUNTS).div_ceil(RANGES).max(1);
        Self {
            pieces: turns * RANGES,
            accounts_a_piece: accounts / (turns * RANGES),
            turn: 0,
            ready: VecDeque::new(),
            claimed: Claimed::default(),
        }
    }

    /// The next answer of each range, then storages, codes and copies that those of the turn before claimed.
    fn refill(&mut self) {
        let turns = self.pieces / RANGES;
        let before = std::mem::take(&mut self.claimed);
        if self.turn < turns {
            for range in 0..RANGES {
                let piece = range * turns + self.turn;
                let write = self.accounts(piece);
                self.ready.push_back((Kind::Accounts, write));
            }
        }
        self.turn += 1;
        self.push_storages(before.storages);
        for codes in before.codes.chunks(64) {
            let (hashes, codes): (Vec<_>, Vec<_>) = codes.iter().cloned().unzip();
            let codes = verify_codes(&hashes, codes).expect("they are what they hash to");
            self.ready.push_back((Kind::Codes, Write::Codes { ticket: Ticket(1), codes, response_bytes: 0 }));
        }
        for (donor, accounts) in before.copies {
            self.ready.push_back((
                Kind::Copies,
                Write::CopyStorages { ticket: Ticket(1), copies: vec![StorageCopy { donor, accounts }] },
            ));
        }
    }

    /// The accounts of a piece, proved; what they claim goes to `claimed`.
    fn accounts(&mut self, piece: u64) -> Write {
        let range = piece_range(piece, self.pieces);
        let mut keys: Vec<_> = (0..self.accounts_a_piece).map(|at| key_in(range, seed(piece, at))).collect();
        keys.sort_unstable();
        keys.dedup();
        let copied = slots(COPIED_SLOTS, seed(piece, u64::MAX));
        let mut copies: Option<(StorageClaim, Vec<B256>)> = None;
        let rows: Vec<(B256, Account)> = (0..)
            .zip(keys)
            .map(|(at, key)| {
                let seed = seed(piece, at);
                let mut account =
                    Account { nonce: seed % 50, balance: U256::from(seed) << 10, ..Account::EMPTY };
                if at.is_multiple_of(CONTRACT_EVERY) {
                    let contract = at / CONTRACT_EVERY;
                    // Eight contracts share a code.
                    let code = Bytes::from(mix((piece << 32) | (contract / 8)).repeat(32));
                    account.code_hash = keccak256(&code);
                    if contract.is_multiple_of(8) {
                        self.claimed.codes.push((account.code_hash, code));
                    }
                    if contract.is_multiple_of(8) {
                        account.storage_root = root(&copied);
                        let claim = StorageClaim { account: key, root: account.storage_root };
                        match &mut copies {
                            None => {
                                copies = Some((claim, Vec::new()));
                                self.claimed.storages.push((claim, copied.clone()));
                            }
                            Some((_, accounts)) => accounts.push(key),
                        }
                    } else {
                        let slots = slots(slots_of(contract), seed);
                        account.storage_root = root(&slots);
                        let claim = StorageClaim { account: key, root: account.storage_root };
                        self.claimed.storages.push((claim, slots));
                    }
                }
                (key, account)
            })
            .collect();
        self.claimed.copies.extend(copies.filter(|(_, accounts)| !accounts.is_empty()));
        let trie = Piece::new(rows.iter().map(|(key, account)| (*key, account.to_rlp())).collect());
        let slim: Vec<_> = rows.iter().map(|(key, account)| (*key, account.to_slim())).collect();
        let last = rows.last().map_or(range.start(), |(key, _)| *key);
        let Ok(proof) = prove(&mut &trie, &[range.start(), last]);
        let accounts = verify_accounts(trie.root, range, rows_of(&slim), &proof).expect("a true answer");
        Write::Accounts {
            ticket: Ticket(1),
            target: TargetId(1),
            accounts: accounts.into(),
            response_bytes: 0,
        }
    }

    fn push_storages(&mut self, all: Vec<(StorageClaim, Slots)>) {
        let (mut claims, mut sets, mut held) = (Vec::new(), Vec::new(), 0);
        let mut all = all.into_iter().peekable();
        while let Some((claim, slots)) = all.next() {
            held += slots.len();
            claims.push(claim);
            sets.push(slots);
            if held >= ANSWER_SLOTS || sets.len() == ANSWER_SETS || all.peek().is_none() {
                let query = StorageQuery { claims: &claims, range: HashRange::FULL };
                let storages = verify_storages(query, sets.iter().map(|set| rows_of(set)), &[] as &[Vec<u8>])
                    .expect("true answers");
                let write = Write::Storages {
                    ticket: Ticket(1),
                    target: TargetId(1),
                    storages: storages.into(),
                    response_bytes: 0,
                };
                self.ready.push_back((Kind::Storages, write));
                (claims, sets, held) = (Vec::new(), Vec::new(), 0);
            }
        }
    }
}

impl Iterator for Rounds {
    type Item = (Kind, Write);

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && self.turn <= self.pieces / RANGES {
            self.refill();
        }
        self.ready.pop_front()
    }
}

/// Slots of a contract: most have few, some have a thousand; 26 on average.
const fn slots_of(contract: u64) -> u64 {
    match contract % 64 {
        1 => 1000,
        2..=5 => 100,
        6..=20 => 20,
        rest => 1 + rest % 4,
    }
}

fn slots(count: u64, salt: u64) -> Slots {
    let slot = |at: u64| {
        // Most values are small numbers, some are words.
        let value =
            if at.is_multiple_of(3) { U256::from_be_bytes(mix(salt ^ at).0) } else { U256::from(at + 1) };
        (mix(salt.wrapping_add(at)), alloy_rlp::encode(value))
    };
    let mut slots: Slots = (0..count).map(slot).collect();
    slots.sort_unstable();
    slots
}

fn root(slots: &Slots) -> B256 {
    let mut builder = Builder::new();
    slots.iter().for_each(|(key, value)| builder.push_leaf(*key, value));
    builder.finish().root
}

fn piece_range(piece: u64, pieces: u64) -> HashRange {
    let share = U256::MAX / U256::from(pieces);
    let start = share * U256::from(piece);
    let last = if piece + 1 == pieces { U256::MAX } else { start + share - U256::from(1) };
    HashRange::new(B256::from(start), B256::from(last)).expect("pieces start before they end")
}

/// A key somewhere in `range`.
fn key_in(range: HashRange, seed: u64) -> B256 {
    let (start, last) = (U256::from_be_bytes(range.start().0), U256::from_be_bytes(range.last().0));
    let width = (last - start) >> 64;
    B256::from(start + width * U256::from(seed) + U256::from_be_bytes(mix(seed).0) % (width + U256::from(1)))
}

/// A digest that costs next to nothing.
fn mix(seed: u64) -> B256 {
    let mut words = [0; 32];
    for (at, word) in words.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&scramble(seed.wrapping_mul(4).wrapping_add(at as u64)).to_be_bytes());
    }
    B256::new(words)
}

fn seed(piece: u64, at: u64) -> u64 {
    scramble((piece << 32) ^ at)
}
