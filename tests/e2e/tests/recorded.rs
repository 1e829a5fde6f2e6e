//! What Prysm said to geth, said to `snapsync node`: each recorded call in its order, and geth's recorded answer beside ours.
//!
//! A geth that holds the same chain is the node's only peer: the recorded payloads made it. What may differ is named and counted (docs/ENGINE.md);
//! anything else fails.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use snapsync_e2e::{
    cache::Tools,
    datadir::Datadir,
    driven::DrivenNode,
    geth::{Geth, Settings},
    order, patience,
    presence::geth_or_report,
    relay::Relay,
};

const PATIENCE: Duration = Duration::from_secs(120);
const NETWORK_ID: u64 = 32_382;

/// How an answer may differ from geth's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// SYNCING, and geth said VALID: block 1 is executed by a geth that has block 0's state, and not by a node that is to fetch a newer one.
    NoStateYet,
    /// SYNCING, and geth said VALID: its state was whole earlier. VALID once ours is.
    Later,
    /// VALID, and geth said SYNCING: our state was whole earlier.
    Earlier,
    /// Null, and geth had the blobs in its pool of transactions.
    NoPool,
}

fn unpacked(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/consensus").join(name);
    std::io::read_to_string(GzDecoder::new(fs::File::open(path).unwrap())).unwrap()
}

/// The calls of one beacon node, in the order in which they were made.
fn recorded(name: &str) -> Vec<Value> {
    let text = unpacked(name);
    let mut calls: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    calls.sort_by(|a, b| a["t"].as_f64().unwrap().total_cmp(&b["t"].as_f64().unwrap()));
    calls
}

fn method(call: &Value) -> &str {
    call["method"].as_str().unwrap()
}

/// The status in an answer, or what it is of a forkchoice.
fn status(result: &Value) -> &Value {
    result.get("payloadStatus").unwrap_or(result)
}

/// The number of a payload.
fn number(call: &Value) -> u64 {
    let digits = call["params"][0]["blockNumber"].as_str().unwrap();
    u64::from_str_radix(digits.trim_start_matches("0x"), 16).unwrap()
}

/// A geth with the recorded chain, and the chain's genesis file.
struct Scene {
    folder: tempfile::TempDir,
    genesis: PathBuf,
    geth: Geth,
}

impl Scene {
    /// It is told what the beacon node told its own geth, and is never without a state: all of it is valid.
    fn set(tools: &Tools) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let genesis = folder.path().join("genesis.json");
        fs::write(&genesis, unpacked("genesis.json.gz")).unwrap();
        let datadir = Datadir::init(tools, folder.path().join("geth"), &genesis).unwrap();
        let geth = Geth::start(tools, datadir, &Settings::serving(NETWORK_ID)).unwrap();
        let engine = geth.engine().unwrap();
        let calls = recorded("from-genesis.jsonl.gz");
        let drives =
            |call: &&Value| ["newPayload", "forkchoice"].iter().any(|word| method(call).contains(word));
        for call in calls.iter().filter(drives) {
            let answer = engine.call(method(call), &call["params"]).unwrap();
            assert_eq!(status(&answer["result"])["status"], "VALID", "{answer}");
        }
        let given: BTreeSet<&str> =
            calls.iter().filter_map(|call| call["params"][0]["blockHash"].as_str()).collect();
        for call in &recorded("from-checkpoint.jsonl.gz") {
            let hash = call["params"][0]["blockHash"].as_str();
            assert!(
                hash.is_none_or(|hash| given.contains(hash)),
                "a payload that only the third node was given"
            );
        }
        Self { folder, genesis, geth }
    }
}

/// A recording that is being replayed.
struct Replay<'a> {
    node: &'a DrivenNode,
    /// Whether our state is whole, by our own word.
    is_whole: bool,
    differences: BTreeMap<Difference, usize>,
}

