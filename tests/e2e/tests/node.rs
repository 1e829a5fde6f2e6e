//! `snapsync node` as a consensus client drives it: the payloads of geth's own tests, in order and out of it; a state that comes from a geth; a
//! kill; a geth that is away.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, also in what tests share")]

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path, time::Duration};

use alloy_primitives::B256;
use serde_json::{Value, json};
use snapsync_e2e::{
    cache::Tools,
    chain::{Forks, TestChain, testdata},
    engine::Engine,
    patience,
    presence::geth_or_report,
    program::{self, Finished, Running},
    recipe::Size,
    rpc::Rpc,
};

const PATIENCE: Duration = Duration::from_secs(240);

/// A node that runs, with its doors.
struct Node {
    running: Running,
    engine: Engine,
    http: Rpc,
}

impl Node {
    fn start(genesis: &Path, datadir: &Path, words: &[&str]) -> Self {
        let mut line: Vec<String> = ["node", "--genesis"].map(str::to_owned).into();
        line.extend([genesis.display().to_string(), "--datadir".into(), datadir.display().to_string()]);
        line.extend(
            "--addr 127.0.0.1 --port 0 --authrpc.port 0 --http --http.port 0".split(' ').map(str::to_owned),
        );
        line.extend(["--http.api", "eth,net,web3,admin,snapsync"].map(str::to_owned));
        line.extend(words.iter().map(|word| (*word).to_owned()));
        let running = program::start(line).unwrap();
        let door = |what: &str| -> SocketAddr {
            let told = || {
                assert!(!running.has_ended(), "{}", running.stderr());
                let text = running.stderr();
                let line = text.lines().find(|line| line.contains(what))?;
                line.rsplit_once("http://")?.1.trim().parse().ok()
            };
            patience::until(what, PATIENCE, told, || running.stderr()).unwrap()
        };
        let engine = door("the consensus client is heard at");
        let http = Rpc::new(door("JSON-RPC is answered at"));
        let secret = fs::read_to_string(datadir.join("jwtsecret")).unwrap();
        let secret: B256 = secret.trim().trim_start_matches("0x").parse().unwrap();
        Self { engine: Engine::new(engine, secret), http, running }
    }

    /// The status of a payload.
    fn give(&self, call: &Value) -> String {
        let answer = self.engine.call(call["method"].as_str().unwrap(), &call["params"]).unwrap();
        let status = answer.pointer("/result/status").and_then(Value::as_str);
        status.unwrap_or_else(|| panic!("{answer}\n{}", self.running.stderr())).to_owned()
    }

    fn name(&self, head: &str) -> Value {
        let zero = B256::ZERO.to_string();
        let state = json!({ "headBlockHash": head, "safeBlockHash": zero, "finalizedBlockHash": zero });
        let answer = self.engine.call("engine_forkchoiceUpdatedV3", &json!([state, null])).unwrap();
        answer
            .pointer("/result/payloadStatus")
            .unwrap_or_else(|| panic!("{answer}\n{}", self.running.stderr()))
            .clone()
    }

    /// Names it until it is valid.
    fn reach(&self, head: &str) {
        let is_valid = || {
            assert!(!self.running.has_ended(), "{}", self.running.stderr());
            let status = self.name(head);
            assert_ne!(status["status"], "INVALID", "{status}");
            (status["status"] == "VALID").then_some(())
        };
        patience::until("a valid head", PATIENCE, is_valid, || self.running.stderr()).unwrap();
    }

    fn call(&self, method: &str, params: Value) -> Value {
        self.http.call(method, params).unwrap()
    }
}

/// Ends it as a service manager does.
fn stop(node: Node) -> Finished {
    node.running.interrupt().unwrap();
    node.running.wait(PATIENCE).unwrap()
}

/// The calls that geth's tests give a node, in the order of their blocks.
fn payloads(tools: &Tools) -> (TestChain, Vec<Value>) {
    let chain = TestChain::of_every_fork(tools, Forks::ToAmsterdam).unwrap();
    let calls = fs::read(testdata(Forks::ToAmsterdam).unwrap().join("newpayload.json")).unwrap();
    let mut calls: Vec<Value> = serde_json::from_slice(&calls).unwrap();
    // The first is block 0, which nobody gives: its fields are not those of a payload.
    calls.remove(0);
    (chain, calls)
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

    let node = Node::start(&chain.genesis(), &dir.path().join("in-order"), &["--syncmode", "full"]);
    for (at, call) in calls.iter().enumerate() {
        assert_eq!(node.give(call), "VALID", "block {at}:\n{}", node.running.stderr());
        if at % 40 == 0 {
            assert_eq!(node.name(&hash(call))["status"], "VALID", "block {at}");
        }
    }
    let named = node.name(&head);
    assert_eq!(named, json!({ "status": "VALID", "latestValidHash": head, "validationError": null }));
    assert_eq!(node.call("eth_blockNumber", json!([])), "0x258");
    assert_eq!(node.call("eth_getBlockByNumber", json!(["latest", false]))["hash"], head);

    // Every seventh is missing at first, and the others come in another order.
    let node = Node::start(&chain.genesis(), &dir.path().join("shuffled"), &["--syncmode", "full"]);
    let is_missing = |at: usize| at % 7 == 3;
    let order: BTreeMap<usize, usize> = (0..calls.len()).map(|at| (at * 337 % calls.len(), at)).collect();
    assert_eq!(order.len(), calls.len());
    for at in order.values().filter(|at| !is_missing(**at)) {
        let status = node.give(&calls[*at]);
        assert!(["VALID", "SYNCING"].contains(&status.as_str()), "block {at}: {status}");
    }
    assert_eq!(node.name(&head)["status"], "SYNCING");
    for (at, call) in calls.iter().enumerate().filter(|(at, _)| is_missing(*at)) {
        let status = node.give(call);
        assert!(["VALID", "SYNCING"].contains(&status.as_str()), "block {at}: {status}");
    }
    node.reach(&head);
    assert_eq!(node.call("eth_blockNumber", json!([])), "0x258");
    let finished = stop(node);
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
    let node = Node::start(&chain.genesis(), &datadir, &["--peer", &enode]);
    assert!(node.call("eth_syncing", json!([])).is_object());
    let status = node.name(&head);
    assert_eq!(status, json!({ "status": "SYNCING", "latestValidHash": null, "validationError": null }));
    node.reach(&head);
    let settled = || (node.call("eth_syncing", json!([])) == false).then_some(());
    patience::until("a head that is followed", PATIENCE, settled, || node.running.stderr()).unwrap();
    assert_eq!(node.call("net_peerCount", json!([])), "0x1");
    let theirs = geth.rpc().block("latest").unwrap();
    for field in ["hash", "stateRoot", "number", "timestamp"] {
        assert_eq!(node.call("eth_getBlockByNumber", json!(["latest", false]))[field], theirs[field]);
    }
    let status = node.call("snapsync_status", json!([]));
    assert_eq!(status["target"]["verified"], true, "{status}");

    node.running.kill().unwrap();
    drop(geth);
    // Nobody is there: what is held is enough.
    let node = Node::start(&chain.genesis(), &datadir, &[]);
    assert_eq!(node.name(&head)["status"], "VALID");
    let finished = stop(node);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
}
