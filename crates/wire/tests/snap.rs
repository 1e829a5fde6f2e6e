//! The messages of snap, byte for byte, and which version has which.

mod samples;

use alloy_primitives::{B256, Bytes};
use samples::{DEAD, FEED, bytes, hash, pins, word};
use snapsync_wire::{
    Error, SnapVersion, limits,
    snap::{
        AccountRange, ByteCodes, GetAccountRange, GetBlockAccessLists, GetByteCodes, GetStorageRanges,
        GetTrieNodes, Message, Rows, StorageRanges, TrieNodes, TriePaths,
    },
};

use SnapVersion::{Snap1, Snap2};

const HALF_MIB: u64 = 512 * 1024;

/// Holds a message to its bytes, both ways, in the given versions.
fn pinned(versions: &[SnapVersion], id: u8, pin: &str, message: &Message) {
    for version in versions {
        let (written_id, body) = message.encode(*version).expect("the version has it");
        assert_eq!((written_id, body), (id, bytes(pin)), "{version}");
        assert_eq!(Message::decode(*version, id, &bytes(pin)).as_ref(), Ok(message), "{version}");
    }
}

fn storage_request(accounts: &[u8], origin: B256, limit: B256) -> Message {
    Message::GetStorageRanges(GetStorageRanges {
        id: 2,
        root: hash(0x55),
        accounts: accounts.iter().copied().map(hash).collect(),
        origin,
        limit,
        response_bytes: HALF_MIB,
    })
}

#[test]
fn snap_0x00_get_account_range() {
    let request = GetAccountRange {
        id: 1,
        root: hash(0x55),
        origin: B256::ZERO,
        limit: hash(0xff),
        response_bytes: HALF_MIB,
    };
    pinned(&SnapVersion::ALL, 0x00, pins::SNAP_0X00_GET_ACCOUNT_RANGE, &Message::GetAccountRange(request));
}

#[test]
fn snap_0x01_account_range() {
    let mut account = vec![0xf8, 0x4c, 0x07, 0x88, 0x0d, 0xe0, 0xb6, 0xb3, 0xa7, 0x64, 0x00, 0x00, 0xa0];
    account.extend_from_slice(hash(0xaa).as_slice());
    account.push(0xa0);
    account.extend_from_slice(hash(0xbb).as_slice());
    let empty = bytes("c480018080");
    let accounts = [(hash(1), empty), (hash(2), account.into())].into_iter().collect();
    let proof = vec![Bytes::from(vec![0xc0; 40]), bytes("c180")];
    let answer = Message::AccountRange(AccountRange { id: 1, accounts, proof });
    pinned(&SnapVersion::ALL, 0x01, pins::SNAP_0X01_ACCOUNT_RANGE, &answer);
}

#[test]
fn snap_0x01_account_range_without_the_root() {
    let answer = Message::AccountRange(AccountRange { id: 1, accounts: Rows::default(), proof: vec![] });
    pinned(&SnapVersion::ALL, 0x01, pins::SNAP_0X01_ACCOUNT_RANGE_EMPTY, &answer);
}

#[test]
fn snap_0x02_get_storage_ranges() {
    let request = storage_request(&[1, 2], hash(0x10), hash(0x20));
    pinned(&SnapVersion::ALL, 0x02, pins::SNAP_0X02_GET_STORAGE_RANGES, &request);
}

#[test]
fn snap_0x02_empty_strings_are_no_bounds() {
    let body = bytes(pins::SNAP_0X02_GET_STORAGE_RANGES_UNBOUNDED);
    let request = storage_request(&[1, 2], B256::ZERO, hash(0xff));
    assert_eq!(Message::decode(Snap1, 0x02, &body), Ok(request));
}

#[test]
fn snap_0x02_short_strings_are_padded_on_the_left() {
    let body = bytes(pins::SNAP_0X02_GET_STORAGE_RANGES_SHORT);
    let request = storage_request(&[1], word(1), word(0x1234));
    assert_eq!(Message::decode(Snap1, 0x02, &body), Ok(request));
}

#[test]
fn snap_0x03_storage_ranges() {
    let mut long = vec![0xa0];
    long.extend_from_slice(hash(0x99).as_slice());
    let sets = [vec![(hash(1), bytes("05")), (hash(2), long.into())], vec![(hash(3), bytes("821234"))]];
    let sets = sets.into_iter().collect();
    let proof = vec![Bytes::from(vec![0xc0; 33])];
    let answer = Message::StorageRanges(StorageRanges { id: 2, sets, proof });
    pinned(&SnapVersion::ALL, 0x03, pins::SNAP_0X03_STORAGE_RANGES, &answer);
}

#[test]
fn snap_0x04_get_byte_codes() {
    let request = GetByteCodes { id: 3, hashes: vec![hash(0x66), hash(0x67)], response_bytes: HALF_MIB };
    pinned(&SnapVersion::ALL, 0x04, pins::SNAP_0X04_GET_BYTE_CODES, &Message::GetByteCodes(request));
}

#[test]
fn snap_0x05_byte_codes() {
    let answer = ByteCodes { id: 3, codes: vec![bytes("6001600255"), bytes("00")] };
    pinned(&SnapVersion::ALL, 0x05, pins::SNAP_0X05_BYTE_CODES, &Message::ByteCodes(answer));
}

