//! Bounds refuse what would cost memory, and nothing that an honest peer can send.

mod samples;

use alloy_primitives::{B256, Bytes};
use samples::{hash, word};
use snapsync_wire::{
    BlockReceipts, Body, Error, EthVersion, PostState, Receipt, ReceiptForm, SnapVersion, consensus_receipts,
    eth, limits, snap,
};

use EthVersion::{Eth68, Eth70, Eth71};

fn list(payload: &[u8]) -> Vec<u8> {
    let mut raw = Vec::with_capacity(payload.len() + 9);
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut raw);
    raw.extend_from_slice(payload);
    raw
}

fn encode_eth(version: EthVersion, message: &eth::Message) -> Bytes {
    message.encode(version).expect("the version has it").1
}

#[test]
// ROW: F38
fn a_request_is_read_as_far_as_it_is_answered() {
    let max = limits::LOOKUPS_MAX;
    let hashes: Vec<B256> = (0..1 << 16).map(word).collect();
    let first = &hashes[..max];
    let read_eth = |message: eth::Message| {
        let body = encode_eth(Eth71, &message);
        match eth::Message::decode(Eth71, message.id(), &body).expect("a long request is legal") {
            eth::Message::GetBlockBodies(request) => request.hashes,
            eth::Message::GetReceipts(request) => request.hashes,
            eth::Message::GetBlockAccessLists(request) => request.hashes,
            other => panic!("{other:?}"),
        }
    };
    let bodies = eth::GetBlockBodies { id: 1, hashes: hashes.clone() };
    assert_eq!(read_eth(eth::Message::GetBlockBodies(bodies)), first);
    let receipts = eth::GetReceipts { id: 1, first_receipt_index: 5, hashes: hashes.clone() };
    assert_eq!(read_eth(eth::Message::GetReceipts(receipts)), first);
    let lists = eth::GetBlockAccessLists { id: 1, hashes: hashes.clone() };
    assert_eq!(read_eth(eth::Message::GetBlockAccessLists(lists)), first);
    let read_snap = |version, message: snap::Message| {
        let (id, body) = message.encode(version).expect("the version has it");
        match snap::Message::decode(version, id, &body).expect("a long request is legal") {
            snap::Message::GetByteCodes(request) => (request.hashes, request.response_bytes),
            snap::Message::GetStorageRanges(request) => (request.accounts, request.response_bytes),
            snap::Message::GetBlockAccessLists(request) => (request.hashes, request.response_bytes),
            other => panic!("{other:?}"),
        }
    };
    let response_bytes = 7;
    let codes = snap::GetByteCodes { id: 1, hashes: hashes.clone(), response_bytes };
    assert_eq!(read_snap(SnapVersion::Snap1, snap::Message::GetByteCodes(codes)), (first.to_vec(), 7));
    let lists = snap::GetBlockAccessLists { id: 1, hashes: hashes.clone(), response_bytes };
    assert_eq!(read_snap(SnapVersion::Snap2, snap::Message::GetBlockAccessLists(lists)), (first.to_vec(), 7));
    let storages = snap::GetStorageRanges {
        id: 1,
        root: hash(1),
        accounts: hashes.clone(),
        origin: hash(2),
        limit: hash(3),
        response_bytes,
    };
    assert_eq!(read_snap(SnapVersion::Snap1, snap::Message::GetStorageRanges(storages)), (first.to_vec(), 7));
}

#[test]
fn a_request_of_a_wrong_shape_is_refused_where_it_is_read() {
    let short = [&[0x83, 1, 2, 3][..]; 2].concat();
    let body: Bytes = list(&[&[1][..], &list(&short)].concat()).into();
    assert!(matches!(eth::Message::decode(Eth70, 0x05, &body), Err(Error::Malformed { .. })));
}

#[test]
fn a_body_of_seventy_thousand_transactions_is_read() {
    // The smallest that are signed take some hundred bytes.
    let transaction = list(&[7; 110]);
    let body = Body::from_parts(vec![transaction.as_slice(); 70_000], &[0xc0], None).expect("legal");
    let answer = eth::BlockBodies { id: 1, bodies: vec![body] };
    let message = encode_eth(Eth70, &eth::Message::BlockBodies(answer));
    assert!(message.len() <= limits::MESSAGE_BYTES_MAX);
    let Ok(eth::Message::BlockBodies(answer)) = eth::Message::decode(Eth70, 0x06, &message) else {
        panic!("an honest block is refused");
    };
    assert_eq!(answer.bodies[0].transaction_payloads().len(), 70_000);
}

