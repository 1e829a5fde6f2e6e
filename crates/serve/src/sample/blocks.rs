//! Sixteen blocks on a real disk, with some receipts each.

use std::{ops::Range, sync::OnceLock};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{Encodable, Header as RlpHead};
use snapsync_keccak::keccak256;
use snapsync_storage::{
    BlockSpan, Chain, Config, Descent, HistorySnapshot, HistoryWrite, ProvenBodies, ProvenHeaders,
    ProvenReceipts, Store, Ticket,
};
use snapsync_trie::ordered_root;
use snapsync_wire::{BlockReceipts, Body, Header, PostState, Receipt, ReceiptForm, consensus_receipts};

/// The chain and what it should hold.
pub(crate) struct SampleBlocks {
    pub(crate) store: Store,
    pub(crate) hashes: Vec<B256>,
    pub(crate) headers: Vec<Header>,
    _dir: tempfile::TempDir,
}

const BLOCKS: u64 = 16;
const TICKET: Ticket = Ticket(0);

impl SampleBlocks {
    /// The one chain that all tests read.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<SampleBlocks> = OnceLock::new();
        SHARED.get_or_init(|| Self::with(0..BLOCKS, 0..BLOCKS))
    }

    /// The same headers with some bodies and receipts only; the others are wanted and missing.
    pub(crate) fn with(bodies: Range<u64>, receipts: Range<u64>) -> Self {
        let mut parent = B256::ZERO;
        let blocks: Vec<(Header, Body, BlockReceipts)> = (0..BLOCKS)
            .map(|number| {
                let block = block(number, parent);
                parent = block.0.hash();
                block
            })
            .collect();
        let headers: Vec<Header> = blocks.iter().map(|block| block.0.clone()).collect();
        let hashes = Header::hashes(&headers);
        let dir = tempfile::tempdir().expect("a directory");
        let config = Config::small(dir.path());
        let store = Store::open(&config, Chain { id: 1, genesis: hashes[0] }).expect("a fresh store");
        let writer = store.history.writer(&config, Box::new(drop)).expect("a writer");
        let falling = headers.iter().rev().cloned().collect();
        let part = |range: Range<u64>| &blocks[range.start as usize..range.end as usize];
        let bodies = part(bodies).iter().map(|block| block.1.clone()).collect();
        let receipts = part(receipts).iter().map(|block| block.2.clone()).collect();
        for write in [
            HistoryWrite::Want { ticket: TICKET, blocks: BlockSpan { first: 0, last: BLOCKS - 1 } },
            HistoryWrite::Headers {
                ticket: TICKET,
                headers: ProvenHeaders::prove(parent, None, falling).expect("our own headers"),
                descent: Descent::Begins,
                response_bytes: 0,
            },
            HistoryWrite::Bodies {
                ticket: TICKET,
                bodies: ProvenBodies::prove(&headers, bodies).expect("our own bodies"),
                response_bytes: 0,
            },
            HistoryWrite::Receipts {
                ticket: TICKET,
                receipts: ProvenReceipts::prove(&headers, receipts).expect("our own receipts"),
                response_bytes: 0,
            },
        ] {
            writer.send(write).expect("the writer runs");
        }
        writer.join().expect("all is written");
        Self { store, hashes, headers, _dir: dir }
    }

    pub(crate) fn snapshot(&self) -> HistorySnapshot {
        self.store.history.snapshot().expect("a snapshot")
    }
}

fn block(number: u64, parent: B256) -> (Header, Body, BlockReceipts) {
    let transactions: Vec<Vec<u8>> =
        (0..number * 2).map(|nonce| list(&[&nonce, &number, &U256::MAX])).collect();
    let body = Body::from_parts(transactions.iter().map(Vec::as_slice), &[0xc0], Some(&[]));
    let body = body.expect("a body");
    let receipts: Vec<Receipt> = (0..number * 2)
        .map(|index| {
            let logs = Bytes::from_static(&[0xc0]);
            Receipt::new((index % 3) as u8, PostState::Success, 21_000 * (index + 1), logs)
                .expect("a receipt")
        })
        .collect();
    let receipts = BlockReceipts::from_receipts(ReceiptForm::Slim, &receipts);
    let encoded = consensus_receipts(&receipts).expect("our own receipts");
    let header = list(&[
        &parent,
        &keccak256(&[0xc0]),
        &Address::ZERO,
        &B256::repeat_byte(number as u8),
        &ordered_root(&transactions),
        &ordered_root(&encoded),
        &[0u8; 256].as_slice(),
        &U256::ZERO,
        &number,
        &30_000_000u64,
        &(number * 42_000),
        &(1_700_000_000 + number * 12),
        &b"".as_slice(),
        &B256::ZERO,
        &[0u8; 8].as_slice(),
        &7u64,
        &ordered_root(&[] as &[&[u8]]),
    ]);
    (Header::decode(&header.into()).expect("a header"), body, receipts)
}

fn list(items: &[&dyn Encodable]) -> Vec<u8> {
    let mut payload = Vec::new();
    items.iter().for_each(|item| item.encode(&mut payload));
    let mut bytes = Vec::new();
    RlpHead { list: true, payload_length: payload.len() }.encode(&mut bytes);
    bytes.extend_from_slice(&payload);
    bytes
}