#[test]
fn snap_0x06_get_trie_nodes_is_snap_1_only() {
    let storage = TriePaths::Storage { account: hash(1).into(), paths: vec![bytes("00"), bytes("1a")] };
    let paths = vec![TriePaths::Account(bytes("20")), storage];
    let request = GetTrieNodes { id: 4, root: hash(0x55), paths, response_bytes: HALF_MIB };
    let request = Message::GetTrieNodes(request);
    pinned(&[Snap1], 0x06, pins::SNAP_0X06_GET_TRIE_NODES, &request);
    assert!(matches!(request.encode(Snap2), Err(Error::NotInVersion { .. })));
}

#[test]
fn snap_0x06_an_empty_path_set_is_refused() {
    let mut out = vec![0xe4, 0x04, 0xa0];
    out.extend_from_slice(hash(0x55).as_slice());
    // One set, of no path; and a size of 1.
    out.extend_from_slice(&[0xc1, 0xc0, 0x01]);
    out[0] = 0xc0 + (out.len() - 1) as u8;
    assert!(matches!(Message::decode(Snap1, 0x06, &out.into()), Err(Error::Malformed { .. })));
}

#[test]
fn snap_0x07_trie_nodes_is_snap_1_only() {
    let answer = Message::TrieNodes(TrieNodes { id: 4, nodes: vec![bytes("c28080"), bytes("c101")] });
    pinned(&[Snap1], 0x07, pins::SNAP_0X07_TRIE_NODES, &answer);
    assert!(matches!(answer.encode(Snap2), Err(Error::NotInVersion { .. })));
}

#[test]
fn snap_0x08_get_block_access_lists_is_snap_2_only() {
    let hashes = vec![word(DEAD), word(FEED)];
    let request = GetBlockAccessLists { id: 5, hashes, response_bytes: 2 * 1024 * 1024 };
    let request = Message::GetBlockAccessLists(request);
    pinned(&[Snap2], 0x08, pins::SNAP_0X08_GET_BLOCK_ACCESS_LISTS, &request);
    assert!(matches!(request.encode(Snap1), Err(Error::NotInVersion { .. })));
}

#[test]
fn snap_0x09_block_access_lists_is_snap_2_only() {
    let answer = Message::BlockAccessLists(samples::access_lists(5));
    pinned(&[Snap2], 0x09, pins::SNAP_0X09_BLOCK_ACCESS_LISTS, &answer);
    assert!(matches!(answer.encode(Snap1), Err(Error::NotInVersion { .. })));
}

#[test]
fn ids_of_the_other_version_are_unknown() {
    let body = Bytes::from_static(&[0xc0]);
    for (version, ids) in [(Snap1, [0x08, 0x09, 0x0a]), (Snap2, [0x06, 0x07, 0x0a])] {
        for id in ids {
            assert!(matches!(Message::decode(version, id, &body), Err(Error::UnknownMessage { .. })));
        }
    }
}

#[test]
fn response_bytes_of_any_size_are_legal() {
    let request = GetByteCodes { id: 3, hashes: vec![], response_bytes: u64::MAX };
    let message = Message::GetByteCodes(request);
    let (id, body) = message.encode(Snap1).expect("snap/1 has it");
    assert_eq!(Message::decode(Snap1, id, &body), Ok(message));
}

#[test]
fn a_proof_of_more_nodes_than_two_paths_is_refused() {
    for (nodes, is_legal) in [(limits::PROOF_NODES_MAX, true), (limits::PROOF_NODES_MAX + 1, false)] {
        let proof = vec![bytes("c180"); nodes];
        let answer = Message::AccountRange(AccountRange { id: 1, accounts: Rows::default(), proof });
        let (id, body) = answer.encode(Snap1).expect("snap/1 has it");
        let decoded = Message::decode(Snap1, id, &body);
        assert_eq!(decoded.is_ok(), is_legal, "{nodes} nodes: {decoded:?}");
    }
}

#[test]
fn many_path_sets_do_not_multiply_the_bound_on_paths() {
    let set = |paths| TriePaths::Storage { account: hash(1).into(), paths: vec![bytes("00"); paths] };
    let read = |paths: Vec<TriePaths>| {
        let request = GetTrieNodes { id: 4, root: hash(0x55), paths, response_bytes: HALF_MIB };
        let (id, body) = Message::GetTrieNodes(request).encode(Snap1).expect("snap/1 has it");
        match Message::decode(Snap1, id, &body) {
            Ok(Message::GetTrieNodes(request)) => request.paths,
            other => panic!("{other:?}"),
        }
    };
    let max = limits::LOOKUPS_MAX;
    assert_eq!(read(vec![set(max / 2), set(max), set(1)]), [set(max / 2), set(max / 2)]);
    assert_eq!(read(vec![TriePaths::Account(bytes("00")); max + 1]).len(), max);
}

#[test]
fn a_message_beyond_the_hard_limit_is_not_looked_at() {
    let body = Bytes::from(vec![0xc0; limits::MESSAGE_BYTES_MAX + 1]);
    assert!(matches!(Message::decode(Snap1, 0x01, &body), Err(Error::TooLong { .. })));
}
