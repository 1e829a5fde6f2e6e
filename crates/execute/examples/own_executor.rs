//! A host that brings its own executor: `cargo run --example own_executor`.
//!
//! Its executor knows withdrawals and nothing else, which is all that this chain's blocks hold. A host with an EVM does the same over its
//! own types: it reads accounts and slots through `ParentState`, and says what changed. What it says is compared with the block's header,
//! and the state's root is derived, so that a mistake of the executor ends here and not on the disk.

mod node;

use alloy_primitives::{Address, U256};
use node::{Node, Result, balance_change, header_of};
use snapsync_execute::{Block, BlockExecutor, Error, Executed, Follower, ParentState, Rules};
use snapsync_wire::Header;

const WEI_PER_GWEI: u64 = 1_000_000_000;

/// Pays withdrawals; `overpays` is a mistake that shows what becomes of one.
struct Ledger {
    overpays: bool,
}

impl BlockExecutor for Ledger {
    fn execute(
        &mut self,
        _rules: &Rules,
        block: &Block,
        _parent: &Header,
        state: &mut dyn ParentState,
    ) -> Result<Executed, Error> {
        if !block.body().transaction_payloads().is_empty() {
            return Err(Error::Host("a ledger executes no transactions".into()));
        }
        let mut executed = Executed::default();
        for paid in block.withdrawals().unwrap_or_default() {
            let before = state.account(&paid.address)?.map_or(U256::ZERO, |account| account.balance);
            let wei = U256::from(paid.gwei) * U256::from(WEI_PER_GWEI) + U256::from(u8::from(self.overpays));
            // Each block of this chain pays one account.
            executed.changes = balance_change(&paid.address, before + wei);
        }
        Ok(executed)
    }
}

fn run() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut node = Node::begin(directory.path(), "")?;
    let payee = Address::repeat_byte(0xaa);
    let mut ledger = Follower::executing(node.forks.clone(), Box::new(Ledger { overpays: false }));
    for gwei in [3, 4] {
        let (mut fields, body) = node.paying(payee, gwei)?;
        let wei = U256::from(gwei) * U256::from(WEI_PER_GWEI);
        // This is its maker's part: a host is given blocks.
        let after = balance_change(&payee, node.balance(&payee)? + wei);
        fields.state_root = after.root_above(&node.snapshot()?)?;
        let block = Block::new(header_of(&fields)?, body)?;
        let mut mistaken = Follower::executing(node.forks.clone(), Box::new(Ledger { overpays: true }));
        if let Err(refused) = node.take(&mut mistaken, &block, None) {
            println!("block {}, by an executor that is wrong: {refused}", fields.number);
        }
        node.take(&mut ledger, &block, None)?;
        println!("block {}: executed, {payee} has {} wei", fields.number, node.balance(&payee)?);
    }
    assert_eq!(node.balance(&payee)?, U256::from(7 * WEI_PER_GWEI), "and nothing of the mistakes");
    Ok(())
}

fn main() -> Result<()> {
    run()
}

#[test]
fn a_host_with_an_executor_of_its_own_follows_a_chain() -> Result<()> {
    run()
}
