//! Blocks and how many transactions they have.

use alloy_consensus::Header as ToldFields;
use alloy_eips::eip4895::{Withdrawal, Withdrawals};
use alloy_primitives::{B256, U64, U256};
use alloy_rpc_types_eth::{Block as ToldBlock, BlockTransactions, Header as ToldHeader};
use snapsync_execute::Block;
use snapsync_keccak::keccak256;

use super::{
    arguments::{Arguments, Hex},
    block_name::{BlockName, BlockNumber},
    failure::Result,
    moment::Moment,
    served::Served,
    transactions::{self, ToldTransaction},
};

type Told = ToldBlock<ToldTransaction>;

/// `eth_blockNumber`.
pub(super) fn number(served: &Served, _: Arguments<'_>) -> Result<U64> {
    Ok(U64::from(Moment::open(served)?.latest()?.number))
}

/// `eth_getBlockByNumber`.
pub(super) fn by_number(served: &Served, mut arguments: Arguments<'_>) -> Result<Option<Told>> {
    let BlockNumber(name) = arguments.need()?;
    told_of(served, name, arguments.need()?)
}

/// `eth_getBlockByHash`.
pub(super) fn by_hash(served: &Served, mut arguments: Arguments<'_>) -> Result<Option<Told>> {
    let Hex(hash) = arguments.need::<Hex<B256>>()?;
    told_of(served, BlockName::Hash { hash, must_be_canonical: false }, arguments.need()?)
}

/// `eth_getBlockTransactionCountByNumber`.
pub(super) fn count_by_number(served: &Served, mut arguments: Arguments<'_>) -> Result<Option<U64>> {
    let BlockNumber(name) = arguments.need()?;
    count_of(served, name)
}

/// `eth_getBlockTransactionCountByHash`.
pub(super) fn count_by_hash(served: &Served, mut arguments: Arguments<'_>) -> Result<Option<U64>> {
    let Hex(hash) = arguments.need::<Hex<B256>>()?;
    count_of(served, BlockName::Hash { hash, must_be_canonical: false })
}

fn count_of(served: &Served, name: BlockName) -> Result<Option<U64>> {
    let block = Moment::open(served)?.block(name)?;
    Ok(block.map(|block| U64::from(block.body().transaction_count())))
}

fn told_of(served: &Served, name: BlockName, is_full: bool) -> Result<Option<Told>> {
    Moment::open(served)?.block(name)?.map(|block| told(&block, is_full)).transpose()
}

fn told(block: &Block, is_full: bool) -> Result<Told> {
    let payloads = block.body().transaction_payloads();
    let transactions = if is_full {
        let one =
            |(index, payload): (usize, &[u8])| transactions::told(block, index, transactions::read(payload)?);
        BlockTransactions::Full(payloads.into_iter().enumerate().map(one).collect::<Result<_>>()?)
    } else {
        BlockTransactions::Hashes(payloads.into_iter().map(keccak256).collect())
    };
    let paid = |one: &snapsync_execute::Withdrawal| Withdrawal {
        index: one.index,
        validator_index: one.validator,
        address: one.address,
        amount: one.gwei,
    };
    Ok(Told {
        header: ToldHeader {
            hash: block.hash(),
            inner: fields(block)?,
            total_difficulty: None,
            size: Some(U256::from(block.bytes())),
        },
        uncles: block.ommers().iter().map(|ommer| ommer.hash()).collect(),
        transactions,
        withdrawals: block.withdrawals().map(|all| Withdrawals::new(all.iter().map(paid).collect())),
    })
}

/// A header's fields. Those that came after Amsterdam are not told: their names are not known.
fn fields(block: &Block) -> Result<ToldFields> {
    let (header, rest) = (block.header(), block.rest());
    Ok(ToldFields {
        parent_hash: header.parent_hash,
        ommers_hash: header.ommers_hash,
        beneficiary: header.beneficiary,
        state_root: header.state_root,
        transactions_root: header.transactions_root,
        receipts_root: header.receipts_root,
        logs_bloom: rest.logs_bloom,
        difficulty: header.difficulty,
        number: header.number,
        gas_limit: header.gas_limit,
        gas_used: header.gas_used,
        timestamp: header.timestamp,
        extra_data: rest.extra_data.clone(),
        mix_hash: rest.mix_hash,
        nonce: rest.nonce,
        base_fee_per_gas: transactions::base_fee(block)?,
        withdrawals_root: header.withdrawals_root,
        blob_gas_used: header.blob_gas_used,
        excess_blob_gas: header.excess_blob_gas,
        parent_beacon_block_root: header.parent_beacon_block_root,
        requests_hash: header.requests_hash,
        block_access_list_hash: header.block_access_list_hash,
        slot_number: header.slot_number,
    })
}
