//! Headers, bodies and receipts: kept as received, read as far as needed, hashed as the chain hashes them.

mod samples;

use alloy_consensus::{Eip658Value, ReceiptEnvelope, ReceiptWithBloom};
use alloy_primitives::{Address, Bytes, Log, U256, b256, hex};
use samples::{bytes, hash, pins, word};
use snapsync_wire::{
    BlockReceipts, Body, Error, Header, PostState, Receipt, ReceiptForm, RlpFault, consensus_receipts,
};

#[test]
fn header_hash_is_over_the_bytes_received() {
    let header = Header::decode(&bytes(&pins::ETH_0X04_BLOCK_HEADERS[18..])).expect("a header");
    // From EIP-2481.
    let hash = b256!("8c2f2af15b7b563b6ab1e09bed0e9caade7ed730aec98b70a993597a797579a9");
    assert_eq!(header.hash(), hash);
    assert_eq!(Header::hashes(&[header.clone(), header]), [hash, hash]);
}

#[test]
fn header_of_amsterdam() {
    let header = Header::decode(&bytes(pins::HEADER_AMSTERDAM)).expect("a header");
    assert_eq!((header.parent_hash, header.ommers_hash), (hash(1), hash(2)));
    assert_eq!(header.beneficiary, Address::repeat_byte(3));
    assert_eq!((header.state_root, header.transactions_root), (hash(4), hash(5)));
    assert_eq!((header.receipts_root, header.difficulty), (hash(6), U256::ZERO));
    assert_eq!((header.number, header.gas_limit, header.gas_used), (1000, 30_000_000, 21_000));
    assert_eq!((header.timestamp, header.base_fee_per_gas), (1_700_000_000, Some(U256::from(7))));
    assert_eq!((header.withdrawals_root, header.blob_gas_used), (Some(hash(8)), Some(131_072)));
    assert_eq!((header.excess_blob_gas, header.parent_beacon_block_root), (Some(0), Some(hash(9))));
    assert_eq!((header.requests_hash, header.block_access_list_hash), (Some(hash(10)), Some(hash(11))));
    assert_eq!(header.slot_number, Some(12_345));
}

#[test]
fn header_fields_of_later_forks_are_absent() {
    let header = Header::decode(&bytes(pins::HEADER_SHANGHAI)).expect("a header");
    assert_eq!((header.withdrawals_root, header.blob_gas_used), (Some(hash(8)), None));
    assert_eq!((header.requests_hash, header.slot_number), (None, None));
}

#[test]
fn header_of_a_fork_to_come_is_kept_whole() {
    let raw = bytes(pins::HEADER_OF_A_FORK_TO_COME);
    let header = Header::decode(&raw).expect("a header");
    assert_eq!((header.number, header.slot_number), (1001, Some(12_345)));
    assert_eq!(header.raw(), &raw);
    assert_ne!(header.hash(), Header::decode(&bytes(pins::HEADER_AMSTERDAM)).expect("a header").hash());
}

#[test]
fn header_agrees_with_another_implementation() {
    let theirs = alloy_consensus::Header {
        number: 7,
        base_fee_per_gas: Some(1 << 40),
        extra_data: Bytes::from_static(b"extra"),
        withdrawals_root: Some(hash(1)),
        ..Default::default()
    };
    let mut raw = Vec::new();
    alloy_rlp::Encodable::encode(&theirs, &mut raw);
    let ours = Header::decode(&raw.into()).expect("a header");
    assert_eq!(ours.hash(), theirs.hash_slow());
    assert_eq!((ours.number, ours.base_fee_per_gas), (7, Some(U256::from(1u64 << 40))));
    assert_eq!((ours.difficulty, ours.withdrawals_root), (theirs.difficulty, theirs.withdrawals_root));
}

#[test]
// ROW: F13
fn body_payloads_are_what_the_roots_are_over() {
    let body = Body::decode(&bytes(pins::BODY_SHANGHAI)).expect("a body");
    let transactions = body.transaction_payloads();
    assert_eq!(transactions.len(), body.transaction_count());
    let [legacy, typed, unknown] = transactions[..] else { panic!("three transactions") };
    assert_eq!((legacy[0], typed[0]), (0xf8, 0x02));
    assert_eq!(unknown, hex!("7ec3010203"));
    assert_eq!(body.ommers().as_ref(), [0xc0]);
    let withdrawals = body.withdrawal_payloads().expect("Shanghai has them");
    assert_eq!(withdrawals.len(), 2);
    assert_eq!(withdrawals[0], hex!("d80102944444444444444444444444444444444444444444 20"));
}

