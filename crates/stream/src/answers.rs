//! What becomes of answers: asked for or not, in time or late, in whose turn, and what is left after the verdict.

use std::time::Duration;

use snapsync_peers::{Ask, Delivery, Fault, Noun, Outcome, PeerId};
use snapsync_sync::{HashRange, JobId};

use crate::{
    Action, Answered, Desk, Judgement, RequestId, Verdict, What,
    cut::{self, Rest},
    flights::{Fate, Flight, Stage},
    parts::is_only_part,
    streams::Piece,
};

/// How long a range that did not prove is kept from the peer that sent it: others are asked first.
const BROKEN_MS: u64 = 1_000;

/// How long a peer whose connection took no request is left alone.
const UNSENT_MS: u64 = 250;

/// What an answer may weigh above twice its soft limit: the row that crosses the limit and a proof of two edges (128 nodes of
/// 532 bytes).
const ABOVE_LIMIT_BYTES: u64 = 256 << 10;

/// The most that an answer may weigh. Only ranges have a bound below that of a message: what is asked for by its hash is as long
/// as it is, and the one code that crosses a soft limit may be of any size.
fn size_limit(flight: &Flight) -> u64 {
    match flight.noun() {
        Noun::Accounts | Noun::Storages | Noun::Nodes => {
            flight.response_bytes.saturating_mul(2).saturating_add(ABOVE_LIMIT_BYTES)
        }
        Noun::Codes | Noun::Headers | Noun::Bodies | Noun::Receipts | Noun::Lists => u64::MAX,
    }
}

/// Whether answers of a job are of use in the order of their blocks only.
fn is_in_order(noun: Noun) -> bool {
    matches!(noun, Noun::Headers | Noun::Lists)
}

impl Desk {
    pub(crate) fn on_arrived(&mut self, now: Duration, peer: PeerId, id: RequestId, noun: Noun, bytes: u64) {
        let live = self.flights.live(id).map(|flight| (flight.peer, flight.stage, flight.noun()));
        match live {
            Some((asked, Stage::Sent, wanted)) if asked == peer => {
                let limit = self.flights.live(id).map_or(0, size_limit);
                if noun != wanted {
                    self.reject(now, peer, id, Fault::WrongKind);
                } else if bytes > limit {
                    self.reject(now, peer, id, Fault::Oversized { bytes, limit });
                } else if self.is_too_heavy(id, bytes) {
                    self.put_off(peer, id, bytes);
                } else {
                    self.take_in(now, id, bytes);
                }
            }
            Some((asked, stage, _)) if asked == peer => self.on_second(peer, id, stage),
            Some(_) => self.on_unasked(peer, id),
            None => self.on_past(now, peer, id, noun),
        }
    }

    /// An answer that is not even looked at.
    fn reject(&mut self, now: Duration, peer: PeerId, id: RequestId, fault: Fault) {
        self.act(Action::Discard { peer, request: id });
        self.charge(peer, fault);
        self.lose(now, id);
    }

    /// An answer to a request that is past, or never was.
    fn on_past(&mut self, now: Duration, peer: PeerId, id: RequestId, noun: Noun) {
        match self.flights.fate(id) {
            Some((asked, Fate::Moot)) if asked == peer => {
                self.flights.settle(id);
                self.book.late(now, peer);
                #[cfg(feature = "planted-bugs")]
                if self.config.planted == Some(snapsync_sync::Bug::StaleAnswerUsed) {
                    return self.use_stale(noun);
                }
                let _ = noun;
                self.act(Action::Discard { peer, request: id });
            }
            Some((asked, Fate::Answered)) if asked == peer => self.on_second(peer, id, Stage::Judging),
            None if self.flights.settle_forgotten(peer, id) => {
                self.book.late(now, peer);
                self.act(Action::Discard { peer, request: id });
            }
            _ => self.on_unasked(peer, id),
        }
    }

    #[cfg(feature = "planted-bugs")]
    fn use_stale(&mut self, noun: Noun) {
        let replaced = self.flights.sent().find(|(_, flight)| flight.noun() == noun).map(|(id, _)| id);
        if let Some(id) = replaced {
            self.judge(id);
        }
    }

