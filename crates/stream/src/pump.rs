//! Which request goes out next: streams take turns, a peer is drawn, the budget is asked, the tail is asked twice.

use std::time::Duration;

use snapsync_peers::{Ask, Noun, PeerId};
use snapsync_sync::{Event, JobId};

use crate::{
    Action, Desk, Request, RequestId, What,
    desk::Accept,
    flights::{Flight, Stage},
    streams::{Piece, Stream},
};

/// How late a wake-up may be before patience counts as broken.
const PATIENCE_SLACK: Duration = Duration::from_secs(1);

/// What became of a turn.
enum Turn {
    Sent,
    Nothing,
}

impl Desk {
    /// Sends what may be sent.
    pub(crate) fn pump(&mut self, now: Duration) {
        self.wake = None;
        if self.book.peers().next().is_none() {
            // Nobody is there to refuse: patience begins anew with the next peer.
            for piece in self.streams.values_mut().flat_map(|stream| stream.todo.iter_mut()) {
                piece.refused_by_all_since = None;
            }
            return;
        }
        loop {
            let mut sent_any = false;
            for job in self.turns() {
                if let Turn::Sent = self.take_turn(now, job) {
                    self.turn = job;
                    sent_any = true;
                }
            }
            if !sent_any {
                break;
            }
        }
        self.ask_tail_twice(now);
    }

    /// Streams that want to send, beginning after the one that was served last.
    fn turns(&self) -> Vec<JobId> {
        let after = self.streams.range(JobId(self.turn.0 + 1)..);
        let before = self.streams.range(..=self.turn);
        let wants = |(job, stream): (&JobId, &Stream)| self.may_send(stream).then_some(*job);
        after.chain(before).filter_map(wants).collect()
    }

    fn may_send(&self, stream: &Stream) -> bool {
        stream.wants() && (stream.noun != Noun::Accounts || self.accept == Accept::Flowing)
    }

    /// What waits for slots beside this noun, one of each other noun: peers leave room for some of it.
    fn waiting(&self, noun: Noun) -> Vec<Ask> {
        let mut waiting: Vec<Ask> = Vec::new();
        for stream in self.streams.values().filter(|stream| stream.noun != noun && self.may_send(stream)) {
            if waiting.iter().all(|ask| ask.noun() != stream.noun) {
                waiting.extend(stream.todo.front().map(|piece| piece.what.ask()));
            }
        }
        waiting
    }

    fn wake_at(&mut self, at: Option<Duration>) {
        self.wake = [self.wake, at].into_iter().flatten().min();
    }

    fn take_turn(&mut self, now: Duration, job: JobId) -> Turn {
        let Some(stream) = self.streams.get_mut(&job).filter(|stream| stream.wants()) else {
            return Turn::Nothing;
        };
        let noun = stream.noun;
        let Some(piece) = stream.todo.front_mut() else { return Turn::Nothing };
        if let Some(peer) = piece.stick.filter(|peer| !self.book.is_open(*peer)) {
            piece.unstick();
            tracing::trace!(?peer, "the peer of a cut block is gone, its receipts start anew");
        }
        let waiting = self.waiting(noun);
        let Some(peer) = self.draw(now, job, &waiting) else { return Turn::Nothing };
        self.send(now, job, peer)
    }

    fn front(&mut self, job: JobId) -> Option<&mut Piece> {
        self.streams.get_mut(&job)?.todo.front_mut()
    }

    fn draw(&mut self, now: Duration, job: JobId, waiting: &[Ask]) -> Option<PeerId> {
        let piece = self.front(job)?;
        let ask = piece.what.ask();
        if let Some(peer) = piece.stick {
            // With nothing in flight there, it is not for want of a slot that the peer cannot take it.
            let stuck = self.book.flights(peer).is_none_or(|(flights, _)| flights == 0);
            if self.book.can_take(now, peer, &ask, waiting) {
                return Some(peer);
            }
            if !stuck {
                return None;
            }
            self.front(job)?.unstick();
        }
        let piece = self.front(job)?;
        let avoid = piece.avoid(now);
        #[cfg(feature = "planted-bugs")]
        let avoid = if self.config.planted == Some(snapsync_sync::Bug::RefusedAskedAgain) {
            Vec::new()
        } else {
            avoid
        };
        let drawn = self.book.choose(now, &ask, waiting, &avoid);
        if drawn.is_none() {
            self.nobody(now, job);
        }
        drawn
    }

