//! What history accepts: headers, bodies and receipts in types that only a passed check can make.
//!
//! They live here and not lower because they need both rows below: `wire` for the forms and `trie` for the roots. A
//! header is proved by the hash that its child names, a body and receipts by the roots in their header. Nothing is said of
//! whether a block is valid: that takes execution.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use snapsync_keccak::keccak256;
use snapsync_trie::ordered_root;
use snapsync_wire::{BlockReceipts, Body, Header, ReceiptForm, consensus_receipts};

use crate::history::gas::GasBounds;

/// How an answer about blocks contradicts what is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockFault {
    /// No header at all.
    #[error("no header was given")]
    NoHeader,
    /// The highest header is another one than was asked for: that of another fork, if it was asked for by its number.
    #[error("header {number} is {found}, {expected} was asked for")]
    Other {
        /// The number that it claims.
        number: u64,
        /// The hash that was asked for.
        expected: B256,
        /// The hash that it has.
        found: B256,
    },
    /// A header is not the one that its child names.
    #[error("below header {number} is {found}, expected {expected}")]
    Link {
        /// The number that its child claims.
        number: u64,
        /// The hash that was expected.
        expected: B256,
        /// The hash that it has.
        found: B256,
    },
    /// Numbers do not fall by one.
    #[error("header {expected} claims to be number {found}")]
    Number {
        /// The number that was expected.
        expected: u64,
        /// The number that it claims.
        found: u64,
    },
    /// A body or its receipts give another root than the header.
    #[error("{part} of block {number} give {found}, its header says {expected}")]
    Root {
        /// "transactions", "ommers", "withdrawals" or "receipts".
        part: &'static str,
        /// The block.
        number: u64,
        /// What the header says.
        expected: B256,
        /// What was received.
        found: B256,
    },
    /// Withdrawals where the header has none, or none where it has.
    #[error("withdrawals of block {number} are there or missing against its header")]
    Withdrawals {
        /// The block.
        number: u64,
    },
    /// A body or receipts belong to a block that another one of the answer was for already.
    #[error("{part} of block {number} came more often than there are such blocks")]
    Again {
        /// "bodies" or "receipts".
        part: &'static str,
        /// The block.
        number: u64,
    },
    /// More receipts than the gas of any block asked for can pay for.
    #[error("{found} receipts came for block {number}, its gas allows {max}")]
    TooManyReceipts {
        /// The block with the most gas.
        number: u64,
        /// How many came.
        found: u64,
        /// How many there may be.
        max: u64,
    },
    /// Receipts cannot be brought into the form that is hashed.
    #[error("receipts of block {number} cannot be read: {why}")]
    Malformed {
        /// The block.
        number: u64,
        /// Why.
        why: String,
    },
}

impl BlockFault {
    /// What the fault is about: "headers", "bodies" or "receipts".
    pub fn noun(&self) -> &'static str {
        match self {
            Self::NoHeader | Self::Other { .. } | Self::Link { .. } | Self::Number { .. } => "headers",
            Self::Root { part: "receipts", .. }
            | Self::Again { part: "receipts", .. }
            | Self::TooManyReceipts { .. }
            | Self::Malformed { .. } => "receipts",
            Self::Root { .. } | Self::Again { .. } | Self::Withdrawals { .. } => "bodies",
        }
    }
}

/// Consecutive headers, by falling number, whose top has the expected hash.
///
/// Invariant: made by [`ProvenHeaders::prove`] only; not empty.
#[derive(Clone, Debug)]
pub struct ProvenHeaders {
    /// Falling.
    headers: Vec<(B256, Header)>,
}

impl ProvenHeaders {
    /// Proves headers by falling number: the first has hash `expected` (and `number`, if that is known), each next one
    /// is the parent of the one before. That they hang together is looked at first: an honest peer on another fork gives other
    /// headers at these heights, but never such as do not.
    pub fn prove(expected: B256, number: Option<u64>, headers: Vec<Header>) -> Result<Self, BlockFault> {
        let hashes = Header::hashes(&headers);
        for (pair, hash) in headers.windows(2).zip(hashes.iter().skip(1)) {
            let [above, below] = pair else { unreachable!("windows of two") };
            if *hash != above.parent_hash {
                let (number, expected) = (above.number, above.parent_hash);
                return Err(BlockFault::Link { number, expected, found: *hash });
            }
            // Below block 0 there is none; its parent hash is zero, which nothing hashes to.
            let expected = above.number.saturating_sub(1);
            if below.number != expected {
                return Err(BlockFault::Number { expected, found: below.number });
            }
        }
        let (Some(top), Some(found)) = (headers.first(), hashes.first()) else {
            return Err(BlockFault::NoHeader);
        };
        if let Some(expected) = number.filter(|number| *number != top.number) {
            return Err(BlockFault::Number { expected, found: top.number });
        }
        if *found != expected {
            return Err(BlockFault::Other { number: top.number, expected, found: *found });
        }
        Ok(Self { headers: hashes.into_iter().zip(headers).collect() })
    }

