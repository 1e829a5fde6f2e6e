//! Nothing that no header commits to reaches the disk: whatever is done to a true answer, it is refused, or what is kept
//! are the bytes of the true one.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Encodable, Header as Head};
use snapsync_keccak::keccak256;
use snapsync_storage::{BlockFault, ProvenBodies, ProvenReceipts};
use snapsync_trie::ordered_root;
use snapsync_wire::{
    BlockReceipts, Body, EthVersion, Header, PostState, Receipt, ReceiptForm, consensus_receipts, eth,
};

const BODIES: u8 = 0x06;
const RECEIPTS: u8 = 0x10;

/// An RLP item and all that is in it.
#[derive(Clone)]
enum Node {
    String(Vec<u8>),
    List(Vec<Node>),
}

impl Node {
    fn read(bytes: &mut &[u8]) -> Self {
        let head = Head::decode(bytes).unwrap();
        let (mut payload, rest) = bytes.split_at(head.payload_length);
        *bytes = rest;
        if !head.list {
            return Self::String(payload.to_vec());
        }
        let mut items = Vec::new();
        while !payload.is_empty() {
            items.push(Self::read(&mut payload));
        }
        Self::List(items)
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::String(bytes) => bytes.as_slice().encode(out),
            Self::List(items) => {
                let mut payload = Vec::new();
                items.iter().for_each(|item| item.write(&mut payload));
                Head { list: true, payload_length: payload.len() }.encode(out);
                out.extend(payload);
            }
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// All that one change to one item, at any depth, makes of this one. Lengths around it are set right.
    fn changed(&self) -> Vec<Vec<u8>> {
        let mut all = self.changes();
        if let Self::List(items) = self {
            for (at, item) in items.iter().enumerate() {
                for changed in item.changed() {
                    let mut payload = Vec::new();
                    items[..at].iter().for_each(|item| item.write(&mut payload));
                    payload.extend(changed);
                    items[at + 1..].iter().for_each(|item| item.write(&mut payload));
                    let mut raw = Vec::new();
                    Head { list: true, payload_length: payload.len() }.encode(&mut raw);
                    raw.extend(payload);
                    all.push(raw);
                }
            }
        }
        all
    }

    /// What can stand in this item's place: other items, none or two, and the same one in another encoding.
    fn changes(&self) -> Vec<Vec<u8>> {
        let own = self.bytes();
        let mut all = vec![Vec::new(), [own.clone(), own.clone()].concat()];
        for more in [&[0x80u8][..], &[0xc0], &[0x05], &[0xc1, 0xc0], &[0xb8, 56, 0], &[0x00]] {
            all.push([&own, more].concat());
            all.push([more, &own].concat());
        }
        let payload = match self {
            Self::String(bytes) => bytes.clone(),
            Self::List(items) => items.iter().flat_map(Self::bytes).collect(),
        };
        let short = if matches!(self, Self::List(_)) { 0xc0 } else { 0x80 };
        // Lengths with more digits than they need, and with a wrong one.
        for width in 1..=8u8 {
            let digits = &(payload.len() as u64).to_be_bytes()[8 - usize::from(width)..];
            all.push([&[short + 55 + width], digits, &payload].concat());
        }
        if payload.len() <= 55 {
            all.push([&[short + payload.len() as u8], &payload[..]].concat());
        }
        // A list inside a string, a string inside a list, and either opened.
        all.extend([
            Self::String(own.clone()).bytes(),
            Self::List(vec![self.clone()]).bytes(),
            payload.clone(),
        ]);
        all.push(Self::String(payload.clone()).bytes());
        match self {
            Self::String(bytes) => {
                all.push(Self::String([&[0], &bytes[..]].concat()).bytes());
                all.push(Self::String([&bytes[..], &[0]].concat()).bytes());
                all.push(Self::String([&[0x02], &bytes[..]].concat()).bytes());
                all.push(Self::List(Vec::new()).bytes());
            }
            Self::List(items) => {
                let mut turned = items.clone();
                turned.reverse();
                all.push(Self::List(turned).bytes());
                for more in [Self::String(Vec::new()), Self::List(Vec::new()), Self::String(vec![7; 300])] {
                    all.push(Self::List([items.clone(), vec![more.clone()]].concat()).bytes());
                    all.push(Self::List([vec![more], items.clone()].concat()).bytes());
                }
                all.push(Self::List(items[..items.len().saturating_sub(1)].to_vec()).bytes());
            }
        }
        all
    }
}

/// Every true answer spoilt: in each of its items, and in each of its bytes.
fn spoilt(answer: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Node::read(&mut &answer[..]).changed();
    for at in 0..answer.len() {
        for bit in 0..8 {
            let mut raw = answer.to_vec();
            raw[at] ^= 1 << bit;
            all.push(raw);
        }
        for byte in [0x00, 0x01, 0x80, 0x81, 0xb8, 0xc0, 0xf8] {
            let mut raw = answer.to_vec();
            raw.insert(at, byte);
            all.push(raw);
        }
        all.push([&answer[..at], &answer[at + 1..]].concat());
    }
    all
}

fn list(items: &[&[u8]]) -> Vec<u8> {
    let payload = items.concat();
    let mut raw = Vec::new();
    Head { list: true, payload_length: payload.len() }.encode(&mut raw);
    raw.extend(payload);
    raw
}

/// A block of Shanghai that has everything: transactions of all forms, an ommer, withdrawals; receipts with and without logs.
fn block() -> (Header, Body, BlockReceipts) {
    let legacy = alloy_rlp::encode(vec![1u64, 2, 3]);
    let long = list(&[&alloy_rlp::encode([9u8; 70].as_slice()), &[0x05]]);
    let typed = alloy_rlp::encode([&[2][..], &list(&[&[1], &[0x80]])].concat().as_slice());
    let unknown = alloy_rlp::encode([&[0x7e][..], &[3; 60]].concat().as_slice());
    let bare = [0x11];
    let ommers = list(&[&list(&[&[1], &[2]])]);
    let withdrawals: [&[u8]; 2] =
        [&alloy_rlp::encode(vec![1u64, 200, 7]), &alloy_rlp::encode(vec![2u64, 2, 2])];
    let transactions: [&[u8]; 5] = [&legacy, &long, &typed, &unknown, &bare];
    let body = Body::from_parts(transactions, &ommers, Some(&withdrawals)).unwrap();
    let topic = alloy_rlp::encode([4u8; 32].as_slice());
    let log = list(&[&alloy_rlp::encode([3u8; 20].as_slice()), &list(&[&topic]), &[0x80]]);
    let logs: Bytes = list(&[&log]).into();
    let none = Bytes::from_static(&[0xc0]);
    let receipts = [
        Receipt::new(0, PostState::Root(B256::repeat_byte(5)), 21_000, none.clone()),
        Receipt::new(0, PostState::Failure, 42_000, logs.clone()),
        Receipt::new(2, PostState::Success, 100_000, logs),
        Receipt::new(0x7e, PostState::Success, 121_000, none.clone()),
        Receipt::new(0x11, PostState::Failure, 142_000, none),
    ];
    let receipts: Vec<Receipt> = receipts.into_iter().map(Result::unwrap).collect();
    let receipts = BlockReceipts::from_receipts(ReceiptForm::Slim, &receipts);
    let mut fields = Vec::new();
    B256::repeat_byte(1).encode(&mut fields);
    keccak256(body.ommers()).encode(&mut fields);
    [0u8; 20].encode(&mut fields);
    B256::repeat_byte(2).encode(&mut fields);
    ordered_root(&body.transaction_payloads()).encode(&mut fields);
    ordered_root(&consensus_receipts(&receipts).unwrap()).encode(&mut fields);
    [0u8; 256].encode(&mut fields);
    for value in [0u64, 9, 30_000_000, 142_000, 1_700_000_000] {
        value.encode(&mut fields);
    }
    b"extra".as_slice().encode(&mut fields);
    B256::ZERO.encode(&mut fields);
    [0u8; 8].encode(&mut fields);
    7u64.encode(&mut fields);
    ordered_root(&body.withdrawal_payloads().unwrap()).encode(&mut fields);
    let header = Header::decode(&list(&[&fields]).into()).unwrap();
    (header, body, receipts)
}

/// How many spoilt answers still prove; each must keep the true bytes.
fn proved(answer: &[u8], keeps: impl Fn(Bytes) -> Option<Bytes>, truth: &Bytes) -> usize {
    assert_eq!(keeps(Bytes::copy_from_slice(answer)).as_ref(), Some(truth), "the true answer");
    let kept = spoilt(answer).into_iter().filter_map(|raw| Some((keeps(raw.clone().into())?, raw)));
    kept.map(|(kept, raw)| assert_eq!(&kept, truth, "{}", alloy_primitives::hex::encode(raw))).count()
}

// ROW: F13
#[test]
fn a_body_that_proves_has_the_bytes_of_the_true_one() {
    let (header, body, _) = block();
    let answer = eth::BlockBodies { id: 1, bodies: vec![body.clone()] };
    let (_, answer) = eth::Message::BlockBodies(answer).encode(EthVersion::Eth70).unwrap();
    let keeps = |raw| {
        let Ok(eth::Message::BlockBodies(answer)) = eth::Message::decode(EthVersion::Eth70, BODIES, &raw)
        else {
            return None;
        };
        let [body] = &answer.bodies[..] else { return None };
        ProvenBodies::prove(std::slice::from_ref(&header), vec![body.clone()]).ok()?;
        Some(body.raw().clone())
    };
    // Another id is no other body.
    assert!(proved(&answer, keeps, body.raw()) > 0);
}

// ROW: F13
#[test]
fn receipts_that_prove_have_the_bytes_of_the_true_ones() {
    let (header, _, receipts) = block();
    for version in [EthVersion::Eth68, EthVersion::Eth69, EthVersion::Eth70] {
        let (last_block, blocks) = (eth::Completeness::Whole, vec![receipts.clone()]);
        let answer = eth::Message::Receipts(eth::Receipts { id: 1, last_block, blocks });
        let (_, answer) = answer.encode(version).unwrap();
        let keeps = |raw| {
            let Ok(eth::Message::Receipts(answer)) = eth::Message::decode(version, RECEIPTS, &raw) else {
                return None;
            };
            let [block] = &answer.blocks[..] else { return None };
            ProvenReceipts::prove(std::slice::from_ref(&header), vec![block.clone()]).ok()?;
            Some(block.to_form(ReceiptForm::Slim).unwrap().raw().clone())
        };
        assert!(proved(&answer, keeps, receipts.raw()) > 0);
    }
}

// ROW: F38
#[test]
fn receipts_that_no_gas_pays_for_are_refused_before_they_are_read() {
    let (header, _, truth) = block();
    assert_eq!(truth.count(), Ok(5));
    // Of five bytes each; what the root is over would be fifty times as long. Some thousands are read whatever the header says.
    for (count, is_read) in [(6, true), (4096, true), (4097, false), (150_000, false)] {
        let raw = list(&[&[0xc4, 0x80, 0x80, 0x80, 0xc0].repeat(count)]);
        let receipts = BlockReceipts::from_raw(ReceiptForm::Slim, raw.into()).unwrap();
        let fault = ProvenReceipts::prove(std::slice::from_ref(&header), vec![receipts]).unwrap_err();
        assert_eq!(matches!(fault, BlockFault::Root { .. }), is_read, "{fault}");
        assert_eq!(matches!(fault, BlockFault::TooManyReceipts { .. }), !is_read, "{fault}");
    }
}