impl Replay<'_> {
    fn differs(&mut self, how: Difference) {
        *self.differences.entry(how).or_default() += 1;
    }

    fn ask(&self, call: &Value) -> Value {
        self.node.ask(method(call), &call["params"]).unwrap()
    }

    /// Makes one call, and compares what is answered.
    fn play(&mut self, call: &Value) {
        match method(call) {
            "engine_newPayloadV4" | "engine_forkchoiceUpdatedV3" => self.drive(call),
            "engine_exchangeCapabilities" => {
                let ours = self.ask(call);
                for method in [
                    "engine_newPayloadV4",
                    "engine_forkchoiceUpdatedV3",
                    "engine_getPayloadV5",
                    "engine_getBlobsV2",
                ] {
                    assert!(ours.as_array().unwrap().contains(&json!(method)), "{method} in {ours}");
                }
            }
            "engine_getBlobsV2" => {
                assert_eq!(self.ask(call), Value::Null);
                if !call["result"].is_null() {
                    self.differs(Difference::NoPool);
                }
            }
            "eth_getBlockByNumber" => {
                let ours = self.ask(call);
                // What is held while a state is fetched is each client's own matter.
                for field in ["number", "hash", "timestamp"].iter().filter(|_| self.is_whole) {
                    assert_eq!(ours[field], call["result"][field], "{call}");
                }
            }
            "eth_chainId" | "engine_getPayloadBodiesByHashV1" => assert_eq!(self.ask(call), call["result"]),
            other => panic!("{other} is new in the recording"),
        }
    }

    /// A payload or a forkchoice.
    fn drive(&mut self, call: &Value) {
        let (ours, geths) = (self.ask(call), &call["result"]);
        let of = |result: &Value| status(result)["status"].as_str().unwrap().to_owned();
        let is_payload = method(call).contains("newPayload");
        match (of(&ours).as_str(), of(geths).as_str()) {
            ("SYNCING", "VALID") if is_payload && number(call) == 1 => self.differs(Difference::NoStateYet),
            ("SYNCING", "VALID") => {
                // A payload waits for nothing: where its parent is here, so is the answer.
                assert!(!self.is_whole || !is_payload, "{call}\n{}", self.node.said());
                if !self.is_whole {
                    self.differs(Difference::Later);
                }
                self.repeat(call);
                self.is_whole = true;
            }
            ("VALID", "SYNCING") => {
                let hash = match is_payload {
                    true => &call["params"][0]["blockHash"],
                    false => &call["params"][0]["headBlockHash"],
                };
                assert_eq!(&status(&ours)["latestValidHash"], hash, "{ours}");
                self.differs(Difference::Earlier);
                self.is_whole = true;
            }
            _ => {
                assert_eq!(&ours, geths, "{}", self.node.said());
                let is_late = !is_payload && of(&ours) == "SYNCING";
                assert!(
                    of(&ours) == "VALID" || !self.is_whole || is_late,
                    "a state was whole before: {call}"
                );
                self.is_whole |= of(&ours) == "VALID";
            }
        }
    }

    /// Says it again until it is answered as geth did, as a consensus client says its head again.
    fn repeat(&self, call: &Value) {
        let same = || {
            let ours = self.ask(call);
            let is_waiting = status(&ours)["status"] == "SYNCING";
            (!is_waiting).then(|| assert_eq!(ours, call["result"], "{}", self.node.said()))
        };
        patience::until("geth's answer", PATIENCE, same, || self.node.said()).unwrap();
    }
}

