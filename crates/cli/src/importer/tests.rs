//! Importing into directories that are not as a run leaves them: killed, of a sync, on another branch.

use alloy_consensus::Header as Fields;
use alloy_primitives::{Address, Bytes};
use snapsync_execute::genesis::Genesis;
use snapsync_storage::{BlockSpan, Descent, HistoryWrite, Report, VerifyConfig, Write, verify};

use super::*;

const CHAIN_ID: u64 = 7;

/// A chain after the merge whose blocks may be empty and then change nothing; its state has storages and codes.
fn genesis() -> Genesis {
    let account = |storage: &str, code: &str| {
        format!(r#"{{"balance":"0x5","nonce":"0x1","code":"{code}","storage":{{{storage}}}}}"#)
    };
    let of = |byte: u8| Address::repeat_byte(byte);
    Genesis::in_text(&format!(
        r#"{{"config":{{"chainId":{CHAIN_ID},"homesteadBlock":0,"eip150Block":0,"eip155Block":0,"eip158Block":0,
        "byzantiumBlock":0,"constantinopleBlock":0,"istanbulBlock":0,"berlinBlock":0,"londonBlock":0,
        "terminalTotalDifficulty":0,"shanghaiTime":0}},"difficulty":"0x0","gasLimit":"0x1c9c380","timestamp":"0x64",
        "alloc":{{"{}":{{"balance":"0x1"}},"{}":{},"{}":{}}}}}"#,
        of(1),
        of(2),
        account(r#""0x01":"0x07","0x02":"0x08""#, "0x6001"),
        of(3),
        account(r#""0x03":"0x09""#, "0x6002"),
    ))
    .unwrap()
}

fn first(genesis: &Genesis) -> Fields {
    alloy_rlp::decode_exact(genesis.header()).unwrap()
}

/// The empty block above `parent` of one of many makers.
fn above(parent: &Fields, maker: u8) -> Fields {
    Fields {
        parent_hash: parent.hash_slow(),
        beneficiary: Address::repeat_byte(maker),
        state_root: parent.state_root,
        number: parent.number + 1,
        timestamp: parent.timestamp + 12,
        gas_limit: parent.gas_limit,
        base_fee_per_gas: parent.base_fee_per_gas.map(|fee| fee - fee / 8),
        withdrawals_root: Some(snapsync_trie::EMPTY_ROOT),
        ..Fields::default()
    }
}

/// Rising blocks of one maker above `parent`.
fn chain_above(parent: &Fields, maker: u8, count: usize) -> Vec<Fields> {
    let mut blocks: Vec<Fields> = Vec::new();
    for _ in 0..count {
        blocks.push(above(blocks.last().unwrap_or(parent), maker));
    }
    blocks
}

fn raw(fields: &Fields) -> Bytes {
    let payload = [alloy_rlp::encode(fields), vec![alloy_rlp::EMPTY_LIST_CODE; 3]].concat();
    let mut raw = Vec::new();
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut raw);
    raw.extend(payload);
    raw.into()
}

fn header(fields: &Fields) -> Header {
    Header::decode(&alloy_rlp::encode(fields).into()).unwrap()
}

/// A block as the history's writer is given it.
fn written(fields: &Fields) -> Vec<HistoryWrite> {
    let withdrawals = fields.withdrawals_root.map(|_| &[][..]);
    let body = Body::from_parts([], &[alloy_rlp::EMPTY_LIST_CODE], withdrawals).unwrap();
    let receipts = BlockReceipts::from_receipts(ReceiptForm::Slim, &[]);
    history_of(vec![Part { header: header(fields), body, receipts }]).unwrap()
}

fn open(folder: &tempfile::TempDir, genesis: &Genesis) -> Result<Importer, Failure> {
    Importer::open(&Config::small(folder.path()), genesis, CHAIN_ID)
}

fn store(folder: &tempfile::TempDir, genesis: &Genesis) -> Store {
    let chain = Chain { id: CHAIN_ID, genesis: genesis.hash() };
    Store::open(&Config::small(folder.path()), chain).unwrap()
}

fn import(importer: &mut Importer, blocks: &[Fields]) {
    for block in blocks {
        let step = importer.take(Block::decode(&raw(block))).unwrap();
        assert_eq!(step, Step::Executed { number: block.number, gas: 0 });
    }
    importer.commits.settle().unwrap();
}

