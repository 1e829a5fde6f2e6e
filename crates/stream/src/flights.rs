//! Requests from sending until their answers are judged, and a memory of those that are past, so that late, second and unasked answers are
//! told apart.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use snapsync_peers::{Noun, PeerId};
use snapsync_sync::JobId;

use crate::{RequestId, streams::Piece};

/// Past requests that are remembered one by one; 40 bytes each. Far more than can be in flight at once.
const PAST_MAX: usize = 8192;

/// Where a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// On the wire.
    Sent,
    /// Its answer is here and waits for its turn.
    Waiting,
    /// Its answer is being proved.
    Judging,
}

/// A request that is not judged yet.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) job: JobId,
    pub(crate) peer: PeerId,
    pub(crate) piece: Piece,
    pub(crate) stage: Stage,
    pub(crate) sent_at: Duration,
    pub(crate) deadline: Duration,
    pub(crate) response_bytes: u64,
    /// What the answer should weigh, and until when it should be here, if its peer was measured.
    pub(crate) expected_bytes: u64,
    pub(crate) forecast: Option<Duration>,
    /// Whether its peer is tried out by it.
    pub(crate) is_trial: bool,
    /// Size of the answer, once it is here, and how long it took.
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
    /// The same piece, asked of another peer as well.
    pub(crate) twin: Option<RequestId>,
}

impl Flight {
    pub(crate) fn noun(&self) -> Noun {
        self.piece.what.noun()
    }
}

/// What became of a past request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was answered: a second answer is a fault.
    Answered,
    /// Its answer is no longer of use: out of time, stopped, or another peer was faster. One may still come.
    Moot,
}

/// All requests.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    live: BTreeMap<RequestId, Flight>,
    /// Sent requests by deadline.
    deadlines: BTreeSet<(Duration, RequestId)>,
    /// Sent requests that somebody is tried out with.
    trials: BTreeSet<RequestId>,
    past: BTreeMap<RequestId, (PeerId, Fate)>,
    /// How many requests are not remembered any more whose answer may still come, by peer. So many answers to old requests
    /// are late; more are not.
    forgotten: BTreeMap<PeerId, u64>,
    /// Requests whose twin was faster, by deadline: a slow answer is forgiven, none at all is not.
    losers: BTreeSet<(Duration, RequestId)>,
    started: u64,
}

impl Flights {
    pub(crate) fn next_id(&mut self) -> RequestId {
        self.started += 1;
        RequestId(self.started)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    pub(crate) fn insert(&mut self, id: RequestId, flight: Flight) {
        self.deadlines.insert((flight.deadline, id));
        if flight.is_trial {
            self.trials.insert(id);
        }
        self.live.insert(id, flight);
    }

    pub(crate) fn live(&self, id: RequestId) -> Option<&Flight> {
        self.live.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (RequestId, &Flight)> {
        self.live.iter().map(|(id, flight)| (*id, flight))
    }

    /// Those on the wire.
    pub(crate) fn sent(&self) -> impl Iterator<Item = (RequestId, &Flight)> {
        self.deadlines.iter().map(|(_, id)| (*id, &self.live[id]))
    }

    /// Those of them that somebody is tried out with.
    pub(crate) fn trials(&self) -> impl Iterator<Item = RequestId> {
        self.trials.iter().copied()
    }

    pub(crate) fn set_stage(&mut self, id: RequestId, stage: Stage) {
        if let Some(flight) = self.live.get_mut(&id) {
            self.deadlines.remove(&(flight.deadline, id));
            self.trials.remove(&id);
            flight.stage = stage;
        }
    }

    pub(crate) fn set_answer(&mut self, id: RequestId, bytes: u64, took: Duration) {
        if let Some(flight) = self.live.get_mut(&id) {
            (flight.bytes, flight.took) = (bytes, took);
        }
    }

    pub(crate) fn set_twin(&mut self, id: RequestId, twin: Option<RequestId>) {
        if let Some(flight) = self.live.get_mut(&id) {
            flight.twin = twin;
        }
    }

    /// What it asks for weighs so much: should it be asked for again, that needs as much room.
    pub(crate) fn set_heavy(&mut self, id: RequestId, bytes: u64) {
        if let Some(flight) = self.live.get_mut(&id) {
            flight.piece.heavy_bytes = flight.piece.heavy_bytes.max(bytes);
        }
    }

    /// Takes a request out and remembers what became of it.
    pub(crate) fn remove(&mut self, id: RequestId, fate: Fate) -> Option<Flight> {
        let flight = self.live.remove(&id)?;
        self.deadlines.remove(&(flight.deadline, id));
        self.trials.remove(&id);
        self.past.insert(id, (flight.peer, fate));
        if self.past.len() > PAST_MAX
            && let Some((_, (peer, Fate::Moot))) = self.past.pop_first()
        {
            *self.forgotten.entry(peer).or_default() += 1;
        }
        Some(flight)
    }

    /// An answer to a request that is not remembered. Whether it may be one that was asked of this peer: then one less of
    /// these is to come. Ids are given out in their order, so that a higher one was never given out.
    pub(crate) fn settle_forgotten(&mut self, peer: PeerId, id: RequestId) -> bool {
        let was_given = (1..=self.started).contains(&id.0);
        match self.forgotten.get_mut(&peer).filter(|left| was_given && **left > 0) {
            Some(left) => {
                *left -= 1;
                true
            }
            None => false,
        }
    }

    /// A peer is gone, and nothing of it can come any more.
    pub(crate) fn forget(&mut self, peer: PeerId) {
        self.forgotten.remove(&peer);
        self.past.retain(|_, (asked, _)| *asked != peer);
    }

    pub(crate) fn fate(&self, id: RequestId) -> Option<(PeerId, Fate)> {
        self.past.get(&id).copied()
    }

    /// A moot request was answered after all; the next answer to it is a second one.
    pub(crate) fn settle(&mut self, id: RequestId) {
        if let Some((_, fate)) = self.past.get_mut(&id) {
            *fate = Fate::Answered;
        }
    }

    /// The first request whose time is out.
    pub(crate) fn due(&self, now: Duration) -> Option<RequestId> {
        self.deadlines.first().filter(|(deadline, _)| *deadline <= now).map(|(_, id)| *id)
    }

    /// A request whose twin was faster, to be looked at again when its time is out.
    pub(crate) fn watch_loser(&mut self, id: RequestId, deadline: Duration) {
        self.losers.insert((deadline, id));
    }

    /// The next loser whose time is out and that still has not answered.
    pub(crate) fn silent_loser(&mut self, now: Duration) -> Option<PeerId> {
        while self.losers.first().is_some_and(|(deadline, _)| *deadline <= now) {
            let (_, id) = self.losers.pop_first()?;
            if let Some((peer, Fate::Moot)) = self.fate(id) {
                return Some(peer);
            }
        }
        None
    }

    /// Nobody was awake for so long: that is not the time of those who were asked. They have some `more` beyond what they had left, by which no line
    /// is measured.
    pub(crate) fn postpone(&mut self, slept: Duration, more: Duration) {
        let by = slept + more;
        for flight in self.live.values_mut() {
            flight.deadline += by;
            flight.sent_at += slept;
        }
        let later = |requests: &mut BTreeSet<(Duration, RequestId)>| {
            *requests = std::mem::take(requests).into_iter().map(|(at, id)| (at + by, id)).collect();
        };
        later(&mut self.deadlines);
        later(&mut self.losers);
    }

    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        let firsts = [self.deadlines.first(), self.losers.first()];
        firsts.into_iter().flatten().map(|(deadline, _)| *deadline).min()
    }
}
