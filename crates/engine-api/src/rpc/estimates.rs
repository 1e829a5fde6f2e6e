//! `eth_estimateGas`: the least gas with which a message succeeds, or a little more.
//!
//! It is run with all gas that it may have, and then with less, until what fails and what succeeds lie close together. Each run is bounded as that
//! of a call is, and there are some twenty at most. The steps are geth's, so that both say the same.

use alloy_primitives::{U64, U256};
use snapsync_execute::{
    BadTransaction, BlobParams, Fork, ParentState,
    evm::{CallFees, CallOutcome},
};
use snapsync_trie::EMPTY_CODE;

use super::{
    arguments::Arguments,
    calls::{self, Message},
    failure::{Failure, Result},
    served::Served,
};

/// What a plain transfer costs.
const TRANSFER_GAS: u64 = 21_000;
/// What a call that carries value gives to whom it calls.
const STIPEND: u64 = 2_300;
/// From Osaka until Amsterdam a transaction may have so much (EIP-7825).
const TRANSACTION_GAS_MAX: u64 = 1 << 24;
/// It ends when the two are within 1.5 % of the higher one.
const NEAR_ENOUGH: f64 = 0.015;

/// Gas that is enough.
pub(super) fn enough(served: &Served, arguments: Arguments<'_>) -> Result<U64> {
    let message = Message::read(served, arguments)?;
    let most = most(&message)?;
    if is_plain(&message)?
        && let CallOutcome::Returned { gas_used, .. } = message.outcome(TRANSFER_GAS)?
    {
        return Ok(U64::from(gas_used));
    }
    let (gas_used, gas_spent) = match message.outcome(most)? {
        CallOutcome::Returned { gas_used, gas_spent, .. } => (gas_used, gas_spent),
        outcome if lacks_gas(&outcome) => {
            return Err(Failure::Other(format!("gas required exceeds allowance ({most})")));
        }
        // It did not return.
        outcome => return calls::returned(outcome, most).map(|_| U64::from(most)),
    };
    let (mut fails, mut succeeds) = (gas_used.saturating_sub(1), most);
    // A contract keeps a 64th of its gas back from whom it calls.
    let likely = (u128::from(gas_spent) + u128::from(STIPEND)) * 64 / 63;
    let likely = u64::try_from(likely).unwrap_or(u64::MAX);
    if likely < succeeds {
        try_with(&message, likely, &mut fails, &mut succeeds)?;
    }
    while fails + 1 < succeeds && (succeeds - fails) as f64 / succeeds as f64 >= NEAR_ENOUGH {
        // Most need little more than they use.
        let middle = (fails + (succeeds - fails) / 2).min(fails.saturating_mul(2));
        try_with(&message, middle, &mut fails, &mut succeeds)?;
    }
    Ok(U64::from(succeeds))
}

fn try_with(message: &Message<'_>, gas: u64, fails: &mut u64, succeeds: &mut u64) -> Result<()> {
    match message.outcome(gas)? {
        CallOutcome::Returned { .. } => *succeeds = gas,
        CallOutcome::Refused(why) if !matches!(why, BadTransaction::IntrinsicGas { .. }) => {
            return Err(Failure::Other(format!("err: {why} (supplied gas {gas})")));
        }
        _ => *fails = gas,
    }
    Ok(())
}

fn lacks_gas(outcome: &CallOutcome) -> bool {
    match outcome {
        CallOutcome::Failed { why } => why == "out of gas",
        CallOutcome::Refused(why) => matches!(why, BadTransaction::IntrinsicGas { .. }),
        CallOutcome::Returned { .. } | CallOutcome::Reverted { .. } => false,
    }
}

/// The most gas that it may have: what was asked for or a block holds, what its fork allows, what its sender can pay.
fn most(message: &Message<'_>) -> Result<u64> {
    let asked = message.gas_asked.filter(|gas| *gas >= TRANSFER_GAS);
    let mut most = asked.unwrap_or(message.found.block.header.gas_limit);
    if message.rules().fork == Fork::Osaka {
        most = most.min(TRANSACTION_GAS_MAX);
    }
    let fee_max = match message.call.fees {
        CallFees::Price(price) => price,
        CallFees::Market { fee_max, .. } => fee_max,
    };
    if fee_max > 0 {
        most = most.min(u64::try_from(funds(message)? / U256::from(fee_max)).unwrap_or(u64::MAX));
    }
    Ok(most.min(message.moment.served.parts.limits.gas_max))
}

/// What is left for gas of what the sender has.
fn funds(message: &Message<'_>) -> Result<U256> {
    let call = &message.call;
    let mut state = message.moment.reader(&message.found)?;
    let account = state.account(&call.from).map_err(|error| Failure::Ours(error.to_string()))?;
    let mut left = account.map_or(U256::ZERO, |account| account.balance);
    let poor = |why: &str| Failure::Other(why.to_owned());
    if call.value > U256::ZERO || left == U256::ZERO {
        let rest = left.checked_sub(call.value).filter(|rest| !rest.is_zero());
        left = rest.ok_or_else(|| poor("insufficient funds for transfer"))?;
    }
    if let Some(blobs) = &call.blobs {
        let gas = U256::from(blobs.hashes.len() as u64 * BlobParams::GAS_PER_BLOB);
        let price = gas.saturating_mul(U256::from(blobs.fee_max));
        let rest = left.checked_sub(price).filter(|rest| !rest.is_zero());
        left = rest.ok_or_else(|| poor("insufficient funds for gas * price + value"))?;
    }
    Ok(left)
}

/// Whether it moves value to somebody who has no code, and does nothing else.
fn is_plain(message: &Message<'_>) -> Result<bool> {
    let Some(to) = message.call.to.filter(|_| message.call.input.is_empty()) else { return Ok(false) };
    let mut state = message.moment.reader(&message.found)?;
    let account = state.account(&to).map_err(|error| Failure::Ours(error.to_string()))?;
    Ok(account.is_none_or(|account| account.code_hash == EMPTY_CODE))
}
