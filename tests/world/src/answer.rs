//! Questions and honest answers: what a peer that holds the truth says.
//!
//! The rules of serving are those of the snap protocol: the first item always, then up to the byte limit; the last item
//! may lie beyond the range; one proof at the edges of the last set. Lies are in `tamper`, never here.

use alloy_primitives::{B256, Bytes};
use snapsync_stream::WantedNode;
use snapsync_trie::HashRange;

use crate::{
    chain::{Flavour, HEADER_WEIGHT, Header, Line, Row, Rows, State},
    heavy,
    states::States,
    tries::Trie,
};

/// What a peer is asked, in the world's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Accounts of a root within a range.
    Accounts {
        /// State root.
        root: B256,
        /// Keys asked for.
        range: HashRange,
        /// Soft limit.
        bytes: u64,
    },
    /// Slots of several accounts.
    Storages {
        /// State root.
        root: B256,
        /// Accounts with the storage roots that their rows claim.
        claims: Vec<(B256, B256)>,
        /// Keys asked for, of the first account.
        range: HashRange,
        /// Soft limit.
        bytes: u64,
    },
    /// Codes by hash.
    Codes {
        /// Which.
        hashes: Vec<B256>,
        /// Soft limit.
        bytes: u64,
    },
    /// Trie nodes by their paths.
    Nodes {
        /// State root.
        root: B256,
        /// Which.
        nodes: Vec<WantedNode>,
        /// Soft limit.
        bytes: u64,
    },
    /// The header of a hash, and those below.
    Ancestors {
        /// The hash.
        hash: B256,
        /// How many.
        count: u64,
    },
    /// Headers downwards.
    Headers {
        /// The number of the first.
        from: u64,
        /// How many.
        count: u64,
    },
    /// Bodies of blocks.
    Bodies {
        /// Their hashes.
        blocks: Vec<B256>,
    },
    /// Access lists of blocks.
    Lists {
        /// Their hashes.
        blocks: Vec<B256>,
        /// Soft limit.
        bytes: u64,
    },
    /// Receipts of blocks.
    Receipts {
        /// Their hashes.
        blocks: Vec<B256>,
        /// How many of the first block's are there already.
        first_receipt: u64,
    },
}

/// A key with its row.
pub type Entry = (B256, Row);

/// What an answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Accounts: one set; storages: a set for each account. The proof is that of the last set.
    Ranges {
        /// Rows by set.
        sets: Vec<Vec<Entry>>,
        /// The edges.
        proof: Proof,
    },
    /// Codes in the order asked, with what they hash to.
    Codes(Vec<Entry>),
    /// Trie nodes in the order asked; empty where there is none.
    Nodes(Vec<Bytes>),
    /// Access lists in the order asked; nothing where there is none.
    Lists(Vec<Option<Bytes>>),
    /// Headers downwards.
    Headers(Vec<Header>),
    /// Bodies or receipts of whole blocks.
    Blocks(Vec<Block>),
    /// Receipts of whole blocks, and some of the one behind them, which is cut off.
    Cut {
        /// The whole ones.
        blocks: Vec<Block>,
        /// The cut one.
        part: Part,
    },
    /// Bytes that are no message at all.
    Garbage,
}

/// Some receipts of a block, of which more are to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Height.
    pub number: u64,
    /// What all receipts of the block hash to.
    pub digest: u64,
    /// How many were sent before.
    pub first: u64,
    /// How many these are.
    pub receipts: u64,
    /// Bytes.
    pub weight: u64,
}

/// A body or a block's receipts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Height.
    pub number: u64,
    /// What the bytes hash to.
    pub digest: u64,
    /// How many receipts were sent before these, which end the block.
    pub first: u64,
    /// Bytes.
    pub weight: u64,
}

/// The proof beside a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// None: the rows are the whole trie.
    Absent,
    /// A proof that nobody made: which root it leads to, and which last key (or emptiness) it fits.
    Virtual {
        /// Where it leads.
        root: B256,
        /// The right edge that it fits.
        last: Option<B256>,
    },
    /// Nodes.
    Real(Vec<Bytes>),
}

/// Bytes that a virtual proof counts for: two paths of some seven nodes.
const PROOF_WEIGHT: u64 = 6_000;

impl Payload {
    /// The peer does not have it.
    #[must_use]
    pub fn nothing(question: &Question) -> Self {
        match question {
            Question::Accounts { .. } => Self::Ranges { sets: vec![Vec::new()], proof: Proof::Absent },
            Question::Storages { .. } => Self::Ranges { sets: Vec::new(), proof: Proof::Absent },
            Question::Codes { .. } => Self::Codes(Vec::new()),
            Question::Nodes { .. } => Self::Nodes(Vec::new()),
            Question::Lists { .. } => Self::Lists(Vec::new()),
            Question::Ancestors { .. } | Question::Headers { .. } => Self::Headers(Vec::new()),
            Question::Bodies { .. } | Question::Receipts { .. } => Self::Blocks(Vec::new()),
        }
    }

