//! Whole chains that geth made or took, executed from their genesis: each block gives the root in its header, and where it has an access
//! list, the list gives the same.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::{fs, path::Path};

use alloy_primitives::{B256, Bloom, Bytes, address, b256, hex};
use alloy_rlp::Encodable;
use snapsync_e2e::{
    chain::{Forks as Made, TestChain},
    datadir::Datadir,
    presence::geth_or_report,
    recipe::Size,
};
use snapsync_execute::{
    Block, BlockExecutor, Error, Executed, ParentState, RecentHashes, Rules, apply_list,
    evm::{Config, EvmExecutor},
    execute,
    genesis::Genesis,
};
use snapsync_storage::{
    BlockOutcome, Chain, DerivedBlock, MemoryDisk, Open, StateWriterSteps, Store, Summary, Ticket, Write,
};
use snapsync_wire::{Body, Header};

/// Keeps the list that an executor made.
struct Keeping<'k> {
    inner: &'k mut EvmExecutor,
    list: Option<Bytes>,
}

impl BlockExecutor for Keeping<'_> {
    fn execute(
        &mut self,
        rules: &Rules,
        block: &Block,
        parent: &Header,
        state: &mut dyn ParentState,
    ) -> Result<Executed, Error> {
        let executed = self.inner.execute(rules, block, parent, state)?;
        self.list = executed.access_list.clone();
        Ok(executed)
    }
}

/// The blocks of a chain file.
fn blocks(file: &Path) -> Vec<Block> {
    let file = Bytes::from(fs::read(file).unwrap());
    let mut rest = file.as_ref();
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let start = rest;
        alloy_rlp::Header::decode_raw(&mut rest).unwrap();
        blocks.push(Block::decode(&file.slice_ref(&start[..start.len() - rest.len()])).unwrap());
    }
    blocks
}

fn write(steps: &mut StateWriterSteps, derived: DerivedBlock) {
    let block = Box::new(derived);
    let told = steps.commit(vec![Write::Block { ticket: Ticket(0), block }]).unwrap();
    assert!(matches!(told[..], [(_, Summary::Block { outcome: BlockOutcome::Applied, .. })]), "{told:?}");
}

/// Executes blocks; gives the last one, how many had a list, and how many transactions there were.
fn executed(genesis: &Genesis, blocks: impl IntoIterator<Item = Block>) -> (u64, B256, usize, usize) {
    let chain_id = genesis.chain_id().unwrap();
    let forks = genesis.forks(chain_id);
    let id = Chain { id: chain_id, genesis: genesis.hash() };
    let store = Store::open_memory(&MemoryDisk::default(), id).unwrap();
    let mut steps = store.state.writer_steps(Box::new(Open)).unwrap();
    for write in genesis.state_writes(Ticket(0)).unwrap() {
        steps.commit(vec![write]).unwrap();
    }
    let mut executor = EvmExecutor::new(Config::node());
    let mut parent = Header::decode(&genesis.header().into()).unwrap();
    let mut hashes = RecentHashes::from(0, genesis.hash());
    let (mut lists, mut transactions) = (0, 0);
    for block in blocks {
        let number = block.header().number;
        // Some chain files hold block 0.
        if number == 0 {
            continue;
        }
        let snapshot = store.state.snapshot().unwrap();
        let mut keeping = Keeping { inner: &mut executor, list: None };
        let advanced = execute(&mut keeping, &forks, &block, &parent, &snapshot, &hashes);
        let advanced = advanced.unwrap_or_else(|error| panic!("block {number}: {error}"));
        transactions += advanced.receipts.len();
        let derived = match keeping.list {
            // The same by the list; it is what is written, so that all that follows stands on it.
            Some(list) => {
                lists += 1;
                let listed = apply_list(&forks, &block, &parent, &list, &snapshot);
                listed.unwrap_or_else(|error| panic!("the list of block {number}: {error}"))
            }
            None => advanced.derived,
        };
        drop(snapshot);
        write(&mut steps, derived);
        hashes.push(block.hash());
        parent = block.header().clone();
    }
    (parent.number, parent.hash(), lists, transactions)
}

