//! Receipts, of a block and of one transaction.

use alloy_consensus::{
    Eip658Value, Receipt as ToldFields, ReceiptEnvelope, ReceiptWithBloom, Transaction, TxType,
};
use alloy_primitives::{Address, B256, Log};
use alloy_rlp::{Decodable, Encodable, Header as RlpHead};
use alloy_rpc_types_eth::{Log as ToldLog, TransactionReceipt};
use snapsync_execute::{Block, evm::sender_of};
use snapsync_keccak::keccak256;
use snapsync_wire::{Header, PostState, Receipt};

use super::{
    arguments::{Arguments, Hex},
    block_name::BlockName,
    failure::{Failure, Result},
    moment::Moment,
    search,
    served::Served,
    transactions,
};

/// `eth_getBlockReceipts`.
pub(super) fn of_block(
    served: &Served,
    mut arguments: Arguments<'_>,
) -> Result<Option<Vec<TransactionReceipt>>> {
    let name: BlockName = arguments.need()?;
    let moment = Moment::open(served)?;
    let Some(block) = moment.block(name)? else { return Ok(None) };
    let receipts = moment.receipts(block.header(), &block.hash())?;
    let all = Receipts::new(served, &block, &receipts)?;
    (0..block.body().transaction_count()).map(|index| all.told(index)).collect::<Result<_>>().map(Some)
}

/// `eth_getTransactionReceipt`.
pub(super) fn of_transaction(
    served: &Served,
    mut arguments: Arguments<'_>,
) -> Result<Option<TransactionReceipt>> {
    let Hex(hash) = arguments.need::<Hex<B256>>()?;
    let moment = Moment::open(served)?;
    let Some(place) = search::find(&moment, &hash)? else { return Ok(None) };
    let Some(block) = moment.block(place.block)? else { return Ok(None) };
    let receipts = moment.receipts(block.header(), &block.hash())?;
    Receipts::new(served, &block, &receipts)?.told(place.index).map(Some)
}

/// The logs of a receipt.
pub(super) fn logs(receipt: &Receipt) -> Result<Vec<Log>> {
    Vec::decode(&mut receipt.logs().as_ref()).map_err(|why| Failure::stored("log", why))
}

/// The receipts of a block, beside it.
struct Receipts<'b> {
    served: &'b Served,
    block: &'b Block,
    receipts: &'b [Receipt],
    /// How many logs of the block come before those of each receipt.
    logs_before: Vec<u64>,
}

impl<'b> Receipts<'b> {
    fn new(served: &'b Served, block: &'b Block, receipts: &'b [Receipt]) -> Result<Self> {
        let mut logs_before = Vec::with_capacity(receipts.len());
        let mut logs = 0;
        for receipt in receipts {
            logs_before.push(logs);
            logs += count(receipt)?;
        }
        Ok(Self { served, block, receipts, logs_before })
    }

    fn told(&self, index: usize) -> Result<TransactionReceipt> {
        let payloads = self.block.body().transaction_payloads();
        let (Some(receipt), Some(payload)) = (self.receipts.get(index), payloads.get(index)) else {
            return Err(Failure::stored("receipt", "there are fewer than transactions"));
        };
        let header = self.block.header();
        let transaction = transactions::read(payload)?;
        let sender = sender_of(&transaction).unwrap_or_default();
        let before = index.checked_sub(1).and_then(|before| self.receipts.get(before));
        let rules = self.served.parts.forks.rules(header.number, header.timestamp, header.difficulty);
        let blob_gas = transaction.blob_gas_used();
        let fee_of_blobs = || rules.blobs.map(|blobs| blobs.fee(header.excess_blob_gas.unwrap_or(0)));
        let hash = keccak256(payload);
        let places = self.logs_before.get(index).copied().unwrap_or(0)..;
        let at = LogPlace { header, block: self.block.hash(), transaction: hash, index };
        let logs = logs(receipt)?.into_iter().zip(places);
        let logs = logs.map(|(log, place)| told_log(&at, place, log)).collect();
        Ok(TransactionReceipt {
            inner: envelope(receipt, logs)?,
            transaction_hash: hash,
            transaction_index: Some(index as u64),
            block_hash: Some(self.block.hash()),
            block_number: Some(header.number),
            gas_used: receipt.cumulative_gas.saturating_sub(before.map_or(0, |before| before.cumulative_gas)),
            effective_gas_price: transaction.effective_gas_price(transactions::base_fee(self.block)?),
            blob_gas_used: blob_gas,
            blob_gas_price: blob_gas.and_then(|_| fee_of_blobs()),
            from: sender,
            to: transaction.to(),
            contract_address: transaction.is_create().then(|| made(sender, transaction.nonce())),
        })
    }
}

fn envelope(receipt: &Receipt, logs: Vec<ToldLog>) -> Result<ReceiptEnvelope<ToldLog>> {
    let status = match receipt.outcome {
        PostState::Root(root) => Eip658Value::PostState(root),
        PostState::Success => Eip658Value::success(),
        PostState::Failure => Eip658Value::Eip658(false),
    };
    let kind = TxType::try_from(receipt.kind).map_err(|why| Failure::stored("receipt", why))?;
    let receipt = ReceiptWithBloom {
        receipt: ToldFields { status, cumulative_gas_used: receipt.cumulative_gas, logs },
        logs_bloom: *receipt.bloom(),
    };
    Ok(ReceiptEnvelope::from_typed(kind, receipt))
}

/// Which transaction a log is of.
pub(super) struct LogPlace<'b> {
    /// The block's header.
    pub(super) header: &'b Header,
    /// The block's hash.
    pub(super) block: B256,
    /// The transaction's hash.
    pub(super) transaction: B256,
    /// Its place in the block.
    pub(super) index: usize,
}

/// A log as it is told; `place` counts all of the block.
pub(super) fn told_log(at: &LogPlace<'_>, place: u64, log: Log) -> ToldLog {
    ToldLog {
        inner: log,
        block_hash: Some(at.block),
        block_number: Some(at.header.number),
        block_timestamp: Some(at.header.timestamp),
        transaction_hash: Some(at.transaction),
        transaction_index: Some(at.index as u64),
        log_index: Some(place),
        removed: false,
    }
}

/// How many logs a receipt has.
pub(super) fn count(receipt: &Receipt) -> Result<u64> {
    let why = |why| Failure::stored("log", why);
    let mut items = RlpHead::decode_bytes(&mut receipt.logs().as_ref(), true).map_err(why)?;
    let mut count = 0;
    while !items.is_empty() {
        RlpHead::decode_raw(&mut items).map_err(why)?;
        count += 1;
    }
    Ok(count)
}

/// The address of the contract that a transaction makes.
fn made(sender: Address, nonce: u64) -> Address {
    let mut bytes = Vec::with_capacity(32);
    RlpHead { list: true, payload_length: sender.length() + nonce.length() }.encode(&mut bytes);
    sender.encode(&mut bytes);
    nonce.encode(&mut bytes);
    Address::from_word(keccak256(&bytes))
}
