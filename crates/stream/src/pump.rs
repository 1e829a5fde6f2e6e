//! Which request goes out next: streams take turns, a peer is drawn, the budget is asked, the tail is asked twice.

use std::time::Duration;

use snapsync_peers::{Ask, Noun, Offer, PeerId};
use snapsync_sync::{Event, JobId, Phase};

use crate::{
    Action, Desk, Request, RequestId, What,
    config::NODE_BYTES_MAX,
    density,
    desk::{Accept, Gate},
    flights::{Flight, Stage},
    streams::{Piece, Stream},
};

/// Which work goes first when not all of it can. Within a rank, jobs take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rank {
    /// Nothing is known without them.
    Headers,
    /// They stand between rows and the root that these are to give.
    Lists,
    /// Few bytes, and what nobody can answer waits for them.
    Renewals,
    /// They tell what else there is. The bound on pendings holds them back before they starve what they imply.
    Accounts,
    /// Few bytes, and the last of them would be waited for.
    Codes,
    /// They tell what differs, a level at a time.
    Nodes,
    /// The longest pieces of work first, so that the end is even.
    HugeStorages,
    Storages,
    /// Bodies and receipts: what is left of a line, and a small share of it in any case.
    History,
}

impl Rank {
    const ALL: [Self; 9] = [
        Self::Headers,
        Self::Lists,
        Self::Renewals,
        Self::Accounts,
        Self::Codes,
        Self::Nodes,
        Self::HugeStorages,
        Self::Storages,
        Self::History,
    ];

    fn of(what: &What) -> Self {
        match what {
            What::Headers { .. } => Self::Headers,
            What::Lists { .. } | What::ListsAbove { .. } | What::LeftList { .. } => Self::Lists,
            What::Renewal { .. } => Self::Renewals,
            What::Accounts { .. } => Self::Accounts,
            What::Codes { .. } => Self::Codes,
            What::Nodes { .. } | What::Repair { .. } => Self::Nodes,
            What::StorageRange { .. } => Self::HugeStorages,
            What::Storages { .. } => Self::Storages,
            What::Bodies { .. } | What::Receipts { .. } => Self::History,
        }
    }
}

/// What became of a turn.
enum Turn {
    Sent,
    Nothing,
}

/// Bytes of an answer.
#[derive(Clone, Copy, Debug)]
struct Load {
    /// That it should have.
    expected_bytes: u64,
    /// That it may have: its soft limit.
    asked_bytes: u64,
    /// That is reserved for it: what it is asked for up to, or more where an earlier answer found no room.
    reserved_bytes: u64,
}

impl Desk {
    /// Sends what may be sent.
    pub(crate) fn pump(&mut self, now: Duration) {
        self.wake = None;
        if self.book.peers().next().is_none() {
            // Nobody is there to refuse: patience begins anew with the next peer.
            for stream in self.streams.values_mut() {
                stream.take_up();
                stream.todo.iter_mut().for_each(|piece| piece.refused_by_all_since = None);
            }
            return;
        }
        self.watch_lacking(now);
        self.left_bytes = self.state_left();
        self.windows = self.book.windows();
        self.budget.know(self.known_bytes());
        self.book.fit(self.budget.for_windows());
        self.closed = [Gate::Open; Noun::ALL.len()];
        if let Some((job, block)) = self.largest_part()
            && let Some(stream) = self.streams.get_mut(&job)
        {
            stream.finish(block);
        }
        self.ask_trials_twice(now);
        for rank in Rank::ALL {
            let mut sent_any = true;
            while sent_any {
                sent_any = false;
                for job in self.turns(rank) {
                    if let Turn::Sent = self.take_turn(now, job) {
                        self.turn = job;
                        sent_any = true;
                    }
                }
            }
        }
        self.ask_tail_twice(now);
    }

    /// What walks know of and have not asked for.
    fn known_bytes(&self) -> u64 {
        self.streams.values().map(Stream::known).sum::<u64>() * NODE_BYTES_MAX as u64
    }

    /// Streams of a rank that want to send, beginning after the one that was served last.
    fn turns(&self, rank: Rank) -> Vec<JobId> {
        let after = self.streams.range(JobId(self.turn.0 + 1)..);
        let before = self.streams.range(..=self.turn);
        let wants = |(job, stream): (&JobId, &Stream)| self.has_turn(rank, stream).then_some(*job);
        after.chain(before).filter_map(wants).collect()
    }

    fn has_turn(&self, rank: Rank, stream: &Stream) -> bool {
        let front = stream.todo.front();
        // What costs a look at all that waits comes last.
        front.is_some_and(|piece| Rank::of(&piece.what) == rank && !self.is_closed(piece))
            && self.may_send(stream)
    }