    fn on_unasked(&mut self, peer: PeerId, id: RequestId) {
        self.act(Action::Discard { peer, request: id });
        self.charge(peer, Fault::Unsolicited { id: id.0 });
    }

    fn on_second(&mut self, peer: PeerId, id: RequestId, stage: Stage) {
        #[cfg(feature = "planted-bugs")]
        if self.config.planted == Some(snapsync_sync::Bug::DuplicateNotNoticed)
            && self.flights.live(id).is_some()
        {
            return self.judge(id);
        }
        // While the first one waits, its bytes stand under the same name; the caller dropped the second by itself.
        if stage != Stage::Waiting {
            self.act(Action::Discard { peer, request: id });
        }
        self.charge(peer, Fault::Duplicate { id: id.0 });
    }

    /// The answer that was waited for.
    fn take_in(&mut self, now: Duration, id: RequestId, bytes: u64) {
        let Some(flight) = self.flights.live(id) else { return };
        let (peer, noun, job, twin) = (flight.peer, flight.noun(), flight.job, flight.twin);
        let took = now.saturating_sub(flight.sent_at);
        let delivery = Delivery { sent_at: flight.sent_at, expected_bytes: flight.expected_bytes, bytes };
        self.book.arrived(now, peer, noun, flight.response_bytes, bytes, took);
        if !noun.is_state() {
            self.largest.learn(peer, bytes);
        }
        self.book.delivered(now, peer, noun, &delivery);
        self.budget.correct(id, bytes);
        self.flights.set_answer(id, bytes, took);
        self.flights.set_stage(id, Stage::Waiting);
        if let Some(twin) = twin {
            // The slower one is unpunished; if its answer comes it is dropped. If none ever comes, its peer is silent.
            self.flights.set_twin(id, None);
            if let Some(loser) = self.flights.live(twin) {
                let deadline = loser.deadline;
                self.flights.watch_loser(twin, deadline);
            }
            self.cancel(twin);
            self.close(job);
        }
        if is_in_order(noun) { self.judge_in_turn(job) } else { self.judge(id) }
    }

    /// Header answers are judged from the top down, since only the header above tells which hash must come; lists from the lowest block
    /// on, since each is brought to what the one before has left.
    fn judge_in_turn(&mut self, job: JobId) {
        let Some(stream) = self.streams.get(&job) else { return };
        let in_turn = |flight: &Flight| stream.is_next(&flight.piece.what);
        #[cfg(feature = "planted-bugs")]
        let in_turn = |flight: &Flight| {
            use snapsync_sync::Bug::{HeadersOutOfOrder, ListsOutOfOrder};
            match (self.config.planted, flight.noun()) {
                (Some(HeadersOutOfOrder), Noun::Headers) | (Some(ListsOutOfOrder), Noun::Lists) => true,
                _ => in_turn(flight),
            }
        };
        let next = self
            .flights
            .iter()
            .find(|(_, flight)| flight.job == job && flight.stage == Stage::Waiting && in_turn(flight))
            .map(|(id, _)| id);
        if let Some(id) = next {
            self.judge(id);
        }
    }

    fn judge(&mut self, id: RequestId) {
        self.flights.set_stage(id, Stage::Judging);
        let Some(flight) = self.flights.live(id) else { return };
        let stream = self.streams.get(&flight.job);
        let mut what = flight.piece.what.clone();
        if let (What::Accounts { range, .. }, Some(last)) = (&mut what, stream.and_then(|stream| stream.last))
        {
            // The rest may have gone to another job while this was on its way.
            *range = HashRange::new(range.start(), range.last().min(last)).unwrap_or(*range);
        }
        let expected = stream.and_then(|stream| stream.expected).map(|(_, hash)| hash);
        let judgement = Judgement { request: id, peer: flight.peer, job: flight.job, what, expected };
        self.act(Action::Judge(judgement));
    }

