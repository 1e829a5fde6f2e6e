//! The messages of eth, byte for byte, and which version has which.

mod samples;

use alloy_primitives::Bytes;
use samples::{DEAD, FEED, bytes, hash, pins, word};
use snapsync_wire::{
    Body, Error, EthVersion, Header, ReceiptForm, RlpFault, Status,
    eth::{
        BlockBodies, BlockHeaders, BlockStart, Completeness, Direction, GetBlockAccessLists, GetBlockBodies,
        GetBlockHeaders, GetReceipts, Gossip, Message, Receipts,
    },
};

use EthVersion::{Eth68, Eth69, Eth70, Eth71};

/// Holds a message to its bytes, both ways, in the given versions.
fn pinned(versions: &[EthVersion], id: u8, pin: &str, message: &Message) {
    for version in versions {
        let (written_id, body) = message.encode(*version).expect("the version has it");
        assert_eq!((written_id, body), (id, bytes(pin)), "{version}");
        assert_eq!(Message::decode(*version, id, &bytes(pin)).as_ref(), Ok(message), "{version}");
    }
}

fn requests(first_receipt_index: u64) -> Message {
    Message::GetReceipts(GetReceipts { id: 1111, first_receipt_index, hashes: vec![word(DEAD), word(FEED)] })
}

#[test]
fn eth_0x00_status_of_each_version() {
    let status = samples::status();
    pinned(&[Eth69], 0x00, pins::ETH_0X00_STATUS_69, &Message::Status(status));
    pinned(&[Eth70], 0x00, pins::ETH_0X00_STATUS_70, &Message::Status(status));
    pinned(&[Eth71], 0x00, pins::ETH_0X00_STATUS_71, &Message::Status(status));
}

#[test]
fn eth_0x00_status_68_tells_the_last_hash_only() {
    let mut status = samples::status();
    status.fork_id.hash = [0xf0, 0xaf, 0xd0, 0xe3];
    status.fork_id.next = 1_681_338_455;
    (status.range.earliest, status.range.latest) = (0, 0);
    pinned(&[Eth68], 0x00, pins::ETH_0X00_STATUS_68, &Message::Status(status));
}

#[test]
fn eth_0x00_status_of_another_version_is_refused() {
    let pin = bytes(pins::ETH_0X00_STATUS_70);
    assert_eq!(Status::decode(Eth71, &pin), Err(Error::StatusVersion { negotiated: 71, told: 70 }));
}

#[test]
fn eth_0x00_status_with_an_impossible_range_is_refused() {
    let mut backwards = samples::status();
    (backwards.range.earliest, backwards.range.latest) = (2, 1);
    let mut unnamed = samples::status();
    unnamed.range.latest_hash = hash(0);
    for status in [backwards, unnamed] {
        let mut body = Vec::new();
        status.encode(Eth69, &mut body);
        assert!(matches!(Status::decode(Eth69, &body.into()), Err(Error::BlockRange { .. })));
    }
}

#[test]
fn eth_0x03_get_block_headers_by_hash() {
    let (start, direction) = (BlockStart::Hash(word(DEAD)), Direction::Rising);
    let request = GetBlockHeaders { id: 1111, start, limit: 5, skip: 5, direction };
    let pin = pins::ETH_0X03_GET_BLOCK_HEADERS_BY_HASH;
    pinned(&EthVersion::ALL, 0x03, pin, &Message::GetBlockHeaders(request));
}

#[test]
fn eth_0x03_get_block_headers_by_number() {
    let (start, direction) = (BlockStart::Number(9999), Direction::Rising);
    let request = GetBlockHeaders { id: 1111, start, limit: 5, skip: 5, direction };
    let pin = pins::ETH_0X03_GET_BLOCK_HEADERS_BY_NUMBER;
    pinned(&EthVersion::ALL, 0x03, pin, &Message::GetBlockHeaders(request));
}