    /// Whether another request of the kind found no peer or no memory just now. One that some peers must not get is looked
    /// at in any case: its own patience has to be watched.
    fn is_closed(&self, piece: &Piece) -> bool {
        self.closed[piece.what.noun() as usize] == Gate::Closed && piece.is_plain()
    }

    fn shut(&mut self, noun: Noun) {
        self.closed[noun as usize] = Gate::Closed;
    }

    /// What state requests that wait should give.
    fn state_left(&self) -> u64 {
        let state = self.streams.values().filter(|stream| stream.noun.is_state());
        let pieces = state.flat_map(|stream| stream.todo.iter());
        pieces.map(|piece| self.expected(&piece.what, u64::MAX)).fold(0, u64::saturating_add)
    }

    /// Whether less state is left to be asked for than all lines hold: then the end is near.
    fn is_scarce(&self) -> bool {
        self.left_bytes < self.windows
    }

    /// Bytes that an answer should have, if it may have so many.
    fn expected(&self, what: &What, response_bytes: u64) -> u64 {
        match what {
            What::Accounts { .. } | What::StorageRange { .. } => {
                self.density.bytes(what).unwrap_or(response_bytes).min(response_bytes)
            }
            _ => self.sizes.all(what).min(response_bytes),
        }
    }

    fn may_send(&self, stream: &Stream) -> bool {
        let is_held = stream.is_of_range() && self.accept == Accept::Held;
        stream.wants() && !is_held && !(stream.is_kept() && self.budget.keeps_enough())
    }

    /// What waits for slots beside this noun, one of each other noun: peers leave room for some of it.
    fn waiting(&self, noun: Noun) -> Vec<Ask> {
        let mut waiting: Vec<Ask> = Vec::new();
        for stream in self.streams.values().filter(|stream| stream.noun != noun && self.may_send(stream)) {
            if waiting.iter().all(|ask| ask.noun() != stream.noun) {
                waiting.extend(stream.todo.front().map(|piece| piece.what.ask()));
            }
        }
        // Until the state is whole more of it may come up at any moment: history does not take a line in the meantime.
        if let Some(pin) = self.engine.pin().filter(|_| self.engine.phase() == Phase::Download)
            && !noun.is_state()
        {
            waiting.push(Ask::State { noun: Noun::Accounts, root: pin.target.root });
        }
        waiting
    }

    fn take_turn(&mut self, now: Duration, job: JobId) -> Turn {
        if let Some(stream) = self.streams.get_mut(&job) {
            stream.finish_begun();
        }
        self.find_way(job);
        while self.pass_over(now, job) {}
        if self.is_full() {
            return Turn::Nothing;
        }
        let Some(stream) = self.streams.get(&job).filter(|stream| stream.wants()) else {
            return Turn::Nothing;
        };
        let noun = stream.noun;
        if stream.todo.front().is_none_or(|piece| self.is_closed(piece)) {
            return Turn::Nothing;
        }
        let Some(stream) = self.streams.get_mut(&job) else { return Turn::Nothing };
        let Some(piece) = stream.todo.front_mut() else { return Turn::Nothing };
        if let Some(peer) = piece.stick.filter(|peer| !self.book.is_open(*peer)) {
            piece.unstick();
            tracing::trace!(?peer, "the peer of a cut block is gone, its receipts start anew");
        }
        // The first answer of a storage tells how many requests it needs.
        if stream.open > 0 && stream.todo.front().is_some_and(|piece| !self.density.is_known(&piece.what)) {
            return Turn::Nothing;
        }
        let waiting = self.waiting(noun);
        if let Some(peer) = self.draw(now, job, &waiting) {
            return self.send(now, job, peer);
        }
        let plain =
            self.streams.get(&job).and_then(|stream| stream.todo.front()).filter(|piece| piece.is_plain());
        if plain.is_some_and(|piece| !self.book.all_refuse(&piece.what.ask(), &[])) {
            self.shut(noun);
        }
        Turn::Nothing
    }

    /// Whether as many requests are out as may be. Whoever launches one asks first.
    fn is_full(&self) -> bool {
        self.flights.len() >= self.config.requests_max
    }

    fn front(&mut self, job: JobId) -> Option<&mut Piece> {
        self.streams.get_mut(&job)?.todo.front_mut()
    }

