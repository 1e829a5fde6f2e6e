//! The book of peers: who is there, how each answered, and whom to ask next.

use std::{collections::BTreeMap, time::Duration};

use alloy_primitives::B256;
use snapsync_sync::BlockRange;

use crate::{
    Ask, Config, Fault, Head, Noun, Outcome, PeerId, PeerKind, PeerProfile, Regard, Score, Seed,
    entry::{Entry, Line},
    pace::Delivery,
    past::Past,
    score::cost,
    summary::PeerSummary,
};

/// The peers and what is known of them.
#[derive(Debug)]
pub struct Book {
    pub(crate) config: Config,
    pub(crate) seed: Seed,
    pub(crate) peers: BTreeMap<PeerId, Entry>,
    past: Past,
    /// How much of the queues fits into memory, in thousandths.
    pub(crate) queue_per_mille: u64,
}

impl Book {
    /// An empty book; `seed` decides draws.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            seed: Seed::new(seed),
            peers: BTreeMap::new(),
            past: Past::default(),
            queue_per_mille: 1000,
        }
    }

    /// A peer connected. One that was here before is known still.
    pub fn join(&mut self, now: Duration, peer: PeerId, profile: PeerProfile) {
        let entry = match self.past.take(profile.node) {
            Some(entry) => entry.returned(&self.config, now, profile),
            None => Entry::new(&self.config, now, profile),
        };
        self.peers.insert(peer, entry);
    }

    /// A peer left.
    pub fn leave(&mut self, now: Duration, peer: PeerId) {
        if let Some(entry) = self.peers.remove(&peer) {
            self.past.keep(now, entry);
        }
    }

    /// A peer told which blocks it has now. Gives those that it did not have before, as far as it said what it had.
    pub fn update(&mut self, peer: PeerId, blocks: BlockRange, head: Head) -> Vec<BlockRange> {
        let Some(entry) = self.peers.get_mut(&peer) else { return Vec::new() };
        entry.profile.head = head;
        let Some(before) = entry.profile.blocks.replace(blocks) else { return Vec::new() };
        let below = before.first.checked_sub(1).and_then(|last| BlockRange::new(blocks.first, last));
        let above = before.last.checked_add(1).and_then(|first| BlockRange::new(first, blocks.last));
        below.into_iter().chain(above).collect()
    }

    /// Whether this is the host.
    pub fn is_host(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(|entry| entry.profile.kind == PeerKind::Host)
    }

    /// Lets scores recover. Called before anything else at a time.
    pub fn tick(&mut self, now: Duration) {
        let step = Duration::from_millis(self.config.recovery_ms);
        for entry in self.peers.values_mut() {
            entry.score.recover(now, step);
        }
    }

    /// Connected peers.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.peers.keys().copied()
    }

    /// Whether a peer is connected and may be asked.
    pub fn is_open(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(|entry| entry.line == Line::Open)
    }

    /// The score of a peer.
    pub fn points(&self, peer: PeerId) -> Option<i32> {
        self.peers.get(&peer).map(|entry| entry.score.points())
    }

    /// Requests in flight on a peer, and how many there may be.
    pub fn flights(&self, peer: PeerId) -> Option<(usize, usize)> {
        self.peers.get(&peer).map(|entry| (entry.flights.all(), self.flights_max(entry)))
    }

    /// How many requests may be in flight on a peer.
    pub(crate) fn flights_max(&self, entry: &Entry) -> usize {
        match entry.profile.kind {
            PeerKind::Host | PeerKind::Static => self.config.flights_static,
            PeerKind::Outbound => self.config.flights_outbound,
            PeerKind::Inbound => self.config.flights_inbound,
        }
    }

    /// Bytes are asked of a peer that will keep its line busy.
    pub fn load(&mut self, peer: PeerId, bytes: u64) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.pace.load(bytes);
        }
    }

    /// They will not come, or nobody waits for them any more.
    pub fn unload(&mut self, peer: PeerId, bytes: u64) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.pace.unload(bytes);
        }
    }

    /// An answer came over a peer's line, which is measured by it.
    pub fn delivered(&mut self, now: Duration, peer: PeerId, noun: Noun, delivery: &Delivery) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            let spent = entry.pace.delivered(&self.config, now, noun, delivery);
            if !noun.is_state() {
                entry.pace.rest(&self.config, now, spent);
            }
        }
    }

    /// A request went out.
    pub fn sent(&mut self, peer: PeerId, noun: Noun) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.flights.add(noun);
        }
    }

    /// A request is off without an answer, and nobody is to blame.
    pub fn dropped(&mut self, peer: PeerId, noun: Noun) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.flights.remove(noun);
        }
    }

    /// A request could not be handed to the peer's connection, and nobody is to blame: it is full, or over without our knowing it yet.
    /// No other request is drawn for it before `until`, since whoever took the peer for free again at once would never be done.
    pub fn unsent(&mut self, peer: PeerId, noun: Noun, until: Duration) {
        self.dropped(peer, noun);
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.full_until = until;
        }
    }

    /// An answer came.
    pub fn arrived(
        &mut self,
        now: Duration,
        peer: PeerId,
        noun: Noun,
        asked_bytes: u64,
        bytes: u64,
        took: Duration,
    ) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.flights.remove(noun);
            entry.heard(now);
            entry.rates[noun.index()].answered(&self.config, asked_bytes, bytes, took);
        }
    }

    /// An answer came after its time; at least the peer is alive.
    pub fn late(&mut self, now: Duration, peer: PeerId) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.heard(now);
        }
    }

    /// No answer came in time.
    pub fn timed_out(&mut self, peer: PeerId, noun: Noun) {
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        entry.flights.remove(noun);
        entry.timeouts += 1;
        entry.rates[noun.index()].timed_out(&self.config);
        entry.pace.timed_out(&self.config);
        entry.score.change(Score::TIMED_OUT);
        self.unanswered(peer);
    }

    /// A request got no answer at all, of whatever use that would have been.
    pub fn unanswered(&mut self, peer: PeerId) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.timeouts_in_row += 1;
        }
    }

    /// A peer that has fallen silent, and is to be hung up on.
    pub fn fallen_silent(&mut self, now: Duration) -> Option<(PeerId, Fault)> {
        let is_silent = |entry: &Entry| entry.silent_from(&self.config).is_some_and(|from| from <= now);
        let (peer, entry) = self.peers.iter().find(|(_, entry)| is_silent(entry))?;
        let (peer, timeouts) = (*peer, entry.timeouts_in_row);
        self.charge(peer, Fault::Silent { timeouts }).map(|fault| (peer, fault))
    }

    /// An answer was judged. Gives the fault when the peer is to be hung up on. A range that a race may have broken casts
    /// doubt on its peer and costs it nothing else.
    pub fn judged(&mut self, now: Duration, peer: PeerId, ask: &Ask, outcome: &Outcome) -> Option<Fault> {
        let entry = self.peers.get_mut(&peer)?;
        match outcome {
            Outcome::Complete | Outcome::Partial => {
                entry.useful_for[ask.noun().index()] += 1;
                entry.score.change(Score::USEFUL);
                if let Some(root) = ask.root() {
                    entry.refused.remove(&root);
                    if ask.noun() == Noun::Nodes {
                        entry.without_nodes.remove(&root);
                    }
                    entry.doubt.proved();
                }
                None
            }
            Outcome::Unavailable => {
                entry.refusals += 1;
                None
            }
            Outcome::Invalid(fault) if ask.root().is_some() && fault.may_be_a_race() => {
                #[cfg(feature = "planted-bugs")]
                if self.config.planted == Some(snapsync_sync::Bug::RaceCharged) {
                    return self.charge(peer, fault.clone());
                }
                entry.note(fault);
                entry.doubt.broke(now, fault.clone());
                None
            }
            Outcome::Invalid(fault) => self.charge(peer, fault.clone()),
        }
    }

    /// A range that this peer broke was proved by another one. Gives the fault when the peer is to be hung up on.
    pub fn contradicted(&mut self, peer: PeerId) -> Option<Fault> {
        let fault = self.peers.get_mut(&peer)?.doubt.contradicted()?;
        self.charge(peer, fault)
    }

    /// An answer of state held so many bytes; in full it would have held about so many.
    pub fn yielded(&mut self, peer: PeerId, bytes: u64, expected_bytes: u64) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.yielded(bytes, expected_bytes);
        }
    }

    /// A peer does not have a root: it is not asked for it again for a while.
    pub fn refuse(&mut self, now: Duration, peer: PeerId, root: B256) {
        let until = now + Duration::from_millis(self.config.refusal_ms);
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.refused.insert(root, until);
        }
    }

    /// Remembers that a peer gave no trie nodes of this root, for as long. It may have the rows.
    pub fn gave_no_nodes(&mut self, now: Duration, peer: PeerId, root: B256) {
        let until = now + Duration::from_millis(self.config.refusal_ms);
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.without_nodes.insert(root, until);
        }
    }

    /// Forgets what peers lacked and which ranges of theirs did not prove: what they have may have changed. Scores and faults stay, and so does
    /// what was measured.
    pub fn ask_anew(&mut self) {
        self.peers.values_mut().for_each(Entry::ask_anew);
        self.past.ask_anew();
    }

    /// Charges a fault. Gives it back when the peer is to be hung up on, which is told once.
    pub fn charge(&mut self, peer: PeerId, fault: Fault) -> Option<Fault> {
        let entry = self.peers.get_mut(&peer)?;
        entry.note(&fault);
        #[cfg(feature = "planted-bugs")]
        if self.config.planted == Some(snapsync_sync::Bug::FaultForgiven) {
            return None;
        }
        entry.has_lied |= fault.is_proven();
        entry.score.change(cost(&fault));
        if entry.score.regard() == Regard::Ignored && entry.line == Line::Open {
            entry.line = Line::Closing;
            return Some(fault);
        }
        None
    }

    /// All peers, for a report.
    pub fn summary(&self) -> Vec<PeerSummary> {
        self.peers
            .iter()
            .map(|(peer, entry)| PeerSummary {
                peer: *peer,
                profile: entry.profile.clone(),
                points: entry.score.points(),
                regard: entry.score.regard(),
                flights: entry.flights.all(),
                useful: entry.useful(),
                timeouts: entry.timeouts,
                refusals: entry.refusals,
                faults: entry.faults.clone(),
                rates: entry.rates,
            })
            .collect()
    }
}
