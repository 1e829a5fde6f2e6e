//! What a state holds of one address.

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use snapsync_execute::{Error, ParentState, StateReader};
use snapsync_trie::EMPTY_CODE;

use super::{
    arguments::{Arguments, Hex},
    block_name::BlockName,
    failure::{Failure, Result},
    moment::Moment,
    served::Served,
    slot_key::SlotKey,
};

/// `eth_getBalance`.
pub(super) fn balance(served: &Served, mut arguments: Arguments<'_>) -> Result<U256> {
    let Hex(address) = arguments.need()?;
    at(served, arguments.may()?, |state| {
        Ok(state.account(&address)?.map_or(U256::ZERO, |account| account.balance))
    })
}

/// `eth_getTransactionCount`.
pub(super) fn nonce(served: &Served, mut arguments: Arguments<'_>) -> Result<U64> {
    let Hex(address) = arguments.need()?;
    at(served, arguments.may()?, |state| {
        Ok(U64::from(state.account(&address)?.map_or(0, |account| account.nonce)))
    })
}

/// `eth_getCode`.
pub(super) fn code(served: &Served, mut arguments: Arguments<'_>) -> Result<Bytes> {
    let Hex(address) = arguments.need()?;
    at(served, arguments.may()?, |state| {
        let code = state.account(&address)?.map(|account| account.code_hash);
        code.filter(|hash| *hash != EMPTY_CODE).map_or(Ok(Bytes::new()), |hash| state.code(&hash))
    })
}

/// `eth_getStorageAt`.
pub(super) fn slot(served: &Served, mut arguments: Arguments<'_>) -> Result<B256> {
    let Hex(address) = arguments.need::<Hex<Address>>()?;
    let key: SlotKey = arguments.need()?;
    at(served, arguments.may()?, |state| {
        let is_there = state.account(&address)?.is_some_and(|account| account.has_storage());
        Ok(if is_there { state.slot(&address, &key.slot())?.into() } else { B256::ZERO })
    })
}

fn at<T>(
    served: &Served,
    block: Option<BlockName>,
    read: impl FnOnce(&mut StateReader<'_>) -> Result<T, Error>,
) -> Result<T> {
    let moment = Moment::open(served)?;
    let found = moment.state_of(block.unwrap_or(BlockName::LATEST))?;
    read(&mut moment.reader(&found)?).map_err(|error| Failure::Ours(error.to_string()))
}