    fn draw(&mut self, now: Duration, job: JobId, waiting: &[Ask]) -> Option<PeerId> {
        let piece = self.front(job)?;
        let ask = piece.what.ask();
        if let Some(peer) = piece.stick {
            if self.book.can_take(now, peer, &ask, waiting) {
                return Some(peer);
            }
            // Its line may rest from history, or its connection be full: what is held of the block is worth that time.
            if self.book.will_take(now, peer, &ask) {
                let change = self.book.next_change(now);
                self.wake_at(change);
                return None;
            }
            self.front(job)?.unstick();
        }
        let piece = self.front(job)?;
        let (avoid, failed_before) = (piece.avoid(now), piece.tries > 0);
        #[cfg(feature = "planted-bugs")]
        let avoid = if self.config.planted == Some(snapsync_sync::Bug::RefusedAskedAgain) {
            Vec::new()
        } else {
            avoid
        };
        let drawn = if failed_before {
            self.book.choose_again(now, &ask, waiting, &avoid)
        } else if ask.noun().is_state() && self.is_scarce() {
            let bytes = self.config.peers.response_bytes_min;
            self.book.choose_soonest(now, &ask, waiting, &avoid, bytes)
        } else {
            self.book.choose(now, &ask, waiting, &avoid)
        };
        if drawn.is_none() {
            self.nobody(now, job);
        }
        drawn
    }

    fn send(&mut self, now: Duration, job: JobId, peer: PeerId) -> Turn {
        let Some(piece) = self.front(job).map(|piece| piece.clone()) else { return Turn::Nothing };
        let noun = piece.what.noun();
        let Some(offer) = self.book.offer(peer, noun) else { return Turn::Nothing };
        let mut first = piece;
        let size = self.even(peer, noun, offer.response_bytes);
        let rest = self.cut(&mut first.what, size);
        let load = self.weigh(&first.what, size, &offer);
        let reserved_bytes = load.reserved_bytes.max(first.heavy_bytes);
        let has_room = self.has_room_for(peer, noun, reserved_bytes);
        // Without a grant nothing is sent until something becomes durable, which is an input.
        let granted = match self.budget.grant(noun, reserved_bytes) {
            Some(granted) if has_room => granted,
            _ if self.may_overdraw(job, &first.what) => load.asked_bytes,
            _ => {
                if noun.is_state() {
                    self.shut(noun);
                } else if self.is_waited_for(job, &first.what) {
                    // The room that comes free is for this, and not for what only adds to what waits.
                    self.shut(Noun::Bodies);
                    self.shut(Noun::Receipts);
                }
                return Turn::Nothing;
            }
        };
        let Some(stream) = self.streams.get_mut(&job) else { return Turn::Nothing };
        stream.todo.pop_front();
        stream.link(&mut first.what);
        let next = density::end_of(&first.what);
        if let Some(what) = rest {
            stream.todo.push_front(Piece::new(what));
        }
        stream.open += 1;
        if noun.is_state() {
            self.left_bytes = self.left_bytes.saturating_sub(load.expected_bytes);
        }
        let asked_bytes = granted.min(load.asked_bytes);
        self.launch(now, job, peer, first, Load { asked_bytes, reserved_bytes: granted, ..load }, &offer);
        if let Some(next) = next {
            self.feed(now, Event::Fetched { job, next });
        }
        Turn::Sent
    }

    /// What to ask of a peer, so that all have the same share of what is left when little is: the end is even then.
    fn even(&self, peer: PeerId, noun: Noun, response_bytes: u64) -> u64 {
        if !noun.is_state() || !self.is_scarce() {
            return response_bytes;
        }
        let share = (self.left_bytes as f64 * self.book.share(peer)) as u64;
        response_bytes.min(share.max(self.config.peers.response_bytes_min))
    }

    fn cut(&self, what: &mut What, response_bytes: u64) -> Option<What> {
        match what {
            What::Accounts { .. } | What::StorageRange { .. } => {
                // Some room below the largest answer: the range should end the answer, not its bytes.
                let largest = self.config.peers.response_bytes_max / 5 * 4;
                self.density.cut(what, response_bytes.min(largest))
            }
            _ => what.cut(self.sizes.items(&self.config, what, response_bytes)),
        }
    }