    /// Bytes on the wire and in memory.
    #[must_use]
    pub fn weight(&self) -> u64 {
        let rows = |rows: &[Entry]| rows.iter().map(|(_, row)| u64::from(row.weight)).sum::<u64>();
        16 + match self {
            Self::Ranges { sets, proof } => sets.iter().map(|set| rows(set)).sum::<u64>() + proof.weight(),
            Self::Codes(codes) => rows(codes),
            Self::Nodes(nodes) => nodes.iter().map(|node| node.len() as u64).sum(),
            Self::Lists(lists) => {
                lists.iter().map(|list| 1 + list.as_ref().map_or(0, |raw| raw.len() as u64)).sum()
            }
            Self::Headers(headers) => headers.len() as u64 * HEADER_WEIGHT,
            Self::Blocks(blocks) => blocks.iter().map(|block| block.weight).sum(),
            Self::Cut { blocks, part } => blocks.iter().map(|block| block.weight).sum::<u64>() + part.weight,
            Self::Garbage => 100,
        }
    }

    /// Whether it says nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Ranges { sets, proof } => sets.iter().all(Vec::is_empty) && *proof == Proof::Absent,
            Self::Codes(codes) => codes.is_empty(),
            Self::Nodes(nodes) => nodes.iter().all(|node| node.is_empty()),
            Self::Lists(lists) => lists.is_empty(),
            Self::Headers(headers) => headers.is_empty(),
            Self::Blocks(blocks) => blocks.is_empty(),
            Self::Cut { .. } | Self::Garbage => false,
        }
    }
}

impl Proof {
    fn weight(&self) -> u64 {
        match self {
            Self::Absent => 0,
            Self::Virtual { .. } => PROOF_WEIGHT,
            Self::Real(nodes) => nodes.iter().map(|node| node.len() as u64).sum(),
        }
    }
}

/// Answers from the truth, with a cap on the bytes below whatever was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Library<'a> {
    /// The states.
    pub states: &'a States,
    /// The blocks.
    pub line: &'a Line,
    /// The chain that its owner is on; it knows those before, too.
    pub chain: usize,
    /// Bytes at most.
    pub cap: u64,
    /// After how many bytes it cuts inside a block, if it speaks eth/70.
    pub cuts_at: Option<u64>,
}

impl Library<'_> {
    /// The honest answer.
    #[must_use]
    pub fn answer(&self, question: &Question) -> Payload {
        match question {
            Question::Accounts { root, range, bytes } => match self.states.of(root) {
                Some(state) => accounts(state, *root, range, (*bytes).min(self.cap)),
                None => Payload::nothing(question),
            },
            Question::Storages { root, claims, range, bytes } => match self.states.of(root) {
                Some(state) => storages(state, claims, range, (*bytes).min(self.cap)),
                None => Payload::nothing(question),
            },
            Question::Codes { hashes, bytes } => self.codes(hashes, (*bytes).min(self.cap)),
            Question::Ancestors { hash, count } => self.ancestors(*hash, *count),
            Question::Headers { from, count } => self.headers(*from, *count),
            Question::Bodies { blocks } => self.bodies(blocks),
            Question::Lists { blocks, bytes } => self.lists(blocks, (*bytes).min(self.cap)),
            Question::Receipts { blocks, first_receipt } => self.receipts(blocks, *first_receipt),
            Question::Nodes { root, nodes, bytes } => match self.states.of(root) {
                Some(state) => found(state, nodes, (*bytes).min(self.cap)),
                None => Payload::nothing(question),
            },
        }
    }

    fn codes(&self, hashes: &[B256], bytes: u64) -> Payload {
        let (mut codes, mut left) = (Vec::new(), bytes);
        for hash in hashes {
            let Some(row) = self.states.codes.get(hash) else { continue };
            codes.push((*hash, row.clone()));
            left = left.saturating_sub(u64::from(row.weight));
            if left == 0 {
                break;
            }
        }
        Payload::Codes(codes)
    }

    fn lists(&self, blocks: &[B256], bytes: u64) -> Payload {
        let (mut lists, mut left) = (Vec::new(), bytes);
        for hash in blocks {
            let list = self.states.list(hash).map(|(_, raw)| raw.clone());
            left = left.saturating_sub(list.as_ref().map_or(0, |raw| raw.len() as u64));
            lists.push(list);
            if left == 0 {
                break;
            }
        }
        Payload::Lists(lists)
    }

    fn ancestors(&self, hash: B256, count: u64) -> Payload {
        let mut headers = Vec::new();
        let mut next = self.line.known(&hash, self.chain);
        while let Some(header) =
            next.filter(|_| (headers.len() as u64) < count.min(self.cap / HEADER_WEIGHT + 1))
        {
            next = self.line.known(&header.parent, self.chain);
            headers.push(header.clone());
        }
        Payload::Headers(headers)
    }

    fn headers(&self, from: u64, count: u64) -> Payload {
        let numbers = (0..count.min(self.cap / HEADER_WEIGHT + 1)).map_while(|down| from.checked_sub(down));
        Payload::Headers(numbers.map_while(|number| self.line.at(self.chain, number).cloned()).collect())
    }

    fn bodies(&self, hashes: &[B256]) -> Payload {
        let (mut blocks, mut left) = (Vec::new(), self.cap.min(2 << 20));
        for header in hashes.iter().filter_map(|hash| self.line.known(hash, self.chain)) {
            let weight = heavy::block_weight(header.body);
            blocks.push(Block { number: header.number, digest: header.body, first: 0, weight });
            left = left.saturating_sub(weight);
            if left == 0 {
                break;
            }
        }
        Payload::Blocks(blocks)
    }

    fn receipts(&self, hashes: &[B256], first_receipt: u64) -> Payload {
        let (mut blocks, mut left) = (Vec::new(), self.cap.min(self.cuts_at.unwrap_or(2 << 20)));
        for (nth, hash) in hashes.iter().enumerate() {
            let Some(header) = self.line.known(hash, self.chain) else { continue };
            let (number, digest) = (header.number, header.receipts);
            let first = if nth == 0 { first_receipt } else { 0 };
            let count = heavy::count(digest);
            let weight = heavy::weight(digest, first..count);
            if self.cuts_at.is_some() && weight > left {
                let fits = (first..count).find(|last| heavy::weight(digest, first..last + 1) >= left);
                let last = fits.map_or(count, |last| last + 1);
                if last < count {
                    let (receipts, weight) = (last - first, heavy::weight(digest, first..last));
                    let part = Part { number, digest, first, receipts, weight };
                    return Payload::Cut { blocks, part };
                }
            }
            blocks.push(Block { number, digest, first, weight });
            left = left.saturating_sub(weight);
            if left == 0 {
                break;
            }
        }
        Payload::Blocks(blocks)
    }
}

