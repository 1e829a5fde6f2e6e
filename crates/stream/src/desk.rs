//! The desk: engine, streams and book as one machine, with the small verbs that all of its rules are made of.
//!
//! It knows no rule: which request goes out and what becomes of an answer is said in the files that use this one.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use snapsync_peers::{Book, Fault, Noun, PeerId};
use snapsync_sync::{Effect, EffectHash, Ended, Engine, Event, Job, JobId, TraceLine};

use crate::{
    Config, Judgement, Request, RequestId,
    budget::Budget,
    cut::Sizes,
    density::Density,
    flights::{Fate, Flight, Flights, Stage},
    held::Held,
    largest::Largest,
    pulse::Pulse,
    streams::{Piece, Stream, Streams, Under},
    walk,
    writing::Writing,
};

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
    /// Take the bytes out, prove them and say [`Input::Judged`](crate::Input::Judged).
    Judge(Judgement),
    /// Forget the bytes under this name, if there are any.
    Discard {
        /// Who sent them.
        peer: PeerId,
        /// The id that they carry.
        request: RequestId,
    },
    /// Drop what is held of a block's receipts: nobody asks for the rest any more.
    DropPart {
        /// The job.
        job: JobId,
        /// The block's number.
        block: u64,
    },
    /// Tell that a peer's range did not prove, which a race may have broken: it is left alone with state for a while.
    SetAside {
        /// The peer.
        peer: PeerId,
        /// What is wrong with the range.
        fault: Fault,
    },
    /// Hang up on a peer. [`Input::PeerLeft`](crate::Input::PeerLeft) is still to follow.
    Disconnect {
        /// The peer.
        peer: PeerId,
        /// What it did.
        fault: Fault,
    },
    /// The engine wants something that is not fetching: copy, rebuild, record, report. (Jobs are the desk's own.)
    Sync(Effect),
}

/// Whether streams of account ranges may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accept {
    Flowing,
    Held,
}

/// Whether more requests of a noun may find a peer and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    Closed,
}

/// What was recorded for a replay.
#[derive(Debug)]
struct Tape {
    lines: Vec<TraceLine>,
    hash: EffectHash,
}

/// The composed pure machine.
#[derive(Debug)]
pub struct Desk {
    pub(crate) config: Config,
    pub(crate) engine: Engine,
    pub(crate) book: Book,
    pub(crate) streams: Streams,
    pub(crate) flights: Flights,
    /// The blocks of which a part is held, by job and number.
    pub(crate) parts: BTreeMap<(JobId, u64), Held>,
    pub(crate) writing: Writing,
    /// Jobs of which only the desk knows when they end: walks, when nothing differs any more that they know of, and all that did is durable;
    /// lists that are kept, when all are here.
    pub(crate) walks: BTreeSet<JobId>,
    /// How large each peer's answers of history were.
    pub(crate) largest: Largest,
    /// When something last came on.
    pub(crate) pulse: Pulse,
    pub(crate) budget: Budget,
    pub(crate) sizes: Sizes,
    pub(crate) density: Density,
    pub(crate) accept: Accept,
    /// What state requests that wait should give, about.
    pub(crate) left_bytes: u64,
    /// What all peers' lines hold together.
    pub(crate) windows: u64,
    /// Nouns of which no more can be sent for now.
    pub(crate) closed: [Gate; Noun::ALL.len()],
    /// The job that was served last: the next one is first in turn.
    pub(crate) turn: JobId,
    /// When something may change that no input tells.
    pub(crate) wake: Option<Duration>,
    actions: VecDeque<Action>,
    tape: Option<Tape>,
}

