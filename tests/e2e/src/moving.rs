//! A geth whose chain moves while our program syncs from it, over a line of a known width.
//!
//! The chain is one of the test chains; above its head all kinds of changes go on in every block. geth is the reference, and as
//! peers are: it serves the states of its newest 128 blocks. It does not decide what a sync should do about that.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_primitives::B256;
use serde_json::json;

use crate::{
    Error,
    cache::Tools,
    chain::TestChain,
    datadir::Datadir,
    geth::{Geth, Settings},
    life::{Bustle, Life},
    mover::{self, Mover},
    order::Order,
    patience,
    recipe::Size,
    relay::Relay,
    rpc::{Rpc, hash_in, number_in},
};

/// How many states geth serves: that of its head, and those of the blocks below.
pub const STATES: u64 = 128;

/// How fast it goes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two blocks.
    pub block_every: Duration,
    /// What happens in each.
    pub bustle: Bustle,
    /// Bytes a second that the line carries, each way; `None`: as many as it can.
    pub bytes_per_second: Option<u64>,
}

impl Pace {
    /// By which no sync ends before its first target's state is dropped: geth keeps one for 32 seconds, and the small chain, 3.3 MB, takes
    /// longer than that on this line.
    pub const OUTLASTING: Self = Self {
        block_every: Duration::from_millis(250),
        bustle: Bustle::Calm,
        bytes_per_second: Some(60_000),
    };
}

/// A block and its state, as geth tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its state's root.
    pub root: B256,
}

/// A geth at work, and the line to it. What stands first ends first.
#[derive(Debug)]
pub struct MovingGeth {
    mover: Mover,
    relay: Relay,
    geth: Geth,
    chain: TestChain,
    pace: Pace,
    speaks: Speaks,
}

/// The version of snap that a geth speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// It gives trie nodes.
    Snap1,
    /// It gives none, and access lists where its blocks have them.
    Snap2,
}

impl Speaks {
    fn settings(self, chain: &TestChain) -> Settings {
        let mut settings = Settings::serving(chain.expected().network_id);
        settings.arguments.extend((self == Self::Snap2).then(|| "--snap.v2".to_owned()));
        settings
    }
}

/// Which of the blocks that are made have access lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lists {
    /// None.
    None,
    /// All but the first so many.
    After(u64),
}

impl MovingGeth {
    /// Starts a geth with the chain of `size` from a copy of its data in `folder`, and a line to it, and returns when the chain has
    /// begun to change all that it will: from then on each block does.
    pub fn start(tools: &Tools, size: Size, folder: &Path, pace: Pace) -> Result<Self, Error> {
        Self::start_as(tools, size, folder, pace, Speaks::Snap1, Lists::None)
    }

    /// The same; it speaks that version of snap, and such blocks have access lists.
    pub fn start_as(
        tools: &Tools,
        size: Size,
        folder: &Path,
        pace: Pace,
        speaks: Speaks,
        lists: Lists,
    ) -> Result<Self, Error> {
        /// The first blocks prepare the others.
        const PREPARING: u64 = 3;
        let chain = match lists {
            Lists::None => TestChain::of(tools, size)?,
            Lists::After(without) => TestChain::below_lists(tools, size, without)?,
        };
        let geth = chain.serve_with(tools, folder, &speaks.settings(&chain))?;
        let relay = Relay::start(geth.peer_address())?;
        relay.throttle(pace.bytes_per_second);
        let life = Life::busy(chain.expected().head_number, size, pace.bustle);
        let mover = Mover::start(&geth, life, pace.block_every)?;
        let moving = Self { mover, relay, geth, chain, pace, speaks };
        moving.wait_for_blocks(PREPARING)?;
        Ok(moving)
    }

    /// An order to our program: the newest block, from this geth alone, over the line.
    pub fn order(&self, datadir: impl Into<PathBuf>) -> Order {
        let peer = self.geth.enode_at(self.relay.address());
        Order::to_head_of(&self.chain, peer, datadir).to("latest")
    }

    /// The chain below all that is made.
    pub fn chain(&self) -> &TestChain {
        &self.chain
    }

    /// The geth.
    pub fn geth(&self) -> &Geth {
        &self.geth
    }