#[test]
fn receipts_of_seventy_thousand_transactions_are_read() {
    let none = Bytes::from_static(&[0xc0]);
    let receipts: Vec<Receipt> = (1..=70_000)
        .map(|at| Receipt::new(2, PostState::Success, at * 21_000, none.clone()).expect("legal"))
        .collect();
    let block = BlockReceipts::from_receipts(ReceiptForm::Slim, &receipts);
    let halves = [
        BlockReceipts::from_receipts(ReceiptForm::Slim, &receipts[..35_000]),
        block.skip(35_000).expect("a list"),
    ];
    let joined = halves[0].join(&halves[1]).expect("lists");
    assert_eq!(joined, block);
    assert_eq!(consensus_receipts(&joined).map(|all| all.len()), Ok(70_000));
}

#[test]
fn a_code_as_large_as_a_message_is_read() {
    let code = Bytes::from(vec![0x5b; limits::MESSAGE_BYTES_MAX - 32]);
    let answer = snap::Message::ByteCodes(snap::ByteCodes { id: 1, codes: vec![code] });
    let (id, body) = answer.encode(SnapVersion::Snap1).expect("snap/1 has it");
    assert_eq!(snap::Message::decode(SnapVersion::Snap1, id, &body), Ok(answer));
}

#[test]
fn a_receipt_beyond_the_hard_limit_is_refused_by_its_name() {
    let log =
        list(&[&[0x94][..], &[3; 20], &[0xc0], &alloy_rlp::encode(vec![1u8; 12 << 20].as_slice())].concat());
    let receipt = Receipt::new(2, PostState::Success, 1, list(&log).into()).expect("well-formed");
    let blocks = vec![BlockReceipts::from_receipts(ReceiptForm::Slim, &[receipt])];
    let answer = eth::Receipts { id: 1, last_block: eth::Completeness::Whole, blocks };
    let body = encode_eth(Eth70, &eth::Message::Receipts(answer));
    let error = eth::Message::decode(Eth70, 0x10, &body).expect_err("beyond the hard limit");
    let (length, max) = (body.len(), limits::MESSAGE_BYTES_MAX);
    assert_eq!(error, Error::TooLong { what: "Receipts", length, max });
}

#[test]
fn messages_of_the_smallest_items_are_refused_or_cost_nothing() {
    for item in [0x00u8, 0x80, 0xc0] {
        let items = list(&vec![item; limits::MESSAGE_BYTES_MAX - 64]);
        let (one, none) = ([1u8], [0xc0u8]);
        let answer: Bytes = list(&[&one[..], &items].concat()).into();
        let proved: Bytes = list(&[&one[..], &items, &none].concat()).into();
        let proof: Bytes = list(&[&one[..], &none, &items].concat()).into();
        // Headers, bodies, receipts, lists: of blocks.
        for id in [0x04, 0x06, 0x10, 0x13] {
            assert!(eth::Message::decode(Eth71, id, &answer).is_err(), "{id:#04x} of {item:#04x}");
        }
        // Codes and nodes.
        for id in [0x05, 0x07] {
            assert!(
                snap::Message::decode(SnapVersion::Snap1, id, &answer).is_err(),
                "{id:#04x} of {item:#04x}"
            );
        }
        // Ranges, by their rows and by their proofs.
        for id in [0x01, 0x03] {
            for body in [&proved, &proof] {
                assert!(
                    snap::Message::decode(SnapVersion::Snap1, id, body).is_err(),
                    "{id:#04x} of {item:#04x}"
                );
            }
        }
        // The transactions of one body.
        let body: Bytes = list(&[&items[..], &none].concat()).into();
        assert!(Body::decode(&body).is_err(), "a body of {item:#04x}");
        // The receipts of one block: they are not looked at before somebody wants them.
        let block = BlockReceipts::from_raw(ReceiptForm::Slim, items.clone().into()).expect("a list");
        assert!(block.receipts().is_err() && block.count().is_err() && consensus_receipts(&block).is_err());
        assert!(block.to_form(ReceiptForm::WithBloom).is_err());
    }
}

