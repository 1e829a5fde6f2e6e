//! `verify` is quiet about a sound directory and names table and key of each flipped byte.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use std::path::Path;

use alloy_primitives::{B256, U256, hex};
use alloy_rlp::Header;
use signet_libmdbx::{DatabaseFlags, Environment, WriteFlags};
use snapsync_storage::{
    AccountChange, BlockClaim, BlockError, CommitGate, DerivedBlock, Finding, Open, StateChanges, Store,
    TargetRecord, Verdict, VerifyConfig, Write, verify,
};
use synth::{CHAIN, Run, World, chain, config, sync};

const CHECK: VerifyConfig = VerifyConfig { threads: 2, findings_max: 50 };

struct StopAt(u64);

impl CommitGate for StopAt {
    fn before_commit(&mut self, number: u64) -> Verdict {
        if number == self.0 { Verdict::Abort } else { Verdict::Pass }
    }
}

/// A directory whose state sync ended before `stop`, or is finished; with blocks, of which half are whole.
fn directory(datadir: &Path, stop: Option<u64>, whole: usize) {
    let mut world = World::new(200, 300);
    let config = config(datadir);
    let store = Store::open(&config, CHAIN).unwrap();
    let blocks = chain::blocks(CHAIN.genesis, 12, world.accounts.root);
    let top = &blocks[11].header;
    world.target =
        TargetRecord { id: synth::TARGET, number: 12, hash: top.hash(), root: world.accounts.root };
    chain::write(&store, &config, &blocks, whole);
    let gate: Box<dyn CommitGate> = match stop {
        Some(number) => Box::new(StopAt(number)),
        None => Box::new(Open),
    };
    let mut run = Run::new(&store, &config, gate);
    assert_eq!(sync(&world, &store, &mut run).is_ok(), stop.is_none());
    let _stopped = run.end();
}

/// Flips one bit of the middle row of a table, in its value (or in its key, where the value is empty).
fn flip(dir: &Path, table: &str, at: fn(usize) -> usize) -> (Vec<u8>, Vec<u8>) {
    let env = Environment::builder().set_max_dbs(16).open(dir).unwrap();
    let txn = env.begin_rw_unsync().unwrap();
    let db = txn.create_db(Some(table), DatabaseFlags::empty()).unwrap();
    let rows = txn.db_stat(&db).unwrap().entries();
    assert!(rows > 0, "{table} has rows to flip");
    let mut cursor = txn.cursor(db).unwrap();
    let (mut key, mut value) = cursor.first::<Vec<u8>, Vec<u8>>().unwrap().unwrap();
    for _ in 0..rows / 2 {
        (key, value) = cursor.next::<Vec<u8>, Vec<u8>>().unwrap().unwrap();
    }
    let mut flipped = value.clone();
    let at = at(value.len());
    flipped[at] ^= 0x04;
    cursor.del().unwrap();
    drop(cursor);
    txn.put(db, &key, &flipped, WriteFlags::UPSERT).unwrap();
    txn.commit().unwrap();
    (key, value)
}

fn restore(dir: &Path, table: &str, (key, value): (Vec<u8>, Vec<u8>), at: fn(usize) -> usize) {
    let env = Environment::builder().set_max_dbs(16).open(dir).unwrap();
    let txn = env.begin_rw_unsync().unwrap();
    let db = txn.create_db(Some(table), DatabaseFlags::empty()).unwrap();
    let mut flipped = value.clone();
    flipped[at(value.len())] ^= 0x04;
    txn.del(db, &key, Some(&flipped)).unwrap();
    txn.put(db, &key, &value, WriteFlags::UPSERT).unwrap();
    txn.commit().unwrap();
}

fn each_flip_is_named(datadir: &Path, tables: &[(&str, &str)]) {
    let places: [fn(usize) -> usize; 3] = [|_| 0, |len| len / 2, |len| len - 1];
    for (env, table) in tables {
        for at in places {
            let dir = datadir.join(env);
            let before = flip(&dir, table, at);
            let report = verify(datadir, CHECK).unwrap();
            assert!(!report.is_clean(), "{table}: a flipped byte goes unnoticed");
            assert!(
                report.findings.iter().any(|finding| finding.table == *table),
                "{table} is not named in {:?}",
                report.findings
            );
            restore(&dir, table, before, at);
        }
    }
    assert_eq!(verify(datadir, CHECK).unwrap().findings, []);
}

