//! Transactions, by where they stand in a block, and by their hashes among the newest blocks.

use alloy_consensus::{Transaction as _, transaction::Recovered};
use alloy_eips::Decodable2718;
use alloy_primitives::B256;
use alloy_rpc_types_eth::Transaction;
use snapsync_execute::{
    Block,
    evm::{BlockTransaction, sender_of},
};

use super::{
    arguments::{Arguments, Hex, Quantity},
    block_name::{BlockName, BlockNumber},
    failure::{Failure, Result},
    moment::Moment,
    search,
    served::Served,
};

/// A transaction as it is told.
pub(super) type ToldTransaction = Transaction<BlockTransaction>;

/// `eth_getTransactionByHash`.
pub(super) fn by_hash(served: &Served, mut arguments: Arguments<'_>) -> Result<Option<ToldTransaction>> {
    let Hex(hash) = arguments.need::<Hex<B256>>()?;
    let moment = Moment::open(served)?;
    let Some(place) = search::find(&moment, &hash)? else { return Ok(None) };
    of_block(&moment, place.block, place.index)
}

/// `eth_getTransactionByBlockHashAndIndex`.
pub(super) fn by_block_hash(
    served: &Served,
    mut arguments: Arguments<'_>,
) -> Result<Option<ToldTransaction>> {
    let Hex(hash) = arguments.need::<Hex<B256>>()?;
    let Quantity(index) = arguments.need()?;
    let block = BlockName::Hash { hash, must_be_canonical: false };
    of_block(&Moment::open(served)?, block, usize::try_from(index).unwrap_or(usize::MAX))
}

/// `eth_getTransactionByBlockNumberAndIndex`.
pub(super) fn by_block_number(
    served: &Served,
    mut arguments: Arguments<'_>,
) -> Result<Option<ToldTransaction>> {
    let BlockNumber(block) = arguments.need()?;
    let Quantity(index) = arguments.need()?;
    of_block(&Moment::open(served)?, block, usize::try_from(index).unwrap_or(usize::MAX))
}

fn of_block(moment: &Moment<'_>, block: BlockName, index: usize) -> Result<Option<ToldTransaction>> {
    let Some(block) = moment.block(block)? else { return Ok(None) };
    let payload = block.body().transaction_payloads().get(index).copied();
    payload.map(|payload| told(&block, index, read(payload)?)).transpose()
}

/// A stored transaction.
pub(super) fn read(payload: &[u8]) -> Result<BlockTransaction> {
    BlockTransaction::decode_2718_exact(payload).map_err(|why| Failure::stored("transaction", why))
}

/// A transaction as it is told, with who sent it and what it paid.
pub(super) fn told(block: &Block, index: usize, transaction: BlockTransaction) -> Result<ToldTransaction> {
    let header = block.header();
    let price = transaction.effective_gas_price(base_fee(block)?);
    let sender = sender_of(&transaction).unwrap_or_default();
    Ok(ToldTransaction {
        inner: Recovered::new_unchecked(transaction, sender),
        block_hash: Some(block.hash()),
        block_number: Some(header.number),
        transaction_index: Some(index as u64),
        effective_gas_price: Some(price),
        block_timestamp: Some(header.timestamp),
    })
}

/// The base fee, from London on.
pub(super) fn base_fee(block: &Block) -> Result<Option<u64>> {
    let base_fee = block.header().base_fee_per_gas.map(u64::try_from).transpose();
    base_fee.map_err(|why| Failure::stored("base fee", why))
}