    pub(crate) fn on_judged(&mut self, now: Duration, id: RequestId, verdict: Verdict) {
        if self.flights.live(id).is_none_or(|flight| flight.stage != Stage::Judging) {
            return;
        }
        let Some(flight) = self.flights.remove(id, Fate::Answered) else { return };
        let (job, peer) = (flight.job, flight.peer);
        self.close(job);
        #[cfg(feature = "planted-bugs")]
        let verdict = self.overlook(&flight, verdict);
        let last = self.streams.get(&job).and_then(|stream| stream.last);
        let rest = flight.piece.what.rest(&verdict.answered, last);
        let outcome = match verdict.outcome {
            Outcome::Complete | Outcome::Partial if rest == Rest::All => Outcome::Unavailable,
            outcome => outcome,
        };
        let ask = flight.piece.what.ask();
        let is_praised = !is_only_part(&verdict.answered);
        if let Some(fault) = is_praised.then(|| self.book.judged(now, peer, &ask, &outcome)).flatten() {
            self.act(Action::Disconnect { peer, fault });
        }
        match outcome {
            Outcome::Invalid(fault) => {
                self.budget.free(id);
                let mut piece = flight.piece;
                if fault.may_be_a_race() {
                    piece.broken_by(peer, now + Duration::from_millis(BROKEN_MS));
                    self.act(Action::SetAside { peer, fault });
                }
                self.fail(now, job, piece);
            }
            Outcome::Unavailable => {
                // A verdict that gave nothing has no chunk, so nothing else would free its bytes.
                self.budget.free(id);
                self.refused(now, flight);
            }
            Outcome::Complete | Outcome::Partial => {
                if verdict.answered.is_written() {
                    self.writing.begins(job);
                } else if let Answered::Kept { .. } = verdict.answered {
                    self.budget.keep(id);
                } else if matches!(verdict.answered, Answered::Nodes { .. } | Answered::Shown { .. }) {
                    // Nodes in which no row differs are done with.
                    self.budget.free(id);
                }
                self.useful(now, &flight, &verdict.answered, rest);
                self.ask_others(now, &flight, &verdict.answered);
                self.keep_part(now, id, &flight, &verdict.answered);
            }
        }
        if is_in_order(ask.noun()) {
            self.judge_in_turn(job);
        }
        self.sweep(job);
    }

    #[cfg(feature = "planted-bugs")]
    fn overlook(&self, flight: &Flight, verdict: Verdict) -> Verdict {
        match (&verdict.outcome, &flight.piece.what) {
            (Outcome::Invalid(_), What::Accounts { range, .. })
                if self.config.planted == Some(snapsync_sync::Bug::ProofSkipped) =>
            {
                Verdict { outcome: Outcome::Complete, answered: Answered::Accounts { covered: *range } }
            }
            _ => verdict,
        }
    }

    /// The peer does not have it: others are asked.
    fn refused(&mut self, now: Duration, mut flight: Flight) {
        match flight.piece.what.ask() {
            Ask::State { root, noun: Noun::Nodes } => self.book.gave_no_nodes(now, flight.peer, root),
            Ask::State { root, .. } => self.book.refuse(now, flight.peer, root),
            _ => {}
        }
        let until = now + Duration::from_millis(self.config.peers.refusal_ms);
        flight.piece.unstick();
        flight.piece.refuse(flight.peer, until);
        if let Some(stream) = self.streams.get_mut(&flight.job) {
            stream.put_back_refused(flight.piece);
        }
    }

