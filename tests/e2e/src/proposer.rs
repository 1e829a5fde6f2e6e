//! Has a geth make a block of its own: built from what it is given, executed, and set as its head, in one call.
//!
//! It trusts geth with everything that a block needs beside its transactions and withdrawals. It signs nothing.

use alloy_primitives::{Address, B256};
use serde_json::json;

use crate::{
    Error, genesis,
    recipe::Block,
    rpc::{Rpc, hash_in},
};

/// Lets the geth behind `rpc` make the block `number` on top of its head, which must be the one before, and gives its hash. The
/// block's time follows from its number.
pub fn propose(rpc: Rpc, number: u64, random: B256, block: &Block) -> Result<B256, Error> {
    let attributes = json!({
        "timestamp": format!("{:#x}", genesis::TIME + number * genesis::BLOCK_SECONDS),
        "prevRandao": random.to_string(),
        "suggestedFeeRecipient": Address::repeat_byte(0xfe).to_string(),
        "withdrawals": block.withdrawals,
        "parentBeaconBlockRoot": B256::ZERO.to_string(),
        // From Amsterdam on; not looked at before.
        "slotNumber": format!("{number:#x}"),
    });
    let transactions: Vec<String> = block.transactions.iter().map(ToString::to_string).collect();
    let hash = rpc.call("testing_commitBlockV1", json!([attributes, transactions, null]))?;
    hash_in(&json!({ "hash": hash }), "hash")
}
