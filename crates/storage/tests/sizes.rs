//! What the wire takes, the disk takes: nothing that was received and proved ends a writer by its size.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use alloy_primitives::{B256, Bytes};
use snapsync_keccak::keccak256;
use snapsync_storage::{Open, Store, TargetRecord, VerifyConfig, verify};
use snapsync_trie::Account;
use snapsync_wire::limits;
use synth::{CHAIN, Run, World, chain, config, sync};

/// A block whose header is as large as one may be, with 70,000 transactions of the smallest size that a signed one has.
fn largest(root: B256) -> chain::Block {
    let transactions: Vec<Vec<u8>> =
        (0..70_000u64).map(|at| alloy_rlp::encode([at.to_be_bytes(); 14].concat().as_slice())).collect();
    let legacy: Vec<Vec<u8>> = transactions
        .iter()
        .map(|item| {
            let mut list = Vec::new();
            alloy_rlp::Header { list: true, payload_length: item.len() }.encode(&mut list);
            list.extend_from_slice(item);
            list
        })
        .collect();
    let with_extra = |len| chain::block_of(CHAIN.genesis, 1, root, &vec![7; len], &legacy);
    let len = limits::HEADER_BYTES_MAX - 1000;
    let missing = limits::HEADER_BYTES_MAX - with_extra(len).header.raw().len();
    with_extra(len + missing)
}

#[test]
// ROW: F32
fn the_largest_that_the_wire_takes_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let code = Bytes::from(vec![0x5b; limits::CODE_BYTES_MAX]);
    let code_hash = keccak256(&code);
    let account = Account { code_hash, ..Account::EMPTY };
    let mut world = World::of([(B256::repeat_byte(1), account)].into(), &[].into());
    world.codes.insert(code_hash, code.clone());
    let block = largest(world.accounts.root);
    assert_eq!(block.header.raw().len(), limits::HEADER_BYTES_MAX);
    let hash = block.header.hash();
    world.target = TargetRecord { id: synth::TARGET, number: 1, hash, root: world.accounts.root };
    let config = config(dir.path());
    {
        let store = Store::open(&config, CHAIN).unwrap();
        chain::write(&store, &config, std::slice::from_ref(&block), 1);
        let mut run = Run::new(&store, &config, Box::new(Open));
        sync(&world, &store, &mut run).unwrap();
        run.end().unwrap();
        let history = store.history.snapshot().unwrap();
        assert_eq!(history.header_by_hash(&hash).unwrap(), Some(block.header.raw().as_ref()));
        assert_eq!(history.body(&hash).unwrap(), Some(block.body.raw().as_ref()));
        assert_eq!(store.state.snapshot().unwrap().code(&code_hash).unwrap(), Some(code.as_ref()));
    }
    let report = verify(dir.path(), VerifyConfig { threads: 1, findings_max: 10 }).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.codes, report.headers, report.bodies, report.receipts), (1, 1, 1, 1));
}
