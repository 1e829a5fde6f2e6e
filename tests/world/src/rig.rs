//! The rig: a desk on a virtual clock, and the loop that carries out what it wants, one for all worlds.
//!
//! It does what a driver does: it ticks or lets happen whatever is first, holds answers until they are judged or discarded, knows who is
//! here under which name. What peers say, and what becomes of it, is its [`Host`]'s business. It decides nothing.

use std::{collections::BTreeMap, fmt, time::Duration};

use snapsync_peers::{Fault, Noun, PeerId, PeerProfile};
use snapsync_stream::{Action, Desk, Input, Judgement, Request, RequestId};
use snapsync_sync::{Effect, JobId};

use crate::clock::Clock;

/// From the machine's word until a connection is gone.
const HANG_UP: Duration = Duration::from_millis(5);

/// A world around a rig: all that differs from one to the next. Peers have numbers of their own; a connection has a name.
pub(crate) trait Host: Sized {
    /// What a peer says.
    type Answer: fmt::Debug;
    /// What lies ahead besides answers and departures.
    type Happening: fmt::Debug;

    /// The rig.
    fn rig(&mut self) -> &mut Rig<Self>;

    /// A peer connects under this name: what its handshake says.
    fn welcome(&mut self, nth: usize, peer: PeerId) -> PeerProfile;

    /// A connection is gone.
    fn left(&mut self, nth: usize, peer: PeerId);

    /// A request is on its way to a peer, which may have an answer delivered.
    fn ask(&mut self, nth: usize, peer: PeerId, request: Request) -> Result<(), String>;

    /// An answer comes off the line: its bytes, or what is wrong with it in itself.
    fn receive(&mut self, answer: &Self::Answer) -> Result<u64, Fault>;

    /// An answer is to be proved.
    fn judge(&mut self, judgement: Judgement, answer: Self::Answer) -> Result<(), String>;

    /// The engine wants something done.
    fn effect(&mut self, effect: Effect) -> Result<(), String>;

    /// What is held of a block whose receipts come in parts is wanted no more.
    fn drop_part(&mut self, _job: JobId, _block: u64) {}

    /// Something of its own happens.
    fn happen(&mut self, happening: Self::Happening) -> Result<(), String>;

    /// The machine leaves a peer alone for a while: never, where all are honest.
    fn set_aside(&mut self, peer: PeerId, fault: &Fault) -> Result<(), String> {
        Err(format!("{peer:?} is honest, and set aside for {fault}"))
    }

    /// The machine hangs up on a peer: never, where all are honest.
    fn hung_up(&mut self, peer: PeerId, fault: &Fault) -> Result<(), String> {
        Err(format!("{peer:?} is honest, and charged with {fault}"))
    }

