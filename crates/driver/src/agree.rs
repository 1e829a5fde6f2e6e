//! Which block a height means, when the operator named no hash: every connected peer is asked, and they must agree.
//!
//! Trusts the peers together for which block it is, and the header for nothing else: the sync itself starts from the hash.
//! It does not choose between answers: one that differs ends it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use snapsync_peers::PeerId;
use snapsync_wire::Header;

use crate::{Error, ask, ask::Payload, handle::Naming, people::People};

/// Ids of these requests count from here, far above those of the desk, which count from zero.
const FIRST_ID: u64 = 1 << 62;
/// Peers that connect this late are not waited for.
const GATHER: Duration = Duration::from_secs(2);
/// Without any answer by then, the target cannot be named.
const GIVE_UP: Duration = Duration::from_secs(30);

/// A question put to all peers.
#[derive(Debug)]
pub(crate) struct Agreement {
    naming: Naming,
    started: Instant,
    next_id: u64,
    open: BTreeMap<u64, PeerId>,
    asked: BTreeSet<PeerId>,
    /// What a peer has at the height in question; `None`: nothing.
    answers: BTreeMap<PeerId, Option<(u64, B256)>>,
    height: Option<u64>,
}

impl Agreement {
    pub(crate) fn new(naming: Naming) -> Self {
        let height = match naming {
            Naming::Number(number) => Some(number),
            Naming::Latest | Naming::Hash(_) => None,
        };
        Self {
            naming,
            started: Instant::now(),
            next_id: FIRST_ID,
            open: BTreeMap::new(),
            asked: BTreeSet::new(),
            answers: BTreeMap::new(),
            height,
        }
    }

    /// Asks one peer, once the height is known: of `latest` it is the lowest head among those that came in time.
    pub(crate) fn ask(&mut self, peer: PeerId, people: &People) {
        let Some(height) = self.height else { return };
        if !self.asked.insert(peer) {
            return;
        }
        self.next_id += 1;
        if people.send(peer, ask::header_by_number(self.next_id, height)) {
            self.open.insert(self.next_id, peer);
        }
    }

    /// Whether an answer with this id is ours.
    pub(crate) fn takes(&self, id: u64) -> bool {
        self.open.contains_key(&id)
    }

    /// An answer to one of our questions.
    pub(crate) fn on_answer(&mut self, peer: PeerId, payload: Payload) {
        self.open.retain(|_, asked| *asked != peer);
        let Payload::Headers(headers) = payload else { return };
        let header: Option<&Header> = headers.headers.first();
        self.answers.insert(peer, header.map(|header| (header.number, header.hash())));
    }

    /// When to look again.
    pub(crate) fn deadline(&self) -> Instant {
        let elapsed = self.started.elapsed();
        self.started + if elapsed < GATHER { GATHER } else { elapsed + Duration::from_millis(100) }
    }

    /// The hash on which all agree, once it is time to say.
    pub(crate) fn on_timer(&mut self, people: &People) -> Result<Option<B256>, Error> {
        if self.started.elapsed() < GATHER {
            return Ok(None);
        }
        if self.height.is_none() {
            self.height = people.lowest_head();
        }
        for peer in people.ids() {
            self.ask(peer, people);
        }
        let late = self.started.elapsed() > GIVE_UP;
        if !late && (self.answers.is_empty() || !self.open.is_empty()) {
            return Ok(None);
        }
        self.conclude()
    }

    fn conclude(&self) -> Result<Option<B256>, Error> {
        let Some(number) = self.height else {
            return Err(Error::NoPeers { seconds: GIVE_UP.as_secs() });
        };
        let mut agreed = None;
        for (found, hash) in self.answers.values().flatten() {
            match agreed {
                _ if *found != number => continue,
                None => agreed = Some(*hash),
                Some(one) if one != *hash => return Err(Error::PeersDisagree { number, one, other: *hash }),
                Some(_) => {}
            }
        }
        match agreed {
            Some(hash) => {
                tracing::warn!(naming = ?self.naming, peers = self.answers.len(), %hash, "the peers say which block this is, \
                    and are trusted for it; only a hash is trustless");
                Ok(Some(hash))
            }
            None if self.answers.is_empty() => Err(Error::NoPeers { seconds: GIVE_UP.as_secs() }),
            None => Err(Error::NoSuchBlock { number }),
        }
    }
}
