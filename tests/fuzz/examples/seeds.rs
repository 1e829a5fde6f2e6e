//! Writes the seeds of every target into `corpus/`: `cargo run --example seeds -- [CHAIN.RLP..]`.
//!
//! They are the pinned messages of the wire crate's tests, a few blocks out of each chain file as geth exports it,
//! and short scripts for the proofs and the Engine API.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

#[allow(dead_code, unreachable_pub, missing_docs, reason = "the wire crate's tests use the others")]
#[path = "../../../crates/wire/tests/samples/pins.rs"]
mod pins;

use alloy_primitives::hex;
use alloy_rlp::{Encodable, Header};

/// Blocks taken out of a chain file, at equal distances.
const BLOCKS: usize = 6;

/// A block longer than this makes no seed: mutations of short inputs find more.
const BLOCK_BYTES_MAX: usize = 1500;

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    pinned(&corpus)?;
    scripts(&corpus)?;
    engine(&corpus)?;
    for (number, file) in env::args().skip(1).enumerate() {
        chain(&corpus, number, &fs::read(file)?)?;
    }
    Ok(())
}

fn put(corpus: &Path, target: &str, name: &str, head: &[u8], body: &[u8]) -> io::Result<()> {
    let folder: PathBuf = corpus.join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("seed-{name}")), [head, body].concat())
}

/// The pins, behind the bytes that each target reads first.
fn pinned(corpus: &Path) -> io::Result<()> {
    let eth = |version: u8, id: u8, name: &str, pin: &str| {
        put(corpus, "wire_eth", name, &[version - 68, id], &hex::decode(pin).expect("pins are hex"))
    };
    eth(70, 0x00, "status_70", pins::ETH_0X00_STATUS_70)?;
    eth(70, 0x03, "get_block_headers", pins::ETH_0X03_GET_BLOCK_HEADERS_BY_NUMBER)?;
    eth(70, 0x04, "block_headers", pins::ETH_0X04_BLOCK_HEADERS)?;
    eth(70, 0x05, "get_block_bodies", pins::ETH_0X05_GET_BLOCK_BODIES)?;
    eth(70, 0x06, "block_bodies", pins::ETH_0X06_BLOCK_BODIES)?;
    eth(70, 0x0f, "get_receipts_70", pins::ETH_0X0F_GET_RECEIPTS_70)?;
    eth(68, 0x10, "receipts_68", pins::ETH_0X10_RECEIPTS_68)?;
    eth(69, 0x10, "receipts_69", pins::ETH_0X10_RECEIPTS_69)?;
    eth(70, 0x10, "receipts_70", pins::ETH_0X10_RECEIPTS_70_CUT)?;
    eth(69, 0x11, "block_range_update", pins::ETH_0X11_BLOCK_RANGE_UPDATE)?;
    eth(71, 0x12, "get_block_access_lists", pins::ETH_0X12_GET_BLOCK_ACCESS_LISTS_71)?;
    eth(71, 0x13, "block_access_lists", pins::ETH_0X13_BLOCK_ACCESS_LISTS_71)?;
    let snap = |version: u8, id: u8, name: &str, pin: &str| {
        put(corpus, "wire_snap", name, &[version - 1, id], &hex::decode(pin).expect("pins are hex"))
    };
    snap(1, 0x00, "get_account_range", pins::SNAP_0X00_GET_ACCOUNT_RANGE)?;
    snap(1, 0x01, "account_range", pins::SNAP_0X01_ACCOUNT_RANGE)?;
    snap(1, 0x02, "get_storage_ranges", pins::SNAP_0X02_GET_STORAGE_RANGES_SHORT)?;
    snap(1, 0x03, "storage_ranges", pins::SNAP_0X03_STORAGE_RANGES)?;
    snap(1, 0x04, "get_byte_codes", pins::SNAP_0X04_GET_BYTE_CODES)?;
    snap(1, 0x05, "byte_codes", pins::SNAP_0X05_BYTE_CODES)?;
    snap(1, 0x06, "get_trie_nodes", pins::SNAP_0X06_GET_TRIE_NODES)?;
    snap(1, 0x07, "trie_nodes", pins::SNAP_0X07_TRIE_NODES)?;
    snap(2, 0x08, "get_block_access_lists", pins::SNAP_0X08_GET_BLOCK_ACCESS_LISTS)?;
    snap(2, 0x09, "block_access_lists", pins::SNAP_0X09_BLOCK_ACCESS_LISTS)?;
    let session = |kind: u8, name: &str, pin: &str| {
        put(corpus, "wire_hello_status", name, &[kind], &hex::decode(pin).expect("pins are hex"))
    };
    session(0, "hello", pins::P2P_0X00_HELLO)?;
    session(0, "hello_eip_8", pins::P2P_0X00_HELLO_EIP_8)?;
    session(1, "disconnect", pins::P2P_0X01_DISCONNECT)?;
    session(4, "status_68", pins::ETH_0X00_STATUS_68)?;
    session(5, "status_69", pins::ETH_0X00_STATUS_69)?;
    session(7, "status_71", pins::ETH_0X00_STATUS_71)?;
    let block = |kind: u8, name: &str, pin: &str| {
        put(corpus, "wire_blocks", name, &[kind], &hex::decode(pin).expect("pins are hex"))
    };
    block(0, "header_amsterdam", pins::HEADER_AMSTERDAM)?;
    block(0, "header_to_come", pins::HEADER_OF_A_FORK_TO_COME)?;
    block(1, "body_shanghai", pins::BODY_SHANGHAI)?;
    // Behind the message's list header, id and list header stands the first block's list.
    block(2, "receipts_slim", &pins::ETH_0X10_RECEIPTS_69[16..pins::ETH_0X10_RECEIPTS_69.len() - 2])?;
    block(3, "receipts_with_bloom", &pins::ETH_0X10_RECEIPTS_68[18..])
}