    /// Nobody can be asked now: says when that may change, and tells the engine when all have refused for long.
    fn nobody(&mut self, now: Duration, job: JobId) {
        let patience = Duration::from_millis(self.config.unavailable_ms);
        let Some(piece) = self.streams.get_mut(&job).and_then(|stream| stream.todo.front_mut()) else {
            return;
        };
        let refused: Vec<PeerId> = piece.refused.iter().map(|(peer, _)| *peer).collect();
        let next_try = piece.next_try(now);
        let mut missing = None;
        let mut patience_ends = None;
        if self.book.all_refuse(&piece.what.ask(), &refused) {
            // We ask to be woken when patience ends; looked at much later, it was not refused all the time.
            let unbroken = |since: &Duration| now <= *since + patience + PATIENCE_SLACK;
            let since = piece.refused_by_all_since.filter(unbroken).unwrap_or(now);
            piece.refused_by_all_since = Some(since);
            if since + patience <= now {
                piece.refused_by_all_since = Some(now);
                missing = Some(piece.what.missing());
            }
            patience_ends = piece.refused_by_all_since.map(|since| since + patience);
        } else {
            piece.refused_by_all_since = None;
        }
        let change = self.book.next_change(now);
        for at in [next_try, patience_ends, change] {
            self.wake_at(at);
        }
        if let Some(missing) = missing {
            self.feed(now, Event::NoPeerHas { missing });
        }
    }

    fn send(&mut self, now: Duration, job: JobId, peer: PeerId) -> Turn {
        let Some(piece) = self.front(job).map(|piece| piece.clone()) else { return Turn::Nothing };
        let noun = piece.what.noun();
        let Some(offer) = self.book.offer(peer, noun) else { return Turn::Nothing };
        let mut first = piece;
        let items = self.sizes.items(&self.config, &first.what, offer.response_bytes);
        let rest = first.what.cut(items);
        let wanted = self.sizes.bytes(&first.what, offer.response_bytes);
        // Without a grant nothing is sent until something becomes durable, which is an input.
        let Some(stream) = self.streams.get_mut(&job) else { return Turn::Nothing };
        let granted = match self.budget.grant(noun, wanted) {
            Some(granted) => granted,
            // Later headers wait for these, with their bytes reserved: without these nothing would ever be freed.
            None if stream.is_next(&first.what) => wanted,
            None => return Turn::Nothing,
        };
        stream.todo.pop_front();
        if let Some(what) = rest {
            stream.todo.push_front(Piece::new(what));
        }
        stream.open += 1;
        self.launch(now, job, peer, first, granted, offer.deadline);
        Turn::Sent
    }

    fn launch(
        &mut self,
        now: Duration,
        job: JobId,
        peer: PeerId,
        piece: Piece,
        response_bytes: u64,
        patience: Duration,
    ) -> RequestId {
        let id = self.flights.next_id();
        let noun = piece.what.noun();
        let what = piece.what.clone();
        self.book.sent(peer, noun);
        self.budget.reserve(id, noun, response_bytes);
        let flight = Flight {
            job,
            peer,
            piece,
            stage: Stage::Sent,
            sent_at: now,
            deadline: now + patience,
            response_bytes,
            bytes: 0,
            twin: None,
        };
        self.flights.insert(id, flight);
        self.act(Action::Send { peer, request: Request { id, job, what, response_bytes } });
        id
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
        let Some(flight) = self.flights.live(id).filter(|flight| flight.twin.is_none()) else { return };
        let begun = matches!(flight.piece.what, What::Receipts { first_receipt, .. } if first_receipt > 0);
        if begun {
            return;
        }
        let patience = flight.deadline.saturating_sub(flight.sent_at);
        let late_at = flight.sent_at + patience * self.config.tail_late_percent / 100;
        if now < late_at {
            return self.wake_at(Some(late_at));
        }
        let (job, piece) = (flight.job, flight.piece.clone());
        let mut avoid = piece.avoid(now);
        avoid.push(flight.peer);
        let noun = piece.what.noun();
        let waiting = self.waiting(noun);
        let Some(peer) = self.book.choose_second(now, &piece.what.ask(), &waiting, &avoid) else { return };
        let Some(offer) = self.book.offer(peer, noun) else { return };
        let wanted = self.sizes.bytes(&piece.what, offer.response_bytes);
        if self.budget.grant(noun, wanted) != Some(wanted) {
            return;
        }
        let Some(stream) = self.streams.get_mut(&job) else { return };
        stream.open += 1;
        let twin = self.launch(now, job, peer, piece, wanted, offer.deadline);
        self.flights.set_twin(id, Some(twin));
        self.flights.set_twin(twin, Some(id));
    }
}
