//! A short made-up chain with transactions and receipts, written into the history as in earnest.

use std::sync::mpsc;

use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Encodable, Header as ListHeader};
use snapsync_keccak::keccak256;
use snapsync_storage::{
    BlockSpan, Config, Descent, HistoryWrite, Notice, ProvenBodies, ProvenHeaders, ProvenReceipts, Store,
    Ticket,
};
use snapsync_trie::ordered_root;
use snapsync_wire::{BlockReceipts, Body, Header, PostState, Receipt, ReceiptForm, consensus_receipts};

#[derive(Clone)]
pub(crate) struct Block {
    pub(crate) header: Header,
    pub(crate) body: Body,
    pub(crate) receipts: BlockReceipts,
}

/// Blocks 1 to `count`, rising; the last one's state root is `root`.
pub(crate) fn blocks(genesis: B256, count: u64, root: B256) -> Vec<Block> {
    let mut parent = genesis;
    (1..=count)
        .map(|number| {
            let block = block(parent, number, root);
            parent = block.header.hash();
            block
        })
        .collect()
}

fn block(parent: B256, number: u64, root: B256) -> Block {
    let transactions: Vec<Vec<u8>> =
        (0..number % 4).map(|at| alloy_rlp::encode(vec![number, at, 77])).collect();
    block_of(parent, number, root, b"extra", &transactions)
}

/// A block with these transactions, each of 21,000 gas, and this extra data in its header.
pub(crate) fn block_of(
    parent: B256,
    number: u64,
    root: B256,
    extra: &[u8],
    transactions: &[Vec<u8>],
) -> Block {
    let count = transactions.len() as u64;
    let body = Body::from_parts(transactions.iter().map(Vec::as_slice), &[0xc0], None).unwrap();
    let receipt = |at: u64| {
        Receipt::new(0, PostState::Success, 21_000 * (at + 1), Bytes::from_static(&[0xc0])).unwrap()
    };
    let receipts: Vec<_> = (0..count).map(receipt).collect();
    let receipts = BlockReceipts::from_receipts(ReceiptForm::Slim, &receipts);
    let mut fields = Vec::new();
    parent.encode(&mut fields);
    keccak256(&[0xc0]).encode(&mut fields);
    [0u8; 20].encode(&mut fields);
    root.encode(&mut fields);
    ordered_root(&body.transaction_payloads()).encode(&mut fields);
    ordered_root(&consensus_receipts(&receipts).unwrap()).encode(&mut fields);
    [0u8; 256].encode(&mut fields);
    for value in [0u64, number, 30_000_000, 21_000 * count, number * 12] {
        value.encode(&mut fields);
    }
    extra.encode(&mut fields);
    B256::ZERO.encode(&mut fields);
    [0u8; 8].encode(&mut fields);
    let mut raw = Vec::new();
    ListHeader { list: true, payload_length: fields.len() }.encode(&mut raw);
    raw.extend(fields);
    Block { header: Header::decode(&raw.into()).unwrap(), body, receipts }
}

/// Writes headers of all blocks, and what lies above them of the first `whole`.
pub(crate) fn write(store: &Store, config: &Config, blocks: &[Block], whole: usize) {
    let (tell, notices) = mpsc::channel();
    let notify = Box::new(move |notice| tell.send(notice).unwrap());
    let writer = store.history.writer(config, notify).unwrap();
    let headers: Vec<_> = blocks.iter().rev().map(|block| block.header.clone()).collect();
    let headers = ProvenHeaders::prove(headers[0].hash(), None, headers).unwrap();
    let rising: Vec<_> = blocks[..whole].iter().map(|block| block.header.clone()).collect();
    let bodies = blocks[..whole].iter().map(|block| block.body.clone()).collect();
    let receipts = blocks[..whole].iter().map(|block| block.receipts.clone()).collect();
    let span = BlockSpan { first: 1, last: blocks.len() as u64 };
    let writes = [
        HistoryWrite::Want { ticket: Ticket(1), blocks: span },
        HistoryWrite::Headers { ticket: Ticket(2), headers, descent: Descent::Begins, response_bytes: 1 },
        HistoryWrite::Bodies {
            ticket: Ticket(3),
            bodies: ProvenBodies::prove(&rising, bodies).unwrap(),
            response_bytes: 1,
        },
        HistoryWrite::Receipts {
            ticket: Ticket(4),
            receipts: ProvenReceipts::prove(&rising, receipts).unwrap(),
            response_bytes: 1,
        },
    ];
    for write in writes {
        writer.send(write).unwrap();
        assert!(matches!(notices.recv().unwrap(), Notice::Committed { .. }));
    }
    writer.join().unwrap();
}
