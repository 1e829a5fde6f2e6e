//! The desk: engine, streams and book as one machine.

use std::{collections::VecDeque, time::Duration};

use snapsync_peers::{Book, Fault, Head, Noun, PeerId, PeerProfile};
use snapsync_sync::{BlockRange, Effect, Engine, Event};

use crate::{Config, Judgement, Request, RequestId, Verdict};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A peer is ready to be asked.
    PeerJoined {
        /// The peer.
        peer: PeerId,
        /// What its handshake said.
        profile: PeerProfile,
    },
    /// A peer is gone, with all that was in flight on it.
    PeerLeft {
        /// The peer.
        peer: PeerId,
    },
    /// A peer told which blocks it has now.
    PeerRange {
        /// The peer.
        peer: PeerId,
        /// The blocks.
        blocks: BlockRange,
        /// Its newest block.
        head: Head,
    },
    /// An answer came; the caller holds its bytes until it is told to judge or to discard them.
    Arrived {
        /// Who sent it.
        peer: PeerId,
        /// The id that it carries; it may be anything.
        request: RequestId,
        /// What kind of answer it is.
        noun: Noun,
        /// Its size on the wire.
        bytes: u64,
    },
    /// A peer sent something that is wrong in itself: it cannot be decoded, or breaks a limit.
    Misbehaved {
        /// The peer.
        peer: PeerId,
        /// What is wrong.
        fault: Fault,
    },
    /// A request could not be handed to the peer's connection; it counts as never sent.
    Unsent {
        /// The request.
        request: RequestId,
    },
    /// An answer was proved. Unless it gave nothing, its chunk went to the writer under the request's ticket.
    Judged {
        /// The request.
        request: RequestId,
        /// The verdict.
        verdict: Verdict,
    },
    /// For the engine; durable events free what their ticket reserved.
    Sync(Event),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a request.
    Send {
        /// To whom.
        peer: PeerId,
        /// The request.
        request: Request,
    },
    /// Prove an answer and say [`Input::Judged`].
    Judge(Judgement),
    /// Forget the bytes under this id, if there are any.
    Discard {
        /// The request.
        request: RequestId,
    },
    /// Hang up on a peer. [`Input::PeerLeft`] is still to follow.
    Disconnect {
        /// The peer.
        peer: PeerId,
        /// What it did.
        fault: Fault,
    },
    /// The engine wants something that is not fetching: copy, rebuild, record, report. (Jobs are the desk's own.)
    Sync(Effect),
}

/// The composed pure machine.
#[derive(Debug)]
pub struct Desk {
    config: Config,
    engine: Engine,
    book: Book,
    actions: VecDeque<Action>,
}

impl Desk {
    /// A desk around an engine; `seed` decides draws among peers.
    pub fn new(config: Config, engine: Engine, seed: u64) -> Self {
        let book = Book::new(config.peers.clone(), seed);
        Self { config, engine, book, actions: VecDeque::new() }
    }

    /// Takes one input. Drain [`Desk::poll`] before the next one.
    pub fn handle(&mut self, _now: Duration, _input: Input) {}

    /// Time has come that [`Desk::next_timeout`] named.
    pub fn handle_timeout(&mut self, _now: Duration) {}

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Desk::handle_timeout`] wants to be called, if ever.
    pub fn next_timeout(&self) -> Option<Duration> {
        None
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The book, to look at.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Bytes reserved now.
    pub fn reserved_bytes(&self) -> u64 {
        0
    }

    /// Requests in flight now, each with its peer.
    pub fn in_flight(&self) -> Vec<(PeerId, RequestId)> {
        Vec::new()
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }
}
