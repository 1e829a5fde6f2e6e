//! Whom to ask: which peers may take a request, and which of them is drawn.

use std::time::Duration;

use snapsync_sync::BlockRange;

use crate::{
    Ask, Book, Noun, PeerId, PeerKind, Score,
    ask::{Served, has_any},
    doubt::Company,
    entry::{Entry, Line},
    trial::Trials,
};

/// Requests that a peer should always have in flight while there is work: one is answered, one is on its way.
const FLIGHTS_LEAST: usize = 2;

/// How much to ask of a peer, and how long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Soft limit of the answer, in bytes.
    pub response_bytes: u64,
    /// How long to wait.
    pub deadline: Duration,
    /// How long the answer should take, of a peer that was measured.
    pub forecast: Option<Duration>,
    /// Whether the peer is only tried out: somebody else is asked, too, once it is late.
    pub is_trial: bool,
}

impl Book {
    /// Draws a peer for a request: one that has it, has not refused it, stands above the line and has a free slot. A peer
    /// that never answered for this noun comes first, with one such request at a time: only asking tells what it is good
    /// for. That holds for peers that we chose. One that came to us is drawn like any other: it may come again and again under new
    /// names, and would have the first claim each time. Then come peers with fewer than two requests in flight; among many, only
    /// the better half is drawn from.
    ///
    /// `waiting` is what else is to be sent, one of each noun: see [`Book::can_take`].
    pub fn choose(&mut self, now: Duration, ask: &Ask, waiting: &[Ask], avoid: &[PeerId]) -> Option<PeerId> {
        let mut candidates = self.candidates(now, ask, waiting, avoid, Trials::Single);
        if let Some(host) = self.host(&candidates) {
            return Some(host);
        }
        if candidates.iter().any(|peer| self.peers[peer].is_to_be_tried(ask.noun())) {
            candidates.retain(|peer| self.peers[peer].is_new_to(ask.noun()));
        }
        self.draw(candidates, ask.noun())
    }

    /// Draws a peer for a request that came to nothing before: one that was of use, if such a one can take it. Else many that are of
    /// none would have it in turn.
    pub fn choose_again(
        &mut self,
        now: Duration,
        ask: &Ask,
        waiting: &[Ask],
        avoid: &[PeerId],
    ) -> Option<PeerId> {
        let mut candidates = self.candidates(now, ask, waiting, avoid, Trials::None);
        if let Some(host) = self.host(&candidates) {
            return Some(host);
        }
        let proven = |peer: &PeerId| self.peers[peer].useful() > 0;
        if candidates.iter().any(proven) {
            candidates.retain(proven);
        }
        self.draw(candidates, ask.noun())
    }

    /// Draws a peer for a request that is late already: as [`Book::choose`] does, without trying anybody out.
    pub fn choose_second(
        &mut self,
        now: Duration,
        ask: &Ask,
        waiting: &[Ask],
        avoid: &[PeerId],
    ) -> Option<PeerId> {
        let candidates = self.candidates(now, ask, waiting, avoid, Trials::None);
        self.draw(candidates, ask.noun())
    }

    /// The peer that would answer soonest, for a request of the end: when there is less to ask for than all lines hold, a
    /// slow peer would be waited for.
    pub fn choose_soonest(
        &mut self,
        now: Duration,
        ask: &Ask,
        waiting: &[Ask],
        avoid: &[PeerId],
        bytes: u64,
    ) -> Option<PeerId> {
        let candidates = self.candidates(now, ask, waiting, avoid, Trials::None);
        if let Some(host) = self.host(&candidates) {
            return Some(host);
        }
        if candidates.iter().any(|peer| self.peers[peer].is_to_be_tried(ask.noun())) {
            return self.choose(now, ask, waiting, avoid);
        }
        let never = Duration::from_millis(self.config.deadline_first_ms);
        let all_of_it = |peer: &PeerId| {
            let entry = &self.peers[peer];
            // Who gives a part of it must be asked again for the rest, and again.
            let one = entry.pace.forecast(bytes).unwrap_or(never);
            one.saturating_mul(1000) / u32::try_from(entry.yield_per_mille.max(1)).unwrap_or(u32::MAX)
        };
        candidates.into_iter().min_by_key(all_of_it)
    }

