//! The harness against a real geth: the chains are made, geth serves them, and what it says is what was recorded.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, also in what tests share")]

use std::time::Duration;

use serde_json::{Value, json};
use snapsync_e2e::{
    cache::Tools,
    chain::{Forks, TestChain},
    geth::Geth,
    patience,
    presence::geth_or_report,
    recipe::Size,
    relay::Relay,
    rpc::{hash_in, number_in},
};

const PATIENCE: Duration = Duration::from_secs(60);

fn small(tools: &Tools) -> (tempfile::TempDir, TestChain, Geth) {
    let chain = TestChain::of(tools, Size::SMALL).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let geth = chain.serve(tools, folder.path()).unwrap();
    (folder, chain, geth)
}

fn assert_head_is_expected(chain: &TestChain, geth: &Geth) {
    let (expected, head) = (chain.expected(), geth.rpc().block("latest").unwrap());
    assert_eq!(number_in(&head, "number").unwrap(), expected.head_number);
    assert_eq!(hash_in(&head, "hash").unwrap(), expected.head_hash);
    assert_eq!(hash_in(&head, "stateRoot").unwrap(), expected.state.root);
}

#[test]
fn small_chain_is_made_and_served() {
    let Some(tools) = geth_or_report("small_chain_is_made_and_served") else { return };
    let (_folder, chain, geth) = small(&tools);
    assert_head_is_expected(&chain, &geth);
    let expected = chain.expected();
    assert!(expected.head_number >= 200, "{expected:?}");
    assert!(expected.state.accounts >= 22_000 && expected.state.slots >= 62_000, "{expected:?}");
    assert!(expected.state.contracts >= 2_000, "{expected:?}");
    assert!(geth.enode().starts_with("enode://"));
}

#[test]
fn small_chain_holds_what_real_chains_hold() {
    let Some(tools) = geth_or_report("small_chain_holds_what_real_chains_hold") else { return };
    let (_folder, chain, geth) = small(&tools);
    let mut seen = Seen::default();
    for number in 1..=chain.expected().head_number {
        let tag = format!("{number:#x}");
        let block = geth.rpc().call("eth_getBlockByNumber", json!([tag, true])).unwrap();
        let receipts = geth.rpc().call("eth_getBlockReceipts", json!([tag])).unwrap();
        seen.look_at(&block, &receipts);
    }
    assert!(seen.kinds.iter().enumerate().all(|(kind, seen)| *seen || kind == 3), "{seen:?}");
    assert!(seen.unprotected && seen.deployments > 10 && seen.withdrawals > 50, "{seen:?}");
    assert!(seen.logs > 50 && seen.empty_blocks >= 20 && seen.failures > 0, "{seen:?}");
}

/// What the blocks of a chain hold.
#[derive(Debug, Default)]
struct Seen {
    /// By transaction type.
    kinds: [bool; 5],
    unprotected: bool,
    deployments: usize,
    withdrawals: usize,
    logs: usize,
    failures: usize,
    empty_blocks: usize,
}

impl Seen {
    fn look_at(&mut self, block: &Value, receipts: &Value) {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let (transactions, withdrawals) = (list(&block["transactions"]), list(&block["withdrawals"]));
        self.withdrawals += withdrawals.len();
        self.empty_blocks += usize::from(transactions.is_empty() && withdrawals.is_empty());
        for transaction in &transactions {
            self.kinds[number_in(transaction, "type").unwrap() as usize] = true;
            self.unprotected |= matches!(transaction["v"].as_str(), Some("0x1b" | "0x1c"));
            self.deployments += usize::from(transaction["to"].is_null());
        }
        for receipt in &list(receipts) {
            self.logs += list(&receipt["logs"]).len();
            self.failures += usize::from(receipt["status"] == "0x0");
        }
    }
}

#[test]
fn raw_blocks_and_receipts_are_those_of_the_header() {
    let Some(tools) = geth_or_report("raw_blocks_and_receipts_are_those_of_the_header") else { return };
    let (_folder, _chain, geth) = small(&tools);
    let header = geth.rpc().block("0x1").unwrap();
    let block = geth.rpc().raw_block(1).unwrap();
    let mut rest = &block[..];
    // A block is a list of header, transactions, ..: the header's own bytes hash to the block's hash.
    alloy_rlp::Header::decode(&mut rest).unwrap();
    let mut inner = rest;
    let length = alloy_rlp::Header::decode(&mut inner).unwrap().payload_length;
    let header_bytes = &rest[..rest.len() - inner.len() + length];
    assert_eq!(snapsync_keccak::keccak256(header_bytes), hash_in(&header, "hash").unwrap());
    let transactions = header["transactions"].as_array().unwrap().len();
    assert_eq!(geth.rpc().raw_receipts(1).unwrap().len(), transactions);
}

#[test]
fn chains_of_every_fork_are_imported_and_served() {
    let Some(tools) = geth_or_report("chains_of_every_fork_are_imported_and_served") else { return };
    for forks in Forks::ALL {
        let chain = TestChain::of_every_fork(&tools, forks).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let geth = chain.serve(&tools, folder.path()).unwrap();
        assert_head_is_expected(&chain, &geth);
        assert_eq!(chain.expected().head_number, 600);
        let head = geth.rpc().block("latest").unwrap();
        // EIP-7928: from Amsterdam on.
        assert_eq!(!head["blockAccessListHash"].is_null(), forks == Forks::ToAmsterdam, "{head}");
    }
}

#[test]
fn second_geth_takes_the_chain_through_a_relay() {
    let Some(tools) = geth_or_report("second_geth_takes_the_chain_through_a_relay") else { return };
    let (_folder, chain, server) = small(&tools);
    let relay = Relay::start(server.peer_address()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let other = chain.serve(&tools, folder.path()).unwrap();
    let added = other.rpc().call("admin_addPeer", json!([server.enode_at(relay.address())])).unwrap();
    assert_eq!(added, json!(true));
    patience::until(
        "the two to meet",
        PATIENCE,
        || server.peer_count().ok().filter(|count| *count > 0),
        || server.log(),
    )
    .unwrap();
    let passed = relay.passed();
    assert!(passed.up_bytes > 300 && passed.down_bytes > 300, "{passed:?}");
}

#[test]
fn stopped_geth_leaves_its_head_on_the_disk() {
    let Some(tools) = geth_or_report("stopped_geth_leaves_its_head_on_the_disk") else { return };
    let (_folder, chain, geth) = small(&tools);
    let datadir = geth.stop().unwrap();
    let census = datadir.census(&tools).unwrap();
    assert_eq!(census, chain.expected().state);
}
