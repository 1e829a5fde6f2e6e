//! Receipts as they are kept and hashed, from what the EVM tells of a transaction.

use alloy_consensus::{EthereumReceipt, TxType};
use alloy_evm::{
    Evm,
    eth::receipt_builder::{ReceiptBuilder, ReceiptBuilderCtx},
};
use alloy_primitives::B256;
use snapsync_wire::{PostState, Receipt, limits::LOGS_MAX};

use super::transactions::BlockTransaction;
use crate::bad::BadTransaction;

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
/// When there are more logs than are kept.
pub(super) fn of(told: &Told, root: Option<B256>) -> Result<Receipt, BadTransaction> {
    let found = told.logs.len();
    if found > LOGS_MAX {
        return Err(BadTransaction::TooManyLogs { found, max: LOGS_MAX });
    }
    let outcome = match root {
        Some(root) => PostState::Root(root),
        None if told.success => PostState::Success,
        None => PostState::Failure,
    };
    let logs = alloy_rlp::encode(&told.logs);
    Receipt::new(told.tx_type as u8, outcome, told.cumulative_gas_used, logs.into())
        .map_err(|why| BadTransaction::Other { why: why.to_string() })
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, Bytes, Log};

    use super::*;

    #[test]
    fn more_logs_than_are_kept_are_the_transactions_fault() {
        let log = Log::new_unchecked(Address::ZERO, Vec::new(), Bytes::new());
        let mut told = Told {
            tx_type: TxType::Legacy,
            success: true,
            cumulative_gas_used: 21_000,
            logs: vec![log.clone(); LOGS_MAX],
        };
        assert!(of(&told, None).is_ok());
        told.logs.push(log);
        let reason = BadTransaction::TooManyLogs { found: LOGS_MAX + 1, max: LOGS_MAX };
        assert_eq!(of(&told, None), Err(reason));
    }
}
