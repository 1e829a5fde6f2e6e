//! Blocks that rot on the disk: what no header vouches for goes, and is asked for again.

#![allow(clippy::unwrap_used, reason = "a failing test may panic anywhere")]

mod synth;

use std::{path::Path, sync::mpsc};

use signet_libmdbx::{DatabaseFlags, Environment, WriteFlags};
use snapsync_storage::{
    BlockSpan, Descent, HistoryWrite, Mended, Notice, ProvenBodies, ProvenHeaders, ProvenReceipts, Store,
    Ticket, VerifyConfig, mend_history, verify,
};
use synth::{
    CHAIN, World,
    chain::{self, Block},
    config,
};

const CHECK: VerifyConfig = VerifyConfig { threads: 2, findings_max: 50 };
const BLOCKS: u64 = 12;

/// Changes the row in the middle of a table.
fn change(datadir: &Path, table: &str, change: impl Fn(&mut Vec<u8>)) {
    let env = Environment::builder().set_max_dbs(16).open(&datadir.join("history")).unwrap();
    let txn = env.begin_rw_unsync().unwrap();
    let db = txn.create_db(Some(table), DatabaseFlags::empty()).unwrap();
    let rows = txn.db_stat(&db).unwrap().entries();
    let mut cursor = txn.cursor(db).unwrap();
    let mut row = cursor.first::<Vec<u8>, Vec<u8>>().unwrap();
    for _ in 0..rows / 2 {
        row = cursor.next::<Vec<u8>, Vec<u8>>().unwrap();
    }
    let (key, mut value) = row.unwrap();
    cursor.del().unwrap();
    drop(cursor);
    change(&mut value);
    txn.put(db, &key, &value, WriteFlags::UPSERT).unwrap();
    txn.commit().unwrap();
}

/// Mends, and gives what is asked for then, as a peer would.
fn mend_all(datadir: &Path, blocks: &[Block]) -> Mended {
    let config = config(datadir);
    let store = Store::open(&config, CHAIN).unwrap();
    let mended = mend_history(&store.history).unwrap();
    let journal = store.history.journal().unwrap();
    let (tell, notices) = mpsc::channel();
    let notify = Box::new(move |notice| tell.send(notice).unwrap());
    let writer = store.history.writer(&config, notify).unwrap();
    let mut writes = Vec::new();
    let floor = journal.headers.unwrap().floor;
    if floor > 1 {
        let below = blocks[..floor as usize - 1].iter().rev().map(|block| block.header.clone()).collect();
        let hash = journal.headers.unwrap().floor_parent;
        let headers = ProvenHeaders::prove(hash, None, below).unwrap();
        let descent = Descent::GoesOn;
        writes.push(HistoryWrite::Headers { ticket: Ticket(1), headers, descent, response_bytes: 1 });
    }
    let of = |span: &BlockSpan| &blocks[span.first as usize - 1..span.last as usize];
    for span in &journal.bodies {
        let headers: Vec<_> = of(span).iter().map(|block| block.header.clone()).collect();
        let bodies = of(span).iter().map(|block| block.body.clone()).collect();
        let bodies = ProvenBodies::prove(&headers, bodies).unwrap();
        writes.push(HistoryWrite::Bodies { ticket: Ticket(2), bodies, response_bytes: 1 });
    }
    for span in &journal.receipts {
        let headers: Vec<_> = of(span).iter().map(|block| block.header.clone()).collect();
        let receipts = of(span).iter().map(|block| block.receipts.clone()).collect();
        let receipts = ProvenReceipts::prove(&headers, receipts).unwrap();
        writes.push(HistoryWrite::Receipts { ticket: Ticket(3), receipts, response_bytes: 1 });
    }
    for write in writes {
        writer.send(write).unwrap();
        assert!(matches!(notices.recv().unwrap(), Notice::Committed { .. }));
    }
    writer.join().unwrap();
    drop(store);
    assert_eq!(verify(datadir, CHECK).unwrap().findings, []);
    mended
}

// ROW: F32
#[test]
fn each_byte_that_is_flipped_in_a_block_is_mended() {
    let root = World::new(20, 3).accounts.root;
    let blocks = chain::blocks(CHAIN.genesis, BLOCKS, root);
    for table in ["Headers", "Canonical", "Numbers", "Bodies", "Receipts", "BodyGaps", "ReceiptGaps"] {
        let whole = if table.ends_with("Gaps") { 5 } else { 12 };
        for at in [|_: usize| 0, |len: usize| len / 2, |len: usize| len - 1] {
            let dir = tempfile::tempdir().unwrap();
            let config = config(dir.path());
            let store = Store::open(&config, CHAIN).unwrap();
            chain::write(&store, &config, &blocks, whole);
            drop(store);
            change(dir.path(), table, |value| {
                let at = at(value.len());
                value[at] ^= 0x04;
            });
            assert!(!verify(dir.path(), CHECK).unwrap().is_clean(), "{table}");
            let mended = mend_all(dir.path(), &blocks);
            assert!(!mended.is_clean(), "{table}");
            match table {
                "Headers" => assert_eq!((mended.headers, mended.blocks), (1, 0), "bodies stay"),
                "Bodies" | "Receipts" => assert_eq!((mended.rows, mended.blocks), (1, 1)),
                _ => assert_eq!((mended.headers, mended.rows), (0, 0)),
            }
        }
    }
}

#[test]
fn sound_blocks_stay_as_they_are() {
    let root = World::new(20, 3).accounts.root;
    let blocks = chain::blocks(CHAIN.genesis, BLOCKS, root);
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let store = Store::open(&config, CHAIN).unwrap();
    assert!(mend_history(&store.history).unwrap().is_clean(), "nothing was ever begun");
    chain::write(&store, &config, &blocks, 7);
    let before = store.history.journal().unwrap();
    assert!(mend_history(&store.history).unwrap().is_clean());
    assert_eq!(store.history.journal().unwrap(), before);
}
