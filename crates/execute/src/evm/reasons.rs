//! What the EVM complains of, as reasons of ours.

use alloy_eips::{eip2935, eip4788, eip7002, eip7251};
use alloy_evm::block::{
    BUILDER_DEPOSIT_REQUEST_PREDEPLOY_ADDRESS, BUILDER_EXIT_REQUEST_PREDEPLOY_ADDRESS, BlockExecutionError,
    BlockValidationError,
};
use alloy_primitives::Address;
use revm::context_interface::result::InvalidTransaction;

use crate::{
    bad::{BadBlock, BadTransaction},
    error::Error,
};

/// What an error says of the block, or of the executor.
pub(super) fn of(error: BlockExecutionError) -> Error {
    match error {
        BlockExecutionError::Validation(error) => of_block(error).into(),
        // A precompile that gave up, or surroundings that lack something: nothing that a block does.
        BlockExecutionError::Internal(error) => Error::Host(Box::new(error)),
    }
}

/// What an error says of the transaction at `index`, which may use `limit` gas in a block of `block_limit`.
pub(super) fn of_transaction(
    error: BlockExecutionError,
    index: usize,
    limit: u64,
    block_limit: u64,
) -> Error {
    let reason = match error {
        BlockExecutionError::Validation(BlockValidationError::InvalidTx { error, .. }) => {
            match error.as_invalid_tx_err() {
                Some(InvalidTransaction::CallerGasLimitMoreThanBlock) => {
                    BadTransaction::GasAboveBlock { limit, left: block_limit }
                }
                Some(error) => invalid(error),
                None => BadTransaction::Other { why: error.to_string() },
            }
        }
        BlockExecutionError::Validation(
            BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas {
                transaction_gas_limit,
                block_available_gas,
            },
        ) => BadTransaction::GasAboveBlock { limit: transaction_gas_limit, left: block_available_gas },
        BlockExecutionError::Validation(error) => BadTransaction::Other { why: error.to_string() },
        internal => return of(internal),
    };
    BadBlock::Transaction { index, reason }.into()
}

/// Why a transaction is not valid.
pub(super) fn invalid(error: &InvalidTransaction) -> BadTransaction {
    use InvalidTransaction as Invalid;
    match error {
        Invalid::PriorityFeeGreaterThanMaxFee => BadTransaction::TipAboveFee,
        Invalid::GasPriceLessThanBasefee => BadTransaction::FeeBelowBase,
        Invalid::CallGasCostMoreThanGasLimit { initial_gas: needed, gas_limit: limit }
        | Invalid::GasFloorMoreThanGasLimit { gas_floor: needed, gas_limit: limit } => {
            BadTransaction::IntrinsicGas { needed: *needed, limit: *limit }
        }
        Invalid::RejectCallerWithCode => BadTransaction::SenderHasCode,
        Invalid::LackOfFundForMaxFee { fee, balance } => {
            BadTransaction::Balance { needed: **fee, held: **balance }
        }
        Invalid::OverflowPaymentInTransaction => BadTransaction::Overflow,
        Invalid::NonceOverflowInTransaction => BadTransaction::NonceLast,
        Invalid::NonceTooHigh { tx, state } => BadTransaction::NonceTooHigh { expected: *state, found: *tx },
        Invalid::NonceTooLow { tx, state } => BadTransaction::NonceTooLow { expected: *state, found: *tx },
        Invalid::CreateInitCodeSizeLimit => BadTransaction::InitcodeTooLong,
        Invalid::InvalidChainId => BadTransaction::ChainId,
        Invalid::TxGasLimitGreaterThanCap { gas_limit, cap } => {
            BadTransaction::GasAboveCap { limit: *gas_limit, max: *cap }
        }
        Invalid::BlobGasPriceGreaterThanMax { block_blob_gas_price, tx_max_fee_per_blob_gas } => {
            BadTransaction::BlobFee { needed: *block_blob_gas_price, offered: *tx_max_fee_per_blob_gas }
        }
        Invalid::EmptyBlobs => BadTransaction::NoBlobs,
        Invalid::TooManyBlobs { max, have } => {
            BadTransaction::TooManyBlobs { found: *have as u64, max: *max as u64 }
        }
        Invalid::BlobVersionNotSupported => BadTransaction::BlobVersion,
        Invalid::EmptyAuthorizationList => BadTransaction::NoAuthorizations,
        other => BadTransaction::Other { why: other.to_string() },
    }
}

fn of_block(error: BlockValidationError) -> BadBlock {
    use BlockValidationError as Invalid;
    let called = |contract: Address, why: String| BadBlock::SystemCall { contract, why };
    match error {
        Invalid::BeaconRootContractCall { message, .. } => called(eip4788::BEACON_ROOTS_ADDRESS, message),
        Invalid::BlockHashContractCall { message } => called(eip2935::HISTORY_STORAGE_ADDRESS, message),
        Invalid::WithdrawalRequestsContractCall { message } => {
            called(eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, message)
        }
        Invalid::ConsolidationRequestsContractCall { message } => {
            called(eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, message)
        }
        Invalid::BuilderDepositRequestsContractCall { message } => {
            called(BUILDER_DEPOSIT_REQUEST_PREDEPLOY_ADDRESS, message)
        }
        Invalid::BuilderExitRequestsContractCall { message } => {
            called(BUILDER_EXIT_REQUEST_PREDEPLOY_ADDRESS, message)
        }
        Invalid::DepositRequestDecode(why) => BadBlock::Deposit { why },
        other => BadBlock::Other { why: other.to_string() },
    }
}