    /// The machine's own time has come.
    fn ticking(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// What goes into the machine and comes out of it, for who reads along.
    fn note(&mut self, _line: fmt::Arguments<'_>) {}

    /// One tick of the machine's own timer, or the next that lies ahead, whichever is first.
    fn step(&mut self) -> Result<(), String> {
        let rig = self.rig();
        rig.steps += 1;
        let next = rig.clock.next_at();
        if let Some(tick) = rig.desk.next_timeout().filter(|tick| next.is_none_or(|next| *tick < next)) {
            rig.clock.advance_to(tick);
            rig.ticks += 1;
            self.ticking()?;
            self.note(format_args!("tick"));
            let rig = self.rig();
            rig.desk.handle_timeout(rig.clock.now());
            return self.drain();
        }
        match rig.clock.advance() {
            Some(Ahead::Arrive { peer, request, noun, answer }) => self.arrive(peer, request, noun, answer),
            Some(Ahead::Leave(peer)) => self.leave(peer),
            Some(Ahead::Own(happening)) => self.happen(happening),
            None => Err(format!("nothing lies ahead: {}", rig.standing())),
        }
    }

    /// Tells the machine something and carries out what it wants.
    fn input(&mut self, input: Input) -> Result<(), String> {
        self.note(format_args!("in  {input:?}"));
        let rig = self.rig();
        rig.desk.handle(rig.clock.now(), input);
        self.drain()
    }

    /// Carries out all that the machine wants, until it wants nothing more.
    fn drain(&mut self) -> Result<(), String> {
        while let Some(action) = self.rig().desk.poll() {
            self.note(format_args!("out {action:?}"));
            match action {
                Action::Send { peer, request } => {
                    let nth = self.rig().send(peer, &request)?;
                    self.ask(nth, peer, request)?;
                }
                Action::Judge(judgement) => {
                    let answer = self.rig().hand_over(&judgement)?;
                    self.judge(judgement, answer)?;
                }
                Action::Discard { peer, request } => drop(self.rig().held.remove(&(peer, request))),
                Action::DropPart { job, block } => self.drop_part(job, block),
                Action::SetAside { peer, fault } => self.set_aside(peer, &fault)?,
                Action::Disconnect { peer, fault } => {
                    self.hung_up(peer, &fault)?;
                    self.rig().leave_after(HANG_UP, peer);
                }
                Action::Sync(effect) => self.effect(effect)?,
            }
        }
        Ok(())
    }

    /// A peer connects, unless it is connected.
    fn join(&mut self, nth: usize) -> Result<(), String> {
        let rig = self.rig();
        if rig.name_of(nth).is_some() {
            return Ok(());
        }
        rig.connections += 1;
        let peer = PeerId(rig.connections);
        rig.here.insert(peer, nth);
        let profile = self.welcome(nth, peer);
        self.input(Input::PeerJoined { peer, profile })
    }

    /// A connection ends, if it is still there.
    fn leave(&mut self, peer: PeerId) -> Result<(), String> {
        let Some(nth) = self.rig().here.remove(&peer) else { return Ok(()) };
        self.left(nth, peer);
        self.input(Input::PeerLeft { peer })
    }

    /// An answer comes, if its connection is still there.
    fn arrive(
        &mut self,
        peer: PeerId,
        request: RequestId,
        noun: Noun,
        answer: Self::Answer,
    ) -> Result<(), String> {
        if !self.rig().here.contains_key(&peer) {
            return Ok(());
        }
        match self.receive(&answer) {
            Ok(bytes) => {
                // The first answer under a name is the one that counts.
                self.rig().held.entry((peer, request)).or_insert(answer);
                self.input(Input::Arrived { peer, request, noun, bytes })
            }
            Err(fault) => self.input(Input::Misbehaved { peer, fault }),
        }
    }
}

/// Something that lies ahead.
#[derive(Debug)]
enum Ahead<H: Host> {
    Arrive { peer: PeerId, request: RequestId, noun: Noun, answer: H::Answer },
    Leave(PeerId),
    Own(H::Happening),
}

/// A request that was sent.
#[derive(Debug)]
pub(crate) struct Sent {
    peer: PeerId,
    /// Its soft limit.
    pub(crate) response_bytes: u64,
}

/// The machine under test with its clock and its connections.
#[derive(Debug)]
pub(crate) struct Rig<H: Host> {
    /// The machine.
    pub(crate) desk: Desk,
    /// Who is connected, by name.
    pub(crate) here: BTreeMap<PeerId, usize>,
    /// All requests.
    pub(crate) sent: BTreeMap<RequestId, Sent>,
    /// Answers that nobody has taken yet.
    pub(crate) held: BTreeMap<(PeerId, RequestId), H::Answer>,
    /// Steps of the loop.
    pub(crate) steps: u64,
    /// Of these, ticks of the machine's own timer.
    pub(crate) ticks: u64,
    clock: Clock<Ahead<H>>,
    connections: u64,
}

impl<H: Host> Rig<H> {
    /// A rig around a machine, at the first moment.
    pub(crate) fn new(desk: Desk) -> Self {
        Self {
            desk,
            here: BTreeMap::new(),
            sent: BTreeMap::new(),
            held: BTreeMap::new(),
            steps: 0,
            ticks: 0,
            clock: Clock::default(),
            connections: 0,
        }
    }

    /// Another machine takes over at this moment, without connections; of what lies ahead only this of the host's own stays.
    pub(crate) fn restart(&mut self, desk: Desk, stays: impl Fn(&H::Happening) -> bool) {
        self.desk = desk;
        self.here.clear();
        self.sent.clear();
        self.held.clear();
        self.clock.retain(|ahead| matches!(ahead, Ahead::Own(happening) if stays(happening)));
    }

    /// The present.
    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// When the next thing is due that does not come from the machine.
    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.clock.next_at()
    }

    /// Something happens at a moment.
    pub(crate) fn set(&mut self, at: Duration, happening: H::Happening) {
        self.clock.set(at, Ahead::Own(happening));
    }

    /// Something happens at a delay from now.
    pub(crate) fn set_after(&mut self, delay: Duration, happening: H::Happening) {
        self.clock.set_after(delay, Ahead::Own(happening));
    }

    /// The machine sleeps for so long: its clock jumps.
    pub(crate) fn jump(&mut self, by: Duration) {
        self.clock.jump(by);
    }

    /// An answer comes at a moment, under these names.
    pub(crate) fn deliver(
        &mut self,
        at: Duration,
        peer: PeerId,
        (request, noun): (RequestId, Noun),
        answer: H::Answer,
    ) {
        self.clock.set(at, Ahead::Arrive { peer, request, noun, answer });
    }

    /// A connection ends at a delay from now.
    pub(crate) fn leave_after(&mut self, delay: Duration, peer: PeerId) {
        self.clock.set_after(delay, Ahead::Leave(peer));
    }

    /// Under which name a peer is connected.
    pub(crate) fn name_of(&self, nth: usize) -> Option<PeerId> {
        self.here.iter().find(|(_, here)| **here == nth).map(|(peer, _)| *peer)
    }

    /// Where the machine stands, for who asks why.
    pub(crate) fn standing(&self) -> String {
        let engine = self.desk.engine();
        let (reserved, flights) = (self.desk.reserved_bytes(), self.desk.in_flight().len());
        format!("{:?}, {:?}, {reserved} bytes reserved, {flights} in flight", engine.phase(), engine.tally())
    }

    /// A request goes out: once, to somebody who is here.
    fn send(&mut self, peer: PeerId, request: &Request) -> Result<usize, String> {
        let Some(nth) = self.here.get(&peer).copied() else {
            return Err(format!("asked {peer:?}, which is gone"));
        };
        let sent = Sent { peer, response_bytes: request.response_bytes };
        match self.sent.insert(request.id, sent) {
            None => Ok(nth),
            Some(_) => Err(format!("{:?} goes out twice", request.id)),
        }
    }

    /// An answer is taken out: that of the peer which was asked, once.
    fn hand_over(&mut self, judgement: &Judgement) -> Result<H::Answer, String> {
        let (peer, request) = (judgement.peer, judgement.request);
        if self.sent.get(&request).is_none_or(|sent| sent.peer != peer) {
            return Err(format!("{request:?} is judged as an answer of {peer:?}, which was never sent it"));
        }
        let held = self.held.remove(&(peer, request));
        held.ok_or_else(|| format!("{request:?} is to be judged, but its bytes are gone"))
    }
}
