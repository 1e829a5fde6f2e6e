//! What random values and random bytes do: values come back, bytes never panic.

mod samples;

use alloy_primitives::{B256, B512, Bytes};
use proptest::{collection::vec, prelude::*};
use samples::{bytes, pins};
use snapsync_wire::{
    BlockReceipts, Body, Capability, Disconnect, DisconnectReason, EthVersion, Header, Hello, PostState,
    Receipt, ReceiptForm, SnapVersion, Status, consensus_receipts, eth, p2p, snap,
};

fn hashes() -> impl Strategy<Value = Vec<B256>> {
    vec(any::<[u8; 32]>().prop_map(B256::from), 0..8)
}

fn strings() -> impl Strategy<Value = Vec<Bytes>> {
    vec(vec(any::<u8>(), 0..80).prop_map(Bytes::from), 0..6)
}

fn hash() -> impl Strategy<Value = B256> {
    any::<[u8; 32]>().prop_map(B256::from)
}

fn slots() -> impl Strategy<Value = Vec<(B256, Bytes)>> {
    vec((hash(), vec(any::<u8>(), 0..40).prop_map(Bytes::from)), 0..5)
}

/// Items that are one RLP list each, as accounts and access lists are.
fn lists() -> impl Strategy<Value = Vec<Bytes>> {
    vec(vec(0u8..0x80, 0..50), 0..5).prop_map(|payloads| {
        let list = |payload: Vec<u8>| [&[0xc0 + payload.len() as u8][..], &payload].concat().into();
        payloads.into_iter().map(list).collect()
    })
}

fn snap_messages() -> impl Strategy<Value = snap::Message> {
    use snap::Message;
    let numbers = (any::<u64>(), any::<u64>());
    prop_oneof![
        (numbers, hash(), hash(), hash()).prop_map(|((id, response_bytes), root, origin, limit)| {
            Message::GetAccountRange(snap::GetAccountRange { id, root, origin, limit, response_bytes })
        }),
        (any::<u64>(), lists(), hashes(), strings()).prop_map(|(id, bodies, keys, proof)| {
            let accounts = keys.into_iter().zip(bodies).collect();
            Message::AccountRange(snap::AccountRange { id, accounts, proof })
        }),
        (numbers, hash(), hashes(), hash(), hash()).prop_map(|(numbers, root, accounts, origin, limit)| {
            let (id, response_bytes) = numbers;
            Message::GetStorageRanges(snap::GetStorageRanges {
                id,
                root,
                accounts,
                origin,
                limit,
                response_bytes,
            })
        }),
        (any::<u64>(), vec(slots(), 0..5), strings()).prop_map(|(id, sets, proof)| {
            Message::StorageRanges(snap::StorageRanges { id, sets: sets.into_iter().collect(), proof })
        }),
        (numbers, hashes()).prop_map(|((id, response_bytes), hashes)| {
            Message::GetByteCodes(snap::GetByteCodes { id, hashes, response_bytes })
        }),
        (any::<u64>(), strings()).prop_map(|(id, codes)| Message::ByteCodes(snap::ByteCodes { id, codes })),
        (any::<u64>(), strings()).prop_map(|(id, nodes)| Message::TrieNodes(snap::TrieNodes { id, nodes })),
        (numbers, hashes()).prop_map(|((id, response_bytes), hashes)| {
            Message::GetBlockAccessLists(snap::GetBlockAccessLists { id, hashes, response_bytes })
        }),
        access_lists().prop_map(Message::BlockAccessLists),
    ]
}

fn access_lists() -> impl Strategy<Value = eth::BlockAccessLists> {
    (any::<u64>(), lists(), any::<bool>()).prop_map(|(id, lists, has_gap)| {
        let lists = lists.into_iter().map(Some).chain(has_gap.then_some(None)).collect();
        eth::BlockAccessLists { id, lists }
    })
}