/// Scripts: `[first key, last key, rows, relink, change..]`, for slots behind the number of whole sets.
fn scripts(corpus: &Path) -> io::Result<()> {
    let scripts: [(&str, &[u8]); 8] = [
        ("whole", &[0, 1, 23]),
        ("middle", &[5, 0, 50, 1, 9]),
        ("single", &[5, 0, 7, 5, 0, 7, 1]),
        ("nothing_there", &[3, 0, 7, 4, 0, 8, 0]),
        ("forged_value", &[5, 0, 50, 1, 9, 0, 4, 0, 2, 3, 0, 5, 0x77]),
        ("omitted_row", &[5, 0, 50, 1, 9, 0, 6, 0, 3]),
        ("forged_node", &[5, 0, 50, 1, 9, 1, 0, 0, 2, 3, 0, 9, 0x77]),
        ("node_left_out", &[5, 0, 50, 1, 9, 0, 9, 0, 1]),
    ];
    for (name, script) in scripts {
        put(corpus, "trie_account_proof", name, &[], script)?;
        for whole in [0, 3] {
            put(corpus, "trie_storage_proof", &format!("{name}_after_{whole}"), &[whole], script)?;
        }
    }
    // How many blocks, which table, which row, and what is put there.
    let row = |there: u8, body: &[u8]| [&[there], body].concat();
    put(corpus, "undo_rows", "absent", &[3, 0, 2], &row(0, &[]))?;
    put(corpus, "undo_rows", "another_row", &[3, 0, 2], &row(1, &[0xc4, 1, 2, 0x80, 0x80]))?;
    put(corpus, "undo_rows", "no_word", &[1, 0, 0], &row(7, &[1, 2]))?;
    put(corpus, "undo_rows", "block", &[2, 1, 0], &row(1, &[3; 120]))?;
    put(corpus, "undo_rows", "names", &[2, 1, 1], &[[0, 32].as_slice(), &[5; 32], &[1, 64], &[6; 64]].concat())
}