    /// What an answer should weigh, and up to what weight it is asked for.
    fn weigh(&self, what: &What, response_bytes: u64, offer: &Offer) -> Load {
        let expected_bytes = self.expected(what, response_bytes);
        let least = self.config.peers.response_bytes_min.min(response_bytes);
        let asked_bytes = match what {
            What::Accounts { .. } | What::StorageRange { .. } => {
                let most = self.config.peers.response_bytes_max;
                match self.density.bytes(what) {
                    Some(bytes) => bytes.saturating_add(bytes / 8).clamp(least, most),
                    None => response_bytes,
                }
            }
            // Some room, so that few storages are cut: the rest of one is a request of its own, and its trie derived anew.
            What::Storages { .. } | What::Codes { .. } | What::Nodes { .. } if self.is_scarce() => {
                offer.response_bytes
            }
            What::Storages { .. } | What::Codes { .. } | What::Nodes { .. } => {
                (expected_bytes / 4 * 5).max(least).min(self.config.peers.response_bytes_max)
            }
            _ => self.sizes.bytes(what, response_bytes),
        };
        let reserved_bytes = match what {
            // Most of it is the proof.
            What::Repair { .. } => expected_bytes,
            _ => asked_bytes,
        };
        Load { expected_bytes, asked_bytes, reserved_bytes }
    }

    fn launch(
        &mut self,
        now: Duration,
        job: JobId,
        peer: PeerId,
        piece: Piece,
        load: Load,
        offer: &Offer,
    ) -> RequestId {
        let id = self.flights.next_id();
        let noun = piece.what.noun();
        let what = piece.what.clone();
        let Load { expected_bytes, asked_bytes: response_bytes, reserved_bytes } = load;
        self.book.sent(peer, noun);
        self.book.load(peer, expected_bytes);
        self.budget.reserve(id, noun, reserved_bytes);
        let flight = Flight {
            job,
            peer,
            piece,
            stage: Stage::Sent,
            sent_at: now,
            deadline: now + offer.deadline,
            response_bytes,
            expected_bytes,
            forecast: offer.forecast,
            is_trial: offer.is_trial,
            bytes: 0,
            took: Duration::ZERO,
            twin: None,
        };
        self.flights.insert(id, flight);
        self.act(Action::Send { peer, request: Request { id, job, what, response_bytes } });
        id
    }

    /// What somebody is tried out with is asked of another one when it is late, before anything new takes that one's line.
    fn ask_trials_twice(&mut self, now: Duration) {
        let trials: Vec<RequestId> = self.flights.trials().collect();
        for id in trials {
            self.ask_twice(now, id);
        }
    }

    /// When few requests of a noun are left and none waits, one that takes long is asked of a second peer. The first
    /// answer wins; the other is dropped, and its peer is not blamed.
    fn ask_tail_twice(&mut self, now: Duration) {
        for noun in Noun::ALL {
            if self.streams.values().any(|stream| stream.noun == noun && !stream.todo.is_empty()) {
                continue;
            }
            let left: Vec<RequestId> =
                self.flights.sent().filter(|(_, flight)| flight.noun() == noun).map(|(id, _)| id).collect();
            if left.len() > self.config.tail_requests {
                continue;
            }
            for id in left {
                self.ask_twice(now, id);
            }
        }
    }

    fn ask_twice(&mut self, now: Duration, id: RequestId) {
        if self.is_full() {
            return;
        }
        let Some(flight) = self.flights.live(id).filter(|flight| flight.twin.is_none()) else { return };
        let begun = matches!(flight.piece.what, What::Receipts { first_receipt, .. } if first_receipt > 0);
        if begun {
            return;
        }
        let patience = flight.deadline.saturating_sub(flight.sent_at);
        let patient = patience * self.config.tail_late_percent / 100;
        let late_at =
            flight.sent_at + flight.forecast.map_or(patient, |forecast| (forecast * 2).min(patient));
        if now < late_at {
            return self.wake_at(Some(late_at));
        }
        let (job, mut piece) = (flight.job, flight.piece.clone());
        // The first of both that is answered counts, each under its own root.
        if let Some(under) = self.streams.get(&job).and_then(|stream| stream.under) {
            piece.retarget(under);
        }
        let mut avoid = piece.avoid(now);
        avoid.push(flight.peer);
        let noun = piece.what.noun();
        let waiting = self.waiting(noun);
        let Some(peer) = self.book.choose_second(now, &piece.what.ask(), &waiting, &avoid) else { return };
        let Some(offer) = self.book.offer(peer, noun) else { return };
        let load = self.weigh(&piece.what, offer.response_bytes, &offer);
        let reserved_bytes = load.reserved_bytes.max(piece.heavy_bytes);
        let is_granted = self.budget.grant(noun, reserved_bytes) == Some(reserved_bytes);
        if !is_granted || !self.has_room_for(peer, noun, reserved_bytes) {
            return;
        }
        let Some(stream) = self.streams.get_mut(&job) else { return };
        stream.open += 1;
        let twin = self.launch(now, job, peer, piece, Load { reserved_bytes, ..load }, &offer);
        self.flights.set_twin(id, Some(twin));
        self.flights.set_twin(twin, Some(id));
    }
}