fn checked(folder: &tempfile::TempDir) -> Report {
    let report = verify(folder.path(), VerifyConfig::all_cores()).unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    report
}

#[test]
fn an_import_killed_after_any_write_of_block_0_goes_on() {
    let genesis = genesis();
    let count = genesis.state_writes(TICKET).unwrap().len();
    assert!(count > 4, "progress, accounts, storages, codes, progress");
    for kept in 0..=count {
        let folder = tempfile::tempdir().unwrap();
        let made = store(&folder, &genesis);
        let mut history = made.history.writer_steps(Box::new(Open)).unwrap();
        history.commit(written(&first(&genesis))).unwrap();
        let mut state = made.state.writer_steps(Box::new(Open)).unwrap();
        for write in genesis.state_writes(TICKET).unwrap().into_iter().take(kept) {
            state.commit(vec![write]).unwrap();
        }
        drop((history, state, made));
        let mut importer = open(&folder, &genesis).unwrap_or_else(|error| panic!("{kept}: {error:?}"));
        import(&mut importer, &chain_above(&first(&genesis), 1, 2));
        importer.close().unwrap();
        let report = checked(&folder);
        assert!(report.complete, "{kept}");
        assert_eq!((report.accounts, report.slots, report.codes), (3, 3, 2), "{kept}");
    }
}

#[test]
fn a_sync_that_has_not_come_to_its_end_is_left_alone() {
    let genesis = genesis();
    let folder = tempfile::tempdir().unwrap();
    let made = store(&folder, &genesis);
    let mut state = made.state.writer_steps(Box::new(Open)).unwrap();
    for mut write in genesis.state_writes(TICKET).unwrap().into_iter().take(2) {
        if let Write::Accounts { response_bytes, .. } = &mut write {
            *response_bytes = 500;
        }
        state.commit(vec![write]).unwrap();
    }
    drop((state, made));
    let refused = open(&folder, &genesis).err().expect("a sync's directory");
    assert_eq!(refused.exit, Exit::DataDirectory, "{refused:?}");
    assert!(refused.message.contains("a sync that has not come to its end"), "{refused:?}");
}

#[test]
fn hashes_of_older_blocks_are_of_the_heads_ancestors() {
    let genesis = genesis();
    let folder = tempfile::tempdir().unwrap();
    let own = chain_above(&first(&genesis), 1, 300);
    let mut importer = open(&folder, &genesis).unwrap();
    import(&mut importer, &own);
    importer.close().unwrap();
    // Another branch becomes canonical in the history, from block 290 on.
    let other = chain_above(&own[289], 2, 20);
    let made = store(&folder, &genesis);
    let mut history = made.history.writer_steps(Box::new(Open)).unwrap();
    for block in &other {
        history.commit(written(block)).unwrap();
    }
    assert_eq!(made.history.snapshot().unwrap().canonical(291).unwrap(), Some(other[0].hash_slow()));
    drop((history, made));
    let mut importer = open(&folder, &genesis).unwrap();
    for block in &own {
        let known = importer.hashes.hash_of(block.number).unwrap();
        assert_eq!(known, (block.number > 44).then(|| block.hash_slow()), "{}", block.number);
    }
    // What was imported is known still, and what goes on becomes canonical.
    assert_eq!(importer.take(Block::decode(&raw(&own[295]))).unwrap(), Step::Known);
    import(&mut importer, &chain_above(&own[299], 1, 1));
    let history = importer.store.history.snapshot().unwrap();
    assert_eq!(history.canonical(291).unwrap(), Some(own[290].hash_slow()));
}

#[test]
fn a_sibling_of_a_header_above_the_state_takes_its_place() {
    let genesis = genesis();
    let folder = tempfile::tempdir().unwrap();
    let own = chain_above(&first(&genesis), 1, 3);
    let mut importer = open(&folder, &genesis).unwrap();
    import(&mut importer, &own[..2]);
    importer.close().unwrap();
    // Killed between the history's commit and the state's.
    let made = store(&folder, &genesis);
    made.history.writer_steps(Box::new(Open)).unwrap().commit(written(&own[2])).unwrap();
    drop(made);
    let other = chain_above(&own[1], 2, 2);
    let mut importer = open(&folder, &genesis).unwrap();
    import(&mut importer, &other);
    importer.close().unwrap();
    let mut importer = open(&folder, &genesis).unwrap();
    for block in own[..2].iter().chain(&other) {
        assert_eq!(importer.take(Block::decode(&raw(block))).unwrap(), Step::Known);
    }
    let refused = importer.take(Block::decode(&raw(&own[2]))).unwrap_err();
    assert_eq!(refused.exit, Exit::DataDirectory, "{refused:?}");
    importer.close().unwrap();
    checked(&folder);
}