    /// The line to it.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// What makes the blocks.
    pub fn mover(&self) -> &Mover {
        &self.mover
    }

    /// Waits until `count` more blocks are made.
    pub fn wait_for_blocks(&self, count: u64) -> Result<(), Error> {
        let until = self.mover.blocks() + count;
        let look = || (self.mover.blocks() >= until || self.mover.is_over()).then_some(());
        // A block takes far less than a second to make; whoever wants many at a slow pace waits longer.
        patience::until("the next blocks", Duration::from_secs(60 + 5 * count), look, || {
            self.geth.last_words()
        })?;
        if self.mover.is_over() { Err(mover::ended()) } else { Ok(()) }
    }

    /// Waits until geth has dropped the state of the block `hash`, which takes as long as its chain needs for 128 blocks more.
    pub fn wait_until_dropped(&self, hash: B256, patience: Duration) -> Result<(), Error> {
        let look = || (!holds_state(self.geth.rpc(), hash) || self.mover.is_over()).then_some(());
        patience::until("the end of an old state", patience, look, || self.geth.last_words())?;
        if self.mover.is_over() { Err(mover::ended()) } else { Ok(()) }
    }

    /// Has geth end in order, which knows of its newest states when it starts again. The line stays, and leads nowhere.
    pub fn leave(self) -> Result<Away, Error> {
        let life = self.mover.leave()?;
        let datadir = self.geth.stop()?;
        let Self { relay, chain, pace, speaks, .. } = self;
        Ok(Away { life, relay, datadir, chain, pace, speaks })
    }

    /// Ends geth as a power cut would, and starts it again. It is back where its chain was when it started first, and goes on from there on
    /// another branch.
    pub fn crash(self, tools: &Tools, size: Size) -> Result<Self, Error> {
        let Self { mover, relay, geth, chain, pace, speaks } = self;
        let made = mover.stop()?;
        let mut life = Life::busy(chain.expected().head_number, size, pace.bustle);
        // No other branch has it.
        life.branch_off(made);
        Away { life, relay, datadir: geth.kill(), chain, pace, speaks }.come_back(tools)
    }

    /// Ends the chain where it is. The geth goes on to serve, and the line to carry.
    pub fn stand(self) -> Result<Standing, Error> {
        let blocks = self.mover.stop()?;
        Ok(Standing { relay: self.relay, geth: self.geth, blocks })
    }
}

/// A geth that is not there, and will be back.
#[derive(Debug)]
pub struct Away {
    life: Life,
    relay: Relay,
    datadir: Datadir,
    chain: TestChain,
    pace: Pace,
    speaks: Speaks,
}

impl Away {
    /// Starts it again: the same node behind the same line, whose chain goes on.
    pub fn come_back(self, tools: &Tools) -> Result<MovingGeth, Error> {
        let Self { life, relay, datadir, chain, pace, speaks } = self;
        let geth = Geth::start(tools, datadir, &speaks.settings(&chain))?;
        relay.lead_to(geth.peer_address());
        let mover = Mover::start(&geth, life, pace.block_every)?;
        Ok(MovingGeth { mover, relay, geth, chain, pace, speaks })
    }
}

/// A geth whose chain has ended.
#[derive(Debug)]
pub struct Standing {
    /// The line to it.
    pub relay: Relay,
    /// The geth.
    pub geth: Geth,
    /// Blocks that were made, on all branches.
    pub blocks: u64,
}

/// The block that `tag` names (`latest` or a quoted number), as the geth behind `rpc` has it on its chain.
pub fn header(rpc: Rpc, tag: &str) -> Result<Header, Error> {
    let block = rpc.block(tag)?;
    Ok(Header {
        number: number_in(&block, "number")?,
        hash: hash_in(&block, "hash")?,
        root: hash_in(&block, "stateRoot")?,
    })
}

/// Whether the geth behind `rpc` still holds the state of the block `hash`.
pub fn holds_state(rpc: Rpc, hash: B256) -> bool {
    // One account of it, with neither code nor storage, whoever's address it is.
    rpc.call("debug_accountRange", json!([{ "blockHash": hash.to_string() }, "0x", 1, true, true, true]))
        .is_ok()
}