    fn candidates(
        &self,
        now: Duration,
        ask: &Ask,
        waiting: &[Ask],
        avoid: &[PeerId],
        trials: Trials,
    ) -> Vec<PeerId> {
        let company = self.company();
        let may_take = |peer: &PeerId, entry: &Entry| {
            !avoid.contains(peer) && self.may_take(now, company, entry, ask, waiting, avoid)
        };
        let mut candidates: Vec<PeerId> =
            self.peers.iter().filter(|(peer, entry)| may_take(peer, entry)).map(|(peer, _)| *peer).collect();
        self.hold_trials(now, &mut candidates, ask, avoid, trials);
        candidates
    }

    /// What is here already costs nobody's line.
    fn host(&self, candidates: &[PeerId]) -> Option<PeerId> {
        candidates.iter().copied().find(|peer| self.peers[peer].profile.kind == PeerKind::Host)
    }

    fn draw(&mut self, mut candidates: Vec<PeerId>, noun: Noun) -> Option<PeerId> {
        let idle = |peer: &PeerId| self.peers[peer].flights.all() < FLIGHTS_LEAST;
        if candidates.iter().any(idle) {
            candidates.retain(idle);
        }
        let weigh = |peer: PeerId| (peer, self.weight(&self.peers[&peer], noun));
        let mut weighed: Vec<(PeerId, u64)> = candidates.into_iter().map(weigh).collect();
        if weighed.len() >= self.config.half_from {
            weighed.sort_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(&right.0)));
            weighed.truncate(weighed.len().div_ceil(2));
        }
        let weights: Vec<u64> = weighed.iter().map(|(_, weight)| *weight).collect();
        self.seed.weighted(&weights).map(|index| weighed[index].0)
    }

    /// Whether this one peer could take the request now, and still has a slot for what is `waiting` and has a claim to it:
    /// state leaves one for history, history one for state, and both one for a noun that the peer was never tried with.
    pub fn can_take(&self, now: Duration, peer: PeerId, ask: &Ask, waiting: &[Ask]) -> bool {
        let company = self.company();
        self.peers.get(&peer).is_some_and(|entry| self.may_take(now, company, entry, ask, waiting, &[]))
    }

    /// Whether this peer will take the request when it has a slot, room on its connection and time for it.
    pub fn will_take(&self, now: Duration, peer: PeerId, ask: &Ask) -> bool {
        let company = self.company();
        self.peers.get(&peer).is_some_and(|entry| {
            self.has_it(now, company, entry, ask) && self.is_asked(now, company, entry, ask, &[])
        })
    }

    fn may_take(
        &self,
        now: Duration,
        company: Company,
        entry: &Entry,
        ask: &Ask,
        waiting: &[Ask],
        avoid: &[PeerId],
    ) -> bool {
        entry.full_until <= now
            && self.has_it(now, company, entry, ask)
            && self.is_asked(now, company, entry, ask, avoid)
            && self.has_slot(now, company, entry, ask, waiting)
    }

    /// Whether a peer is asked for this at all. One that was late too often is left alone as long as somebody above the line has the same, busy or
    /// not, and is not among those to `avoid`: what has no root is refused by the piece. A narrow line that is given too much at first is late that
    /// often; nobody else being there, nothing would come on for minutes.
    fn is_asked(&self, now: Duration, company: Company, entry: &Entry, ask: &Ask, avoid: &[PeerId]) -> bool {
        let has = |(peer, other): (&PeerId, &Entry)| {
            !avoid.contains(peer) && other.is_asked() && self.has_it(now, company, other, ask)
        };
        entry.is_asked() || entry.is_late() && !self.peers.iter().any(has)
    }

    fn has_slot(&self, now: Duration, company: Company, entry: &Entry, ask: &Ask, waiting: &[Ask]) -> bool {
        #[cfg(feature = "planted-bugs")]
        if self.config.planted == Some(snapsync_sync::Bug::FlightLimitIgnored) {
            return true;
        }
        let ranges = entry.flights.of(Noun::Accounts) + entry.flights.of(Noun::Storages);
        if ask.root().is_some() && entry.doubt.is_doubted() && ranges > 0 {
            return false;
        }
        let max = self.flights_max(entry);
        let one_less = max.saturating_sub(1).max(1);
        // State and history each leave the other a slot on a peer that serves both, so that neither delays the other.
        let both = entry.profile.snap.is_some();
        let other_class = waiting.iter().any(|other| other.noun().is_state() != ask.noun().is_state());
        let class_max = if other_class && both { one_less } else { max };
        // A busy peer would never be tried with what comes up later. What it is new to itself has that claim, too.
        let is_to_be_tried = |other: &Ask| {
            entry.is_to_be_tried(other.noun())
                && other.served_by(&entry.profile) == Served::Yes
                && !self.is_refused(now, company, entry, other)
        };
        let leaves = !entry.is_new_to(ask.noun()) && waiting.iter().any(is_to_be_tried);
        let all_max = if leaves { one_less } else { max };
        let in_class = entry.flights.of_class(ask.noun());
        if entry.flights.all() >= all_max || in_class >= class_max {
            return false;
        }
        let state_waits = |other: &Ask| {
            other.noun().is_state()
                && other.served_by(&entry.profile) == Served::Yes
                && !self.is_refused(now, company, entry, other)
        };
        if !ask.noun().is_state() && waiting.iter().any(state_waits) {
            // However full the window is: a small share of the line's time is history's.
            return in_class == 0 && entry.pace.rests_until <= now;
        }
        entry.flights.all() < FLIGHTS_LEAST || entry.pace.has_room(&self.config, self.queue_per_mille)
    }

    /// Throughput over latency, by kind and score. A peer that was never measured weighs like a middling one.
    fn weight(&self, entry: &Entry, noun: Noun) -> u64 {
        let rate = &entry.rates[noun.index()];
        let speed = if rate.bytes_per_s == 0 { 1_000_000 } else { rate.bytes_per_s.min(1_000_000_000) };
        let latency = if rate.latency_ms == 0 { 100 } else { rate.latency_ms };
        let kind = match entry.profile.kind {
            PeerKind::Host | PeerKind::Static => 4,
            PeerKind::Outbound => 3,
            PeerKind::Inbound => 2,
        };
        let score = u64::try_from(entry.score.points() - Score::LINE + 1).unwrap_or(1);
        let flights = u64::try_from(entry.flights.all()).unwrap_or(u64::MAX - 1) + 1;
        (speed * kind * score / (latency + 50) / flights).max(1)
    }

    /// How much to ask of a peer, and how long to wait.
    pub fn offer(&self, peer: PeerId, noun: Noun) -> Option<Offer> {
        let entry = self.peers.get(&peer)?;
        let rate = &entry.rates[noun.index()];
        let window = entry.pace.fitted(&self.config, self.queue_per_mille);
        let part = (window / self.config.window_requests.max(1)).max(self.config.response_bytes_min);
        let response_bytes = rate.response_bytes.min(part);
        let forecast = entry.pace.forecast(response_bytes);
        if let Some(forecast) = entry.is_on_trial(noun).then(|| self.trial_forecast(noun)).flatten() {
            // Several times what others take.
            let deadline = rate.patience(&self.config, forecast * 4);
            return Some(Offer { response_bytes, deadline, forecast: Some(forecast), is_trial: true });
        }
        let longest = Duration::from_millis(self.config.deadline_max_ms);
        let deadline =
            forecast.map_or(Duration::ZERO, |at| at * 3).max(rate.deadline(&self.config)).min(longest);
        Some(Offer { response_bytes, deadline, forecast, is_trial: false })
    }

    /// A peer's share of the width of all, from 0 to 1; of a peer that was never measured, as if all were alike.
    pub fn share(&self, peer: PeerId) -> f64 {
        let widths = || self.peers.values().filter_map(|entry| entry.pace.bytes_per_s());
        let alike = 1.0 / self.peers.len().max(1) as f64;
        let own = self.peers.get(&peer).and_then(|entry| entry.pace.bytes_per_s());
        own.map_or(alike, |own| own as f64 / widths().sum::<u64>().max(1) as f64)
    }

    /// What all lines hold together.
    pub fn windows(&self) -> u64 {
        self.peers.values().map(|entry| entry.pace.window()).sum()
    }

    /// Fits all windows into so many bytes: round trips stay, queues are shortened alike. A line with a short queue may idle
    /// for a moment; one without its round trip idles all the time.
    pub fn fit(&mut self, bytes: u64) {
        let trips: u64 = self.peers.values().map(|entry| entry.pace.trip()).sum();
        let queues = self.windows() - trips;
        let fits = bytes.saturating_sub(trips).saturating_mul(1000).checked_div(queues);
        self.queue_per_mille = fits.unwrap_or(1000).min(1000);
    }

    /// Whether peers that could have it are there, and each of them refused: by root, or as listed in `refused`.
    pub fn all_refuse(&self, ask: &Ask, refused: &[PeerId]) -> bool {
        let mut asked = self.peers.iter().filter(|(_, entry)| {
            entry.line == Line::Open && ask.served_by(&entry.profile) != Served::OtherKind
        });
        let refuses = |peer: &PeerId, entry: &Entry| {
            ask.served_by(&entry.profile) == Served::OutOfRange
                || ask.root().is_some_and(|_| entry.refuses(ask).is_some() || entry.doubt.is_set_aside())
                || refused.contains(peer)
        };
        match asked.next() {
            None => false,
            Some((peer, entry)) => refuses(peer, entry) && asked.all(|(peer, entry)| refuses(peer, entry)),
        }
    }

    /// Whether a peer is there that serves such things at all.
    pub fn is_served(&self, ask: &Ask) -> bool {
        let mut open = self.peers.values().filter(|entry| entry.line == Line::Open);
        open.any(|entry| ask.served_by(&entry.profile) != Served::OtherKind)
    }

    /// Whether a peer may have one of these blocks' bodies or receipts: by its own word, and not among those that refused them.
    pub fn may_have(&self, noun: Noun, blocks: BlockRange, refused: &[PeerId]) -> bool {
        let mut open = self.peers.iter().filter(|(_, entry)| entry.line == Line::Open);
        open.any(|(peer, entry)| !refused.contains(peer) && has_any(&entry.profile, noun, blocks))
    }

    /// When a refusal expires, a full connection is tried again, or a score is above the line again: then waiting requests may find
    /// a peer.
    pub fn next_change(&self, now: Duration) -> Option<Duration> {
        let step = Duration::from_millis(self.config.recovery_ms);
        let open = || self.peers.values().filter(|entry| entry.line == Line::Open);
        let refusals =
            open().flat_map(|entry| entry.refused.values().chain(entry.without_nodes.values()).copied());
        let scores = open().filter_map(|entry| entry.score.asked_again_at(step));
        let company = self.company();
        let rests = open().map(|entry| entry.pace.rests_until);
        let doubts = open().map(|entry| entry.doubt.rests_until(company));
        let full = open().map(|entry| entry.full_until);
        let silent = open().filter_map(|entry| entry.silent_from(&self.config));
        let rests = rests.chain(doubts).chain(full).chain(silent);
        refusals.chain(scores).chain(rests).filter(|at| *at > now).min()
    }
}
