//! The chain: what is true.
//!
//! A story's truth is a line of headers with bodies and receipts, and a state at the target (`states` has those of later ones). In a `Virtual` state
//! the rows are digests with a weight, so that gigabytes cross the net without being made; in a `Real` state they are bytes whose roots are real, for
//! the real prover to judge. Nothing in here is known to the machine under test.

use std::{collections::BTreeMap, rc::Rc};

use alloy_primitives::{B256, Bytes};
use snapsync_keccak::keccak256;
use snapsync_trie::{EMPTY_CODE, EMPTY_ROOT};

use crate::{
    blocks,
    chance::Chance,
    keys::Keys,
    poison::Poison,
    tries::{Leaf, Trie, slim_account, slot_value},
};

/// A row's value and what it weighs on the wire and in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The bytes; in a virtual state a digest.
    pub value: Bytes,
    /// Bytes that it counts for.
    pub weight: u32,
}

/// Rows in the order of their keys.
pub type Rows = BTreeMap<B256, Row>;

/// Whether rows are digests or bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Digests with a weight; the world compares with the truth.
    Virtual,
    /// Bytes with real proofs; the real prover judges.
    Real,
}

/// An account of the truth.
#[derive(Clone, Debug)]
pub struct Account {
    /// What is sent and stored.
    pub row: Row,
    /// The root that the row claims.
    pub storage_root: B256,
    /// The code that the row claims.
    pub code_hash: B256,
}

/// The state of a block.
#[derive(Clone, Debug)]
pub struct State {
    /// Digests or bytes.
    pub flavour: Flavour,
    /// Its root.
    pub root: B256,
    /// All accounts.
    pub accounts: BTreeMap<B256, Account>,
    /// Slots by storage root: equal roots are one entry.
    pub storages: BTreeMap<B256, Rc<Trie>>,
    /// Codes by hash.
    pub codes: BTreeMap<B256, Row>,
    /// The account rows alone, as a trie.
    pub trie: Rc<Trie>,
    /// An account whose storage nobody can prove.
    pub poison: Option<Poison>,
}

/// How large a state is to be.
#[derive(Clone, Debug)]
pub struct Size {
    /// Digests or bytes.
    pub flavour: Flavour,
    /// Accounts in all.
    pub accounts: u64,
    /// Accounts in a thousand that have storage and code.
    pub contracts_per_mille: u64,
    /// Slots of the one huge contract; zero for none.
    pub huge_slots: u64,
    /// Bytes that one virtual row counts for.
    pub row_weight: u32,
    /// Blocks from genesis to the target.
    pub blocks: u64,
}

impl State {
    /// Makes a state: mostly plain accounts, contracts with one or two slots, a power law above, equal roots and codes.
    #[must_use]
    pub fn make(size: &Size, keys: &mut Keys, chance: &mut Chance) -> Self {
        let mut state = Self {
            flavour: size.flavour,
            root: B256::ZERO,
            accounts: BTreeMap::new(),
            storages: BTreeMap::new(),
            codes: BTreeMap::new(),
            trie: Rc::new(Trie::make(Flavour::Virtual, Leaf::Account, Rows::new())),
            poison: None,
        };
        let mut rows = Rows::new();
        let codes: Vec<B256> = (0..1 + size.accounts / 40).map(|_| state.make_code(size, chance)).collect();
        for nth in 0..size.accounts {
            let key = edge_key(nth, keys, chance);
            let contract = nth == 3 || chance.hits(size.contracts_per_mille);
            let storage_root = match contract {
                true if nth == 3 && size.huge_slots > 0 => {
                    state.make_storage(size, size.huge_slots, keys, chance)
                }
                true => state.draw_storage(size, keys, chance),
                false => EMPTY_ROOT,
            };
            let code_hash = if contract { codes[chance.index(codes.len())] } else { EMPTY_CODE };
            let row = account_row(size, nth, storage_root, code_hash, chance);
            rows.insert(key, row.clone());
            state.accounts.insert(key, Account { row, storage_root, code_hash });
        }
        let used: Vec<B256> = state.accounts.values().map(|account| account.code_hash).collect();
        state.codes.retain(|hash, _| used.contains(hash));
        state.trie = Rc::new(Trie::make(size.flavour, Leaf::Account, rows));
        state.root = state.trie.root;
        state
    }

