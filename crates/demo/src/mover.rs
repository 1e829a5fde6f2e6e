//! What makes the chain move: a block in a while, another branch when it is told so.
//!
//! - thread: one, `demo-mover`
//! - inbox: orders to turn; between two blocks it waits for one
//! - outbox: news of the chain, and what peers say of it
//! - owns: the chain and its writers
//! - ends when: it is told so, or the disk fails

use std::{
    sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use alloy_primitives::B256;

use crate::{Announcer, Error, MovingChain, Turn};

/// What has become of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainNews {
    /// It has a block more.
    Grown {
        /// Its height.
        number: u64,
        /// Its hash.
        hash: B256,
    },
    /// It has turned to another branch.
    Turned(Turn),
}

/// Who hears of the chain. Called on the mover's thread: it must hand on and return.
pub type OnNews = Box<dyn FnMut(ChainNews) + Send>;

/// A chain that moves.
#[derive(Debug)]
pub struct Mover {
    orders: SyncSender<u64>,
    thread: JoinHandle<Result<(), Error>>,
}

impl Mover {
    /// Has `chain` grow by a block every `pace`, or as fast as that goes.
    ///
    /// # Errors
    /// When no thread is to be had.
    pub fn start(
        chain: MovingChain,
        pace: Duration,
        announcer: Announcer,
        news: OnNews,
    ) -> Result<Self, Error> {
        let (orders, inbox) = mpsc::sync_channel(1);
        let moving = Moving { chain, pace, announcer, news };
        let thread = thread::Builder::new().name("demo-mover".into()).spawn(move || moving.run(&inbox))?;
        Ok(Self { orders, thread })
    }

    /// Has it leave so many blocks, as soon as may be. One order at a time: another is not heard before the first has been.
    pub fn turn(&self, depth: u64) {
        // A chain that has ended tells why at its end.
        let _unheard = self.orders.try_send(depth);
    }

    /// Ends the movement. BLOCKING: until the last block is durable.
    ///
    /// # Errors
    /// Why it has ended before.
    ///
    /// # Panics
    /// Re-raises a panic of its thread.
    pub fn stop(self) -> Result<(), Error> {
        drop(self.orders);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

struct Moving {
    chain: MovingChain,
    pace: Duration,
    announcer: Announcer,
    news: OnNews,
}

impl Moving {
    fn run(mut self, inbox: &Receiver<u64>) -> Result<(), Error> {
        let mut due = Instant::now();
        loop {
            // BLOCKING: until the next block is due.
            let news = match inbox.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(depth) => ChainNews::Turned(self.chain.turn(depth)?),
                Err(RecvTimeoutError::Timeout) => {
                    // One that came late does not make the next one come early.
                    due = Instant::now().max(due) + self.pace;
                    let head = self.chain.grow()?;
                    ChainNews::Grown { number: head.number, hash: head.hash }
                }
                Err(RecvTimeoutError::Disconnected) => return self.chain.close(),
            };
            self.announcer.look(self.chain.history())?;
            (self.news)(news);
        }
    }
}