#[test]
fn what_receipts_take_in_another_form_is_known_before() {
    let logs = samples::receipts()[0].logs().clone();
    for (count, logs) in [(0, &logs), (1, &logs), (3, &logs), (500, &Bytes::from_static(&[0xc0]))] {
        let receipts: Vec<Receipt> = (0..count)
            .map(|at| Receipt::new((at % 3) as u8, PostState::Success, at, logs.clone()).expect("legal"))
            .collect();
        let slim = BlockReceipts::from_receipts(ReceiptForm::Slim, &receipts);
        let blooming = slim.to_form(ReceiptForm::WithBloom).expect("well-formed");
        for (from, to) in [(&slim, &blooming), (&blooming, &slim), (&slim, &slim)] {
            let (bound, taken) = (from.form_bytes_max(to.form()).expect("a list"), to.raw().len());
            assert!(taken <= bound, "{count} receipts: {taken} of {bound}");
        }
        let bound = slim.form_bytes_max(ReceiptForm::WithBloom).expect("a list");
        assert!(bound - blooming.raw().len() <= 9 * (receipts.len() + 1), "the bound is close");
    }
}

#[test]
// ROW: F38
fn every_request_has_its_empty_answer() {
    let hashes = vec![hash(1), hash(2)];
    let headers = eth::GetBlockHeaders {
        id: 1,
        start: eth::BlockStart::Number(1),
        limit: 9,
        skip: 0,
        direction: eth::Direction::Rising,
    };
    let requests = [
        eth::Message::GetBlockHeaders(headers),
        eth::Message::GetBlockBodies(eth::GetBlockBodies { id: 2, hashes: hashes.clone() }),
        eth::Message::GetReceipts(eth::GetReceipts { id: 3, first_receipt_index: 0, hashes: hashes.clone() }),
        eth::Message::GetBlockAccessLists(eth::GetBlockAccessLists { id: 4, hashes: hashes.clone() }),
    ];
    let expected = ["c201c0", "c202c0", "c303 80c0", "c404c28080"];
    for (request, expected) in requests.iter().zip(expected) {
        let answer = request.empty_answer().expect("it is a request");
        assert_eq!((answer.request_id(), answer.id()), (request.request_id(), request.id() + 1));
        assert_eq!(encode_eth(Eth71, &answer), samples::bytes(&expected.replace(' ', "")));
        assert_eq!(answer.empty_answer(), None);
    }
    let receipts = requests[2].empty_answer().expect("it is a request");
    assert_eq!(encode_eth(Eth68, &receipts), samples::bytes("c203c0"));
    let (root, response_bytes) = (hash(7), 9);
    let (origin, limit) = (hash(0), hash(0xff));
    let requests = [
        (
            snap::Message::GetAccountRange(snap::GetAccountRange {
                id: 1,
                root,
                origin,
                limit,
                response_bytes,
            }),
            "c301c0c0",
        ),
        (
            snap::Message::GetStorageRanges(snap::GetStorageRanges {
                id: 2,
                root,
                accounts: hashes.clone(),
                origin,
                limit,
                response_bytes,
            }),
            "c302c0c0",
        ),
        (
            snap::Message::GetByteCodes(snap::GetByteCodes { id: 3, hashes: hashes.clone(), response_bytes }),
            "c203c0",
        ),
        (
            snap::Message::GetTrieNodes(snap::GetTrieNodes {
                id: 4,
                root,
                paths: Vec::new(),
                response_bytes,
            }),
            "c204c0",
        ),
        (
            snap::Message::GetBlockAccessLists(snap::GetBlockAccessLists { id: 5, hashes, response_bytes }),
            "c405c28080",
        ),
    ];
    for (request, expected) in requests {
        let answer = request.empty_answer().expect("it is a request");
        let version = if request.id() == 8 { SnapVersion::Snap2 } else { SnapVersion::Snap1 };
        let (id, body) = answer.encode(version).expect("the version has it");
        assert_eq!((id, body), (request.id() + 1, samples::bytes(expected)));
        assert_eq!((answer.request_id(), answer.empty_answer()), (request.request_id(), None));
    }
}
