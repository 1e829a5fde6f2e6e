//! Real blocks: the bytes behind a header, a body and receipts of the chain, where rows are real, for the history's own writer to prove.
//!
//! A digest of the chain stands for one transaction, or one receipt, that no other block has. It knows nothing of peers.

use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Encodable, Header as ListHeader};
use snapsync_keccak::keccak256;
use snapsync_trie::ordered_root;
use snapsync_wire::{BlockReceipts, Body, Header, PostState, Receipt, ReceiptForm, consensus_receipts};

/// Why making a block cannot fail.
const OURS: &str = "these bytes are our own";

/// The bytes of a header.
#[must_use]
pub fn header(number: u64, parent: B256, state_root: B256, body_digest: u64, receipts_digest: u64) -> Bytes {
    let (body, receipts) = (body(body_digest), receipts(receipts_digest));
    let mut fields = Vec::new();
    parent.encode(&mut fields);
    keccak256(&[0xc0]).encode(&mut fields);
    [0u8; 20].encode(&mut fields);
    state_root.encode(&mut fields);
    ordered_root(&body.transaction_payloads()).encode(&mut fields);
    ordered_root(&consensus_receipts(&receipts).expect(OURS)).encode(&mut fields);
    [0u8; 256].encode(&mut fields);
    for value in [0, number, 30_000_000, gas(receipts_digest), number * 12] {
        value.encode(&mut fields);
    }
    [0u8; 0].encode(&mut fields);
    B256::ZERO.encode(&mut fields);
    [0u8; 8].encode(&mut fields);
    let mut raw = Vec::new();
    ListHeader { list: true, payload_length: fields.len() }.encode(&mut raw);
    raw.extend(fields);
    raw.into()
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

/// The receipts that a digest stands for.
#[must_use]
pub fn receipts(digest: u64) -> BlockReceipts {
    let receipt = Receipt::new(0, PostState::Success, gas(digest), Bytes::from_static(&[0xc0]));
    BlockReceipts::from_receipts(ReceiptForm::Slim, &[receipt.expect(OURS)])
}

fn gas(digest: u64) -> u64 {
    21_000 + digest % (1 << 40)
}
