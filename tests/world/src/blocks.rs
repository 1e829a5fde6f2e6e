//! Real blocks: the bytes behind a header, a body and receipts of the chain, where rows are real, for the history's own writer to prove.
//!
//! A digest of the chain stands for one transaction, or for receipts, that no other block has. It knows nothing of peers.

use alloy_primitives::{B256, Bytes};
use snapsync_keccak::keccak256;
use snapsync_trie::ordered_root;
use snapsync_wire::{
    BlockReceipts, Body, Header, HeaderFields, PostState, Receipt, ReceiptForm, consensus_receipts,
};

use crate::heavy;

/// Why making a block cannot fail.
const OURS: &str = "these bytes are our own";

/// The bytes of a header.
#[must_use]
pub fn header(number: u64, parent: B256, state_root: B256, body_digest: u64, receipts_digest: u64) -> Bytes {
    let (body, receipts) = (body(body_digest), receipts(receipts_digest, 0));
    let fields = HeaderFields {
        parent_hash: parent,
        ommers_hash: keccak256(body.ommers()),
        state_root,
        transactions_root: ordered_root(&body.transaction_payloads()),
        receipts_root: ordered_root(&consensus_receipts(&receipts).expect(OURS)),
        number,
        gas_limit: 30_000_000,
        gas_used: gas(receipts_digest),
        timestamp: number * 12,
        ..HeaderFields::default()
    };
    Header::made(&fields).raw().clone()
}

/// The bytes of a header that commits to an access list.
#[must_use]
pub(crate) fn listed_header(number: u64, parent: B256, state_root: B256, list: &Bytes) -> Bytes {
    let fields = HeaderFields {
        timestamp: number * 12,
        ..HeaderFields::amsterdam(number, parent, state_root, keccak256(list))
    };
    Header::made(&fields).raw().clone()
}

/// A header from its bytes.
#[must_use]
pub fn decode(raw: &Bytes) -> Header {
    Header::decode(raw).expect(OURS)
}

/// The body that a digest stands for.
#[must_use]
pub fn body(digest: u64) -> Body {
    let transaction = alloy_rlp::encode(vec![digest]);
    Body::from_parts([transaction.as_slice()], &[0xc0], None).expect(OURS)
}

/// The receipts that a digest stands for, from the `first`-th on.
#[must_use]
pub fn receipts(digest: u64, first: u64) -> BlockReceipts {
    some_receipts(digest, first, heavy::count(digest).saturating_sub(first))
}

/// Some of the receipts that a digest stands for; there may be fewer.
#[must_use]
pub fn some_receipts(digest: u64, first: u64, count: u64) -> BlockReceipts {
    let (one, last) = (gas_of_one(digest), heavy::count(digest));
    let gas_at = |nth| if nth == last { gas(digest) } else { nth * one };
    let receipt = |nth| Receipt::new(0, PostState::Success, gas_at(nth), Bytes::from_static(&[0xc0]));
    let receipts: Vec<Receipt> = (first + 1..=first + count).map(|nth| receipt(nth).expect(OURS)).collect();
    BlockReceipts::from_receipts(ReceiptForm::Slim, &receipts)
}

fn gas_of_one(digest: u64) -> u64 {
    21_000 + digest % 9_973
}

fn gas(digest: u64) -> u64 {
    heavy::count(digest) * gas_of_one(digest) + digest % (1 << 40)
}
