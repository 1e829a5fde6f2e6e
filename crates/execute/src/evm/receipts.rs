//! Receipts as they are kept and hashed, from what the EVM tells of a transaction.

use alloy_consensus::{EthereumReceipt, TxType};
use alloy_evm::{
    Evm,
    eth::receipt_builder::{ReceiptBuilder, ReceiptBuilderCtx},
};
use alloy_primitives::B256;
use snapsync_wire::{PostState, Receipt};

use super::transactions::BlockTransaction;

/// What the EVM tells of a transaction.
pub(super) type Told = EthereumReceipt<TxType>;

/// Takes down what the EVM tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scribe;

impl ReceiptBuilder for Scribe {
    type Transaction = BlockTransaction;
    type Receipt = Told;

    fn build_receipt<E: Evm>(&self, told: ReceiptBuilderCtx<'_, TxType, E>) -> Told {
        EthereumReceipt {
            tx_type: told.tx_type,
            success: told.result.is_success(),
            cumulative_gas_used: told.cumulative_gas_used,
            logs: told.result.into_logs(),
        }
    }
}

/// The receipt; `root` stands in it before Byzantium.
///
/// # Errors
/// When there are more logs than anybody could pay for: what is kept is bounded.
pub(super) fn of(told: &Told, root: Option<B256>) -> Result<Receipt, snapsync_wire::Error> {
    let outcome = match root {
        Some(root) => PostState::Root(root),
        None if told.success => PostState::Success,
        None => PostState::Failure,
    };
    let logs = alloy_rlp::encode(&told.logs);
    Receipt::new(told.tx_type as u8, outcome, told.cumulative_gas_used, logs.into())
}