#[test]
fn a_finished_directory_is_sound_and_each_flip_in_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    directory(dir.path(), None, 12);
    let report = verify(dir.path(), CHECK).unwrap();
    assert_eq!(report.findings, []);
    assert!(report.complete && report.root == report.expected_root);
    assert_eq!((report.accounts, report.headers, report.bodies, report.receipts), (200, 12, 12, 12));
    let state = ["Accounts", "Storages", "Codes", "AccountNodes", "StorageNodes", "Targets", "Progress"];
    let history = ["Headers", "Canonical", "Numbers", "Bodies", "Receipts", "Progress"];
    let tables: Vec<_> = state
        .map(|table| ("state", table))
        .into_iter()
        .chain(history.map(|table| ("history", table)))
        .collect();
    each_flip_is_named(dir.path(), &tables);
}

#[test]
fn each_flip_in_what_takes_a_block_back_is_named() {
    let dir = tempfile::tempdir().unwrap();
    {
        let (world, config) = (World::new(60, 70), config(dir.path()));
        let store = Store::open(&config, CHAIN).unwrap();
        let mut run = Run::new(&store, &config, Box::new(Open));
        sync(&world, &store, &mut run).unwrap();
        let (key, account) = (*world.accounts.rows.keys().next().unwrap(), snapsync_trie::Account::EMPTY);
        let change = AccountChange { nonce: 1, balance: U256::from(1), code_hash: account.code_hash };
        let mut changes = StateChanges::default();
        changes.accounts.insert(key, Some(change));
        changes.accounts.insert(B256::ZERO, Some(change));
        let snapshot = store.state.snapshot().unwrap();
        let (number, hash, parent) = (10, B256::repeat_byte(10), world.target.hash);
        let mut claim = BlockClaim { number, hash, parent, root: B256::ZERO };
        let Err(BlockError::Root { derived, .. }) = DerivedBlock::derive(&snapshot, claim, &changes) else {
            panic!("nobody can know the root before");
        };
        claim.root = derived;
        let block = Box::new(DerivedBlock::derive(&snapshot, claim, &changes).unwrap());
        drop(snapshot);
        run.write(|ticket| Write::Block { ticket, block }).unwrap();
        run.end().unwrap();
    }
    assert_eq!(verify(dir.path(), CHECK).unwrap().findings, []);
    each_flip_is_named(dir.path(), &[("state", "Undo"), ("state", "UndoBlocks")]);
}

#[test]
fn an_unfinished_directory_is_sound_and_each_flip_in_its_journal_is_named() {
    let dir = tempfile::tempdir().unwrap();
    // The third commit is that of codes; before it, codes and storages are pending.
    directory(dir.path(), Some(3), 5);
    let report = verify(dir.path(), CHECK).unwrap();
    assert_eq!(report.findings, []);
    assert!(!report.complete);
    let state = ["AccountRanges", "PendingStorages", "PendingCodes", "Targets"];
    let history = ["BodyGaps", "ReceiptGaps"];
    let tables: Vec<_> = state
        .map(|table| ("state", table))
        .into_iter()
        .chain(history.map(|table| ("history", table)))
        .collect();
    each_flip_is_named(dir.path(), &tables);
}

/// Puts one more item behind the last one of a list.
fn with_one_more(list: &[u8], item: &[u8]) -> Vec<u8> {
    let payload = Header::decode_bytes(&mut &list[..], true).unwrap();
    let mut longer = Vec::new();
    Header { list: true, payload_length: payload.len() + item.len() }.encode(&mut longer);
    longer.extend_from_slice(payload);
    longer.extend_from_slice(item);
    longer
}

#[test]
fn what_no_header_commits_to_is_named_where_it_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    directory(dir.path(), None, 12);
    for table in ["Bodies", "Receipts"] {
        let env = Environment::builder().set_max_dbs(16).open(&dir.path().join("history")).unwrap();
        let txn = env.begin_rw_unsync().unwrap();
        let db = txn.create_db(Some(table), DatabaseFlags::empty()).unwrap();
        let (key, value) = txn.cursor(db).unwrap().last::<Vec<u8>, Vec<u8>>().unwrap().unwrap();
        let more = alloy_rlp::encode(vec![7u8; 5000].as_slice());
        txn.put(db, &key, with_one_more(&value, &more), WriteFlags::UPSERT).unwrap();
        txn.commit().unwrap();
        drop(env);
        let findings = verify(dir.path(), CHECK).unwrap().findings;
        let named = |finding: &Finding| finding.table == table && finding.key == hex::encode(&key);
        assert!(findings.iter().any(named), "{findings:?}");
    }
}
