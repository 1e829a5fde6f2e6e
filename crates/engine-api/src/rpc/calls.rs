//! `eth_call`: what a message would come to.

use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::de::IgnoredAny;
use snapsync_execute::{
    Error, ParentState, Rules, StateReader,
    evm::{Call, CallOutcome, call},
};
use snapsync_storage::StateChanges;
use snapsync_trie::Account;

use super::{
    arguments::{Arguments, Quantity},
    block_name::BlockName,
    failure::{Failure, Result},
    message::AskedMessage,
    moment::{FoundState, Moment},
    reverts,
    served::Served,
};
use crate::object::Object;

/// What the message returns.
pub(super) fn run(served: &Served, arguments: Arguments<'_>) -> Result<Bytes> {
    let message = Message::read(served, arguments)?;
    returned(message.outcome(message.call.gas)?, message.call.gas)
}

/// What a message has returned; else why not.
pub(super) fn returned(outcome: CallOutcome, gas: u64) -> Result<Bytes> {
    match outcome {
        CallOutcome::Returned { output, .. } => Ok(output),
        CallOutcome::Reverted { output, .. } => {
            Err(Failure::Reverted { why: reverts::words(&output), output })
        }
        CallOutcome::Failed { why } => Err(Failure::Other(why)),
        CallOutcome::Refused(why) => Err(Failure::Other(format!("err: {why} (supplied gas {gas})"))),
    }
}

/// A message, and the block after which it is run.
pub(super) struct Message<'n> {
    pub(super) moment: Moment<'n>,
    pub(super) found: FoundState,
    pub(super) call: Call,
    /// The gas that was asked for.
    pub(super) gas_asked: Option<u64>,
}

impl<'n> Message<'n> {
    /// Reads it. Nothing of the state or of the block can be put in another's place.
    pub(super) fn read(served: &'n Served, mut arguments: Arguments<'_>) -> Result<Self> {
        let Object(asked) = arguments.need::<Object<AskedMessage>>()?;
        let block: Option<BlockName> = arguments.may()?;
        let overrides = [arguments.may::<IgnoredAny>()?, arguments.may::<IgnoredAny>()?];
        if overrides.iter().any(Option::is_some) {
            let why = "overrides of the state or of the block are not supported";
            return Err(Failure::Question(why.to_owned()));
        }
        let moment = Moment::open(served)?;
        let found = moment.state_of(block.unwrap_or(BlockName::LATEST))?;
        let (parts, base_fee) = (&served.parts, found.block.header.base_fee_per_gas);
        let gas_asked = asked.gas.map(|Quantity(gas)| gas);
        let call = asked.call(parts.forks.chain_id, base_fee, parts.limits.gas_max)?;
        Ok(Self { moment, found, call, gas_asked })
    }

    /// The rules of its block.
    pub(super) fn rules(&self) -> Rules {
        let header = &self.found.block.header;
        self.moment.served.parts.forks.rules(header.number, header.timestamp, header.difficulty)
    }

    /// What would come of it with so much gas.
    pub(super) fn outcome(&self, gas: u64) -> Result<CallOutcome> {
        let time_max = self.moment.served.parts.limits.call_time_max;
        let mut state = Hurried::new(self.moment.reader(&self.found)?, time_max);
        let message = Call { gas, ..self.call.clone() };
        let outcome = call(&self.rules(), &self.found.block.header, &message, &mut state);
        outcome.map_err(|error| match error {
            Error::Disk(_) | Error::NoCode { .. } => Failure::Ours(error.to_string()),
            other => Failure::Other(other.to_string()),
        })
    }
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