    /// Hashes and headers, by falling number.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &(B256, Header)> + ExactSizeIterator {
        self.headers.iter()
    }

    /// The highest header and its hash.
    pub fn top(&self) -> &(B256, Header) {
        self.headers.first().expect("proven headers are not empty")
    }

    /// The lowest header and its hash.
    pub fn lowest(&self) -> &(B256, Header) {
        self.headers.last().expect("proven headers are not empty")
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.headers.len() as u64
    }
}

/// Bodies that give the roots in their headers.
///
/// Invariant: made by [`ProvenBodies::prove`] only.
#[derive(Clone, Debug, Default)]
pub struct ProvenBodies {
    pub(crate) blocks: Vec<ProvenBlock<Body>>,
}

/// Receipts, in the slim form, that give the roots in their headers.
///
/// Invariant: made by [`ProvenReceipts::prove`] only.
#[derive(Clone, Debug, Default)]
pub struct ProvenReceipts {
    pub(crate) blocks: Vec<ProvenBlock<BlockReceipts>>,
}

/// A part of a block, and the block that it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct ProvenBlock<T> {
    pub(crate) number: u64,
    pub(crate) hash: B256,
    pub(crate) part: T,
}

impl ProvenBodies {
    /// Proves bodies against headers, which must be ours: proved before, or read from our disk. Each body must give the roots
    /// in one of the headers, and no two in the same; there may be fewer bodies than headers.
    pub fn prove(headers: &[Header], bodies: Vec<Body>) -> Result<Self, BlockFault> {
        let roots = |header: &Header| (header.transactions_root, header.ommers_hash, header.withdrawals_root);
        let mut places = Places::new(headers, roots);
        for body in bodies {
            let withdrawals = body.withdrawal_payloads().map(|withdrawals| ordered_root(&withdrawals));
            let roots = (ordered_root(&body.transaction_payloads()), keccak256(body.ommers()), withdrawals);
            places.put(&roots, body, |header, body| {
                check_body(header, body)?;
                Err(BlockFault::Again { part: "bodies", number: header.number })
            })?;
        }
        Ok(Self { blocks: places.blocks() })
    }

    /// The numbers of the blocks.
    pub fn numbers(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.blocks.iter().map(|block| block.number)
    }
}

/// Whether a body gives the roots in `header`; [`ProvenBodies::prove`] is the way to the disk.
pub(crate) fn check_body(header: &Header, body: &Body) -> Result<(), BlockFault> {
    let number = header.number;
    equal("transactions", number, header.transactions_root, ordered_root(&body.transaction_payloads()))?;
    equal("ommers", number, header.ommers_hash, keccak256(body.ommers()))?;
    match (header.withdrawals_root, body.withdrawal_payloads()) {
        (None, None) => Ok(()),
        (Some(root), Some(withdrawals)) => equal("withdrawals", number, root, ordered_root(&withdrawals)),
        _ => Err(BlockFault::Withdrawals { number }),
    }
}

impl ProvenReceipts {
    /// Proves whole blocks' receipts against headers, which must be ours. Each block's must give the root in one of the
    /// headers, and no two in the same; there may be fewer of them than headers.
    pub fn prove(headers: &[Header], lists: Vec<BlockReceipts>) -> Result<Self, BlockFault> {
        let most = headers.iter().max_by_key(|header| GasBounds::of(header).receipts_max);
        let mut places = Places::new(headers, |header| header.receipts_root);
        for receipts in lists {
            let number = places.expected().map_or(0, |header| header.number);
            let malformed =
                |why: snapsync_wire::Error| BlockFault::Malformed { number, why: why.to_string() };
            let found = receipts.count().map_err(malformed)? as u64;
            if let Some(most) = most {
                check_count(most, found)?;
            }
            let encoded = consensus_receipts(&receipts).map_err(malformed)?;
            let root = ordered_root(&encoded);
            drop(encoded);
            let slim = receipts.to_form(ReceiptForm::Slim).map_err(malformed)?;
            places.put(&root, slim, |header, _| {
                equal("receipts", header.number, header.receipts_root, root)?;
                Err(BlockFault::Again { part: "receipts", number: header.number })
            })?;
        }
        Ok(Self { blocks: places.blocks() })
    }