#[test]
fn eth_0x03_get_block_headers_falling() {
    let (start, direction) = (BlockStart::Hash(hash(0x33)), Direction::Falling);
    let request = GetBlockHeaders { id: u64::MAX, start, limit: 512, skip: 0, direction };
    let pin = pins::ETH_0X03_GET_BLOCK_HEADERS_BY_HASH_FALLING;
    pinned(&EthVersion::ALL, 0x03, pin, &Message::GetBlockHeaders(request));
}

#[test]
fn eth_0x04_block_headers() {
    let pin = pins::ETH_0X04_BLOCK_HEADERS;
    let header = Header::decode(&bytes(&pin[18..])).expect("a header");
    assert_eq!((header.number, header.gas_limit, header.timestamp), (3333, 4444, 6666));
    let answer = BlockHeaders { id: 1111, headers: vec![header] };
    pinned(&EthVersion::ALL, 0x04, pin, &Message::BlockHeaders(answer));
}

#[test]
fn eth_0x05_get_block_bodies() {
    let request = GetBlockBodies { id: 1111, hashes: vec![word(DEAD), word(FEED)] };
    pinned(&EthVersion::ALL, 0x05, pins::ETH_0X05_GET_BLOCK_BODIES, &Message::GetBlockBodies(request));
}

#[test]
fn eth_0x06_block_bodies() {
    let pin = pins::ETH_0X06_BLOCK_BODIES;
    let body = Body::decode(&bytes(&pin[18..])).expect("a body");
    assert_eq!(body.transaction_count(), 2);
    let answer = BlockBodies { id: 1111, bodies: vec![body] };
    pinned(&EthVersion::ALL, 0x06, pin, &Message::BlockBodies(answer));
}

#[test]
fn eth_0x0f_get_receipts_69() {
    pinned(&[Eth68, Eth69], 0x0f, pins::ETH_0X0F_GET_RECEIPTS_69, &requests(0));
}

#[test]
fn eth_0x0f_get_receipts_70_from_within_a_block() {
    pinned(&[Eth70, Eth71], 0x0f, pins::ETH_0X0F_GET_RECEIPTS_70, &requests(300));
    assert!(matches!(requests(300).encode(Eth69), Err(Error::NotInVersion { .. })));
}

#[test]
fn eth_0x10_receipts_68_with_bloom() {
    let pin = bytes(pins::ETH_0X10_RECEIPTS_68);
    let Message::Receipts(answer) = Message::decode(Eth68, 0x10, &pin).expect("receipts") else {
        panic!("not receipts");
    };
    assert_eq!((answer.id, answer.blocks[0].form()), (1111, ReceiptForm::WithBloom));
    assert_eq!(Message::Receipts(answer).encode(Eth68), Ok((0x10, pin)));
}

#[test]
fn eth_0x10_receipts_69_slim() {
    let blocks = vec![samples::block_receipts(), samples::no_receipts()];
    let answer = Receipts { id: 1111, last_block: Completeness::Whole, blocks };
    pinned(&[Eth69], 0x10, pins::ETH_0X10_RECEIPTS_69, &Message::Receipts(answer.clone()));
    pinned(&[Eth70, Eth71], 0x10, pins::ETH_0X10_RECEIPTS_70_WHOLE, &Message::Receipts(answer));
}

#[test]
fn eth_0x10_receipts_70_cut_inside_a_block() {
    let blocks = vec![samples::block_receipts()];
    let answer = Message::Receipts(Receipts { id: 1111, last_block: Completeness::Cut, blocks });
    pinned(&[Eth70, Eth71], 0x10, pins::ETH_0X10_RECEIPTS_70_CUT, &answer);
    assert!(matches!(answer.encode(Eth69), Err(Error::NotInVersion { .. })));
}