    fn useful(&mut self, now: Duration, flight: &Flight, answered: &Answered, rest: Rest) {
        // Only a planted mistake looks at the time.
        let _ = now;
        let what = &flight.piece.what;
        for liar in flight.piece.broken.iter().filter(|broke| **broke != flight.peer) {
            if let Some(fault) = self.book.contradicted(*liar) {
                self.act(Action::Disconnect { peer: *liar, fault });
            }
        }
        if flight.noun().is_state() {
            let full = if rest == Rest::Nothing { flight.bytes } else { flight.expected_bytes };
            self.book.yielded(flight.peer, flight.bytes, full);
        }
        self.sizes.learn(what, cut::given(answered), flight.bytes);
        self.density.learn(what, answered, flight.bytes);
        #[cfg(feature = "planted-bugs")]
        let rest = self.spoil(now, flight, answered, rest);
        if let Some(stream) = self.streams.get_mut(&flight.job) {
            if let Rest::Some(what) = rest {
                stream.put_back(Piece::new(what));
            } else {
                stream.window.grow();
            }
            match answered {
                Answered::Headers { segment } => {
                    stream.expected = Some((segment.lowest.checked_sub(1), segment.parent));
                }
                Answered::Lists { found } | Answered::Kept { found } => {
                    stream.next_list = found.last.checked_add(1)
                }
                Answered::Nodes { below, .. } | Answered::Shown { below, .. } => stream.go_down(what, below),
                _ => {}
            }
        }
    }

    #[cfg(feature = "planted-bugs")]
    fn spoil(&mut self, now: Duration, flight: &Flight, answered: &Answered, mut rest: Rest) -> Rest {
        use snapsync_sync::{Bug, Ticket};
        match (self.config.planted, answered) {
            (Some(Bug::RestDropped), _) => return Rest::Nothing,
            (Some(Bug::JournalAheadOfRows), Answered::Accounts { covered }) => {
                let What::Accounts { target, .. } = flight.piece.what else { return rest };
                let ahead = snapsync_sync::Event::AccountsDurable {
                    job: flight.job,
                    ticket: Ticket(u64::MAX),
                    covered: *covered,
                    target,
                    storages: Vec::new(),
                    codes: Vec::new(),
                };
                self.feed(now, ahead);
            }
            (Some(Bug::ContinuesAtLast), Answered::Accounts { covered }) => {
                if let Rest::Some(What::Accounts { range, .. }) = &mut rest {
                    *range = HashRange::new(covered.last(), range.last()).unwrap_or(*range);
                }
            }
            _ => {}
        }
        rest
    }

    /// A request came to nothing by its peer's doing.
    fn lose(&mut self, now: Duration, id: RequestId) {
        let Some((flight, piece)) = self.take_off(id) else { return };
        self.book.dropped(flight.peer, flight.noun());
        if let Some(piece) = piece {
            self.fail(now, flight.job, piece);
        }
        self.sweep(flight.job);
    }

    pub(crate) fn on_overdue(&mut self, now: Duration, id: RequestId) {
        let Some((flight, piece)) = self.take_off(id) else { return };
        self.book.timed_out(flight.peer, flight.noun());
        if let Some(stream) = self.streams.get_mut(&flight.job) {
            stream.window.shrink();
        }
        if let Some(piece) = piece {
            self.fail(now, flight.job, piece);
        }
        self.sweep(flight.job);
    }

    pub(crate) fn on_unsent(&mut self, now: Duration, id: RequestId) {
        if self.flights.live(id).is_none_or(|flight| flight.stage != Stage::Sent) {
            return;
        }
        let Some((flight, piece)) = self.take_off(id) else { return };
        self.book.unsent(flight.peer, flight.noun(), now + Duration::from_millis(UNSENT_MS));
        if let (Some(piece), Some(stream)) = (piece, self.streams.get_mut(&flight.job)) {
            stream.put_back(piece);
        }
        self.sweep(flight.job);
    }

    pub(crate) fn on_left(&mut self, now: Duration, peer: PeerId) {
        let sent: Vec<RequestId> =
            self.flights.sent().filter(|(_, flight)| flight.peer == peer).map(|(id, _)| id).collect();
        let oldest = sent.iter().min().copied();
        for id in sent.into_iter().rev() {
            let Some((flight, piece)) = self.take_off(id) else { continue };
            if let Some(mut piece) = piece {
                piece.unstick();
                if oldest == Some(id) {
                    self.put_back_suspect(now, flight.job, piece);
                } else if let Some(stream) = self.streams.get_mut(&flight.job) {
                    stream.put_back(piece);
                }
            }
            self.sweep(flight.job);
        }
        self.unstick_from(peer);
        self.flights.forget(peer);
        self.largest.forget(peer);
        self.book.leave(now, peer);
    }
}