/// Parameters behind the place of their method among all methods in the order of their names, and tokens behind their kind.
fn engine(corpus: &Path) -> io::Result<()> {
    let word = |digit: &str| format!("\"0x{}\"", digit.repeat(64));
    let (zero, one) = (word("0"), word("1"));
    let forkchoice = format!(
        r#"{{"headBlockHash":{one},"safeBlockHash":{zero},"finalizedBlockHash":{zero}}}"#
    );
    let address = format!("\"0x{}\"", "2".repeat(40));
    let plain = format!(r#""timestamp":"0x1f5","prevRandao":{one},"suggestedFeeRecipient":{address}"#);
    let of_cancun = format!(r#"{{{plain},"withdrawals":[],"parentBeaconBlockRoot":{one}}}"#);
    let withdrawal = format!(r#"{{"index":"0x1","validatorIndex":"0x2","address":{address},"amount":"0x3"}}"#);
    let bloom = format!("\"0x{}\"", "0".repeat(512));
    let paris = format!(
        r#""parentHash":{zero},"feeRecipient":{address},"stateRoot":{one},"receiptsRoot":{one},"logsBloom":{bloom},"prevRandao":{one},"blockNumber":"0x1","gasLimit":"0x1c9c380","gasUsed":"0x0","timestamp":"0x64","extraData":"0x","baseFeePerGas":"0x7","blockHash":{one},"transactions":["0x02c0"]"#
    );
    let shanghai = format!(r#"{paris},"withdrawals":[{withdrawal}]"#);
    let cancun = format!(r#"{shanghai},"blobGasUsed":"0x0","excessBlobGas":"0x0""#);
    let amsterdam = format!(r#"{cancun},"blockAccessList":"0xc0","slotNumber":"0x1""#);
    let calls = [
        ("capabilities", 0, r#"[["engine_newPayloadV4"]]"#.to_owned()),
        ("transition", 1, format!(r#"[{{"terminalTotalDifficulty":"0x0","terminalBlockHash":{zero},"terminalBlockNumber":"0x0"}}]"#)),
        ("forkchoice", 4, format!("[{forkchoice},null]")),
        ("forkchoice_with_attributes", 4, format!("[{forkchoice},{of_cancun}]")),
        ("blobs", 7, format!("[[{one},{zero}]]")),
        ("cells", 9, format!(r#"[[{one}],"0x{}"]"#, "01".repeat(16))),
        ("bodies_by_hash", 11, format!("[[{one}]]")),
        ("bodies_by_range", 13, r#"["0x1","0x20"]"#.to_owned()),
        ("payload", 18, r#"["0x0000000000000001"]"#.to_owned()),
        ("payload_paris", 21, format!("[{{{paris}}}]")),
        ("payload_shanghai", 22, format!("[{{{shanghai}}}]")),
        ("payload_cancun", 23, format!("[{{{cancun}}},[],{one}]")),
        ("payload_prague", 24, format!(r#"[{{{cancun}}},[],{one},["0x0001"]]"#)),
        ("payload_amsterdam", 25, format!("[{{{amsterdam}}},[{one}],{one},[]]")),
    ];
    for (name, method, params) in calls {
        put(corpus, "engine_call", name, &[method], params.as_bytes())?;
    }
    let tokens = [
        ("unsigned", 0, "eyJhbGciOiJub25lIn0.eyJpYXQiOjF9."),
        ("head", 1, r#"{"alg":"HS256","typ":"JWT"}"#),
        ("head_none", 1, r#"{"alg":"none"}"#),
        ("claims", 2, r#"{"iat":1800000000.5,"id":"a","clv":"b"}"#),
        ("claims_without_time", 2, "{}"),
        ("secret", 3, "0x0707070707070707070707070707070707070707070707070707070707070707\n"),
    ];
    for (name, kind, text) in tokens {
        put(corpus, "engine_token", name, &[kind], text.as_bytes())?;
    }
    Ok(())
}

/// Headers and bodies of some blocks, alone and in messages.
fn chain(corpus: &Path, number: usize, mut blocks: &[u8]) -> io::Result<()> {
    let mut short = Vec::new();
    while !blocks.is_empty() {
        let item = item(&mut blocks)?;
        if item.len() <= BLOCK_BYTES_MAX {
            short.push(item);
        }
    }
    for (place, block) in short.iter().step_by((short.len() / BLOCKS).max(1)).take(BLOCKS).enumerate() {
        let name = format!("chain_{number}_block_{place}");
        let mut fields = Header::decode_bytes(&mut &block[..], true).map_err(io::Error::other)?;
        let header = item(&mut fields)?.to_vec();
        let body = list(fields);
        put(corpus, "wire_blocks", &format!("{name}_header"), &[0], &header)?;
        put(corpus, "wire_blocks", &format!("{name}_body"), &[1], &body)?;
        // Under the rules of one fork after the other.
        put(corpus, "execute_block", &format!("{name}_body"), &[place as u8, 1], &body)?;
        for (id, payload) in [(0x04, header), (0x06, body)] {
            let mut message = Vec::new();
            1u64.encode(&mut message);
            message.extend(list(&payload));
            put(corpus, "wire_eth", &format!("{name}_{id:02x}"), &[2, id], &list(&message))?;
        }
    }
    Ok(())
}

/// Takes the first item, header and all.
fn item<'a>(bytes: &mut &'a [u8]) -> io::Result<&'a [u8]> {
    let whole = *bytes;
    let mut rest = whole;
    Header::decode_raw(&mut rest).map_err(io::Error::other)?;
    *bytes = rest;
    Ok(&whole[..whole.len() - rest.len()])
}

fn list(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend_from_slice(payload);
    out
}
