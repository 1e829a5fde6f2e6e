//! A whole sync from a real geth: what is on the disk afterwards is what geth has, byte for byte.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, also in what tests share")]

mod blocks;
mod disk;

use std::{path::Path, time::Duration};

use serde_json::{Value, json};
use snapsync_e2e::{
    cache::Tools,
    chain::{Expected, Forks, TestChain},
    geth::Geth,
    order::{self, Order},
    presence::{geth_or_report, older_geth_or_report},
    program::Finished,
    recipe::Size,
};

const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a sync to the head of `chain` by hash, and looks at what it says of itself.
fn sync(chain: &TestChain, geth: &Geth, datadir: &Path) -> Finished {
    let finished = Order::to_head_of(chain, geth.enode(), datadir).run(PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(0), "{}\n{}", finished.stderr, geth.log());
    let expected = chain.expected();
    assert!(finished.stdout.contains(&expected.state.root.to_string()), "{}", finished.stdout);
    assert!(finished.stdout.contains(&expected.head_hash.to_string()), "{}", finished.stdout);
    let blocks = expected.head_number;
    let fetched = format!("{blocks} headers, {blocks} bodies, {blocks} receipts");
    assert!(finished.stdout.contains(&fetched), "{}", finished.stdout);
    assert!(!finished.stdout.contains("charged"), "an honest geth was charged:\n{}", finished.stdout);
    finished
}

/// `status` tells the figures of geth's own walk over the state.
fn assert_status_is_complete(datadir: &Path, expected: &Expected) {
    let status = order::status(datadir, PATIENCE).unwrap().unwrap();
    assert_eq!(status["phase"], "complete", "{status}");
    assert_eq!(status["genesis"], json!(expected.genesis_hash.to_string()));
    assert_eq!(
        status["target"],
        json!({
            "number": expected.head_number,
            "hash": expected.head_hash.to_string(),
            "state_root": expected.state.root.to_string(),
            "verified": true,
        })
    );
    let (state, history) = (&status["state"], &status["history"]);
    assert_eq!((&state["share"], &state["accounts"]), (&json!(1.0), &json!(expected.state.accounts)));
    assert_eq!(state["slots"], json!(expected.state.slots), "{state}");
    for nothing in ["account_gaps", "storages_pending", "codes_pending"] {
        assert_eq!(state[nothing], json!(0), "{state}");
    }
    for all in ["headers", "bodies", "receipts"] {
        assert_eq!(history[all], json!(expected.head_number), "{history}");
    }
    assert_eq!((&history["bodies_missing"], &history["receipts_missing"]), (&json!(0), &json!(0)));
}

fn assert_verify_passes(datadir: &Path, expected: &Expected) -> Value {
    let (finished, report) = order::verify(datadir, PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(0), "{}\n{}", finished.stdout, finished.stderr);
    assert_eq!(report["findings"], json!([]), "{report}");
    assert_eq!(report["complete"], json!(true), "{report}");
    assert_eq!(report["root"], json!(expected.state.root.to_string()), "{report}");
    let rows = [&report["accounts"], &report["slots"], &report["bodies"], &report["receipts"]];
    let blocks = expected.head_number;
    assert_eq!(
        rows.map(Value::as_u64),
        [expected.state.accounts, expected.state.slots, blocks, blocks].map(Some)
    );
    report
}

// ROW: F12, F13, F15, F16, F17, F20, F60
#[test]
fn sync_by_hash_ends_with_geths_state_blocks_and_receipts() {
    let Some(tools) = geth_or_report("sync_by_hash_ends_with_geths_state_blocks_and_receipts") else {
        return;
    };
    let chain = TestChain::of(&tools, Size::SMALL).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let geth = chain.serve(&tools, folder.path()).unwrap();
    let datadir = folder.path().join("snapsync");
    sync(&chain, &geth, &datadir);
    assert_status_is_complete(&datadir, chain.expected());
    disk::assert_holds_what_geth_has(&datadir, &chain, &geth);
    let report = assert_verify_passes(&datadir, chain.expected());
    // Of the branches of the tries those are stored, and were derived again, that have other branches below them.
    let branches = chain.expected().state.account_branches + chain.expected().state.storage_branches;
    let nodes = report["nodes"].as_u64().expect("a count");
    assert!(nodes > 0 && nodes < branches, "{report}");
}

/// Syncs a chain of every fork from geth, and compares all of it.
fn sync_every_fork(tools: &Tools, forks: Forks) -> disk::Found {
    let chain = TestChain::of_every_fork(tools, forks).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let geth = chain.serve(tools, folder.path()).unwrap();
    let datadir = folder.path().join("snapsync");
    sync(&chain, &geth, &datadir);
    assert_status_is_complete(&datadir, chain.expected());
    let found = disk::assert_holds_what_geth_has(&datadir, &chain, &geth);
    assert_verify_passes(&datadir, chain.expected());
    found
}

// ROW: F12, F13, F42
#[test]
fn chain_of_every_fork_is_synced_with_all_its_history() {
    let Some(tools) = geth_or_report("chain_of_every_fork_is_synced_with_all_its_history") else { return };
    let found = sync_every_fork(&tools, Forks::ToPrague);
    assert!(found.receipt_bytes_max > 10 << 20, "no block whose receipts need several answers: {found:?}");
}

// ROW: F12, F13, F42
#[test]
fn chain_of_forks_up_to_amsterdam_is_synced_with_all_its_history() {
    let name = "chain_of_forks_up_to_amsterdam_is_synced_with_all_its_history";
    let Some(tools) = geth_or_report(name) else { return };
    sync_every_fork(&tools, Forks::ToAmsterdam);
}

// ROW: F60
#[test]
fn geth_is_found_by_its_record_and_by_its_hosts_name() {
    let Some(tools) = geth_or_report("geth_is_found_by_its_record_and_by_its_hosts_name") else { return };
    let chain = TestChain::of(&tools, Size::SMALL).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let geth = chain.serve(&tools, folder.path()).unwrap();
    let by_name = geth.enode().replace("127.0.0.1", "localhost");
    assert!(by_name.contains("@localhost:"), "{by_name}");
    for (name, peer) in [("record", geth.record().unwrap()), ("name", by_name)] {
        let order = Order::to_head_of(&chain, peer, folder.path().join(name));
        let finished = order.with(["--history", "none"]).run(PATIENCE).unwrap();
        assert_eq!(finished.code(), Some(0), "{name}: {}", finished.stderr);
    }
}

// ROW: F12, F13, F42
#[test]
fn older_geth_is_synced_from() {
    let Some(tools) = older_geth_or_report("older_geth_is_synced_from") else { return };
    let chain = TestChain::of(&tools, Size::SMALL).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let geth = chain.serve(&tools, folder.path()).unwrap();
    let node = geth.rpc().call("admin_nodeInfo", json!([])).unwrap();
    assert!(node["name"].as_str().unwrap().starts_with("Geth/v1.17.5-"), "{node}");
    let datadir = folder.path().join("snapsync");
    sync(&chain, &geth, &datadir);
    disk::assert_holds_what_geth_has(&datadir, &chain, &geth);
    assert_verify_passes(&datadir, chain.expected());
}