#[test]
fn body_before_shanghai_has_no_withdrawals() {
    let body = Body::decode(&bytes(pins::BODY_LONDON)).expect("a body");
    assert_eq!((body.transaction_count(), body.withdrawal_payloads()), (2, None));
}

#[test]
fn body_with_a_field_that_no_header_commits_to_is_refused() {
    let refused = Err(Error::Malformed { what: "body", fault: RlpFault::Trailing });
    assert_eq!(Body::decode(&bytes(pins::BODY_WITH_A_FOURTH_FIELD)), refused);
    let padding: [&[u8]; 3] = [&[0x80], &[0xc0], &[0xc3, 1, 2, 3]];
    for pin in [pins::BODY_SHANGHAI, pins::BODY_WITH_A_FOURTH_FIELD] {
        let body = bytes(pin);
        let mut payload = &body[..];
        let payload = alloy_rlp::Header::decode_bytes(&mut payload, true).expect("a list");
        for more in padding {
            let mut raw = Vec::new();
            let payload_length = payload.len() + more.len();
            alloy_rlp::Header { list: true, payload_length }.encode(&mut raw);
            raw.extend_from_slice(payload);
            raw.extend_from_slice(more);
            assert_eq!(Body::decode(&raw.into()), refused);
        }
    }
}

#[test]
fn body_with_a_legacy_transaction_in_a_string_is_refused() {
    // It would have the root of the body with the bare list.
    let body = bytes("c6c483c20102c0");
    assert_eq!(Body::decode(&body), Err(Error::TypeByte { what: "transaction", byte: 0xc2 }));
    assert!(Body::decode(&bytes("c3c180c0")).is_err(), "an empty transaction");
}

#[test]
fn body_from_parts_is_the_body_received() {
    for pin in [pins::BODY_SHANGHAI, pins::BODY_LONDON] {
        let body = Body::decode(&bytes(pin)).expect("a body");
        let wire: Vec<Vec<u8>> = body
            .transaction_payloads()
            .into_iter()
            .map(|payload| {
                let mut item = Vec::new();
                match payload[0] {
                    0x00..=0x7f => {
                        alloy_rlp::Encodable::encode(payload, &mut item);
                    }
                    _ => item.extend_from_slice(payload),
                }
                item
            })
            .collect();
        let withdrawals = body.withdrawal_payloads();
        let parts = wire.iter().map(Vec::as_slice);
        let made = Body::from_parts(parts, body.ommers(), withdrawals.as_deref());
        assert_eq!(made.as_ref(), Ok(&body));
    }
}

/// A receipt with logs by another implementation, as the receipts root has it.
fn oracle(kind: u8, success: bool, cumulative_gas_used: u64, logs: Vec<Log>) -> Vec<u8> {
    let status = Eip658Value::Eip658(success);
    let receipt = alloy_consensus::Receipt { status, cumulative_gas_used, logs };
    let receipt: ReceiptWithBloom<_> = receipt.into();
    let envelope = match kind {
        0 => ReceiptEnvelope::Legacy(receipt),
        1 => ReceiptEnvelope::Eip2930(receipt),
        2 => ReceiptEnvelope::Eip1559(receipt),
        3 => ReceiptEnvelope::Eip4844(receipt),
        _ => ReceiptEnvelope::Eip7702(receipt),
    };
    let mut out = Vec::new();
    alloy_eips::Encodable2718::encode_2718(&envelope, &mut out);
    out
}

fn logs() -> Vec<Log> {
    let log = |address, topics: &[u64], data| {
        let topics = topics.iter().copied().map(word).collect();
        Log::new_unchecked(Address::repeat_byte(address), topics, Bytes::from_static(data))
    };
    vec![log(1, &[], b""), log(2, &[1], b"x"), log(3, &[1, 2, 3, 4], &[7; 300])]
}

