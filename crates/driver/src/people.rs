//! Who is connected: names for a person, versions for messages, and the way to each.
//!
//! It keeps no score and chooses nobody; the peer book does. But the book knows connections only, and a liar comes back with a
//! new one: whose lie was proved is remembered here, and for a while hung up on before anybody hears of it.

use std::{collections::BTreeMap, time::Duration};

use alloy_primitives::B256;
use snapsync_p2p::{Contact, Direction, Message, Network, NodeId, PeerUp};
use snapsync_peers::{Fault, Head, PeerId, PeerKind, PeerNode, PeerProfile};
use snapsync_sync::BlockRange;
use snapsync_wire::{DisconnectReason, EthVersion, SnapVersion};

use crate::{Event, agree::Voter, ask::ListsBy, remote::Connected, window::Placed};

/// One connected peer.
#[derive(Debug)]
struct Person {
    node: NodeId,
    name: String,
    latest: u64,
    /// Where that is against the pivot; nothing if it does not say which its newest block is.
    placed: Option<Placed>,
    has_snap: bool,
    /// Whether it speaks snap in another version alone.
    has_other_snap: bool,
    lists_by: ListsBy,
}

/// Nodes that are banned, at most; 150 bytes each. With more, the ban that ends first ends now.
const BANNED_MAX: usize = 4096;

/// How long the first ban lasts: as long as a lie's points take to heal. Each further one lasts twice as long.
const BAN_FIRST: Duration = Duration::from_secs(1000);

/// How often a ban doubles, at most: 1000 s become twelve days.
const DOUBLINGS_MAX: u32 = 10;

/// One node's ban.
#[derive(Clone, Copy, Debug)]
struct Ban {
    until: Duration,
    times: u32,
}

/// Nodes that lied. A ban decays: a peer whose operator has mended it is a peer again.
#[derive(Debug, Default)]
struct Banned(BTreeMap<NodeId, Ban>);

impl Banned {
    fn insert(&mut self, now: Duration, node: NodeId) {
        let times = self.0.get(&node).map_or(0, |ban| ban.times);
        let until = now + BAN_FIRST * (1 << times.min(DOUBLINGS_MAX));
        self.0.insert(node, Ban { until, times: times + 1 });
        if self.0.len() > BANNED_MAX
            && let Some(first) = self.0.iter().min_by_key(|(_, ban)| ban.until).map(|(node, _)| *node)
        {
            self.0.remove(&first);
        }
    }

    fn holds(&self, now: Duration, node: &NodeId) -> bool {
        self.0.get(node).is_some_and(|ban| now < ban.until)
    }
}

/// All connected peers, and the network that carries messages to them.
#[derive(Debug)]
pub(crate) struct People {
    network: Network,
    /// The same for whoever looks from afar.
    shown: Connected,
    statics: Vec<NodeId>,
    connected: BTreeMap<PeerId, Person>,
    banned: Banned,
}

impl People {
    pub(crate) fn new(network: Network, shown: Connected, statics: &[Contact]) -> Self {
        let statics = statics.iter().map(|contact| contact.id).collect();
        Self { network, shown, statics, connected: BTreeMap::new(), banned: Banned::default() }
    }

    /// A peer came: what the book must know of it, and what the host hears. Nothing of one that is banned, which is hung
    /// up on at once.
    pub(crate) fn join(&mut self, now: Duration, up: &PeerUp) -> Option<(PeerProfile, Event)> {
        if self.banned.holds(now, &up.node_id) {
            self.hang_up(PeerId(up.peer.0));
            return None;
        }
        let is_static = self.statics.contains(&up.node_id);
        let kind = match up.direction {
            _ if is_static => PeerKind::Static,
            Direction::Outbound => PeerKind::Outbound,
            Direction::Inbound => PeerKind::Inbound,
        };
        let range = up.status.range;
        let has_range = up.eth != EthVersion::Eth68;
        let profile = PeerProfile {
            node: PeerNode(B256::from_slice(&up.node_id.as_bytes()[..32])),
            eth: version(up.eth.number()),
            snap: up.snap.map(|snap| version(snap.number())),
            head: Head { number: has_range.then_some(range.latest), hash: range.latest_hash },
            blocks: has_range.then(|| BlockRange::new(range.earliest, range.latest)).flatten(),
            kind,
        };
        self.shown.join(up, is_static, profile.head);
        let id = up.node_id.to_string();
        let name = format!("{}@{}", id.get(..8).unwrap_or(&id), up.address);
        let event = Event::PeerUp { peer: name.clone(), client: up.client.clone() };
        let lists_by = if up.eth >= EthVersion::Eth71 { ListsBy::Eth } else { ListsBy::Snap };
        let (node, latest, has_snap) = (up.node_id, range.latest, up.snap.is_some());
        let has_other_snap = !has_snap && !up.snap_offered.is_empty();
        let placed = has_range.then(Placed::new);
        self.connected.insert(
            PeerId(up.peer.0),
            Person { node, name, latest, placed, has_snap, has_other_snap, lists_by },
        );
        Some((profile, event))
    }

    /// A peer is gone; nothing if it was never let in.
    pub(crate) fn leave(&mut self, peer: PeerId, reason: String) -> Option<Event> {
        let person = self.connected.remove(&peer)?;
        self.shown.leave(peer);
        Some(Event::PeerDown { peer: person.name, reason })
    }

    /// Which node is at the other end of a connection that was let in.
    pub(crate) fn node(&self, peer: PeerId) -> Option<NodeId> {
        self.connected.get(&peer).map(|person| person.node)
    }

    /// A connected peer as a host hears of it.
    pub(crate) fn name(&self, peer: PeerId) -> Option<String> {
        self.connected.get(&peer).map(|person| person.name.clone())
    }

