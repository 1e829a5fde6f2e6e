//! `eth_call`: what a message would come to.

use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::de::IgnoredAny;
use snapsync_execute::{
    Error, ParentState, StateReader,
    evm::{Call, CallOutcome, call},
};
use snapsync_storage::StateChanges;
use snapsync_trie::Account;

use super::{
    arguments::Arguments,
    block_name::BlockName,
    failure::{Failure, Result},
    message::AskedMessage,
    moment::{FoundState, Moment},
    reverts,
    served::Served,
};

/// What the message returns. Nothing of the state or of the block can be put in another's place.
pub(super) fn run(served: &Served, mut arguments: Arguments<'_>) -> Result<Bytes> {
    let asked: AskedMessage = arguments.need()?;
    let block: Option<BlockName> = arguments.may()?;
    let overrides = [arguments.may::<IgnoredAny>()?, arguments.may::<IgnoredAny>()?];
    if overrides.iter().any(Option::is_some) {
        return Err(Failure::Question("overrides of the state or of the block are not supported".to_owned()));
    }
    let moment = Moment::open(served)?;
    let found = moment.state_of(block.unwrap_or(BlockName::LATEST))?;
    let (parts, header) = (&served.parts, &found.block.header);
    let message = asked.call(parts.forks.chain_id, header.base_fee_per_gas, parts.limits.gas_max)?;
    match outcome(&moment, &found, &message)? {
        CallOutcome::Returned { output, .. } => Ok(output),
        CallOutcome::Reverted { output, .. } => {
            Err(Failure::Reverted { why: reverts::words(&output), output })
        }
        CallOutcome::Failed { why } => Err(Failure::Other(why)),
        CallOutcome::Refused(why) => {
            Err(Failure::Other(format!("err: {why} (supplied gas {})", message.gas)))
        }
    }
}

fn outcome(moment: &Moment<'_>, found: &FoundState, message: &Call) -> Result<CallOutcome> {
    let (parts, header) = (&moment.served.parts, &found.block.header);
    let rules = parts.forks.rules(header.number, header.timestamp, header.difficulty);
    let mut state = Hurried::new(moment.reader(found)?, parts.limits.call_time_max);
    call(&rules, header, message, &mut state).map_err(|error| match error {
        Error::Disk(_) | Error::NoCode { .. } => Failure::Ours(error.to_string()),
        other => Failure::Other(other.to_string()),
    })
}

/// A state that is read for so long and no longer. What the EVM does between two reads is bounded by its gas.
struct Hurried<'s> {
    inner: StateReader<'s>,
    ends: Instant,
    time_max: Duration,
}

impl<'s> Hurried<'s> {
    fn new(inner: StateReader<'s>, time_max: Duration) -> Self {
        Self { inner, ends: Instant::now() + time_max, time_max }
    }

    fn in_time(&mut self) -> Result<&mut StateReader<'s>, Error> {
        if Instant::now() < self.ends {
            return Ok(&mut self.inner);
        }
        let why = format!("execution aborted (timeout = {:?})", self.time_max);
        Err(Error::Host(why.into()))
    }
}

impl ParentState for Hurried<'_> {
    fn account(&mut self, address: &Address) -> Result<Option<Account>, Error> {
        self.in_time()?.account(address)
    }

    fn slot(&mut self, address: &Address, slot: &U256) -> Result<U256, Error> {
        self.in_time()?.slot(address, slot)
    }

    fn code(&mut self, hash: &B256) -> Result<Bytes, Error> {
        self.in_time()?.code(hash)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Error> {
        self.in_time()?.block_hash(number)
    }

    fn root_with(&mut self, _: &StateChanges) -> Result<B256, Error> {
        Err(Error::NoRoots)
    }
}
