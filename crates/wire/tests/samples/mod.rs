//! One message of each kind, as a value and as bytes. Shared by the tests of this crate.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of this")]

pub mod pins;

use alloy_primitives::{Address, B256, Bytes, hex};
use snapsync_wire::{
    BlockRange, BlockReceipts, ForkId, PostState, Receipt, ReceiptForm, Status, eth::BlockAccessLists,
};

pub fn bytes(hex: &str) -> Bytes {
    hex::decode(hex).expect("pins are hex").into()
}

pub fn hash(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

/// A number as 32 bytes.
pub fn word(number: u64) -> B256 {
    B256::left_padding_from(&number.to_be_bytes())
}

pub const DEAD: u64 = 0xdead_c0de;
pub const FEED: u64 = 0xfeed_beef;

pub fn status() -> Status {
    Status {
        network_id: 1,
        genesis: hash(0x11),
        fork_id: ForkId { hash: hex!("07c9462e"), next: 0 },
        range: range(0),
    }
}

pub fn range(earliest: u64) -> BlockRange {
    BlockRange { earliest, latest: 21_000_000, latest_hash: hash(0x22) }
}

/// A legacy receipt with a log, a typed one, and one from before Byzantium.
pub fn receipts() -> Vec<Receipt> {
    let address = Address::left_padding_from(&[0x11]);
    let mut logs = hex!("f85ff85d94").to_vec();
    logs.extend_from_slice(address.as_slice());
    logs.extend_from_slice(&hex!("f842a0"));
    logs.extend_from_slice(word(0xdead).as_slice());
    logs.push(0xa0);
    logs.extend_from_slice(word(0xbeef).as_slice());
    logs.extend_from_slice(&hex!("830100ff"));
    let none = Bytes::from_static(&[0xc0]);
    [
        Receipt::new(0, PostState::Failure, 333, logs.into()),
        Receipt::new(2, PostState::Success, 444, none.clone()),
        Receipt::new(0, PostState::Root(hash(0x77)), 21_000, none),
    ]
    .into_iter()
    .collect::<Result<_, _>>()
    .expect("well-formed")
}

pub fn block_receipts() -> BlockReceipts {
    BlockReceipts::from_receipts(ReceiptForm::Slim, &receipts())
}

pub fn no_receipts() -> BlockReceipts {
    BlockReceipts::from_receipts(ReceiptForm::Slim, &[])
}

pub fn access_lists(id: u64) -> BlockAccessLists {
    let list = bytes(concat!(
        "f0ef944444444444444444444444444444444444444444c6c501c3c2012a",
        "c102cbca01880de0b6b3a7640000c3c20108c0"
    ));
    BlockAccessLists { id, lists: vec![Some(list), None, Some(Bytes::from_static(&[0xc0]))] }
}