fn receipts() -> impl Strategy<Value = BlockReceipts> {
    let outcome =
        prop_oneof![Just(PostState::Failure), Just(PostState::Success), hash().prop_map(PostState::Root),];
    let logs = samples::receipts()[0].logs().clone();
    vec((0u8..0x80, outcome, any::<u64>(), any::<bool>()), 0..6).prop_map(move |receipts| {
        let receipts: Vec<Receipt> = receipts
            .into_iter()
            .map(|(kind, outcome, gas, has_logs)| {
                let logs = if has_logs { logs.clone() } else { Bytes::from_static(&[0xc0]) };
                Receipt::new(kind, outcome, gas, logs).expect("well-formed")
            })
            .collect();
        BlockReceipts::from_receipts(ReceiptForm::Slim, &receipts)
    })
}

fn eth_messages() -> impl Strategy<Value = eth::Message> {
    use eth::Message;
    let start =
        prop_oneof![any::<u64>().prop_map(eth::BlockStart::Number), hash().prop_map(eth::BlockStart::Hash),];
    let direction = prop_oneof![Just(eth::Direction::Rising), Just(eth::Direction::Falling)];
    prop_oneof![
        (any::<[u64; 3]>(), start, direction).prop_map(|([id, limit, skip], start, direction)| {
            Message::GetBlockHeaders(eth::GetBlockHeaders { id, start, limit, skip, direction })
        }),
        (any::<u64>(), hashes())
            .prop_map(|(id, hashes)| Message::GetBlockBodies(eth::GetBlockBodies { id, hashes })),
        (any::<[u64; 2]>(), hashes()).prop_map(|([id, first_receipt_index], hashes)| {
            Message::GetReceipts(eth::GetReceipts { id, first_receipt_index, hashes })
        }),
        (any::<u64>(), vec(receipts(), 0..4), any::<bool>()).prop_map(|(id, blocks, is_cut)| {
            let last_block = if is_cut { eth::Completeness::Cut } else { eth::Completeness::Whole };
            Message::Receipts(eth::Receipts { id, last_block, blocks })
        }),
        (any::<u64>(), hashes())
            .prop_map(|(id, hashes)| Message::GetBlockAccessLists(eth::GetBlockAccessLists { id, hashes })),
        access_lists().prop_map(Message::BlockAccessLists),
    ]
}

