//! What a sync from a geth whose chain moves leaves on the disk: the state of one block, and all blocks up to it.

use std::{path::Path, time::Duration};

use serde_json::json;
use snapsync_e2e::{
    cache::Tools,
    dump::Dump,
    moving::{Header, Standing, header, holds_state},
    order,
};
use snapsync_storage::HistoryStore;

use crate::{blocks, rows};

pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

/// What `datadir` holds is the state of a block of geth's chain, and all the blocks up to it; gives that block.
pub(crate) fn assert_holds_a_block_of_geths(datadir: &Path, tools: &Tools, standing: Standing) -> Header {
    let rpc = standing.geth.rpc();
    let status = order::status(datadir, PATIENCE).unwrap().unwrap();
    let number = status["target"]["number"].as_u64().unwrap();
    let block = header(rpc, &format!("{number:#x}")).unwrap();
    let (hash, root) = (block.hash.to_string(), block.root.to_string());
    let target = json!({ "number": number, "hash": hash, "state_root": root, "verified": true });
    assert_eq!(status["target"], target, "{status}");
    assert!(["complete", "follow"].map(Into::into).contains(&status["phase"]), "{status}");
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
