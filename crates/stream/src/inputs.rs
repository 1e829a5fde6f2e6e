//! What goes into the desk, and the order of what follows from it.
//!
//! ```text
//!   Input ──> answers.rs (who said what, was it asked for, what is left)  ──> engine
//!                                                                               │ jobs
//!   Action <── pump.rs (which request next, to whom, within which budget) <── streams
//! ```

use std::time::Duration;

use snapsync_peers::{Fault, Head, Noun, PeerId, PeerProfile};
use snapsync_sync::{BlockRange, Ended, Event, JobId};

use crate::{Action, Desk, RequestId, Verdict};

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
    /// An answer came. The caller holds its bytes under (peer, request) until it is told to judge or to discard them; if
    /// it already holds some under that name, the new ones are dropped.
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
    /// Nothing is kept of an answer any more ([`Answered::Kept`](crate::Answered::Kept)).
    Used {
        /// The request.
        request: RequestId,
    },
    /// Nothing came on for long: everything that is wanted is to be asked of everybody anew.
    AskAnew,
    /// For the engine; durable events free what their ticket reserved.
    Sync(Event),
}

impl Desk {
    /// Takes one input. Drain [`Desk::poll`] before the next one.
    pub fn handle(&mut self, now: Duration, input: Input) {
        self.wake_up(now);
        self.book.tick(now);
        self.carry_out();
        match input {
            Input::PeerJoined { peer, profile } => {
                let blocks = profile.blocks.unwrap_or(BlockRange { first: 0, last: u64::MAX });
                self.book.join(now, peer, profile);
                self.on_more_blocks(now, [blocks]);
            }
            Input::PeerLeft { peer } => self.on_left(now, peer),
            Input::PeerRange { peer, blocks, head } => {
                let more = self.book.update(peer, blocks, head);
                self.on_given(peer);
                self.on_more_blocks(now, more);
            }
            Input::Arrived { peer, request, noun, bytes } => {
                self.pulse.answered = now;
                self.on_arrived(now, peer, request, noun, bytes);
            }
            Input::Misbehaved { peer, fault } => self.charge(peer, fault),
            Input::Unsent { request } => self.on_unsent(now, request),
            Input::Judged { request, verdict } => {
                self.pulse.judged(now, &verdict.answered);
                self.on_judged(now, request, verdict);
            }
            Input::Used { request } => self.budget.free(request),
            Input::AskAnew => self.ask_anew(now),
            Input::Sync(event) => {
                self.pulse.heard(now, &event);
                self.on_written(&event);
                self.feed(now, event);
            }
        }
        self.end_owing(now);
        self.send_all(now);
        self.check();
    }

    /// Time has come that [`Desk::next_timeout`] named.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.wake_up(now);
        self.book.tick(now);
        self.carry_out();
        self.wake_engine(now);
        while let Some(id) = self.flights.due(now) {
            self.on_overdue(now, id);
        }
        while let Some(peer) = self.flights.silent_loser(now) {
            self.book.unanswered(peer);
        }
        while let Some((peer, fault)) = self.book.fallen_silent(now) {
            self.act(Action::Disconnect { peer, fault });
        }
        self.end_owing(now);
        self.send_all(now);
        self.check();
    }

    /// Whoever comes long after the time that was named slept, or was held up: answers that came meanwhile lie unread, so that no peer is late.
    fn wake_up(&mut self, now: Duration) {
        let due = self.flights.next_deadline().unwrap_or(now);
        let (slept, least) = (now.saturating_sub(due), Duration::from_millis(self.config.slept_ms));
        if slept >= least {
            // Once more as long is left for what lies unread.
            self.flights.postpone(slept, least);
        }
    }

    /// Sends what may be sent, with the room that parts leave of which nobody asks for the rest any more.
    fn send_all(&mut self, now: Duration) {
        self.pump(now);
        while self.drop_idle_parts() {
            self.pump(now);
        }
    }

    /// The writer is done with an answer: its bytes are free.
    fn on_written(&mut self, event: &Event) {
        let Some(ticket) = event.ticket() else { return };
        self.writing.ends(event);
        #[cfg(feature = "planted-bugs")]
        if self.config.planted == Some(snapsync_sync::Bug::BudgetLeak) {
            return;
        }
        self.budget.free(ticket.into());
    }

    /// Gives jobs back that asked for all and still owe what the writer dropped, and tells of walks that are done.
    fn end_owing(&mut self, now: Duration) {
        let owing = self.writing.owing().filter(|job| !self.streams.contains_key(job));
        for job in owing.collect::<Vec<_>>() {
            self.writing.forget(job);
            self.walks.remove(&job);
            self.feed(now, Event::JobEnded { job, why: Ended::Dropped });
        }
        let is_done = |job: &&JobId| !self.streams.contains_key(job) && !self.writing.is_at_writer(**job);
        for job in self.walks.iter().filter(is_done).copied().collect::<Vec<_>>() {
            self.walks.remove(&job);
            self.feed(now, Event::JobEnded { job, why: Ended::Done });
        }
    }

    /// What is always true.
    fn check(&self) {
        #[cfg(feature = "planted-bugs")]
        if self.config.planted.is_some() || self.config.peers.planted.is_some() {
            return;
        }
        for peer in self.book.peers() {
            let (flights, max) = self.book.flights(peer).expect("the peer was just listed");
            assert!(flights <= max, "{flights} requests in flight on {peer:?}, the limit is {max}");
        }
        let (requests, max) = (self.flights.len(), self.config.requests_max);
        assert!(requests <= max, "{requests} requests are out, the limit is {max}");
        for (job, stream) in &self.streams {
            assert!(!stream.is_done(), "the stream of {job:?} has nothing left and is still there");
            assert!(stream.is_of_one_target(), "{job:?} would ask under an older root than it may");
        }
    }
}