/// A directory that a sync to the second of these blocks has left: its state, its header, no history below.
fn synced(genesis: &Genesis, blocks: &[Fields]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = store(&folder, genesis);
    let mut history = made.history.writer_steps(Box::new(Open)).unwrap();
    let [headers, ..] = <[HistoryWrite; 4]>::try_from(written(&blocks[1])).unwrap();
    history.commit(vec![headers]).unwrap();
    let mut state = made.state.writer_steps(Box::new(Open)).unwrap();
    for mut write in genesis.state_writes(TICKET).unwrap() {
        if let Write::Progress { progress, .. } = &mut write
            && let Some(pin) = &mut progress.pin
        {
            (pin.number, pin.hash) = (2, blocks[1].hash_slow());
        }
        state.commit(vec![write]).unwrap();
    }
    folder
}

#[test]
fn a_directory_synced_without_history_wants_none_below_what_is_imported() {
    let genesis = genesis();
    let blocks = chain_above(&first(&genesis), 1, 4);
    let folder = synced(&genesis, &blocks);
    let mut importer = open(&folder, &genesis).unwrap();
    import(&mut importer, &blocks[2..]);
    let journal = importer.store.history.journal().unwrap();
    assert_eq!(journal.wanted, Some(BlockSpan { first: 3, last: 4 }));
    importer.close().unwrap();
    checked(&folder);
}

#[test]
fn a_block_below_all_that_is_held_is_not_called_bad() {
    let genesis = genesis();
    let blocks = chain_above(&first(&genesis), 1, 3);
    let folder = synced(&genesis, &blocks);
    let mut importer = open(&folder, &genesis).unwrap();
    let refused = importer.take(Block::decode(&raw(&blocks[0]))).unwrap_err();
    assert_eq!(refused.exit, Exit::DataDirectory, "{refused:?}");
    assert_eq!(refused.message, "block 1 lies below what the directory holds");
    assert_eq!(importer.take(Block::decode(&raw(&blocks[1]))).unwrap(), Step::Known);
    import(&mut importer, &blocks[2..]);
}

#[test]
fn what_the_history_cannot_hang_up_does_not_become_the_state() {
    let genesis = genesis();
    let blocks = chain_above(&first(&genesis), 1, 3);
    let folder = synced(&genesis, &blocks);
    // The headers that the state stands on are left for another target.
    let made = store(&folder, &genesis);
    let elsewhere = chain_above(&first(&genesis), 2, 9);
    let mut writes = written(&elsewhere[8]);
    if let HistoryWrite::Headers { descent, .. } = &mut writes[0] {
        *descent = Descent::Anew;
    }
    writes.truncate(1);
    made.history.writer_steps(Box::new(Open)).unwrap().commit(writes).unwrap();
    drop(made);
    let mut importer = open(&folder, &genesis).unwrap();
    importer.take(Block::decode(&raw(&blocks[2]))).unwrap();
    let refused = importer.close().unwrap_err();
    assert_eq!(refused.exit, Exit::DataDirectory, "{refused:?}");
    assert!(refused.message.contains("hangs from no block"), "{refused:?}");
    let progress = store(&folder, &genesis).state.snapshot().unwrap().progress().unwrap();
    assert_eq!(progress.and_then(|progress| progress.whole()).unwrap().number, 2);
}

#[test]
fn blocks_before_a_bad_one_are_kept() {
    let genesis = genesis();
    let blocks = chain_above(&first(&genesis), 1, 40);
    let folder = tempfile::tempdir().unwrap();
    let mut importer = open(&folder, &genesis).unwrap();
    for block in &blocks {
        importer.take(Block::decode(&raw(block))).unwrap();
    }
    let bad = Fields { gas_used: 1, ..above(&blocks[39], 1) };
    let refused = importer.take(Block::decode(&raw(&bad))).unwrap_err();
    assert_eq!(refused.exit, Exit::Verification, "{refused:?}");
    importer.close().unwrap();
    checked(&folder);
    let mut importer = open(&folder, &genesis).unwrap();
    assert_eq!(importer.head(), 40);
    import(&mut importer, &chain_above(&blocks[39], 1, 1));
    importer.close().unwrap();
}
