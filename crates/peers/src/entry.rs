//! One peer in the book: what it said, how it answered, and what it is being asked.

use std::{collections::BTreeMap, time::Duration};

use alloy_primitives::B256;

use crate::{
    Ask, Config, Fault, Noun, PeerKind, PeerProfile, Rate, Regard, Score, ask::Load, doubt::Doubt, pace::Pace,
};

/// Whether a peer may still be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Open,
    /// It was told to be hung up on.
    Closing,
}

/// One peer.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) profile: PeerProfile,
    pub(crate) score: Score,
    pub(crate) line: Line,
    pub(crate) flights: Load,
    pub(crate) rates: [Rate; Noun::ALL.len()],
    pub(crate) pace: Pace,
    /// Roots that it does not have, and until when it is not asked for them again.
    pub(crate) refused: BTreeMap<B256, Duration>,
    /// Roots of whose tries it gave no nodes, likewise: it may have the rows.
    pub(crate) without_nodes: BTreeMap<B256, Duration>,
    pub(crate) doubt: Doubt,
    /// Its connection takes no request before this.
    pub(crate) full_until: Duration,
    /// How much of what its answers of state should hold they do hold, in thousandths, smoothed: a peer that gives a row an
    /// answer is soon done with each and never with all.
    pub(crate) yield_per_mille: u64,
    /// Useful answers, by noun.
    pub(crate) useful_for: [u64; Noun::ALL.len()],
    pub(crate) timeouts: u64,
    pub(crate) timeouts_in_row: u32,
    /// When something came of it last, be it late.
    pub(crate) heard_at: Duration,
    pub(crate) refusals: u64,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    /// Whether something that it sent was proved to be wrong.
    pub(crate) has_lied: bool,
}

impl Entry {
    /// A peer that nobody has met.
    pub(crate) fn new(config: &Config, now: Duration, profile: PeerProfile) -> Self {
        Self {
            profile,
            score: Score::new(now),
            line: Line::Open,
            flights: Load::default(),
            rates: [Rate::new(config); Noun::ALL.len()],
            pace: Pace::new(config),
            refused: BTreeMap::new(),
            without_nodes: BTreeMap::new(),
            doubt: Doubt::default(),
            full_until: Duration::ZERO,
            yield_per_mille: 1000,
            useful_for: [0; Noun::ALL.len()],
            timeouts: 0,
            timeouts_in_row: 0,
            heard_at: now,
            refusals: 0,
            faults: BTreeMap::new(),
            has_lied: false,
        }
    }

    /// Until when it is not asked for this again, since it does not have it.
    pub(crate) fn refuses(&self, ask: &Ask) -> Option<Duration> {
        let root = ask.root()?;
        let nodes = self.without_nodes.get(&root).filter(|_| ask.noun() == Noun::Nodes);
        self.refused.get(&root).max(nodes).copied()
    }

    /// From when on it counts as silent, if nothing comes until then: four requests in a row that ran out of time, and where it was of use once,
    /// twice that many and a while beside them.
    pub(crate) fn silent_from(&self, config: &Config) -> Option<Duration> {
        let (patience, wait) = if self.useful() == 0 { (1, 0) } else { (2, config.silent_ms) };
        let is_silent = self.line == Line::Open && self.timeouts_in_row >= config.silent_timeouts * patience;
        is_silent.then(|| self.heard_at + Duration::from_millis(wait))
    }

    pub(crate) fn heard(&mut self, now: Duration) {
        self.timeouts_in_row = 0;
        self.heard_at = now;
    }

    /// The same peer on a new connection: what was learned of it stands, what was in flight does not. One that fell silent may
    /// have lost its line and is asked again, as the last of all.
    pub(crate) fn returned(mut self, config: &Config, now: Duration, profile: PeerProfile) -> Self {
        self.score.recover(now, Duration::from_millis(config.recovery_ms));
        if self.timeouts_in_row > 0 {
            self.score.raise_to_line();
        }
        self.refused.retain(|_, until| now < *until);
        self.without_nodes.retain(|_, until| now < *until);
        Self {
            profile,
            line: Line::Open,
            flights: Load::default(),
            pace: self.pace.unloaded(),
            full_until: Duration::ZERO,
            timeouts_in_row: 0,
            heard_at: now,
            ..self
        }
    }

    /// It may have by now what it lacked.
    pub(crate) fn ask_anew(&mut self) {
        self.refused.clear();
        self.without_nodes.clear();
        self.doubt.rest_no_more();
        self.full_until = Duration::ZERO;
    }

    /// Whether it is asked at all: connected, and above the line.
    pub(crate) fn is_asked(&self) -> bool {
        self.line == Line::Open && self.score.regard() == Regard::Asked
    }

    /// Whether it is connected, and below the line for nothing but its slowness.
    pub(crate) fn is_late(&self) -> bool {
        self.line == Line::Open && self.score.regard() == Regard::Ignored && !self.has_lied
    }

    /// Useful answers of all nouns.
    pub(crate) fn useful(&self) -> u64 {
        self.useful_for.iter().sum()
    }

    /// Whether the peer was never tried with this noun: nothing came, nothing ran out of time, nothing is on its way.
    pub(crate) fn is_new_to(&self, noun: Noun) -> bool {
        !self.rates[noun.index()].is_measured() && self.flights.of(noun) == 0
    }

    /// Whether we chose the peer and have yet to learn what it is good for.
    pub(crate) fn is_to_be_tried(&self, noun: Noun) -> bool {
        self.profile.kind != PeerKind::Inbound && self.is_new_to(noun)
    }

    /// Counts a fault.
    pub(crate) fn note(&mut self, fault: &Fault) {
        *self.faults.entry(fault.kind()).or_default() += 1;
    }

    /// An answer of state held so much of what it should.
    pub(crate) fn yielded(&mut self, bytes: u64, expected_bytes: u64) {
        let share = bytes.saturating_mul(1000).checked_div(expected_bytes).unwrap_or(1000).min(1000);
        self.yield_per_mille = (self.yield_per_mille * 7 + share) / 8;
    }
}