fn assert_all_is_geths(chain: &TestChain) -> (usize, usize) {
    let genesis = Genesis::read(&chain.genesis()).unwrap();
    let (number, hash, lists, transactions) = executed(&genesis, blocks(&chain.blocks()));
    let expected = chain.expected();
    assert_eq!((number, hash), (expected.head_number, expected.head_hash));
    (lists, transactions)
}

/// The first block that was ever mined, by its fields.
fn first_of_mainnet() -> Block {
    let empty_root = b256!("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");
    let mut fields = Vec::new();
    let out = &mut fields;
    b256!("d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3").encode(out);
    b256!("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347").encode(out);
    address!("05a56e2d52c817161883f50c441c3228cfe54d9f").encode(out);
    b256!("d67e4d450343046425ae4271474353857ab860dbc0a1dde64b41b5cd3a532bf3").encode(out);
    [empty_root, empty_root].iter().for_each(|root| root.encode(out));
    Bloom::ZERO.encode(out);
    for number in [17_171_480_576u64, 1, 5_000, 0, 1_438_269_988] {
        number.encode(out);
    }
    hex!("476574682f76312e302e302f6c696e75782f676f312e342e32").as_slice().encode(out);
    b256!("969b900de27b6ac6a67742365dd65f55a0526c41fd18e1b16f1a1215c2e66f59").encode(out);
    hex!("539bd4979fef1ec4").as_slice().encode(out);
    let mut header = Vec::new();
    alloy_rlp::Header { list: true, payload_length: fields.len() }.encode(&mut header);
    header.extend(fields);
    let header = Header::decode(&header.into()).unwrap();
    Block::new(header, Body::from_parts([], &[0xc0], None).unwrap()).unwrap()
}

#[test]
fn the_first_block_of_mainnet_gives_its_root_on_the_state_of_its_genesis() {
    let name = "the_first_block_of_mainnet_gives_its_root_on_the_state_of_its_genesis";
    let Some(tools) = geth_or_report(name) else { return };
    let text = Datadir::genesis_of(&tools, "mainnet").unwrap();
    let block = first_of_mainnet();
    assert_eq!(block.hash(), b256!("88e96d4537bea4d9c05d12549907b32561d3bf31f45aae734cdc119f13406cb6"));
    let (number, hash, ..) = executed(&Genesis::in_text(&text).unwrap(), [block.clone()]);
    assert_eq!((number, hash), (1, block.hash()));
}

#[test]
fn every_block_of_a_chain_through_the_forks_to_prague_gives_geths_root() {
    let name = "every_block_of_a_chain_through_the_forks_to_prague_gives_geths_root";
    let Some(tools) = geth_or_report(name) else { return };
    let (lists, transactions) =
        assert_all_is_geths(&TestChain::of_every_fork(&tools, Made::ToPrague).unwrap());
    assert!(lists == 0 && transactions > 500, "{lists} lists, {transactions} transactions");
}

#[test]
fn every_block_of_a_chain_to_amsterdam_gives_geths_root_by_execution_and_by_its_list() {
    let name = "every_block_of_a_chain_to_amsterdam_gives_geths_root_by_execution_and_by_its_list";
    let Some(tools) = geth_or_report(name) else { return };
    let (lists, transactions) =
        assert_all_is_geths(&TestChain::of_every_fork(&tools, Made::ToAmsterdam).unwrap());
    assert!(lists > 500 && transactions > 500, "{lists} lists, {transactions} transactions");
}

#[test]
fn every_block_of_a_chain_with_a_large_state_gives_geths_root() {
    let name = "every_block_of_a_chain_with_a_large_state_gives_geths_root";
    let Some(tools) = geth_or_report(name) else { return };
    let (_, transactions) = assert_all_is_geths(&TestChain::of(&tools, Size::SMALL).unwrap());
    assert!(transactions > 100, "{transactions} transactions");
}
