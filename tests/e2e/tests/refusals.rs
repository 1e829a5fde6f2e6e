//! Orders that must be refused: one clear line and an exit code each, and nothing on the disk is changed.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, also in what tests share")]

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use alloy_primitives::B256;
use serde_json::{Value, json};
use snapsync_e2e::{
    cache::Tools,
    chain::{Forks, TestChain},
    geth::Geth,
    order::{self, Order},
    patience,
    presence::geth_or_report,
    program::{self, Finished, Running},
    recipe::Size,
    relay::Relay,
    rpc::hash_in,
};

const PATIENCE: Duration = Duration::from_secs(120);

/// A served chain, and a folder for everything.
struct Scene {
    folder: tempfile::TempDir,
    chain: TestChain,
    geth: Geth,
}

impl Scene {
    fn set(tools: &Tools) -> Self {
        let chain = TestChain::of(tools, Size::SMALL).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let geth = chain.serve(tools, folder.path()).unwrap();
        Self { folder, chain, geth }
    }

    fn order(&self, name: &str) -> Order {
        Order::to_head_of(&self.chain, self.geth.enode(), self.folder.path().join(name))
    }

    /// An order whose bytes come through a relay that stops them after `down_bytes`.
    fn order_behind_relay(&self, name: &str, down_bytes: u64) -> (Relay, Order) {
        let relay = Relay::start(self.geth.peer_address()).unwrap();
        relay.stop_at(down_bytes);
        let peers = vec![self.geth.enode_at(relay.address())];
        (relay, Order { peers, ..self.order(name) })
    }

    fn hash_of(&self, number: u64) -> B256 {
        hash_in(&self.geth.rpc().block(&format!("{number:#x}")).unwrap(), "hash").unwrap()
    }
}

/// The run ended with `code` and one line that says `words`.
fn assert_refused(finished: &Finished, code: i32, words: &[&str]) {
    assert_eq!(finished.code(), Some(code), "{}\n{}", finished.stdout, finished.stderr);
    let errors: Vec<&str> = finished.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{}", finished.stderr);
    assert!(words.iter().all(|word| errors[0].contains(word)), "{words:?} are not in: {}", errors[0]);
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
}

fn status(datadir: &Path) -> Option<Value> {
    order::status(datadir, PATIENCE).unwrap()
}

/// Waits until `status` beside the running program shows what `look` wants.
fn status_with(running: &Running, datadir: &Path, look: impl Fn(&Value) -> bool) -> Value {
    patience::until(
        "the status",
        PATIENCE,
        || status(datadir).filter(&look),
        || format!("{:?}\n{}", status(datadir), running.stderr()),
    )
    .unwrap()
}

/// Every file of a folder but the lock, in which each run leaves its process id, and MDBX's table of readers.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = ["state/mdbx.dat", "history/mdbx.dat"];
    files.map(|name| (name.to_owned(), fs::read(folder.join(name)).unwrap())).into()
}

// ROW: F7, F60
#[test]
fn second_run_on_a_finished_directory_fetches_nothing() {
    let Some(tools) = geth_or_report("second_run_on_a_finished_directory_fetches_nothing") else { return };
    let scene = Scene::set(&tools);
    let relay = Relay::start(scene.geth.peer_address()).unwrap();
    let order = Order { peers: vec![scene.geth.enode_at(relay.address())], ..scene.order("a") };
    assert_eq!(order.run(PATIENCE).unwrap().code(), Some(0));
    let (passed, before) = (relay.passed(), status(&order.datadir));
    let again = order.run(PATIENCE).unwrap();
    assert_eq!(again.code(), Some(0), "{}", again.stderr);
    assert!(again.stdout.contains("already complete: nothing was fetched"), "{}", again.stdout);
    assert!(again.stdout.contains("0 accounts, 0 slots, 0 codes, 0 headers, 0 bodies, 0 receipts"));
    // A handshake at most.
    assert!(relay.passed().down_bytes - passed.down_bytes < 4_096, "{:?}", relay.passed());
    assert_eq!(status(&order.datadir), before);

    // No peer is needed to know that.
    let gone = Order { peers: vec![scene.geth.enode_at(([127, 0, 0, 1], 1).into())], ..order };
    assert_eq!(gone.run(PATIENCE).unwrap().code(), Some(0));
}