    /// The numbers of the blocks.
    pub fn numbers(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.blocks.iter().map(|block| block.number)
    }
}

/// Whether a block may have so many receipts. They are decoded for their root, and take many times their bytes then.
fn check_count(header: &Header, found: u64) -> Result<(), BlockFault> {
    /// Decoded, so many take 3 MiB.
    const FREE: u64 = 4096;
    let max = GasBounds::of(header).receipts_max.max(FREE);
    if found > max {
        return Err(BlockFault::TooManyReceipts { number: header.number, found, max });
    }
    Ok(())
}

/// Finds the block that each part of an answer belongs to: by its roots, since a peer leaves out what it does not have.
struct Places<'a, K, T> {
    headers: &'a [Header],
    /// Where each of the roots stands, rising.
    free: BTreeMap<K, BTreeSet<usize>>,
    found: BTreeMap<usize, T>,
    /// Where the next part belongs if nothing is left out.
    next: usize,
}

impl<'a, K: Ord, T> Places<'a, K, T> {
    fn new(headers: &'a [Header], roots: impl Fn(&Header) -> K) -> Self {
        let mut free: BTreeMap<K, BTreeSet<usize>> = BTreeMap::new();
        for (at, header) in headers.iter().enumerate() {
            free.entry(roots(header)).or_default().insert(at);
        }
        Self { headers, free, found: BTreeMap::new(), next: 0 }
    }

    fn expected(&self) -> Option<&'a Header> {
        self.headers.get(self.next).or(self.headers.last())
    }

    /// Puts a part where it belongs; of equal blocks, to the first behind the one before. One that belongs nowhere gets the
    /// fault that `why` finds when it compares it with the block that was expected.
    fn put(
        &mut self,
        roots: &K,
        part: T,
        why: impl Fn(&Header, &T) -> Result<(), BlockFault>,
    ) -> Result<(), BlockFault> {
        let free = self.free.get_mut(roots);
        let at = free.and_then(|free| {
            let at = free.range(self.next..).next().or(free.first()).copied()?;
            free.remove(&at);
            Some(at)
        });
        match (at, self.expected()) {
            (Some(at), _) => {
                self.next = at + 1;
                self.found.insert(at, part);
                Ok(())
            }
            (None, Some(expected)) => why(expected, &part),
            (None, None) => Err(BlockFault::NoHeader),
        }
    }

    fn blocks(self) -> Vec<ProvenBlock<T>> {
        let block = |(at, part): (usize, T)| {
            let header = &self.headers[at];
            ProvenBlock { number: header.number, hash: header.hash(), part }
        };
        self.found.into_iter().map(block).collect()
    }
}

/// Whether receipts give the root in `header`; [`ProvenReceipts::prove`] is the way to the disk.
pub(crate) fn check_receipts(header: &Header, receipts: &BlockReceipts) -> Result<(), BlockFault> {
    let number = header.number;
    let malformed = |why: snapsync_wire::Error| BlockFault::Malformed { number, why: why.to_string() };
    check_count(header, receipts.count().map_err(malformed)? as u64)?;
    let encoded = consensus_receipts(receipts).map_err(malformed)?;
    equal("receipts", number, header.receipts_root, ordered_root(&encoded))
}

fn equal(part: &'static str, number: u64, expected: B256, found: B256) -> Result<(), BlockFault> {
    if expected == found { Ok(()) } else { Err(BlockFault::Root { part, number, expected, found }) }
}

#[cfg(test)]
mod tests {
    use snapsync_wire::{HeaderFields, PostState, Receipt};

    use super::*;

