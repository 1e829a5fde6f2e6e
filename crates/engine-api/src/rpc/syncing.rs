//! `eth_syncing`: how far a sync is, under geth's names.

use std::sync::atomic::Ordering;

use alloy_primitives::U64;
use serde_json::{Value, json};

use super::{
    arguments::Arguments, block_name::BlockName, failure::Result, host::SyncFigures, moment::Moment,
    served::Served,
};

/// False once the head is followed and can be told, and for good: what comes after is no sync to whoever asks. A state may be whole before its
/// block's body is here, and who hears that nothing is synced any more looks for the newest block.
pub(super) fn syncing(served: &Served, _: Arguments<'_>) -> Result<Value> {
    if served.has_followed.load(Ordering::Relaxed) {
        return Ok(Value::Bool(false));
    }
    let figures = match served.parts.host.sync() {
        Some(figures) => figures,
        None => {
            let moment = Moment::open(served)?;
            if moment.block(BlockName::LATEST)?.is_some() {
                served.has_followed.store(true, Ordering::Relaxed);
                return Ok(Value::Bool(false));
            }
            let number = moment.latest()?.number;
            SyncFigures { current_block: number, highest_block: number, ..SyncFigures::default() }
        }
    };
    let number = |count: u64| json!(U64::from(count));
    let zero = number(0);
    Ok(json!({
        "startingBlock": number(figures.starting_block),
        "currentBlock": number(figures.current_block),
        "highestBlock": number(figures.highest_block),
        "syncedAccounts": number(figures.accounts),
        "syncedAccountBytes": number(figures.account_bytes),
        "syncedBytecodes": number(figures.codes),
        "syncedBytecodeBytes": number(figures.code_bytes),
        "syncedStorage": number(figures.slots),
        "syncedStorageBytes": number(figures.slot_bytes),
        "healedTrienodes": number(figures.healed_nodes),
        "healedTrienodeBytes": number(figures.healed_node_bytes),
        // Codes that healing meets are fetched like any others, and counted with them.
        "healedBytecodes": zero,
        "healedBytecodeBytes": zero,
        "healingTrienodes": number(figures.healing_nodes),
        "healingBytecode": number(figures.healing_codes),
        "syncedAccessLists": number(figures.lists),
        "totalAccessLists": number(figures.lists_total),
        // There are no such indexes here.
        "trieGenProgress": zero,
        "txIndexFinishedBlocks": zero,
        "txIndexRemainingBlocks": zero,
        "stateIndexRemaining": zero,
        "trienodeIndexRemaining": zero,
    }))
}
