//! The blocks in a finished data directory beside geth's, byte by byte: headers, bodies and receipts.

use alloy_primitives::Bytes;
use snapsync_e2e::rpc::Rpc;
use snapsync_storage::HistorySnapshot;
use snapsync_wire::{BlockReceipts, ReceiptForm, consensus_receipts};

/// The blocks 1 to `head` in `snapshot` are those of the chain of the geth behind `rpc`. Gives the size of the largest block's receipts.
pub(crate) fn assert_blocks_are_geths(snapshot: &HistorySnapshot, head: u64, rpc: Rpc) -> usize {
    let mut receipt_bytes_max = 0;
    for number in 1..=head {
        let hash = snapshot.canonical(number).unwrap().unwrap();
        let (header, rest) = split(&rpc.raw_block(number).unwrap());
        assert_eq!(snapshot.header(number).unwrap(), Some(&header[..]), "header {number}");
        let body = snapshot.body(&hash).unwrap().unwrap();
        assert_eq!(inside(body), rest, "body {number}");
        let receipts = Bytes::copy_from_slice(snapshot.receipts(&hash).unwrap().unwrap());
        receipt_bytes_max = receipt_bytes_max.max(receipts.len());
        let receipts = BlockReceipts::from_raw(ReceiptForm::Slim, receipts).unwrap();
        let receipts: Vec<Bytes> =
            consensus_receipts(&receipts).unwrap().into_iter().map(Into::into).collect();
        assert_eq!(receipts, rpc.raw_receipts(number).unwrap(), "receipts {number}");
    }
    receipt_bytes_max
}

/// A block's header, and the items behind it: those of its body.
fn split(block: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let items = inside(block);
    let mut rest = &items[..];
    let length = alloy_rlp::Header::decode(&mut rest).unwrap().payload_length;
    let header = items.len() - rest.len() + length;
    (items[..header].to_vec(), items[header..].to_vec())
}

/// The items of an RLP list, one after the other.
fn inside(mut list: &[u8]) -> Vec<u8> {
    let header = alloy_rlp::Header::decode(&mut list).unwrap();
    assert!(header.list && header.payload_length == list.len());
    list.to_vec()
}