// ROW: F5, F20, F21, F42, F60
#[test]
fn unfinished_directory_keeps_its_target_its_lock_and_tells_its_status() {
    let name = "unfinished_directory_keeps_its_target_its_lock_and_tells_its_status";
    let Some(tools) = geth_or_report(name) else { return };
    let scene = Scene::set(&tools);
    let (relay, order) = scene.order_behind_relay("a", 1_000_000);
    let running = order.start().unwrap();
    relay.wait_until_stopped(PATIENCE).unwrap();
    let during = status_with(&running, &order.datadir, |status| status["state"]["accounts"] != json!(0));
    assert_eq!(during["phase"], "download", "{during}");
    assert_eq!(during["target"]["verified"], json!(false), "{during}");
    assert!(during["state"]["share"].as_f64().is_some_and(|share| share > 0.0 && share < 1.0), "{during}");
    assert_newest_versions(&scene.geth);

    let second = order.run(PATIENCE).unwrap();
    assert_refused(&second, 3, &["locked by another process"]);
    let killed = running.kill().unwrap();
    assert_eq!(killed.code(), None);
    let before = files(&order.datadir);
    let other = scene.hash_of(scene.chain.expected().head_number - 1);
    let refused = order.to(other).run(PATIENCE).unwrap();
    assert_refused(&refused, 3, &[&scene.chain.expected().head_hash.to_string(), &other.to_string()]);
    assert!(files(&order.datadir) == before, "the refused run changed the database");

    relay.resume();
    let finished = order.run(PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
}

/// What geth offers, the newest of it was agreed on.
fn assert_newest_versions(geth: &Geth) {
    let peers = geth.rpc().call("admin_peers", json!([])).unwrap();
    let peer = &peers[0];
    assert!(peer["name"].as_str().unwrap().starts_with("snapsync/"), "{peers}");
    assert_eq!(peer["protocols"]["eth"]["version"], json!(71), "{peers}");
    assert_eq!(peer["protocols"]["snap"]["version"], json!(1), "{peers}");
}

// ROW: F6, F60
#[test]
fn hash_that_no_peer_has_is_named() {
    let Some(tools) = geth_or_report("hash_that_no_peer_has_is_named") else { return };
    let scene = Scene::set(&tools);
    let nowhere = B256::repeat_byte(0x77);
    let refused = scene.order("a").to(nowhere).run(PATIENCE).unwrap();
    assert_refused(&refused, 4, &["no connected peer has", &nowhere.to_string()]);
}

// ROW: F4, F60
#[test]
fn checkpoint_that_is_not_on_the_chain_ends_the_sync_before_any_state() {
    let name = "checkpoint_that_is_not_on_the_chain_ends_the_sync_before_any_state";
    let Some(tools) = geth_or_report(name) else { return };
    let scene = Scene::set(&tools);
    let wrong = format!("100:{}", B256::repeat_byte(0x55));
    let order = scene.order("a").with(["--checkpoint", &wrong]);
    let refused = order.run(PATIENCE).unwrap();
    assert_refused(&refused, 5, &["checkpoint 100", &scene.hash_of(100).to_string()]);
    let status = status(&order.datadir).unwrap();
    assert_eq!((&status["state"]["accounts"], &status["state"]["slots"]), (&json!(0), &json!(0)), "{status}");

    let right = format!("100:{}", scene.hash_of(100));
    let accepted = scene.order("b").with(["--checkpoint", &right]).run(PATIENCE).unwrap();
    assert_eq!(accepted.code(), Some(0), "{}", accepted.stderr);
}

// ROW: F4
#[test]
fn checkpoint_above_the_target_vouches_for_it_or_ends_the_sync() {
    let name = "checkpoint_above_the_target_vouches_for_it_or_ends_the_sync";
    let Some(tools) = geth_or_report(name) else { return };
    let scene = Scene::set(&tools);
    let number = scene.chain.expected().head_number - 20;
    let target = scene.hash_of(number);
    let order = |checkpoint: B256| {
        let words = ["--checkpoint".to_owned(), format!("{}:{checkpoint}", number + 10)];
        scene.order("a").to(target).with(words)
    };
    let nowhere = B256::repeat_byte(0x55);
    let refused = order(nowhere).run(PATIENCE).unwrap();
    assert_refused(&refused, 4, &[&nowhere.to_string()]);
    assert!(!refused.stderr.contains("charged"), "an honest geth was charged:\n{}", refused.stderr);

    // Blocks of the chain, but not of that number: above the target, and below it.
    for other in [number + 9, number - 100] {
        let refused = order(scene.hash_of(other)).run(PATIENCE).unwrap();
        assert_refused(&refused, 5, &["is block", &other.to_string()]);
        assert_eq!(status(&order(target).datadir).unwrap()["state"]["accounts"], json!(0));
    }
    // None of these left anything that the right one could stumble over.
    let accepted = order(scene.hash_of(number + 10)).run(PATIENCE).unwrap();
    assert_eq!(accepted.code(), Some(0), "{}", accepted.stderr);
    let (verified, report) = order::verify(&order(target).datadir, PATIENCE).unwrap();
    assert_eq!((verified.code(), &report["complete"]), (Some(0), &json!(true)), "{report}");
    assert_eq!(report["bodies"], json!(number), "{report}");
}

// ROW: F6
#[test]
fn state_that_no_peer_has_any_more_is_named() {
    let Some(tools) = geth_or_report("state_that_no_peer_has_any_more_is_named") else { return };
    let scene = Scene::set(&tools);
    let refused = scene.order("a").to(scene.hash_of(50)).run(PATIENCE).unwrap();
    assert_refused(&refused, 4, &["no connected peer has", "state", "128 blocks"]);
}

// ROW: F32
#[test]
fn file_size_limit_ends_the_sync_as_a_full_disk_does() {
    let Some(tools) = geth_or_report("file_size_limit_ends_the_sync_as_a_full_disk_does") else { return };
    let scene = Scene::set(&tools);
    let order = scene.order("a");
    // The limit counts in blocks of 512 bytes or of 1 KiB, by shell; both are below what the database begins with.
    let finished = std::process::Command::new("sh")
        .args(["-c", "ulimit -f 4000; exec \"$0\" \"$@\""])
        .arg(program::locate().unwrap())
        .args(order.words_of("sync"))
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&finished.stderr).into_owned();
    let finished = Finished { status: finished.status, stdout: String::new(), stderr };
    assert_refused(&finished, 6, &["disk full"]);
    // With room, the same command goes on.
    let finished = order.run(PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
}

// ROW: F31, F60
#[test]
fn directory_of_another_chain_is_left_alone() {
    let Some(tools) = geth_or_report("directory_of_another_chain_is_left_alone") else { return };
    let scene = Scene::set(&tools);
    let order = scene.order("a");
    assert_eq!(order.run(PATIENCE).unwrap().code(), Some(0));
    let before = files(&order.datadir);
    let other = TestChain::of_every_fork(&tools, Forks::ToPrague).unwrap();
    let refused = Order { genesis: other.genesis(), ..order.clone() }.run(PATIENCE).unwrap();
    assert_refused(&refused, 3, &["belongs to chain"]);
    assert!(files(&order.datadir) == before, "the refused run changed the database");
}

// ROW: F42, F60
#[test]
fn peer_of_another_chain_is_not_synced_from() {
    let Some(tools) = geth_or_report("peer_of_another_chain_is_not_synced_from") else { return };
    let scene = Scene::set(&tools);
    let other = TestChain::of_every_fork(&tools, Forks::ToPrague).unwrap();
    let wrong = [
        Order::to_head_of(&other, scene.geth.enode(), scene.folder.path().join("a")),
        Order { genesis: other.genesis(), ..scene.order("b") },
        Order { network_id: 5, ..scene.order("c") },
    ];
    let running: Vec<Running> = wrong.iter().map(|order| order.start().unwrap()).collect();
    for running in running {
        let refused = running.wait(PATIENCE).unwrap();
        assert_refused(&refused, 4, &["no peer can be reached"]);
        // Who is the first to see it differs from run to run, and so do the words.
        assert!(
            ["network", "genesis"].iter().any(|word| refused.stderr.contains(word)),
            "{}",
            refused.stderr
        );
    }
}

// ROW: F11, F60
#[test]
fn peer_that_nobody_is_at_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let genesis = folder.path().join("genesis.json");
    fs::write(&genesis, r#"{"config":{"chainId":7},"difficulty":"0x1","gasLimit":"0x1","alloc":{}}"#)
        .unwrap();
    // Port 1 is nobody's; the key is that of the secret 1.
    let peer = "enode://79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798\
                483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8@127.0.0.1:1";
    let order = Order {
        genesis,
        network_id: 7,
        peers: vec![peer.to_owned()],
        target: B256::repeat_byte(1).to_string(),
        datadir: folder.path().join("a"),
        words: Vec::new(),
    };
    let refused = order.run(PATIENCE).unwrap();
    assert_refused(&refused, 4, &["no peer can be reached", "127.0.0.1:1", "connection refused"]);
}

// ROW: F60
#[test]
fn number_and_latest_are_synced_with_a_warning() {
    let Some(tools) = geth_or_report("number_and_latest_are_synced_with_a_warning") else { return };
    let scene = Scene::set(&tools);
    let expected = scene.chain.expected();
    let number = expected.head_number - 10;
    for (target, hash) in
        [("latest".to_owned(), expected.head_hash), (number.to_string(), scene.hash_of(number))]
    {
        let finished = scene.order(&target).to(&target).run(PATIENCE).unwrap();
        assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
        assert!(finished.stderr.contains("warning: the target is named by"), "{}", finished.stderr);
        assert!(finished.stdout.contains(&hash.to_string()), "{}", finished.stdout);
    }
}