impl Desk {
    /// A desk around an engine; `seed` decides draws among peers. A resumed engine has work at once: the first
    /// [`Desk::next_timeout`] is zero.
    pub fn new(config: Config, engine: Engine, seed: u64) -> Self {
        Self {
            book: Book::new(config.peers.clone(), seed),
            streams: Streams::new(),
            flights: Flights::default(),
            parts: BTreeMap::new(),
            writing: Writing::default(),
            walks: BTreeSet::new(),
            largest: Largest::default(),
            pulse: Pulse::default(),
            budget: Budget::new(config.budget_bytes),
            sizes: Sizes::new(),
            density: Density::default(),
            accept: Accept::Flowing,
            left_bytes: 0,
            windows: 0,
            closed: [Gate::Open; Noun::ALL.len()],
            turn: JobId(0),
            wake: Some(Duration::ZERO),
            actions: VecDeque::new(),
            tape: None,
            engine,
            config,
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Desk::handle_timeout`] wants to be called; never, while nothing but an input can change anything.
    pub fn next_timeout(&self) -> Option<Duration> {
        [self.flights.next_deadline(), self.wake, self.engine.next_timeout()].into_iter().flatten().min()
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
        self.budget.bytes()
    }

    /// Reservations held now; none when nothing is in flight and all is durable.
    pub fn reservations(&self) -> usize {
        self.budget.len()
    }

    /// Requests on the wire now, each with its peer.
    pub fn in_flight(&self) -> Vec<(PeerId, RequestId)> {
        self.flights.sent().map(|(id, flight)| (flight.peer, id)).collect()
    }

    /// Whether something is with a writer.
    pub(crate) fn is_writing(&self) -> bool {
        !self.writing.is_empty()
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Records what the engine is told from now on. The caller writes the first line, which it alone knows. Call it
    /// before the first input.
    pub fn record(&mut self) {
        self.tape = Some(Tape { lines: Vec::new(), hash: EffectHash::new() });
    }

    /// What was recorded since the last call.
    pub fn take_trace(&mut self) -> Vec<TraceLine> {
        self.tape.as_mut().map(|tape| std::mem::take(&mut tape.lines)).unwrap_or_default()
    }

    /// The hash of all effects since [`Desk::record`].
    pub fn effect_hash(&self) -> Option<alloy_primitives::B256> {
        self.tape.as_ref().map(|tape| tape.hash.value())
    }

    /// Tells the engine something and does what it wants.
    pub(crate) fn feed(&mut self, now: Duration, event: Event) {
        if let Some(tape) = &mut self.tape {
            tape.lines.push(TraceLine::Event { now_us: micros(now), event: event.clone() });
        }
        self.engine.handle(now, event);
        self.carry_out();
    }

    /// Lets the engine's time come, if it has.
    pub(crate) fn wake_engine(&mut self, now: Duration) {
        if self.engine.next_timeout().is_some_and(|at| at <= now) {
            if let Some(tape) = &mut self.tape {
                tape.lines.push(TraceLine::Timeout { now_us: micros(now) });
            }
            self.engine.handle_timeout(now);
            self.carry_out();
        }
    }

    /// Does what the engine wants.
    pub(crate) fn carry_out(&mut self) {
        while let Some(effect) = self.engine.poll() {
            if let Some(tape) = &mut self.tape {
                tape.hash.add(&effect);
            }
            match effect {
                Effect::Start { id, job } => {
                    if walk::is_walk(&job) || matches!(job, Job::ListsAbove { .. }) {
                        self.walks.insert(id);
                    }
                    self.streams.insert(id, Stream::new(&self.config, job));
                }
                Effect::Stop { id } => self.stop(id),
                Effect::Shorten { id, last } => {
                    if let Some(stream) = self.streams.get_mut(&id) {
                        stream.shorten(last);
                    }
                    self.sweep(id);
                }
                Effect::Retarget { target, root } => {
                    self.streams.values_mut().for_each(|stream| stream.retarget(Under { target, root }));
                }
                Effect::HoldAccounts => self.accept = Accept::Held,
                Effect::ReleaseAccounts => self.accept = Accept::Flowing,
                effect => self.act(Action::Sync(effect)),
            }
        }
    }

    /// Has the desk looked at again at this time, if not before.
    pub(crate) fn wake_at(&mut self, at: Option<Duration>) {
        self.wake = [self.wake, at].into_iter().flatten().min();
    }

    pub(crate) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    /// Charges a peer; hangs up on it when it is below the line.
    pub(crate) fn charge(&mut self, peer: PeerId, fault: Fault) {
        if let Some(fault) = self.book.charge(peer, fault) {
            self.act(Action::Disconnect { peer, fault });
        }
    }

    /// Drops a job's stream with its requests. What is being proved goes on to the disk: it is true whoever wanted it.
    pub(crate) fn stop(&mut self, job: JobId) {
        self.streams.remove(&job);
        self.walks.remove(&job);
        let of_job: Vec<RequestId> =
            self.flights.iter().filter(|(_, flight)| flight.job == job).map(|(id, _)| id).collect();
        for id in of_job {
            self.cancel(id);
        }
    }

    /// Takes a request off without an answer. One that is being proved stays.
    pub(crate) fn cancel(&mut self, id: RequestId) {
        let Some(stage) = self.flights.live(id).map(|flight| flight.stage) else { return };
        let fate = match stage {
            Stage::Judging => return,
            Stage::Waiting => Fate::Answered,
            Stage::Sent => Fate::Moot,
        };
        let Some(flight) = self.flights.remove(id, fate) else { return };
        self.budget.free(id);
        match stage {
            Stage::Sent => {
                self.book.dropped(flight.peer, flight.noun());
                self.book.unload(flight.peer, flight.expected_bytes);
            }
            _ => self.act(Action::Discard { peer: flight.peer, request: id }),
        }
    }

    /// One request of a stream is over.
    pub(crate) fn close(&mut self, job: JobId) {
        if let Some(stream) = self.streams.get_mut(&job) {
            stream.open -= 1;
        }
    }

    /// Takes a sent request off; gives its piece unless a twin still has it.
    pub(crate) fn take_off(&mut self, id: RequestId) -> Option<(Flight, Option<Piece>)> {
        let flight = self.flights.remove(id, Fate::Moot)?;
        self.budget.free(id);
        self.book.unload(flight.peer, flight.expected_bytes);
        self.close(flight.job);
        match flight.twin.filter(|twin| self.flights.live(*twin).is_some()) {
            Some(twin) => {
                self.flights.set_twin(twin, None);
                Some((flight, None))
            }
            None => {
                let piece = flight.piece.clone();
                Some((flight, Some(piece)))
            }
        }
    }

    /// Drops a stream that is done.
    pub(crate) fn sweep(&mut self, job: JobId) {
        if self.streams.get(&job).is_some_and(Stream::is_done) {
            self.streams.remove(&job);
        }
    }

    /// A try failed: the piece goes back to the front. After too many its job goes back to the engine.
    pub(crate) fn fail(&mut self, now: Duration, job: JobId, mut piece: Piece) {
        piece.tries += 1;
        piece.unstick();
        if piece.tries >= self.config.tries_max {
            self.stop(job);
            return self.feed(now, Event::JobEnded { job, why: Ended::GivenUp });
        }
        if let Some(stream) = self.streams.get_mut(&job) {
            stream.put_back(piece);
        }
    }
}

fn micros(now: Duration) -> u64 {
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}
