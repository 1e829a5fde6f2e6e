//! What the two ends of a session owe each other: answers to our requests, and what the peer sends unasked.
//!
//! Pure: time is passed in. An open request lets large frames in; what nobody asked for is charged to an allowance that fills up
//! again with time, and a request of the peer gets its charge back as far as the answer weighs as much: who asks again and again for
//! what we do not have costs us what a flood costs. Does not judge what an answer says.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use snapsync_wire::Protocol;
use tokio::time::Instant;

use crate::{Error, Unasked};

/// How long after the last request of a kind its answer may still come: peers answer within a minute, or never.
const ANSWER_TIME: Duration = Duration::from_secs(120);

/// Requests of a peer whose charge can be given back; more are forgotten, which costs the peer their charge.
const HEARD_MAX: usize = 1024;

/// An answer of no more than this is an empty one: heads of lists, and an id.
const EMPTY_ANSWER: usize = 16;

/// What a peer may send unasked: at once, and for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Messages at once.
    pub messages: u32,
    /// Messages a second that come on top.
    pub messages_per_s: u32,
    /// Bytes at once.
    pub bytes: u32,
    /// Bytes a second that come on top.
    pub bytes_per_s: u32,
}

/// What a message of eth or snap is to its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It wants an answer of this id.
    Request { answer: u8 },
    /// It is one, or should be.
    Answer,
    /// It is said to all.
    Gossip,
}

impl Kind {
    pub(crate) const fn of(protocol: Protocol, id: u8) -> Self {
        match (protocol, id) {
            (Protocol::Eth(_), 0x03 | 0x05 | 0x0f | 0x12) => Self::Request { answer: id + 1 },
            (Protocol::Eth(_), 0x04 | 0x06 | 0x10 | 0x13) => Self::Answer,
            (Protocol::Snap(_), _) if id.is_multiple_of(2) => Self::Request { answer: id + 1 },
            (Protocol::Snap(_), _) => Self::Answer,
            (Protocol::Eth(_) | Protocol::P2p, _) => Self::Gossip,
        }
    }
}

/// The ledger of one session.
#[derive(Debug)]
pub(crate) struct Ledger(Mutex<Books>);

#[derive(Debug)]
struct Books {
    /// Our requests without an answer, by the id of the answer.
    open: BTreeMap<(Protocol, u8), Open>,
    gossip: Bucket,
    requests: Bucket,
    /// Bytes of the peer's requests that are not answered, oldest first.
    heard: VecDeque<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    requests: u32,
    last: Instant,
}

impl Ledger {
    pub(crate) fn new(gossip: Allowance, requests: Allowance, now: Instant) -> Self {
        Self(Mutex::new(Books {
            open: BTreeMap::new(),
            gossip: Bucket::full(gossip, now),
            requests: Bucket::full(requests, now),
            heard: VecDeque::new(),
        }))
    }

    /// A poisoned lock guards sums that are whole at each step: it is taken all the same.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// We send a message of so many bytes.
    pub(crate) fn on_sent(&self, protocol: Protocol, id: u8, bytes: usize, now: Instant) {
        let mut books = self.books();
        match Kind::of(protocol, id) {
            Kind::Request { answer } => {
                let open = books.open.entry((protocol, answer)).or_insert(Open { requests: 0, last: now });
                open.requests = open.requests.saturating_add(1);
                open.last = now;
            }
            Kind::Answer => {
                if let Some(asked) = books.heard.pop_front()
                    && bytes > EMPTY_ANSWER
                {
                    books.requests.give_back(asked.min(bytes));
                }
            }
            Kind::Gossip => (),
        }
    }

    /// A message of the peer, and what it weighs.
    ///
    /// # Errors
    /// [`Error::Flood`] when it is more than a peer may send unasked.
    pub(crate) fn on_heard(
        &self,
        protocol: Protocol,
        id: u8,
        bytes: usize,
        now: Instant,
    ) -> Result<(), Error> {
        let mut books = self.books();
        let kind = Kind::of(protocol, id);
        if kind == Kind::Answer && books.close(protocol, id, now) {
            return Ok(());
        }
        if let Kind::Request { .. } = kind {
            if books.heard.len() < HEARD_MAX {
                books.heard.push_back(bytes);
            }
            return books
                .requests
                .take(bytes, now)
                .then_some(())
                .ok_or(Error::Flood { what: Unasked::Requests });
        }
        books.gossip.take(bytes, now).then_some(()).ok_or(Error::Flood { what: Unasked::Gossip })
    }

    /// Whether an answer may be on its way.
    pub(crate) fn expects_answers(&self, now: Instant) -> bool {
        self.books().open.values().any(|open| open.may_be_answered(now))
    }
}

impl Open {
    fn may_be_answered(self, now: Instant) -> bool {
        self.requests > 0 && now < self.last + ANSWER_TIME
    }
}

impl Books {
    /// Whether this was an answer to a request of ours; it is answered then.
    fn close(&mut self, protocol: Protocol, id: u8, now: Instant) -> bool {
        let Some(open) = self.open.get_mut(&(protocol, id)) else { return false };
        let was_open = open.may_be_answered(now);
        open.requests = open.requests.saturating_sub(1);
        was_open
    }
}