#[test]
fn eth_0x11_block_range_update() {
    let update = Message::BlockRangeUpdate(samples::range(1024));
    pinned(&[Eth69, Eth70, Eth71], 0x11, pins::ETH_0X11_BLOCK_RANGE_UPDATE, &update);
    assert!(matches!(update.encode(Eth68), Err(Error::NotInVersion { .. })));
    let pin = bytes(pins::ETH_0X11_BLOCK_RANGE_UPDATE);
    assert!(matches!(Message::decode(Eth68, 0x11, &pin), Err(Error::UnknownMessage { id: 0x11, .. })));
}

#[test]
fn eth_0x12_get_block_access_lists_from_71_on() {
    let request = GetBlockAccessLists { id: 5, hashes: vec![word(DEAD), word(FEED)] };
    let request = Message::GetBlockAccessLists(request);
    pinned(&[Eth71], 0x12, pins::ETH_0X12_GET_BLOCK_ACCESS_LISTS_71, &request);
    assert!(matches!(request.encode(Eth70), Err(Error::NotInVersion { .. })));
    let pin = bytes(pins::ETH_0X12_GET_BLOCK_ACCESS_LISTS_71);
    assert!(matches!(Message::decode(Eth70, 0x12, &pin), Err(Error::UnknownMessage { id: 0x12, .. })));
}

#[test]
fn eth_0x13_block_access_lists_say_what_is_missing() {
    let answer = Message::BlockAccessLists(samples::access_lists(5));
    pinned(&[Eth71], 0x13, pins::ETH_0X13_BLOCK_ACCESS_LISTS_71, &answer);
}

#[test]
fn transaction_gossip_is_known_and_left_unread() {
    for version in EthVersion::ALL {
        for id in [0x02, 0x08, 0x09, 0x0a] {
            for body in [bytes(pins::ETH_0X0A_POOLED_TRANSACTIONS), Bytes::from_static(b"not even rlp")] {
                let gossip = Message::Gossip(Gossip { id, body: body.clone() });
                assert_eq!(Message::decode(version, id, &body).as_ref(), Ok(&gossip));
                assert_eq!(gossip.encode(version), Ok((id, body.clone())));
            }
        }
    }
}

#[test]
fn block_gossip_is_unknown_from_69_on() {
    let body = Bytes::from_static(&[0xc0]);
    for id in [0x01, 0x07] {
        assert!(matches!(Message::decode(Eth68, id, &body), Ok(Message::Gossip(_))));
        for version in [Eth69, Eth70, Eth71] {
            assert!(matches!(Message::decode(version, id, &body), Err(Error::UnknownMessage { .. })));
        }
    }
}

#[test]
fn codes_that_no_version_has_are_unknown() {
    let body = Bytes::from_static(&[0xc0]);
    for version in EthVersion::ALL {
        for id in [0x0b, 0x0c, 0x0d, 0x0e, 0x14, 0xff] {
            let unknown = Message::decode(version, id, &body);
            assert!(matches!(unknown, Err(Error::UnknownMessage { .. })), "{version} {id:#04x}");
        }
    }
}

#[test]
fn what_follows_a_message_is_refused() {
    for extra in [&[0x00][..], &[0xc0], &[0xff, 0xff]] {
        let mut body = bytes(pins::ETH_0X05_GET_BLOCK_BODIES).to_vec();
        body.extend_from_slice(extra);
        let fault = RlpFault::Trailing;
        let refused = Err(Error::Malformed { what: "GetBlockBodies", fault });
        assert_eq!(Message::decode(Eth70, 0x05, &body.into()), refused);
    }
}

#[test]
fn decoded_values_are_slices_of_the_message() {
    let pin = bytes(pins::ETH_0X06_BLOCK_BODIES);
    let Ok(Message::BlockBodies(answer)) = Message::decode(Eth70, 0x06, &pin) else {
        panic!("not bodies");
    };
    let raw = answer.bodies[0].raw();
    assert!(pin.as_ptr_range().contains(&raw.as_ptr()), "the body was copied");
}