    /// The slots of a root; none for the empty root.
    #[must_use]
    pub fn slots(&self, root: &B256) -> Option<&Trie> {
        self.storages.get(root).map(Rc::as_ref)
    }

    /// The slots of an account.
    #[must_use]
    pub fn slots_of(&self, account: &B256) -> Option<&Trie> {
        self.slots(&self.accounts.get(account)?.storage_root)
    }

    /// Rows of all kinds, as the figure for a summary.
    #[must_use]
    pub fn rows(&self) -> usize {
        let slots = self.accounts.values().filter_map(|account| self.slots(&account.storage_root));
        self.accounts.len() + slots.map(|trie| trie.rows.len()).sum::<usize>() + self.codes.len()
    }

    fn draw_storage(&mut self, size: &Size, keys: &mut Keys, chance: &mut Chance) -> B256 {
        // A sixth of the contracts are copies of another: one root, many accounts.
        if !self.storages.is_empty() && chance.hits(160) {
            let nth = chance.index(self.storages.len());
            return *self.storages.keys().nth(nth).expect("the index is below the length");
        }
        let mut slots = chance.between(1, 2);
        while slots < 200 && chance.hits(350) {
            slots *= 2;
        }
        self.make_storage(size, slots, keys, chance)
    }

    fn make_storage(&mut self, size: &Size, slots: u64, keys: &mut Keys, chance: &mut Chance) -> B256 {
        let mut rows = Rows::new();
        let mut twin = B256::ZERO;
        for nth in 0..slots {
            if let Keys::Any = keys {
                // Twins differ in the last byte only: their leaves are short enough to be inline in their parent.
                let mut key = if nth > 0 && chance.hits(30) { twin } else { chance.hash() };
                key[31] = chance.draw().to_be_bytes()[0];
                twin = key;
            } else {
                twin = keys.slot(chance);
            }
            rows.insert(twin, slot_row(size, chance));
        }
        let trie = Trie::make(size.flavour, Leaf::Slot, rows);
        let root = trie.root;
        self.storages.insert(root, Rc::new(trie));
        root
    }

    fn make_code(&mut self, size: &Size, chance: &mut Chance) -> B256 {
        let length = 1 + chance.index(400);
        let value: Bytes = (0..length).map(|_| chance.draw().to_be_bytes()[0]).collect::<Vec<u8>>().into();
        let hash = match size.flavour {
            Flavour::Virtual => chance.hash(),
            Flavour::Real => keccak256(&value),
        };
        let weight = match size.flavour {
            Flavour::Virtual => size.row_weight.saturating_mul(4),
            Flavour::Real => value.len() as u32,
        };
        self.codes.insert(hash, Row { value, weight });
        hash
    }
}

/// The first two accounts of a state lie at the very edges of the key space, where off-by-one lives.
fn edge_key(nth: u64, keys: &mut Keys, chance: &mut Chance) -> B256 {
    match nth {
        0 => B256::ZERO,
        1 => B256::repeat_byte(0xff),
        _ => keys.account(chance),
    }
}

fn account_row(size: &Size, nth: u64, storage: B256, code: B256, chance: &mut Chance) -> Row {
    match size.flavour {
        Flavour::Virtual => Row { value: digest(chance), weight: size.row_weight },
        Flavour::Real => {
            let value = slim_account(nth, chance.draw(), storage, code);
            Row { weight: value.len() as u32 + 32, value }
        }
    }
}

fn slot_row(size: &Size, chance: &mut Chance) -> Row {
    match size.flavour {
        Flavour::Virtual => Row { value: digest(chance), weight: size.row_weight },
        Flavour::Real => {
            let bits = chance.below(64);
            let value = slot_value((chance.draw() >> bits) | 1);
            Row { weight: value.len() as u32 + 32, value }
        }
    }
}

fn digest(chance: &mut Chance) -> Bytes {
    Bytes::copy_from_slice(&chance.draw().to_be_bytes())
}

/// One header of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Height.
    pub number: u64,
    /// What its bytes hash to.
    pub hash: B256,
    /// The hash of the one below.
    pub parent: B256,
    /// The state's root after it.
    pub state_root: B256,
    /// Stands for the transactions, withdrawals and ommers roots.
    pub body: u64,
    /// Stands for the receipts root.
    pub receipts: u64,
    /// Its bytes, where rows are real.
    pub raw: Bytes,
}