    /// A block with so many transactions of a few bytes each; without any, it is like every other such block.
    fn block(number: u64, transactions: u64) -> (Header, Body, BlockReceipts) {
        let raw: Vec<Vec<u8>> = (0..transactions).map(|at| alloy_rlp::encode(vec![number, at, 77])).collect();
        let body = Body::from_parts(raw.iter().map(Vec::as_slice), &[0xc0], None).unwrap();
        let receipt =
            |at: u64| Receipt::new(0, PostState::Success, 21_000 * (at + 1), vec![0xc0].into()).unwrap();
        let receipts: Vec<Receipt> = (0..transactions).map(receipt).collect();
        let receipts = BlockReceipts::from_receipts(ReceiptForm::Slim, &receipts);
        let fields = HeaderFields {
            ommers_hash: keccak256(body.ommers()),
            transactions_root: ordered_root(&body.transaction_payloads()),
            receipts_root: ordered_root(&consensus_receipts(&receipts).unwrap()),
            number,
            gas_limit: 1 << 32,
            gas_used: 21_000 * transactions,
            timestamp: 1,
            ..HeaderFields::default()
        };
        (Header::made(&fields), body, receipts)
    }

    /// Blocks 10 to 15; 12, 14 and 15 are empty.
    fn blocks() -> (Vec<Header>, Vec<Body>, Vec<BlockReceipts>) {
        let (mut headers, mut bodies, mut receipts) = (Vec::new(), Vec::new(), Vec::new());
        for (number, transactions) in [(10, 2), (11, 1), (12, 0), (13, 3), (14, 0), (15, 0)] {
            let block = block(number, transactions);
            headers.push(block.0);
            bodies.push(block.1);
            receipts.push(block.2);
        }
        (headers, bodies, receipts)
    }

    #[test]
    fn what_a_peer_lacks_is_left_out_and_the_rest_finds_its_block() {
        let (headers, mut bodies, mut receipts) = blocks();
        bodies.remove(1);
        receipts.remove(0);
        let bodies = ProvenBodies::prove(&headers, bodies).unwrap();
        assert_eq!(bodies.numbers().collect::<Vec<_>>(), [10, 12, 13, 14, 15]);
        let receipts = ProvenReceipts::prove(&headers, receipts).unwrap();
        assert_eq!(receipts.numbers().collect::<Vec<_>>(), [11, 12, 13, 14, 15]);
    }

    #[test]
    fn an_empty_block_is_like_another() {
        let (headers, mut bodies, _) = blocks();
        bodies.remove(2);
        let bodies = ProvenBodies::prove(&headers, bodies).unwrap();
        assert_eq!(bodies.numbers().collect::<Vec<_>>(), [10, 11, 13, 14, 15]);
    }

    #[test]
    fn what_belongs_to_no_asked_block_is_a_lie_that_names_the_next_one() {
        let (headers, mut bodies, mut receipts) = blocks();
        bodies[3] = block(16, 3).1;
        let fault = ProvenBodies::prove(&headers, bodies).unwrap_err();
        assert!(matches!(fault, BlockFault::Root { part: "transactions", number: 13, .. }), "{fault}");
        receipts[3] = block(16, 4).2;
        let fault = ProvenReceipts::prove(&headers, receipts).unwrap_err();
        assert!(matches!(fault, BlockFault::Root { part: "receipts", number: 13, .. }), "{fault}");
    }

    #[test]
    fn no_block_is_given_twice() {
        let (headers, _, _) = blocks();
        let empty = |count| vec![block(1, 0).1; count];
        assert_eq!(ProvenBodies::prove(&headers, empty(3)).unwrap().numbers().count(), 3);
        let fault = ProvenBodies::prove(&headers, empty(4)).unwrap_err();
        assert!(matches!(fault, BlockFault::Again { part: "bodies", number: 15 }), "{fault}");
    }

    #[test]
    fn a_block_of_70_000_transactions_is_taken() {
        let (header, body, receipts) = block(10, 70_000);
        let headers = [header];
        assert_eq!(ProvenBodies::prove(&headers, vec![body]).unwrap().numbers().count(), 1);
        assert_eq!(ProvenReceipts::prove(&headers, vec![receipts.clone()]).unwrap().numbers().count(), 1);
        // A block that has not the gas for them is not even compared.
        let fault = ProvenReceipts::prove(&[block(11, 2_000).0], vec![receipts]).unwrap_err();
        assert_eq!(fault, BlockFault::TooManyReceipts { number: 11, found: 70_000, max: 4096 });
    }
}
