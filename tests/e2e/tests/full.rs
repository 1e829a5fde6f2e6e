//! A chain that is executed from its genesis on, with blocks that a real geth serves: the state is geth's, as if it had been fetched.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, also in what tests share")]

mod rows;

use std::time::Duration;

use serde_json::json;
use snapsync_e2e::{
    chain::TestChain,
    dump::Dump,
    order::{self, Order},
    patience,
    presence::geth_or_report,
    recipe::Size,
};

const PATIENCE: Duration = Duration::from_secs(120);

// ROW: F2
#[test]
fn every_block_of_geths_chain_is_executed_from_its_genesis_on_and_a_kill_loses_none() {
    let name = "every_block_of_geths_chain_is_executed_from_its_genesis_on_and_a_kill_loses_none";
    let Some(tools) = geth_or_report(name) else { return };
    let chain = TestChain::of(&tools, Size::SMALL).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let geth = chain.serve(&tools, folder.path()).unwrap();
    let datadir = folder.path().join("snapsync");
    let order = Order::to_head_of(&chain, geth.enode(), &datadir).with(["--syncmode", "full"]);
    let running = order.start().unwrap();
    let look = || order::verified(&datadir, PATIENCE).unwrap().filter(|made| made.number > 0);
    let first = patience::until("the first blocks", PATIENCE, look, || running.stderr()).unwrap();
    running.kill().unwrap();
    let expected = chain.expected();
    let finished = order.run(PATIENCE).unwrap();
    assert_eq!(finished.code(), Some(0), "{}\n{}", finished.stdout, finished.stderr);
    if first.number < expected.head_number {
        let followed = format!("followed     the state is of block {} ", expected.head_number);
        assert!(finished.stdout.contains(&followed), "{}", finished.stdout);
    }
    assert!(!finished.stdout.contains("charged"), "{}", finished.stdout);

    // The newest block of its peers is where it is.
    let again = order.to("latest").run(PATIENCE).unwrap();
    assert_eq!(again.code(), Some(0), "{}\n{}", again.stdout, again.stderr);

    let status = order::status(&datadir, PATIENCE).unwrap().unwrap();
    let root = expected.state.root.to_string();
    assert_eq!(status["target"]["hash"], json!(expected.head_hash.to_string()), "{status}");
    assert_eq!(status["target"]["verified"], true, "{status}");
    let dump = Dump::of(&tools, &geth.stop().unwrap(), expected.head_hash).unwrap();
    rows::assert_rows_are_geths(&datadir, &dump);
    let (verified, report) = order::verify(&datadir, PATIENCE).unwrap();
    assert_eq!(verified.code(), Some(0), "{}\n{}", verified.stdout, verified.stderr);
    assert_eq!((&report["findings"], &report["root"]), (&json!([]), &json!(root)), "{report}");
}
