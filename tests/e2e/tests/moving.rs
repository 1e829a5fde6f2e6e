//! A geth whose chain moves: what a sync from it leaves on the disk is the state of one of its blocks, row by row.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, also in what tests share")]

mod blocks;
mod rows;

use std::{path::Path, time::Duration};

use serde_json::json;
use snapsync_e2e::{
    cache::Tools,
    dump::Dump,
    life::Bustle,
    moving::{Header, MovingGeth, Pace, Standing, header, holds_state},
    order,
    presence::geth_or_report,
    recipe::Size,
};
use snapsync_storage::HistoryStore;

const PATIENCE: Duration = Duration::from_secs(240);

/// What `datadir` holds is the state of a block of geth's chain, and all the blocks up to it; gives that block.
fn assert_holds_a_block_of_geths(datadir: &Path, tools: &Tools, standing: Standing) -> Header {
    let rpc = standing.geth.rpc();
    let status = order::status(datadir, PATIENCE).unwrap().unwrap();
    let number = status["target"]["number"].as_u64().unwrap();
    let block = header(rpc, &format!("{number:#x}")).unwrap();
    let (hash, root) = (block.hash.to_string(), block.root.to_string());
    let target = json!({ "number": number, "hash": hash, "state_root": root, "verified": true });
    assert_eq!(status["target"], target, "{status}");
    assert_eq!(status["phase"], "complete", "{status}");
    let history = HistoryStore::open_read_only(datadir).unwrap();
    blocks::assert_blocks_are_geths(&history.snapshot().unwrap(), number, rpc);
    drop(history);

    assert!(
        holds_state(rpc, block.hash),
        "the chain has gone on for too long to compare the state of {block:?}"
    );
    let dump = Dump::of(tools, &standing.geth.stop().unwrap(), block.hash).unwrap();
    assert_eq!(dump.root, block.root);
    rows::assert_rows_are_geths(datadir, &dump);
    let (finished, report) = order::verify(datadir, PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(0), "{}\n{}", finished.stdout, finished.stderr);
    assert_eq!((&report["findings"], &report["root"]), (&json!([]), &json!(root)), "{report}");
    block
}

#[test]
fn chain_that_moved_is_synced_with_all_that_it_changed() {
    let Some(tools) = geth_or_report("chain_that_moved_is_synced_with_all_that_it_changed") else { return };
    let folder = tempfile::tempdir().unwrap();
    let pace = Pace { block_every: Duration::ZERO, bustle: Bustle::Calm, bytes_per_second: None };
    let moving = MovingGeth::start(&tools, Size::SMALL, folder.path(), pace).unwrap();
    moving.wait_for_blocks(10).unwrap();
    moving.mover().reorganise(3).unwrap();
    let datadir = folder.path().join("snapsync");
    let order = moving.order(&datadir);
    let standing = moving.stand().unwrap();
    let head = header(standing.geth.rpc(), "latest").unwrap();
    let finished = order.run(PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(0), "{}\n{}", finished.stdout, finished.stderr);
    assert_eq!(assert_holds_a_block_of_geths(&datadir, &tools, standing), head);
}
