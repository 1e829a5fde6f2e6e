//! Transactions, read from a block: of types that its fork has, in the one encoding that each has.

use alloy_consensus::{EthereumTxEnvelope, Transaction, TxEip4844};
use alloy_eips::{Decodable2718, Encodable2718};

use crate::{
    bad::{BadBlock, BadTransaction},
    block::Block,
    forks::{Fork, Rules},
};

/// A transaction as it stands in a block: blobs are elsewhere.
pub type BlockTransaction = EthereumTxEnvelope<TxEip4844>;

/// Reads the transactions of a block.
///
/// # Errors
/// Names the first one that cannot be read, or came too early.
pub(super) fn read(rules: &Rules, block: &Block) -> Result<Vec<BlockTransaction>, BadBlock> {
    let payloads = block.body().transaction_payloads();
    let one = |(index, payload): (usize, &[u8])| {
        read_one(rules, payload).map_err(|reason| BadBlock::Transaction { index, reason })
    };
    payloads.into_iter().enumerate().map(one).collect()
}

fn read_one(rules: &Rules, payload: &[u8]) -> Result<BlockTransaction, BadTransaction> {
    // A type that came later is told apart from one that cannot be read.
    let kind = payload.first().copied().filter(|first| *first < 0x80);
    let since = match kind {
        None => Fork::Frontier,
        Some(1) => Fork::Berlin,
        Some(2) => Fork::London,
        Some(3) => Fork::Cancun,
        Some(4) => Fork::Prague,
        Some(kind) => return Err(BadTransaction::TypeNotYet { kind, fork: rules.fork }),
    };
    if rules.fork < since {
        return Err(BadTransaction::TypeNotYet { kind: kind.unwrap_or(0), fork: rules.fork });
    }
    let transaction = BlockTransaction::decode_2718_exact(payload)
        .map_err(|why| BadTransaction::Malformed { why: why.to_string() })?;
    // One transaction has one encoding: what another client would refuse is not to slip through a lenient reader.
    if transaction.encoded_2718() != payload {
        return Err(BadTransaction::Malformed { why: "its encoding is not the shortest".to_owned() });
    }
    if transaction.is_legacy() && transaction.chain_id().is_some() && !rules.has_replay_protection {
        return Err(BadTransaction::ReplayProtectionNotYet);
    }
    Ok(transaction)
}

/// Gas of all blobs of a block.
pub(super) fn blob_gas(transactions: &[BlockTransaction]) -> u64 {
    let gas = transactions.iter().map(|transaction| transaction.blob_gas_used().unwrap_or(0));
    gas.fold(0, u64::saturating_add)
}