/// The head that was named last, and what the first beacon node asks besides: a block that is to be built, of which nothing comes.
fn assert_the_end_is_geths(scene: &Scene, node: &DrivenNode, last: &Value) {
    let theirs = scene.geth.rpc().block("latest").unwrap();
    let forkchoice = last["params"][0].clone();
    assert_eq!(theirs["hash"], forkchoice["headBlockHash"]);
    for field in ["hash", "number", "stateRoot", "receiptsRoot"] {
        assert_eq!(node.rpc().block("latest").unwrap()[field], theirs[field]);
    }
    let settled = || (node.call("eth_syncing", json!([])).unwrap() == false).then_some(());
    patience::until("a head that is followed", PATIENCE, settled, || node.said()).unwrap();
    for name in ["safe", "finalized"] {
        let block = node.rpc().block(name).unwrap();
        assert_eq!(block["hash"], forkchoice[format!("{name}BlockHash")], "{name}");
    }

    let time =
        u64::from_str_radix(theirs["timestamp"].as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    let attributes = json!({
        "timestamp": format!("{:#x}", time + 2),
        "prevRandao": theirs["mixHash"],
        "suggestedFeeRecipient": theirs["miner"],
        "withdrawals": [],
        "parentBeaconBlockRoot": theirs["parentBeaconBlockRoot"],
    });
    let answer = node.ask(method(last), &json!([forkchoice, attributes])).unwrap();
    assert_eq!(answer, json!({ "payloadStatus": last["result"]["payloadStatus"], "payloadId": null }));
    let answer = node.engine().call("engine_getPayloadV5", &json!(["0x037b617e5bc5bc91"])).unwrap();
    assert_eq!(answer["error"]["code"], -38001, "{answer}");
}

/// Replays what is recorded in `name` to a node whose peer is at `enode`; `before` sees each call before it is made.
fn replay(scene: &Scene, name: &str, enode: &str, before: impl Fn(&Value)) -> BTreeMap<Difference, usize> {
    let calls = recorded(name);
    let datadir = scene.folder.path().join("node");
    let node = DrivenNode::start(&scene.genesis, &datadir, &["--peer", enode]).unwrap();
    let mut replay = Replay { node: &node, is_whole: false, differences: BTreeMap::new() };
    for call in &calls {
        before(call);
        replay.play(call);
    }
    let differences = replay.differences;
    let last = calls.iter().rfind(|call| method(call).contains("forkchoice")).unwrap();
    assert_the_end_is_geths(scene, &node, last);
    let finished = node.stop().unwrap();
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert!(!finished.stderr.contains("charged"), "{}", finished.stderr);
    let (verified, report) = order::verify(&datadir, PATIENCE).unwrap();
    assert_eq!((verified.code(), &report["findings"]), (Some(0), &json!([])), "{report}");
    differences
}

// ROW: F1, F61
#[test]
fn a_node_that_is_told_a_chain_from_its_genesis_answers_as_geth_did() {
    let name = "a_node_that_is_told_a_chain_from_its_genesis_answers_as_geth_did";
    let Some(tools) = geth_or_report(name) else { return };
    let scene = Scene::set(&tools);
    // Nothing comes before the place at which geth's own sync was over: until there, it is all told to a node without a state.
    let relay = Relay::start(scene.geth.peer_address()).unwrap();
    relay.stop_at(0);
    let before = |call: &Value| {
        let is_block_1 = method(call).contains("newPayload") && number(call) == 1;
        if status(&call["result"])["status"] == "VALID" && !is_block_1 {
            relay.resume();
        }
    };
    let enode = scene.geth.enode_at(relay.address());
    let differences = replay(&scene, "from-genesis.jsonl.gz", &enode, before);
    let expected = [(Difference::NoStateYet, 1), (Difference::Later, 1), (Difference::NoPool, 2)];
    assert_eq!(differences, BTreeMap::from(expected));
}

// ROW: F1, F61
#[test]
fn a_node_that_is_told_a_chain_from_a_checkpoint_answers_as_geth_did() {
    let name = "a_node_that_is_told_a_chain_from_a_checkpoint_answers_as_geth_did";
    let Some(tools) = geth_or_report(name) else { return };
    let scene = Scene::set(&tools);
    let differences = replay(&scene, "from-checkpoint.jsonl.gz", &scene.geth.enode(), |_| {});
    // Whose state is whole first is a matter of the machine.
    let kinds: Vec<Difference> = differences.keys().copied().collect();
    assert!([&[][..], &[Difference::Later], &[Difference::Earlier]].contains(&&kinds[..]), "{differences:?}");
    assert!(differences.get(&Difference::Later).is_none_or(|count| *count == 1), "{differences:?}");
}

// ROW: F1, F9
#[test]
fn a_client_that_was_away_is_followed_from_the_head_that_it_names_and_two_that_disagree_are_both_answered() {
    let name = "a_client_that_was_away_is_followed_from_the_head_that_it_names_and_two_that_disagree_are_both_answered";
    let Some(tools) = geth_or_report(name) else { return };
    let scene = Scene::set(&tools);
    let calls = recorded("from-genesis.jsonl.gz");
    let payload = |hash: &str| {
        let found = calls.iter().find(|call| call["params"][0]["blockHash"] == hash);
        found.unwrap_or_else(|| panic!("{hash} was not given"))
    };
    let latest = |node: &DrivenNode| node.rpc().block("latest").unwrap()["hash"].clone();
    let hundred =
        calls.iter().find(|call| method(call).contains("newPayload") && number(call) == 100).unwrap();
    let hundred = hundred["params"][0]["blockHash"].as_str().unwrap();
    let top = scene.geth.rpc().block("latest").unwrap()["hash"].as_str().unwrap().to_owned();

    // Nothing is heard of 75 blocks, and JSON-RPC is answered out of what is held.
    let datadir = scene.folder.path().join("away");
    let node = DrivenNode::start(&scene.genesis, &datadir, &["--peer", &scene.geth.enode()]).unwrap();
    node.reach(hundred).unwrap();
    assert_eq!(latest(&node), hundred);
    node.reach(&top).unwrap();
    assert_eq!(latest(&node), top);
    assert_eq!(node.stop().unwrap().code(), Some(0));

    // The first state is the head's: the other head, on a branch that begins below it, is reached by what differs, each time.
    let other = "0xbf899c30acc1d90983f426e7b1a8856536292f0523027c86f87ee6de949288c9";
    let datadir = scene.folder.path().join("torn");
    let node = DrivenNode::start(&scene.genesis, &datadir, &["--peer", &scene.geth.enode()]).unwrap();
    node.reach(&top).unwrap();
    assert_eq!(node.give(payload(other)).unwrap()["status"], "ACCEPTED");
    let began = Instant::now();
    for _ in 0..3 {
        for head in [other, &top] {
            node.reach(head).unwrap();
            assert_eq!(latest(&node), head);
        }
    }
    // Six turns in three minutes are told of: a machine may be slower than that.
    let is_told = began.elapsed() < Duration::from_secs(150);
    if is_told {
        let torn = || node.said().contains("has turned to another branch 6 times").then_some(());
        patience::until("a word of it", PATIENCE, torn, || node.said()).unwrap();
    }
    let finished = node.stop().unwrap();
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let moved = finished.stderr.matches("no block leads from it to the head").count();
    assert_eq!(moved, 6, "one move a turn:\n{}", finished.stderr);
    let told = finished.stderr.matches("has turned to another branch").count();
    assert!(told == 1 || !is_told && told == 0, "{}", finished.stderr);
    let (verified, report) = order::verify(&datadir, PATIENCE).unwrap();
    assert_eq!((verified.code(), &report["findings"]), (Some(0), &json!([])), "{report}");
}