    /// By which of its protocols a peer is asked for access lists, if it is for any.
    pub(crate) fn lists_by(&self, peer: PeerId) -> ListsBy {
        self.connected.get(&peer).map_or(ListsBy::Eth, |person| person.lists_by)
    }

    /// Whether this connection was let in.
    pub(crate) fn knows(&self, peer: PeerId) -> bool {
        self.connected.contains_key(&peer)
    }

    /// A peer's newest block has another number now.
    pub(crate) fn moved(&mut self, peer: PeerId, latest: u64, head: Head) {
        if let Some(person) = self.connected.get_mut(&peer) {
            person.latest = latest;
        }
        self.shown.moved(peer, head);
    }

    /// Looks where peers that serve state are against the pivot's window. Tells of those that have left it, or are back.
    pub(crate) fn look_at_window(&mut self, pivot: u64) -> Vec<Event> {
        let serving = self.connected.values_mut().filter(|person| person.has_snap);
        let news = serving.filter_map(|person| {
            let place = person.placed.as_mut()?.look(pivot, person.latest)?;
            Some(Event::PeerWindow { peer: person.name.clone(), place })
        });
        news.collect()
    }

    /// Hangs up; the network's own word that the peer is gone follows.
    pub(crate) fn hang_up(&self, peer: PeerId) {
        self.network.disconnect(snapsync_p2p::PeerId(peer.0), DisconnectReason::BreachOfProtocol);
    }

    /// What a host hears of a fault that ends a connection. A proven one bans the node for a while, static or not; silence does
    /// not, since it may have been the line's.
    pub(crate) fn charge(&mut self, now: Duration, peer: PeerId, fault: Fault) -> Option<Event> {
        let person = self.connected.get(&peer)?;
        if fault.is_proven() {
            self.banned.insert(now, person.node);
        }
        Some(Event::PeerFault { peer: person.name.clone(), fault })
    }

    /// Hands a message to a peer's connection; `false` if it is gone or its queue is full.
    pub(crate) fn send(&self, peer: PeerId, message: Message) -> bool {
        let sent = self.network.send(snapsync_p2p::PeerId(peer.0), &message);
        if let Err(error) = &sent {
            tracing::debug!(%error, "not sent");
        }
        sent.is_ok()
    }

    /// All connected peers.
    pub(crate) fn peers(&self) -> impl Iterator<Item = PeerId> + '_ {
        self.connected.keys().copied()
    }

    /// All connected peers, as those who may say which block is meant.
    pub(crate) fn voters(&self) -> Vec<Voter> {
        let voter = |(peer, person): (&PeerId, &Person)| Voter {
            peer: *peer,
            name: person.name.clone(),
            latest: person.latest,
        };
        self.connected.iter().map(voter).collect()
    }

    /// How many are connected that speak snap.
    pub(crate) fn snap_count(&self) -> usize {
        self.connected.values().filter(|person| person.has_snap).count()
    }

    /// Dials whoever was given and is not connected.
    pub(crate) fn redial(&self) {
        self.network.redial();
    }

    /// How many are connected that speak snap in another version alone.
    pub(crate) fn other_count(&self) -> usize {
        self.connected.values().filter(|person| person.has_other_snap).count()
    }

    /// Speaks this version of snap from now on. Versions are negotiated at the start of a connection, so all end that speak snap; the network
    /// connects anew.
    pub(crate) fn speak(&self, version: SnapVersion) {
        self.network.offer_snap(version);
        self.network.redial();
        let speaking = self.connected.iter().filter(|(_, person)| person.has_snap || person.has_other_snap);
        speaking.for_each(|(peer, _)| self.end(*peer));
    }

    /// Ends a connection that is no fault of the peer's.
    pub(crate) fn end(&self, peer: PeerId) {
        self.network.disconnect(snapsync_p2p::PeerId(peer.0), DisconnectReason::Requested);
    }

    /// How many are connected.
    pub(crate) fn count(&self) -> usize {
        self.connected.len()
    }

    /// The network, to be shut down.
    pub(crate) fn into_network(self) -> Network {
        self.network
    }
}

/// Protocol versions are small; the book keeps them in 32 bits.
fn version(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use secp256k1::SecretKey;

    use super::*;

    fn node(number: usize) -> NodeId {
        let mut key = [1; 32];
        key[24..].copy_from_slice(&(number as u64).to_be_bytes());
        NodeId::from_secret_key(&SecretKey::from_byte_array(key).expect("below the curve's order"))
    }

    #[test]
    fn the_ban_that_ends_first_makes_room_for_the_newest() {
        let mut banned = Banned::default();
        let at = |number: usize| Duration::from_millis(number as u64);
        for number in 0..BANNED_MAX {
            banned.insert(at(number), node(number));
        }
        assert!(banned.holds(at(BANNED_MAX), &node(0)));
        banned.insert(at(BANNED_MAX), node(BANNED_MAX));
        assert!(!banned.holds(at(BANNED_MAX), &node(0)) && banned.holds(at(BANNED_MAX), &node(1)));
        assert_eq!(banned.0.len(), BANNED_MAX);
    }

    #[test]
    fn a_ban_decays_and_the_next_one_lasts_twice_as_long() {
        let mut banned = Banned::default();
        banned.insert(Duration::ZERO, node(1));
        assert!(banned.holds(BAN_FIRST - Duration::from_millis(1), &node(1)));
        assert!(!banned.holds(BAN_FIRST, &node(1)));
        banned.insert(BAN_FIRST, node(1));
        assert!(banned.holds(BAN_FIRST * 3 - Duration::from_millis(1), &node(1)));
        assert!(!banned.holds(BAN_FIRST * 3, &node(1)));
    }
}