proptest! {
    #[test]
    fn snap_messages_come_back(message in snap_messages()) {
        for version in SnapVersion::ALL {
            if let Ok((id, body)) = message.encode(version) {
                prop_assert_eq!(snap::Message::decode(version, id, &body), Ok(message.clone()));
            }
        }
    }

    #[test]
    fn eth_messages_come_back(message in eth_messages()) {
        for version in [EthVersion::Eth69, EthVersion::Eth70, EthVersion::Eth71] {
            if let Ok((id, body)) = message.encode(version) {
                prop_assert_eq!(eth::Message::decode(version, id, &body), Ok(message.clone()));
            }
        }
    }

    #[test]
    fn receipts_come_back_from_eth_68(slim in receipts()) {
        let blooming = slim.to_form(ReceiptForm::WithBloom).expect("well-formed");
        prop_assert_eq!(consensus_receipts(&blooming), consensus_receipts(&slim));
        // A type byte of 0 is the one thing that has two names.
        prop_assert_eq!(blooming.to_form(ReceiptForm::Slim), Ok(slim));
    }

    #[test]
    fn hello_comes_back(
        p2p_version: u64, listen_port: u64, client_id in "\\PC{0,60}", node_id: [[u8; 32]; 2],
        capabilities in vec(("[a-z]{1,8}", any::<u64>()), 0..10),
    ) {
        let capabilities = capabilities.into_iter().map(|(name, version)| Capability { name, version });
        let hello = Hello {
            p2p_version, client_id, capabilities: capabilities.collect(), listen_port,
            node_id: B512::from_slice(&node_id.concat()),
        };
        let mut body = Vec::new();
        hello.encode(&mut body);
        prop_assert_eq!(Hello::decode(&body), Ok(hello));
    }

    #[test]
    fn disconnect_comes_back(number: u8) {
        let disconnect = Disconnect { reason: DisconnectReason::from_number(number) };
        let mut body = Vec::new();
        disconnect.encode(&mut body);
        prop_assert_eq!(Disconnect::decode(&body), Ok(disconnect));
    }

    #[test]
    fn status_comes_back(network_id: u64, genesis in hash(), fork_hash: [u8; 4], next: u64, numbers: [u64; 2]) {
        let mut status = samples::status();
        (status.network_id, status.genesis) = (network_id, genesis);
        (status.fork_id.hash, status.fork_id.next) = (fork_hash, next);
        status.range.earliest = numbers[0].min(numbers[1]);
        status.range.latest = numbers[0].max(numbers[1]);
        for version in [EthVersion::Eth69, EthVersion::Eth70, EthVersion::Eth71] {
            let mut body = Vec::new();
            status.encode(version, &mut body);
            prop_assert_eq!(Status::decode(version, &body.into()), Ok(status));
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        decode_as_everything(&bytes.into());
    }

    #[test]
    // ROW: F41
    fn mutated_messages_never_panic(
        pin in 0..PINS.len(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<prop::sample::Index>(), is_cut: bool,
    ) {
        let mut body = bytes(PINS[pin]).to_vec();
        for (index, byte) in changes {
            let index = index.index(body.len());
            body[index] = byte;
        }
        if is_cut {
            body.truncate(end.index(body.len()));
        }
        decode_as_everything(&body.into());
    }
}

#[test]
fn truncated_messages_are_refused_at_every_length() {
    for pin in PINS {
        let whole = bytes(pin);
        for end in 0..whole.len() {
            let part = whole.slice(..end);
            decode_as_everything(&part);
            for version in SnapVersion::ALL {
                for id in 0..10 {
                    assert!(snap::Message::decode(version, id, &part).is_err(), "{pin} cut at {end}");
                }
            }
        }
    }
}

/// Reads the bytes as each thing that this crate reads, and walks what could be read.
fn decode_as_everything(body: &Bytes) {
    for id in 0..=u8::MAX {
        let _ = p2p::Message::decode(id, body);
        for version in EthVersion::ALL {
            if let Ok(eth::Message::Receipts(receipts)) = eth::Message::decode(version, id, body) {
                for block in receipts.blocks {
                    let _ = consensus_receipts(&block);
                }
            }
        }
        for version in SnapVersion::ALL {
            let _ = snap::Message::decode(version, id, body);
        }
        if id > 0x18 {
            break;
        }
    }
    let _ = Header::decode(body).map(|header| header.hash());
    if let Ok(read) = Body::decode(body) {
        let _ = (read.transaction_payloads(), read.withdrawal_payloads());
    }
    for form in [ReceiptForm::Slim, ReceiptForm::WithBloom] {
        if let Ok(block) = BlockReceipts::from_raw(form, body.clone()) {
            let _ = (consensus_receipts(&block), block.count(), block.skip(1), block.join(&block));
        }
    }
}

const PINS: [&str; 26] = [
    pins::P2P_0X00_HELLO,
    pins::P2P_0X01_DISCONNECT,
    pins::ETH_0X00_STATUS_68,
    pins::ETH_0X00_STATUS_70,
    pins::ETH_0X03_GET_BLOCK_HEADERS_BY_HASH_FALLING,
    pins::ETH_0X04_BLOCK_HEADERS,
    pins::ETH_0X06_BLOCK_BODIES,
    pins::ETH_0X0F_GET_RECEIPTS_70,
    pins::ETH_0X10_RECEIPTS_68,
    pins::ETH_0X10_RECEIPTS_69,
    pins::ETH_0X10_RECEIPTS_70_CUT,
    pins::ETH_0X11_BLOCK_RANGE_UPDATE,
    pins::ETH_0X13_BLOCK_ACCESS_LISTS_71,
    pins::SNAP_0X00_GET_ACCOUNT_RANGE,
    pins::SNAP_0X01_ACCOUNT_RANGE,
    pins::SNAP_0X02_GET_STORAGE_RANGES,
    pins::SNAP_0X03_STORAGE_RANGES,
    pins::SNAP_0X04_GET_BYTE_CODES,
    pins::SNAP_0X05_BYTE_CODES,
    pins::SNAP_0X06_GET_TRIE_NODES,
    pins::SNAP_0X07_TRIE_NODES,
    pins::SNAP_0X08_GET_BLOCK_ACCESS_LISTS,
    pins::SNAP_0X09_BLOCK_ACCESS_LISTS,
    pins::HEADER_OF_A_FORK_TO_COME,
    pins::BODY_SHANGHAI,
    pins::BODY_WITH_A_FOURTH_FIELD,
];
