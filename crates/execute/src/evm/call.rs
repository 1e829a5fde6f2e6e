//! A message to the EVM that stands in no block, as `eth_call` sends it: what would come of it after a block, with nothing kept.
//!
//! It is a transaction that nobody has signed: neither nonce nor signature is looked at, its sender may have code, and its gas may be more than a
//! block holds. Without a price it pays nothing, whatever the base fee is. Whoever asks bounds its gas, and what reads the state may fail when
//! it has taken too long. It decides nothing about blocks.

use std::cell::RefCell;

use alloy_eips::{eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_evm::{EthEvmFactory, Evm, EvmEnv, EvmFactory};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use revm::{
    context::{TxEnv, either::Either},
    context_interface::result::{EVMError, ExecutionResult, HaltReason, InvalidTransaction},
};
use snapsync_wire::Header;

use super::{codes::Codes, environment, overlay::Overlay, reasons};
use crate::{
    bad::BadTransaction,
    block::HeaderRest,
    error::{Error, Result},
    executor::ParentState,
    forks::{Fork, Rules},
};

/// Bytes of codes that a call keeps: more than any runs.
const CODE_BYTES_MAX: usize = 32 << 20;

/// What a call pays for gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFees {
    /// Wei a gas.
    Price(u128),
    /// The block's base fee and a tip (EIP-1559).
    Market {
        /// Wei a gas at most.
        fee_max: u128,
        /// Wei a gas above the base fee at most.
        tip_max: u128,
    },
}

impl CallFees {
    /// Nothing is paid.
    pub const NONE: Self = Self::Price(0);
}

/// The blobs that a call names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallBlobs {
    /// Their versioned hashes.
    pub hashes: Vec<B256>,
    /// Wei a blob gas at most.
    pub fee_max: u128,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Who sends it.
    pub from: Address,
    /// To whom; `None`: its input makes a contract.
    pub to: Option<Address>,
    /// Gas at most.
    pub gas: u64,
    /// What is paid for gas.
    pub fees: CallFees,
    /// Wei that go with it.
    pub value: U256,
    /// Its input.
    pub input: Bytes,
    /// Accounts and slots that are warm (EIP-2930).
    pub access_list: AccessList,
    /// Blobs (EIP-4844).
    pub blobs: Option<CallBlobs>,
    /// Who lends its code to whom (EIP-7702).
    pub authorizations: Vec<SignedAuthorization>,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// It ended.
    Returned {
        /// What it returned; of one that makes a contract, the code.
        output: Bytes,
        /// Gas that it cost.
        gas_used: u64,
        /// Gas that it needed at its highest, before what is given back.
        gas_spent: u64,
    },
    /// It took everything back, and said why.
    Reverted {
        /// What it said.
        output: Bytes,
        /// Gas that it cost.
        gas_used: u64,
    },
    /// It failed, and took all gas.
    Failed {
        /// What happened, in geth's words.
        why: String,
    },
    /// It never began.
    Refused(BadTransaction),
}

/// Runs a call on the state after a block, as if it were in that block. `header` is that block's, `state` reads what came of it.
///
/// # Errors
/// When the state cannot be read, or the surroundings of the block are none that the EVM knows.
pub fn call(
    rules: &Rules,
    header: &Header,
    message: &Call,
    state: &mut dyn ParentState,
) -> Result<CallOutcome> {
    let environment = surroundings(rules, header, message)?;
    let mut codes = Codes::new(CODE_BYTES_MAX);
    let failure = RefCell::new(None);
    let overlay = Overlay::new(state, &mut codes, &failure, false);
    let mut evm = EthEvmFactory::default().create_evm(overlay, environment);
    let outcome = evm.transact_raw(transaction(rules, message));
    drop(evm);
    if let Some(error) = failure.into_inner() {
        return Err(error);
    }
    match outcome {
        Ok(done) => Ok(told(done.result)),
        Err(EVMError::Transaction(error)) => Ok(CallOutcome::Refused(refusal(&error, message))),
        Err(other) => Err(Error::Host(other.to_string().into())),
    }
}

