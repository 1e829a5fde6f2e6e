//! `snapsync node` as a consensus client drives it: the payloads of geth's own tests, in order and out of it; a state that comes from a geth; a
//! kill; a geth that is away.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, also in what tests share")]

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt, path::Path, time::Duration};

use serde_json::{Value, json};
use snapsync_e2e::{
    cache::Tools,
    chain::{Forks, TestChain, testdata},
    driven::DrivenNode,
    patience,
    presence::geth_or_report,
    recipe::Size,
};

const PATIENCE: Duration = Duration::from_secs(240);

/// The calls that geth's tests give a node, in the order of their blocks.
fn payloads(tools: &Tools) -> (TestChain, Vec<Value>) {
    let chain = TestChain::of_every_fork(tools, Forks::ToAmsterdam).unwrap();
    let calls = fs::read(testdata(Forks::ToAmsterdam).unwrap().join("newpayload.json")).unwrap();
    let mut calls: Vec<Value> = serde_json::from_slice(&calls).unwrap();
    // The first is block 0, which nobody gives: its fields are not those of a payload.
    calls.remove(0);
    (chain, calls)
}

/// The status of a payload.
fn status(node: &DrivenNode, call: &Value) -> String {
    node.give(call).unwrap()["status"].as_str().unwrap().to_owned()
}

fn hash(call: &Value) -> String {
    call["params"][0]["blockHash"].as_str().unwrap().to_owned()
}

// ROW: F1, F61
#[test]
fn every_payload_of_geths_tests_is_valid_in_order_and_in_any_order_with_gaps() {
    let name = "every_payload_of_geths_tests_is_valid_in_order_and_in_any_order_with_gaps";
    let Some(tools) = geth_or_report(name) else { return };
    let (chain, calls) = payloads(&tools);
    let head = hash(calls.last().unwrap());
    let dir = tempfile::tempdir().unwrap();

    let node =
        DrivenNode::start(&chain.genesis(), &dir.path().join("in-order"), &["--syncmode", "full"]).unwrap();
    for (at, call) in calls.iter().enumerate() {
        assert_eq!(status(&node, call), "VALID", "block {at}:\n{}", node.said());
        if at % 40 == 0 {
            assert_eq!(node.name(&hash(call)).unwrap()["status"], "VALID", "block {at}");
        }
    }
    let named = node.name(&head).unwrap();
    assert_eq!(named, json!({ "status": "VALID", "latestValidHash": head, "validationError": null }));
    assert_eq!(node.call("eth_blockNumber", json!([])).unwrap(), "0x258");
    assert_eq!(node.call("eth_getBlockByNumber", json!(["latest", false])).unwrap()["hash"], head);

    // Every seventh is missing at first, and the others come in another order.
    let node =
        DrivenNode::start(&chain.genesis(), &dir.path().join("shuffled"), &["--syncmode", "full"]).unwrap();
    let is_missing = |at: usize| at % 7 == 3;
    let order: BTreeMap<usize, usize> = (0..calls.len()).map(|at| (at * 337 % calls.len(), at)).collect();
    assert_eq!(order.len(), calls.len());
    for at in order.values().filter(|at| !is_missing(**at)) {
        let status = status(&node, &calls[*at]);
        assert!(["VALID", "SYNCING"].contains(&status.as_str()), "block {at}: {status}");
    }
    assert_eq!(node.name(&head).unwrap()["status"], "SYNCING");
    for (at, call) in calls.iter().enumerate().filter(|(at, _)| is_missing(*at)) {
        let status = status(&node, call);
        assert!(["VALID", "SYNCING"].contains(&status.as_str()), "block {at}: {status}");
    }
    node.reach(&head).unwrap();
    assert_eq!(node.call("eth_blockNumber", json!([])).unwrap(), "0x258");
    let finished = node.stop().unwrap();
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
}

// ROW: F1, F10, F61
#[test]
fn a_node_comes_from_nothing_to_the_head_that_is_named_and_back_there_after_a_kill() {
    let name = "a_node_comes_from_nothing_to_the_head_that_is_named_and_back_there_after_a_kill";
    let Some(tools) = geth_or_report(name) else { return };
    let chain = TestChain::of(&tools, Size::SMALL).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let geth = chain.serve(&tools, &dir.path().join("geth")).unwrap();
    let head = chain.expected().head_hash.to_string();
    let (datadir, enode) = (dir.path().join("node"), geth.enode());
    let node = DrivenNode::start(&chain.genesis(), &datadir, &["--peer", &enode]).unwrap();
    assert!(node.call("eth_syncing", json!([])).unwrap().is_object());
    let status = node.name(&head).unwrap();
    assert_eq!(status, json!({ "status": "SYNCING", "latestValidHash": null, "validationError": null }));
    node.reach(&head).unwrap();
    let settled = || (node.call("eth_syncing", json!([])).unwrap() == false).then_some(());
    patience::until("a head that is followed", PATIENCE, settled, || node.said()).unwrap();
    assert_eq!(node.call("net_peerCount", json!([])).unwrap(), "0x1");
    let theirs = geth.rpc().block("latest").unwrap();
    for field in ["hash", "stateRoot", "number", "timestamp"] {
        assert_eq!(
            node.call("eth_getBlockByNumber", json!(["latest", false])).unwrap()[field],
            theirs[field]
        );
    }
    let status = node.call("snapsync_status", json!([])).unwrap();
    assert_eq!(status["target"]["verified"], true, "{status}");

    node.kill().unwrap();
    drop(geth);
    // Nobody is there: what is held is enough.
    let node = DrivenNode::start(&chain.genesis(), &datadir, &[]).unwrap();
    assert_eq!(node.name(&head).unwrap()["status"], "VALID");
    let finished = node.stop().unwrap();
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
}

/// Bytes of the smaller database that have room on the disk.
fn held(datadir: &Path) -> u64 {
    let files = ["state", "history"].map(|name| fs::metadata(datadir.join(name).join("mdbx.dat")).unwrap());
    files.iter().map(|file| file.blocks() * 512).min().unwrap()
}

// ROW: F32, F61
#[test]
fn a_node_whose_disk_is_full_ends_and_goes_on_from_there_once_there_is_room() {
    let name = "a_node_whose_disk_is_full_ends_and_goes_on_from_there_once_there_is_room";
    let Some(tools) = geth_or_report(name) else { return };
    let (chain, calls) = payloads(&tools);
    let dir = tempfile::tempdir().unwrap();
    let start = || DrivenNode::start(&chain.genesis(), dir.path(), &["--syncmode", "full"]).unwrap();
    let node = start();
    let (before, after) = calls.split_at(100);
    before.iter().for_each(|call| assert_eq!(status(&node, call), "VALID"));
    let held_head = hash(before.last().unwrap());
    node.reach(&held_head).unwrap();
    node.running().fill_disk_at(held(dir.path())).unwrap();
    // What has no room is not valid; that it ends it may say, or hang up.
    let taken = after.iter().position(|call| node.give(call).and_then(|_| node.name(&hash(call))).is_err());
    assert!(taken.is_some(), "there was room for all\n{}", node.said());
    let finished = node.wait().unwrap();
    assert_eq!(finished.code(), Some(6), "{}", finished.stderr);
    assert!(finished.stderr.contains("disk full"), "{}", finished.stderr);

    let node = start();
    assert_eq!(node.name(&held_head).unwrap()["status"], "VALID", "{}", node.said());
    after.iter().for_each(|call| assert_eq!(status(&node, call), "VALID"));
    node.reach(&hash(after.last().unwrap())).unwrap();
    let finished = node.stop().unwrap();
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
}