/// An allowance as far as it is used up.
#[derive(Debug)]
struct Bucket {
    allowance: Allowance,
    messages: f64,
    bytes: f64,
    at: Instant,
}

impl Bucket {
    fn full(allowance: Allowance, now: Instant) -> Self {
        let Allowance { messages, bytes, .. } = allowance;
        Self { allowance, messages: f64::from(messages), bytes: f64::from(bytes), at: now }
    }

    fn take(&mut self, bytes: usize, now: Instant) -> bool {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.messages += seconds * f64::from(self.allowance.messages_per_s);
        self.bytes += seconds * f64::from(self.allowance.bytes_per_s);
        self.cap();
        self.messages -= 1.0;
        self.bytes -= bytes as f64;
        self.messages >= 0.0 && self.bytes >= 0.0
    }

    fn give_back(&mut self, bytes: usize) {
        self.messages += 1.0;
        self.bytes += bytes as f64;
        self.cap();
    }

    fn cap(&mut self) {
        self.messages = self.messages.min(f64::from(self.allowance.messages));
        self.bytes = self.bytes.min(f64::from(self.allowance.bytes));
    }
}

#[cfg(test)]
mod tests {
    use snapsync_wire::{EthVersion, SnapVersion};

    use super::*;

    const ETH: Protocol = Protocol::Eth(EthVersion::Eth70);
    const SNAP: Protocol = Protocol::Snap(SnapVersion::Snap1);
    const SECOND: Duration = Duration::from_secs(1);

    fn ledger(now: Instant) -> Ledger {
        let gossip = Allowance { messages: 100, messages_per_s: 10, bytes: 10_000, bytes_per_s: 1_000 };
        Ledger::new(
            gossip,
            Allowance { messages: 4, messages_per_s: 1, bytes: 4_000, bytes_per_s: 1_000 },
            now,
        )
    }

    #[test]
    fn answers_are_free_as_often_as_they_were_asked_for() {
        let now = Instant::now();
        let ledger = ledger(now);
        assert!(!ledger.expects_answers(now));
        ledger.on_sent(SNAP, 0x00, 100, now);
        assert!(ledger.expects_answers(now));
        assert_eq!(ledger.on_heard(SNAP, 0x01, 10 << 20, now), Ok(()));
        assert!(!ledger.expects_answers(now));
        let flood = Err(Error::Flood { what: Unasked::Gossip });
        assert_eq!(ledger.on_heard(SNAP, 0x01, 10 << 20, now), flood, "nobody asked twice");
    }

    #[test]
    fn an_old_request_lets_nothing_in() {
        let now = Instant::now();
        let ledger = ledger(now);
        ledger.on_sent(ETH, 0x0f, 100, now);
        assert!(ledger.expects_answers(now + ANSWER_TIME - SECOND));
        assert!(!ledger.expects_answers(now + ANSWER_TIME));
        assert!(ledger.on_heard(ETH, 0x10, 10 << 20, now + ANSWER_TIME).is_err());
    }

    #[test]
    fn gossip_within_its_rate_goes_on_for_ever_and_a_flood_ends() {
        let mut now = Instant::now();
        let ledger = ledger(now);
        for _ in 0..10_000 {
            now += SECOND / 10;
            assert_eq!(ledger.on_heard(ETH, 0x02, 100, now), Ok(()));
        }
        let flood = Err(Error::Flood { what: Unasked::Gossip });
        now += SECOND;
        let taken = (0..).take_while(|_| ledger.on_heard(ETH, 0x11, 10, now).is_ok()).count();
        assert_eq!(taken, 100, "block ranges among them");
        now += SECOND;
        assert_eq!(ledger.on_heard(ETH, 0x02, 100_000, now), flood, "bytes count too");
    }

    #[test]
    fn answered_requests_cost_nothing() {
        let now = Instant::now();
        let ledger = ledger(now);
        for _ in 0..1_000 {
            assert_eq!(ledger.on_heard(SNAP, 0x02, 3_000, now), Ok(()));
            ledger.on_sent(SNAP, 0x03, 3_000, now);
        }
        for _ in 0..4 {
            assert_eq!(ledger.on_heard(SNAP, 0x04, 900, now), Ok(()));
        }
        let flood = Err(Error::Flood { what: Unasked::Requests });
        assert_eq!(ledger.on_heard(SNAP, 0x04, 900, now), flood);
    }
    #[test]
    fn requests_that_get_nothing_are_a_flood() {
        let now = Instant::now();
        let flood = Err(Error::Flood { what: Unasked::Requests });
        let (nothing, little) = (ledger(now), ledger(now));
        let asked = |ledger: &Ledger, bytes, answer_bytes| {
            let asks = || {
                let heard = ledger.on_heard(SNAP, 0x06, bytes, now);
                ledger.on_sent(SNAP, 0x07, answer_bytes, now);
                heard
            };
            (0..100).map(|_| asks()).find(Result::is_err)
        };
        assert_eq!(asked(&nothing, 100, EMPTY_ANSWER), Some(flood.clone()), "many that are small");
        assert_eq!(asked(&little, 1_000, 500), Some(flood), "few that are large");
        assert_eq!(asked(&ledger(now), 1_000, 1_000), None);
    }
}