fn surroundings(rules: &Rules, header: &Header, message: &Call) -> Result<EvmEnv> {
    let mut environment = environment::of(rules, header, &HeaderRest::of(header)?)?;
    let config = &mut environment.cfg_env;
    config.disable_nonce_check = true;
    config.disable_eip3607 = true;
    config.disable_block_gas_limit = true;
    config.tx_chain_id_check = false;
    // Since Osaka a transaction has a bound of its own.
    config.tx_gas_limit_cap = Some(u64::MAX);
    let is_free = match message.fees {
        CallFees::Price(price) => price == 0,
        CallFees::Market { fee_max, tip_max } => fee_max == 0 && tip_max == 0,
    };
    if is_free {
        environment.block_env.basefee = 0;
    }
    if message.blobs.as_ref().is_some_and(|blobs| blobs.fee_max == 0)
        && let Some(blob_fee) = &mut environment.block_env.blob_excess_gas_and_price
    {
        blob_fee.blob_gasprice = 0;
    }
    Ok(environment)
}

/// The message in a form that has all that it has: which form that is changes nothing else.
fn transaction(rules: &Rules, message: &Call) -> TxEnv {
    let (gas_price, tip) = match message.fees {
        CallFees::Price(price) => (price, price),
        CallFees::Market { fee_max, tip_max } => (fee_max, tip_max),
    };
    let tx_type = if !message.authorizations.is_empty() {
        4
    } else if message.blobs.is_some() {
        3
    } else if matches!(message.fees, CallFees::Market { .. }) {
        2
    } else {
        u8::from(rules.fork >= Fork::Berlin)
    };
    let blobs = message.blobs.clone().unwrap_or_default();
    TxEnv {
        tx_type,
        caller: message.from,
        gas_limit: message.gas,
        gas_price,
        kind: message.to.map_or(TxKind::Create, TxKind::Call),
        value: message.value,
        data: message.input.clone(),
        nonce: 0,
        chain_id: Some(rules.chain_id),
        access_list: message.access_list.clone(),
        gas_priority_fee: (tx_type >= 2).then_some(tip),
        blob_hashes: blobs.hashes,
        max_fee_per_blob_gas: blobs.fee_max,
        authorization_list: message.authorizations.iter().cloned().map(Either::Left).collect(),
    }
}

fn told(result: ExecutionResult) -> CallOutcome {
    match result {
        ExecutionResult::Success { output, gas, .. } => CallOutcome::Returned {
            output: output.into_data(),
            gas_used: gas.tx_gas_used(),
            gas_spent: gas.total_gas_spent().max(gas.floor_gas()),
        },
        ExecutionResult::Revert { output, gas, .. } => {
            CallOutcome::Reverted { output, gas_used: gas.tx_gas_used() }
        }
        ExecutionResult::Halt { reason, .. } => CallOutcome::Failed { why: halt(&reason) },
    }
}

fn refusal(error: &InvalidTransaction, message: &Call) -> BadTransaction {
    match error {
        InvalidTransaction::CallerGasLimitMoreThanBlock => {
            BadTransaction::GasAboveBlock { limit: message.gas, left: 0 }
        }
        error => reasons::invalid(error),
    }
}

/// Why a message stopped, as geth calls it.
fn halt(reason: &HaltReason) -> String {
    match reason {
        HaltReason::OutOfGas(_) => "out of gas".to_owned(),
        HaltReason::InvalidFEOpcode => "invalid opcode: INVALID".to_owned(),
        HaltReason::OpcodeNotFound | HaltReason::NotActivated => "invalid opcode".to_owned(),
        HaltReason::InvalidJump => "invalid jump destination".to_owned(),
        HaltReason::StackUnderflow => "stack underflow".to_owned(),
        HaltReason::StackOverflow => "stack limit reached 1024".to_owned(),
        HaltReason::OutOfOffset => "return data out of bounds".to_owned(),
        HaltReason::CreateCollision => "contract address collision".to_owned(),
        HaltReason::NonceOverflow => "nonce uint64 overflow".to_owned(),
        HaltReason::CreateContractSizeLimit => "max code size exceeded".to_owned(),
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded".to_owned(),
        HaltReason::CreateContractStartingWithEF => "invalid code: must not begin with 0xef".to_owned(),
        HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => {
            "write protection".to_owned()
        }
        HaltReason::OutOfFunds => "insufficient balance for transfer".to_owned(),
        HaltReason::CallTooDeep => "max call depth exceeded".to_owned(),
        other => format!("{other:?}"),
    }
}
