//! A host that has no EVM: `cargo run --example lists_only`.
//!
//! From Amsterdam on a block's header commits to a list of all that the block changes (EIP-7928). A host that follows by these lists needs no
//! executor: the list is compared with the header, laid over the state, and the root that follows with the header's.

mod node;

use alloy_consensus::Header as Fields;
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{Encodable, Header as Head};
use node::{Node, Result, balance_change, header_of};
use snapsync_execute::{Block, Follower, TakenBy};
use snapsync_keccak::keccak256;

/// A list that says that one account had so much ether after the transactions, of which there are none: one account's address, slots that
/// change, slots that are read, balances, nonces and codes.
fn list_of(payee: &Address, balance: U256) -> Bytes {
    let list = |items: &[u8]| {
        let mut list = Vec::new();
        Head { list: true, payload_length: items.len() }.encode(&mut list);
        list.extend_from_slice(items);
        list
    };
    let mut change = Vec::new();
    // The place behind the last transaction.
    1u64.encode(&mut change);
    balance.encode(&mut change);
    let none = list(&[]);
    let mut account = Vec::new();
    payee.encode(&mut account);
    for part in [&none, &none, &list(&list(&change)), &none, &none] {
        account.extend_from_slice(part);
    }
    list(&list(&account)).into()
}

/// What Amsterdam's headers have more than Shanghai's.
fn amsterdam(fields: Fields, list: &Bytes) -> Fields {
    Fields {
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        block_access_list_hash: Some(keccak256(list)),
        slot_number: Some(fields.number),
        ..fields
    }
}

fn run() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let forks = ["cancun", "prague", "osaka", "amsterdam"];
    let mut node = Node::begin(directory.path(), &forks.map(|fork| format!(r#","{fork}Time":0"#)).concat())?;
    let mut follower = Follower::applying_lists(node.forks.clone());
    let payee = Address::repeat_byte(0xaa);
    for gwei in [3, 4] {
        let (fields, body) = node.paying(payee, gwei)?;
        // This is its maker's part: a host is given blocks and their lists.
        let balance = node.balance(&payee)? + U256::from(gwei) * U256::from(1_000_000_000);
        let list = list_of(&payee, balance);
        let mut fields = amsterdam(fields, &list);
        fields.state_root = balance_change(&payee, balance).root_above(&node.snapshot()?)?;
        let block = Block::new(header_of(&fields)?, body)?;
        // A list that says more than it should is not the block's.
        let other = list_of(&payee, balance + U256::ONE);
        if let Err(refused) = node.take(&mut follower, &block, Some(&other)) {
            println!("block {}, with another list: {refused}", fields.number);
        }
        let by = node.take(&mut follower, &block, Some(&list))?;
        assert!(matches!(by, TakenBy::List { failure: None }), "nobody could execute it");
        println!("block {}: by its list, {payee} has {} wei", fields.number, node.balance(&payee)?);
    }
    assert_eq!(node.balance(&payee)?, U256::from(7_000_000_000_u64), "and nothing of the other lists");
    Ok(())
}

fn main() -> Result<()> {
    run()
}

#[test]
fn a_host_without_an_executor_follows_a_chain_by_its_lists() -> Result<()> {
    run()
}