#[test]
// ROW: F13
fn consensus_receipts_agree_with_another_implementation() {
    let mut encoded = Vec::new();
    alloy_rlp::Encodable::encode(&logs(), &mut encoded);
    for kind in 0..=4 {
        for (outcome, success) in [(PostState::Success, true), (PostState::Failure, false)] {
            let receipt = Receipt::new(kind, outcome, 1 << 33, encoded.clone().into()).expect("well-formed");
            let block = BlockReceipts::from_receipts(ReceiptForm::Slim, &[receipt]);
            let expected = oracle(kind, success, 1 << 33, logs());
            assert_eq!(consensus_receipts(&block), Ok(vec![expected]), "type {kind}");
        }
    }
}

#[test]
// ROW: F13
fn receipts_before_byzantium_keep_their_root() {
    let block = samples::block_receipts();
    let consensus = consensus_receipts(&block).expect("well-formed");
    let old = &consensus[2];
    assert_eq!(old[..4], hex!("f90128a0")[..4]);
    assert_eq!(&old[4..36], hash(0x77).as_slice());
    assert_eq!(block.receipts().expect("well-formed")[2].outcome, PostState::Root(hash(0x77)));
}

#[test]
fn receipts_of_unknown_types_are_told_by_their_byte() {
    let receipt = Receipt::new(0x7e, PostState::Success, 1, Bytes::from_static(&[0xc0])).expect("legal");
    for form in [ReceiptForm::Slim, ReceiptForm::WithBloom] {
        let block = BlockReceipts::from_receipts(form, std::slice::from_ref(&receipt));
        assert_eq!(block.receipts().as_deref(), Ok(&[receipt.clone()][..]));
        assert_eq!(consensus_receipts(&block).expect("well-formed")[0][0], 0x7e);
    }
    let refused = Receipt::new(0x80, PostState::Success, 1, Bytes::from_static(&[0xc0]));
    assert_eq!(refused, Err(Error::TypeByte { what: "receipt", byte: 0x80 }));
}

#[test]
fn receipts_go_from_form_to_form_and_back() {
    let slim = samples::block_receipts();
    let blooming = slim.to_form(ReceiptForm::WithBloom).expect("well-formed");
    assert_ne!(slim.raw(), blooming.raw());
    assert_eq!(blooming.to_form(ReceiptForm::Slim), Ok(slim.clone()));
    assert_eq!(consensus_receipts(&blooming), consensus_receipts(&slim));
}

#[test]
// ROW: F13
fn receipts_cut_and_joined_are_the_same() {
    let whole = samples::block_receipts();
    let receipts = whole.receipts().expect("well-formed");
    for cut in 0..=receipts.len() {
        let head = BlockReceipts::from_receipts(ReceiptForm::Slim, &receipts[..cut]);
        let tail = whole.skip(cut as u64).expect("well-formed");
        assert_eq!(tail.count(), Ok(receipts.len() - cut));
        assert_eq!(head.join(&tail), Ok(whole.clone()));
        let blooming = tail.to_form(ReceiptForm::WithBloom).expect("well-formed");
        assert_eq!(head.join(&blooming), Ok(whole.clone()));
    }
    assert_eq!(whole.skip(u64::MAX).and_then(|none| none.count()), Ok(0));
}

#[test]
fn a_false_bloom_of_eth_68_is_not_believed() {
    // The receipt of EIP-2481 has logs and an empty bloom.
    let raw = bytes(&pins::ETH_0X10_RECEIPTS_68[18..]);
    let block = BlockReceipts::from_raw(ReceiptForm::WithBloom, raw).expect("a list");
    let receipts = block.receipts().expect("well-formed");
    assert!(!receipts[0].bloom().is_zero());
}

#[test]
fn logs_of_another_shape_are_refused() {
    let five_topics = {
        let mut topics = vec![0xf8, 5 * 33];
        topics.extend([&[0xa0][..], &[0; 32]].concat().repeat(5));
        let mut log = vec![0xf8, 0, 0x94];
        log.extend([0; 20]);
        log.extend(topics);
        log.push(0x80);
        log[1] = (log.len() - 2) as u8;
        let mut list = vec![0xf8, log.len() as u8];
        list.extend(log);
        list
    };
    let short_address = hex!("c6c58201 02c080").to_vec();
    let not_a_list = hex!("820102").to_vec();
    for logs in [five_topics, short_address, not_a_list] {
        assert!(Receipt::new(0, PostState::Success, 1, logs.into()).is_err());
    }
}
