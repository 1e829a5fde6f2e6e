//! A geth that imports blocks while it answers, alone with our program: what came of a sync, and whether it was fair.
//!
//! geth looks at no error of the iterators that it reads the state by, so that some of its answers mix two states. It is honest all
//! the same. Used by a test, and by the story `racing-geth`, which runs it many times.

use std::{path::Path, time::Duration};

use crate::{
    Error, cache::Tools, chain::TestChain, life::Life, mover::Mover, order::Order, program::Finished,
    relay::Relay,
};

/// How fast it goes.
#[derive(Clone, Copy, Debug)]
pub struct Race {
    /// Between two blocks.
    pub block_every: Duration,
    /// Bytes a second that the line carries; `None`: as many as it can.
    pub bytes_per_second: Option<u64>,
    /// How long the sync may take.
    pub patience: Duration,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Raced {
    /// How our program ended.
    pub finished: Finished,
    /// Blocks that geth made meanwhile.
    pub blocks: u64,
}

impl Raced {
    /// What is wrong with how it ended: it must complete, or say truly that the state is gone; and geth is no liar.
    pub fn unfair(&self) -> Option<String> {
        let Finished { stdout, stderr, .. } = &self.finished;
        let all = format!("{stdout}{stderr}");
        let gone = self.finished.code() == Some(4) && all.contains("no connected peer has");
        if all.contains("charged") {
            return Some(format!("an honest geth was charged:\n{all}"));
        }
        if self.finished.code() != Some(0) && !gone {
            return Some(format!("code {:?} after {} blocks:\n{all}", self.finished.code(), self.blocks));
        }
        None
    }
}

/// Syncs `chain` from one geth that goes on to make blocks; data lie below `folder`, which must be new.
pub fn race(tools: &Tools, chain: &TestChain, folder: &Path, race: Race) -> Result<Raced, Error> {
    let geth = chain.serve(tools, folder)?;
    let relay = Relay::start(geth.peer_address())?;
    relay.throttle(race.bytes_per_second);
    let order = Order::to_head_of(chain, geth.enode_at(relay.address()), folder.join("sync"));
    let mover = Mover::start(&geth, Life::quiet(chain.expected().head_number), race.block_every)?;
    let finished = order.run(race.patience)?;
    Ok(Raced { finished, blocks: mover.stop()? })
}