fn accounts(state: &State, root: B256, range: &HashRange, bytes: u64) -> Payload {
    let (set, _) = slice(&state.trie.rows, range, bytes);
    let proof = match prove(state.flavour, &state.trie, range.start(), &set) {
        Proof::Virtual { last, .. } => Proof::Virtual { root, last },
        proof => proof,
    };
    Payload::Ranges { sets: vec![set], proof }
}

fn storages(state: &State, claims: &[(B256, B256)], range: &HashRange, bytes: u64) -> Payload {
    let (mut sets, mut left, mut proof) = (Vec::new(), bytes, Proof::Absent);
    for (nth, (account, _)) in claims.iter().enumerate() {
        // A storage that does not open ends the answer.
        if state.poison.as_ref().is_some_and(|poison| poison.account == *account) {
            break;
        }
        // An account that is missing or without storage is left out and the list shifts.
        let Some(trie) = state.slots_of(account) else { continue };
        let asked = if nth == 0 { *range } else { HashRange::FULL };
        let (set, cut) = slice(&trie.rows, &asked, left);
        left = left.saturating_sub(set.iter().map(|(_, row)| u64::from(row.weight)).sum());
        let edge = cut || asked.start() != B256::ZERO;
        if edge {
            proof = prove(state.flavour, trie, asked.start(), &set);
        }
        sets.push(set);
        if edge || left == 0 {
            break;
        }
    }
    Payload::Ranges { sets, proof }
}

/// Nodes in the order asked, up to the limit; an empty string where there is none.
fn found(state: &State, wanted: &[WantedNode], bytes: u64) -> Payload {
    let (mut nodes, mut left) = (Vec::new(), bytes);
    for WantedNode { account, claim } in wanted {
        let trie = match account {
            Some(account) => state.slots_of(account),
            None => Some(state.trie.as_ref()),
        };
        let node = trie.and_then(|trie| trie.node(&claim.path())).unwrap_or_default();
        left = left.saturating_sub(node.len() as u64);
        nodes.push(node);
        if left == 0 {
            break;
        }
    }
    Payload::Nodes(nodes)
}

/// The rows from the start of a range: the first always, then up to the limit in bytes; the first at or after the last
/// key included. Says whether rows of the trie are left to the right.
fn slice(rows: &Rows, range: &HashRange, bytes: u64) -> (Vec<Entry>, bool) {
    let mut out = Vec::new();
    let mut left = bytes;
    let mut ahead = rows.range(range.start()..);
    for (key, row) in ahead.by_ref() {
        out.push((*key, row.clone()));
        left = left.saturating_sub(u64::from(row.weight));
        if left == 0 || *key >= range.last() {
            break;
        }
    }
    (out, ahead.next().is_some())
}

/// The proof of an answer's edges.
#[must_use]
pub fn prove(flavour: Flavour, trie: &Trie, origin: B256, set: &[Entry]) -> Proof {
    let last = set.last().map(|(key, _)| *key);
    match flavour {
        Flavour::Virtual => Proof::Virtual { root: trie.root, last },
        Flavour::Real => Proof::Real(trie.prove(origin, last)),
    }
}