/// Bytes that a header, a body and a block's receipts count for.
pub const HEADER_WEIGHT: u64 = 600;

/// The line of headers from genesis to the target, and the chains of later heads.
#[derive(Clone, Debug)]
pub struct Line {
    /// By number; the first is genesis, the last the target.
    pub headers: Vec<Header>,
    /// Chains of later heads, each from genesis on, in the order in which they are named.
    later: Vec<Vec<Header>>,
    flavour: Flavour,
    /// Each header, and the first chain that it is on.
    by_hash: BTreeMap<B256, (usize, Header)>,
}

impl Line {
    /// Makes a line of blocks that change nothing: each has the state's root.
    #[must_use]
    pub fn make(flavour: Flavour, blocks: u64, root: B256, chance: &mut Chance) -> Self {
        let mut line = Self { headers: Vec::new(), later: Vec::new(), flavour, by_hash: BTreeMap::new() };
        let mut headers: Vec<Header> = Vec::new();
        for number in 0..=blocks {
            headers.push(header(flavour, number, headers.last(), root, chance));
        }
        line.know(&headers);
        line.headers = headers;
        line
    }

    /// The chain moves: so many blocks of the newest chain are left, and so many come above.
    pub fn grow(&mut self, left: u64, more: u64, chance: &mut Chance) {
        let mut chain = self.chain(self.later.len()).to_vec();
        chain.truncate(chain.len().saturating_sub(usize::try_from(left).unwrap_or(usize::MAX)).max(1));
        let state_root = self.target().state_root;
        for _ in 0..more {
            chain.push(header(self.flavour, chain.len() as u64, chain.last(), state_root, chance));
        }
        self.later.push(chain.clone());
        self.know(&chain);
    }

    /// A block that no chain of these ever has: a pivot's, which is looked up by its hash.
    pub(crate) fn know_apart(&mut self, header: Header) {
        self.by_hash.insert(header.hash, (usize::MAX, header));
    }

    fn know(&mut self, chain: &[Header]) {
        for header in chain {
            self.by_hash.entry(header.hash).or_insert_with(|| (self.later.len(), header.clone()));
        }
    }

    /// How many chains there are: the target's, and one for each later head.
    #[must_use]
    pub fn chains(&self) -> usize {
        self.later.len() + 1
    }

    /// A chain, from genesis on.
    #[must_use]
    pub fn chain(&self, nth: usize) -> &[Header] {
        nth.checked_sub(1).map_or(&self.headers, |nth| &self.later[nth])
    }

    /// The header at the target.
    #[must_use]
    pub fn target(&self) -> &Header {
        self.headers.last().expect("genesis is always there")
    }

    /// The head of a chain.
    #[must_use]
    pub fn head(&self, nth: usize) -> &Header {
        self.chain(nth).last().expect("genesis is always there")
    }

    /// The header at a height of a chain.
    #[must_use]
    pub fn at(&self, nth: usize, number: u64) -> Option<&Header> {
        self.chain(nth).get(usize::try_from(number).ok()?)
    }

    /// The header of a hash.
    #[must_use]
    pub fn of(&self, hash: &B256) -> Option<&Header> {
        self.by_hash.get(hash).map(|(_, header)| header)
    }

    /// The header of a hash, if it is on one of the first chains.
    #[must_use]
    pub fn known(&self, hash: &B256, last: usize) -> Option<&Header> {
        self.by_hash.get(hash).filter(|(first, _)| *first <= last).map(|(_, header)| header)
    }
}

/// A header above another one.
fn header(
    flavour: Flavour,
    number: u64,
    below: Option<&Header>,
    state_root: B256,
    chance: &mut Chance,
) -> Header {
    let parent = below.map_or(B256::ZERO, |below| below.hash);
    let (body, receipts) = (chance.draw(), chance.draw());
    let (hash, raw) = match flavour {
        Flavour::Virtual => (chance.hash(), Bytes::new()),
        Flavour::Real => {
            let raw = blocks::header(number, parent, state_root, body, receipts);
            (keccak256(&raw), raw)
        }
    };
    Header { number, hash, parent, state_root, body, receipts, raw }
}
