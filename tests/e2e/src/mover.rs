//! A chain that moves: blocks that a geth makes one after the other, each of which changes the state, and other ones in their place.
//!
//! It trusts geth. Owns: the thread that asks for blocks. Inbox: orders to go back. It ends when the mover is dropped, or at the first
//! block that geth refuses.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use alloy_primitives::B256;

use crate::{
    Error,
    engine::Engine,
    geth::Geth,
    life::Life,
    proposer::propose,
    rpc::{Rpc, hash_in, number_in},
};

/// How deep a reorganisation may be. geth itself holds 128 states.
pub const REORG_BLOCKS_MAX: usize = 100;

/// How many blocks geth goes back at once: it refuses more than 32, and takes several steps.
const STEP_BLOCKS_MAX: usize = 30;

/// A block of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

/// What a reorganisation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reorganised {
    /// The last block that both branches have.
    pub fork: Made,
    /// The head that is no longer on the chain.
    pub left: Made,
    /// The new head.
    pub head: Made,
}

/// A geth's chain that moves.
#[derive(Debug)]
pub struct Mover {
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<Result<Life, Error>>>,
    made: Arc<AtomicU64>,
}

/// To leave this many blocks, and where to answer.
#[derive(Debug)]
struct Order {
    depth: usize,
    answer: mpsc::Sender<Reorganised>,
}

impl Mover {
    /// Makes the blocks of `life` on top of the head of `geth`: the first one at once, and then one each `interval`.
    pub fn start(geth: &Geth, life: Life, interval: Duration) -> Result<Self, Error> {
        let made = Arc::new(AtomicU64::new(0));
        let mut chain = Chain::above_head_of(geth, life, Arc::clone(&made))?;
        let (orders, inbox) = mpsc::channel::<Order>();
        let thread = std::thread::spawn(move || {
            let mut due = Instant::now();
            loop {
                match inbox.recv_timeout(due.saturating_duration_since(Instant::now())) {
                    Ok(order) => {
                        let reorganised = chain.reorganise(order.depth)?;
                        // Who does not wait for the answer has it all the same.
                        order.answer.send(reorganised).ok();
                    }
                    Err(RecvTimeoutError::Timeout) => {
                        chain.grow()?;
                        // What a slow machine could not make in time is not made up for.
                        due = (due + interval).max(Instant::now());
                    }
                    Err(RecvTimeoutError::Disconnected) => return Ok(chain.head().1.clone()),
                }
            }
        });
        Ok(Self { orders: Some(orders), thread: Some(thread), made })
    }

    /// Blocks made so far, on all branches.
    pub fn blocks(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Whether no more blocks will come, since geth has refused one; [`stop`](Self::stop) tells why.
    pub fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Leaves the last `depth` blocks, which must be of those made here, for as many other ones and one more. Returns when they are
    /// there; then the new branch goes on.
    pub fn reorganise(&self, depth: usize) -> Result<Reorganised, Error> {
        let (answer, answered) = mpsc::channel();
        let orders = self.orders.as_ref().ok_or_else(ended)?;
        orders.send(Order { depth, answer }).map_err(|_| ended())?;
        // BLOCKING: until the blocks are made, or the thread has ended and dropped the sender.
        answered.recv().map_err(|_| ended())
    }

    /// Stops, and tells how many blocks were made, if geth took every one.
    pub fn stop(self) -> Result<u64, Error> {
        let made = Arc::clone(&self.made);
        self.leave()?;
        Ok(made.load(Ordering::Relaxed))
    }

    /// Stops, and gives the life that another mover may go on with.
    pub fn leave(mut self) -> Result<Life, Error> {
        drop(self.orders.take());
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Err(ended()),
        }
    }
}

impl Drop for Mover {
    fn drop(&mut self) {
        // Whoever wants to know calls `stop`; a panic here could be the second one.
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

/// What is told to whoever waits for a mover that is over.
pub(crate) fn ended() -> Error {
    Error::Chain("it has ended, and its mover's stop tells why".to_owned())
}

/// The chain's end, as its thread knows it.
#[derive(Debug)]
struct Chain {
    rpc: Rpc,
    engine: Engine,
    /// The newest blocks, the head last, each with the life that follows it. Invariant: never empty.
    blocks: VecDeque<(Made, Life)>,
    branches: u64,
    made: Arc<AtomicU64>,
}

impl Chain {
    fn above_head_of(geth: &Geth, life: Life, made: Arc<AtomicU64>) -> Result<Self, Error> {
        let head = geth.rpc().block("latest")?;
        let base = Made { number: number_in(&head, "number")?, hash: hash_in(&head, "hash")? };
        if life.number() != base.number + 1 {
            return Err(Error::Chain(format!("the next block is {}, on top of {base:?}", life.number())));
        }
        let blocks = VecDeque::from([(base, life)]);
        Ok(Self { rpc: geth.rpc(), engine: geth.engine()?, blocks, branches: 0, made })
    }

    fn head(&self) -> &(Made, Life) {
        self.blocks.back().expect("never empty")
    }

    fn grow(&mut self) -> Result<(), Error> {
        let mut life = self.head().1.clone();
        let number = life.number();
        let hash = propose(self.rpc, number, B256::ZERO, &life.next_block())?;
        if self.blocks.len() > REORG_BLOCKS_MAX {
            self.blocks.pop_front();
        }
        self.blocks.push_back((Made { number, hash }, life));
        self.made.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn reorganise(&mut self, depth: usize) -> Result<Reorganised, Error> {
        if depth >= self.blocks.len() {
            return Err(Error::Chain(format!("{depth} blocks back is not among those that were made here")));
        }
        let left = self.head().0;
        // geth goes back only after it has once heard that its head is the head.
        self.name_head(left)?;
        let fork_at = self.blocks.len() - depth;
        while self.blocks.len() > fork_at {
            let step = (self.blocks.len() - fork_at).min(STEP_BLOCKS_MAX);
            self.blocks.truncate(self.blocks.len() - step);
            self.name_head(self.head().0)?;
        }
        let fork = self.head().0;
        self.branches += 1;
        let branch = self.branches;
        let (_, life) = self.blocks.back_mut().expect("never empty");
        life.branch_off(branch);
        for _ in 0..=depth {
            self.grow()?;
        }
        Ok(Reorganised { fork, left, head: self.head().0 })
    }

    /// Names the head, and looks whether geth has gone there.
    fn name_head(&self, head: Made) -> Result<(), Error> {
        let status = self.engine.name_head(head.hash)?;
        let there = hash_in(&self.rpc.block("latest")?, "hash")?;
        if status != "VALID" || there != head.hash {
            return Err(Error::Chain(format!(
                "geth, told that {head:?} is the head: {status}, and stays at {there}"
            )));
        }
        Ok(())
    }
}
