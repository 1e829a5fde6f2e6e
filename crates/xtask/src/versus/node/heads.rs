//! A chain that moves, and a client that is told each new block as a consensus client tells it, until one is called valid.
//!
//! A geth makes the chain and serves it. Blocks come at their pace, so what is measured is late by a block at most: for every client.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use snapsync_e2e::{
    cache::Tools,
    chain::TestChain,
    geth::Geth,
    life::{Bustle, Life},
    mover::Mover,
    patience,
    payload::PayloadCall,
    recipe::Size,
    rpc::number_in,
};

use crate::{
    error::Error,
    versus::node::driven::{Driven, Said},
};

/// Between two blocks.
const BLOCK_EVERY: Duration = Duration::from_secs(2);
/// Blocks that prepare the others: with the third begins all that a life does.
const PREPARING: u64 = 3;
/// A snap sync of the largest chain takes half a minute.
const VALID_PATIENCE: Duration = Duration::from_secs(600);
/// A block comes every two seconds, and takes far less to make.
const BLOCK_PATIENCE: Duration = Duration::from_secs(60);

/// The chain, and who makes it.
pub(super) struct MovingChain {
    // In this order: the mover ends before its geth.
    mover: Mover,
    geth: Geth,
}

impl MovingChain {
    /// Starts it on top of a chain, and returns when each of its blocks does all that it will.
    pub(super) fn start(tools: &Tools, chain: &TestChain, size: Size, place: &Path) -> Result<Self, Error> {
        let geth = chain.serve(tools, &place.join("source"))?;
        let head = chain.expected().head_number;
        let mover = Mover::start(&geth, Life::busy(head, size, Bustle::Calm), BLOCK_EVERY)?;
        let moving = Self { mover, geth };
        moving.newest_above(head + PREPARING)?;
        Ok(moving)
    }

    /// The address that peers dial.
    pub(super) fn enode(&self) -> String {
        self.geth.enode()
    }

    /// The newest block, once it is above that one.
    pub(super) fn newest_above(&self, number: u64) -> Result<PayloadCall, Error> {
        let mut failure = None;
        let look = || match self.geth.rpc().block("latest").and_then(|block| number_in(&block, "number")) {
            Ok(newest) => (newest > number || self.mover.is_over()).then_some(newest),
            Err(error) => {
                failure = Some(error);
                Some(number)
            }
        };
        let newest = patience::until("the next block", BLOCK_PATIENCE, look, || self.geth.last_words())?;
        if let Some(error) = failure {
            return Err(error.into());
        }
        let call = PayloadCall::of_blocks(&self.geth, newest, newest)?.pop();
        call.filter(|call| call.number > number)
            .ok_or(Error::Output("the geth that makes blocks: it has ended"))
    }

    /// Tells a client each block above `given` that comes, the newest first, until one is valid; its number, and when that was.
    pub(super) fn drive(&self, client: &mut Driven, given: u64) -> Result<(u64, Instant), Error> {
        let began = Instant::now();
        let mut given = given;
        while began.elapsed() < VALID_PATIENCE {
            let call = self.newest_above(given)?;
            given = call.number;
            for said in client.give(&call)? {
                match said {
                    Said::Valid => return Ok((given, Instant::now())),
                    Said::Later => {}
                    Said::Bad(answer) => {
                        return Err(Error::Unexpected { what: format!("block {given}"), answer });
                    }
                }
            }
        }
        Err(Error::Unexpected {
            what: "each block".to_owned(),
            answer: format!("not yet:\n{}", client.log()),
        })
    }
}
