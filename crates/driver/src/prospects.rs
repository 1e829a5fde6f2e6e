//! Which of the peers that were given can still be expected to help, and what each of the others was lost for.
//!
//! It hears of every dial that failed, every session and every ban, and says when nobody is left to wait for. Time is
//! passed in. It trusts no peer's word, and it dials nobody: the network does, for as long as the sync runs.

use std::{collections::BTreeMap, fmt, time::Duration};

use snapsync_p2p::{Contact, Error as NetworkError, NodeId};
use snapsync_peers::Fault;
use snapsync_stream::Needs;

use crate::{Config, WhenAlone};

/// How long a peer is waited for that is away for a reason that may pass, or that was here before. geth turns an address
/// away for 30 s after each connection, and a full one has room after a while.
const COME_BACK: Duration = Duration::from_secs(60);

/// Dials in a row after which a peer that was never met, and fails for a reason that does not pass, is given up: some
/// seconds, with the pauses between.
const ATTEMPTS_MAX: u32 = 3;

/// Sessions in a row that came to nothing after which it counts no more that a peer is connected.
const DROPS_MAX: u32 = 3;

/// Whether a sync that nobody can help ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    Finite,
    /// It was told to wait, or somebody may come who was not given.
    Endless,
}

/// A peer that is not to be expected any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The first digits of its id, and where it was dialled.
    pub peer: String,
    /// What it was lost for, for a person.
    pub reason: String,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.peer, self.reason)
    }
}

/// Where one peer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    /// Its first dial is not over yet.
    Untried,
    /// Not connected.
    Away,
    /// Connected.
    Here { since: Duration },
    /// It lied.
    Banned,
}

/// Why a peer is of no use, since when.
#[derive(Clone, Debug)]
struct Trouble {
    since: Duration,
    reason: String,
    /// Dials in a row that failed.
    attempts: u32,
    /// Whether the reason of the last failure may pass by itself.
    may_pass: bool,
    /// Sessions in a row that came to nothing.
    drops: u32,
}

impl Trouble {
    fn began(now: Duration) -> Self {
        Self { since: now, reason: String::new(), attempts: 0, may_pass: false, drops: 0 }
    }
}

#[derive(Clone, Debug)]
struct Prospect {
    presence: Presence,
    trouble: Option<Trouble>,
    /// Whether it speaks snap; unknown before it was met.
    snap: Option<bool>,
    /// What the session that is being ended is ended for.
    charge: Option<String>,
    /// Ranges of it that did not prove.
    broken: u32,
    /// What was wrong with the last of them.
    broken_by: String,
}

/// The peers that were given. See the module's documentation.
#[derive(Debug)]
pub(crate) struct Prospects {
    /// Each address of each node once, however often it was given.
    given: BTreeMap<Contact, Prospect>,
    patience: Patience,
    /// When something last became durable.
    progressed: Option<Duration>,
}

impl Prospects {
    /// The peers of a sync that begins.
    pub(crate) fn of(config: &Config) -> Self {
        let patience = match config.when_alone {
            WhenAlone::End if config.listen.is_none() => Patience::Finite,
            WhenAlone::End | WhenAlone::Wait => Patience::Endless,
        };
        Self { patience, ..Self::new(&config.peers) }
    }

    fn new(given: &[Contact]) -> Self {
        let fresh = Prospect {
            presence: Presence::Untried,
            trouble: None,
            snap: None,
            charge: None,
            broken: 0,
            broken_by: String::new(),
        };
        let given = given.iter().map(|contact| (contact.clone(), fresh.clone())).collect();
        Self { given, patience: Patience::Finite, progressed: None }
    }

    /// Peers that were given, each counted once.
    pub(crate) fn count(&self) -> usize {
        self.given.len()
    }

    /// Whether every given peer was met or tried in vain, so that none will come in a moment.
    pub(crate) fn are_all_tried(&self) -> bool {
        !self.given.is_empty() && self.given.values().all(|peer| peer.presence != Presence::Untried)
    }

    /// Whether a given peer was ever connected.
    pub(crate) fn was_any_met(&self) -> bool {
        self.given.values().any(|peer| peer.snap.is_some())
    }

    /// A dial failed, as so many in a row did.
    pub(crate) fn dial_failed(
        &mut self,
        now: Duration,
        contact: &Contact,
        error: &NetworkError,
        attempts: u32,
    ) {
        let Some(peer) = self.given.get_mut(contact) else { return };
        if peer.presence == Presence::Untried {
            peer.presence = Presence::Away;
        }
        let trouble = peer.trouble.get_or_insert_with(|| Trouble::began(now));
        trouble.attempts = attempts;
        trouble.may_pass = error.may_pass();
        trouble.reason = error.to_string();
    }

    /// A session began and was let in.
    pub(crate) fn up(&mut self, now: Duration, node: NodeId, snap: bool) {
        for peer in self.all_of(node) {
            peer.presence = Presence::Here { since: now };
            peer.charge = None;
            peer.snap = Some(snap);
        }
    }

    /// A session is over. One in which something became durable leaves a peer as if it had never been in trouble.
    pub(crate) fn down(&mut self, now: Duration, node: NodeId, reason: &str) {
        let progressed = self.progressed;
        for peer in self.all_of(node) {
            let Presence::Here { since } = peer.presence else { continue };
            peer.presence = Presence::Away;
            if progressed.is_some_and(|at| at >= since) {
                peer.trouble = None;
            }
            let trouble = peer.trouble.get_or_insert_with(|| Trouble::began(now));
            trouble.drops += 1;
            trouble.attempts = 0;
            trouble.reason = peer.charge.take().unwrap_or_else(|| reason.to_owned());
        }
    }

    /// A peer is hung up on for a fault; after a proven one it is not let in again.
    pub(crate) fn charged(&mut self, now: Duration, node: NodeId, fault: &Fault) {
        for peer in self.all_of(node) {
            if fault.is_proven() {
                peer.presence = Presence::Banned;
                let trouble = peer.trouble.get_or_insert_with(|| Trouble::began(now));
                trouble.reason = format!("banned: {fault}");
            } else {
                peer.charge = Some(fault.to_string());
            }
        }
    }

    /// A range that a peer sent did not prove.
    pub(crate) fn broke(&mut self, node: NodeId, fault: &Fault) {
        for peer in self.all_of(node) {
            peer.broken += 1;
            peer.broken_by = fault.to_string();
        }
    }

    /// The given peers that sent ranges which do not prove, each with the last thing that was wrong.
    pub(crate) fn broken(&self) -> Vec<Lost> {
        let broken = self.given.iter().filter(|(_, peer)| peer.broken > 0);
        let lost = |(contact, peer): (&Contact, &Prospect)| Lost {
            peer: name(contact),
            reason: format!("{} of its ranges did not prove, the last: {}", peer.broken, peer.broken_by),
        };
        broken.map(lost).collect()
    }

    /// Something became durable.
    pub(crate) fn progressed(&mut self, now: Duration) {
        self.progressed = Some(now);
    }

    /// Every given peer with what it was lost for, once none of them is to be expected any more.
    pub(crate) fn all_lost(&self, now: Duration, needs: Needs) -> Option<Vec<Lost>> {
        if needs == Needs::Nothing || self.patience == Patience::Endless {
            return None;
        }
        let lost = |(contact, peer): (&Contact, &Prospect)| {
            self.lost(now, needs, peer).map(|reason| Lost { peer: name(contact), reason })
        };
        self.given.iter().map(lost).collect()
    }

    /// What a peer is lost for; nothing while it can help, or may come back.
    fn lost(&self, now: Duration, needs: Needs, peer: &Prospect) -> Option<String> {
        let trouble = peer.trouble.as_ref();
        let reason = || trouble.map(|trouble| trouble.reason.clone()).unwrap_or_default();
        let waited = |trouble: &Trouble| now.saturating_sub(trouble.since) >= COME_BACK;
        match peer.presence {
            Presence::Untried => None,
            Presence::Banned => Some(reason()),
            _ if needs == Needs::State && peer.snap == Some(false) => {
                Some("it serves no state: it does not speak snap".into())
            }
            Presence::Here { since } => {
                let trouble = trouble.filter(|trouble| trouble.drops >= DROPS_MAX && waited(trouble))?;
                let is_of_use = self.progressed.is_some_and(|at| at >= since);
                (!is_of_use).then(|| {
                    format!("{} sessions came to nothing, the last: {}", trouble.drops, trouble.reason)
                })
            }
            Presence::Away => {
                let trouble = trouble?;
                if peer.snap.is_some() || trouble.may_pass {
                    let seconds = now.saturating_sub(trouble.since).as_secs();
                    return waited(trouble).then(|| format!("{} (waited {seconds} s)", trouble.reason));
                }
                (trouble.attempts >= ATTEMPTS_MAX).then(reason)
            }
        }
    }

    fn all_of(&mut self, node: NodeId) -> impl Iterator<Item = &mut Prospect> {
        self.given.iter_mut().filter(move |(contact, _)| contact.id == node).map(|(_, peer)| peer)
    }
}

/// A peer as lines for people name it.
fn name(contact: &Contact) -> String {
    let id = contact.id.to_string();
    format!("{}@{}", id.get(..8).unwrap_or(&id), contact.place())
}

#[cfg(test)]
mod tests {
    use std::{io::ErrorKind, net::SocketAddr};

    use secp256k1::SecretKey;
    use snapsync_p2p::Enode;
    use snapsync_wire::DisconnectReason;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn address(number: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 30_000 + u16::from(number)))
    }

    fn contact(number: u8) -> Contact {
        let key = SecretKey::from_byte_array([number; 32]).expect("below the curve's order");
        Enode { id: NodeId::from_secret_key(&key), address: address(number) }.into()
    }

    fn refused() -> NetworkError {
        NetworkError::Connect { address: address(1), kind: ErrorKind::ConnectionRefused }
    }

    fn full() -> NetworkError {
        NetworkError::Disconnected(DisconnectReason::TooManyPeers)
    }

    fn reasons(lost: Option<Vec<Lost>>) -> Vec<String> {
        lost.expect("all are lost").into_iter().map(|lost| lost.reason).collect()
    }

    #[test]
    fn peers_that_refuse_every_dial_are_given_up_soon_and_each_counts_once() {
        let (one, other) = (contact(1), contact(2));
        let mut prospects = Prospects::new(&[one.clone(), one.clone(), other.clone()]);
        assert_eq!(prospects.given.len(), 2);
        for attempts in 1..=ATTEMPTS_MAX {
            assert_eq!(prospects.all_lost(SECOND, Needs::State), None);
            prospects.dial_failed(SECOND, &one, &refused(), attempts);
        }
        assert_eq!(prospects.all_lost(SECOND, Needs::State), None, "the other was not tried yet");
        prospects.dial_failed(SECOND, &other, &refused(), ATTEMPTS_MAX);
        let lost = prospects.all_lost(SECOND, Needs::State).expect("nobody is there");
        assert_eq!(lost.len(), 2);
        assert!(
            lost.iter().any(|lost| lost.to_string().contains("@127.0.0.1:30001: cannot connect")),
            "{lost:?}"
        );
        assert!(!prospects.was_any_met());
        assert_eq!(prospects.all_lost(SECOND, Needs::Nothing), None, "what is complete needs nobody");
        let told_to_wait = Prospects { patience: Patience::Endless, ..prospects };
        assert_eq!(told_to_wait.all_lost(600 * SECOND, Needs::State), None);
    }

    #[test]
    fn who_sent_ranges_that_do_not_prove_is_named_with_what_was_wrong() {
        let (one, other) = (contact(1), contact(2));
        let mut prospects = Prospects::new(&[one.clone(), other.clone()]);
        prospects.up(SECOND, one.id, true);
        prospects.up(SECOND, other.id, true);
        assert_eq!(prospects.broken(), []);
        (0..8).for_each(|_| prospects.broke(other.id, &Fault::WrongKind));
        let told = reasons(Some(prospects.broken()));
        assert_eq!(
            told,
            ["8 of its ranges did not prove, the last: answer of another kind than its request"]
        );
    }

    #[test]
    fn full_peer_and_one_that_hangs_up_before_a_word_are_waited_for() {
        for error in [full(), NetworkError::Closed, NetworkError::Line { kind: ErrorKind::ConnectionReset }] {
            let mut prospects = Prospects::new(&[contact(1)]);
            for attempts in 1..=6 {
                prospects.dial_failed(attempts * SECOND, &contact(1), &error, attempts);
            }
            assert_eq!(prospects.all_lost(60 * SECOND, Needs::State), None, "{error}");
            let lost = reasons(prospects.all_lost(61 * SECOND, Needs::State));
            assert_eq!(lost, [format!("{error} (waited 60 s)")]);
        }
    }

    #[test]
    fn peer_that_was_here_is_waited_for_whatever_its_dials_say() {
        let mut prospects = Prospects::new(&[contact(1)]);
        prospects.up(SECOND, contact(1).id, true);
        prospects.progressed(5 * SECOND);
        prospects.down(10 * SECOND, contact(1).id, "connection broke");
        prospects.dial_failed(12 * SECOND, &contact(1), &refused(), 9);
        assert_eq!(prospects.all_lost(69 * SECOND, Needs::State), None);
        assert_eq!(reasons(prospects.all_lost(70 * SECOND, Needs::State)).len(), 1);
        prospects.up(71 * SECOND, contact(1).id, true);
        assert_eq!(prospects.all_lost(71 * SECOND, Needs::State), None, "it is back");
    }

    #[test]
    fn peer_without_snap_helps_with_blocks_only() {
        let mut prospects = Prospects::new(&[contact(1), contact(2)]);
        prospects.up(SECOND, contact(1).id, false);
        assert_eq!(prospects.all_lost(SECOND, Needs::State), None, "the other was not tried yet");
        prospects.dial_failed(SECOND, &contact(2), &refused(), ATTEMPTS_MAX);
        let lost = reasons(prospects.all_lost(SECOND, Needs::State));
        assert!(lost.iter().any(|reason| reason.contains("does not speak snap")), "{lost:?}");
        assert_eq!(prospects.all_lost(SECOND, Needs::Blocks), None);
    }

    #[test]
    fn banned_peers_are_lost_at_once_for_their_fault() {
        let mut prospects = Prospects::new(&[contact(1)]);
        prospects.up(SECOND, contact(1).id, true);
        let fault = Fault::WrongBody { number: 7 };
        prospects.charged(2 * SECOND, contact(1).id, &fault);
        prospects.down(2 * SECOND, contact(1).id, "disconnected by us");
        assert_eq!(reasons(prospects.all_lost(2 * SECOND, Needs::State)), [format!("banned: {fault}")]);
        // Whoever lets it in again counts on it again.
        prospects.up(3 * SECOND, contact(1).id, true);
        assert_eq!(prospects.all_lost(3 * SECOND, Needs::State), None);
    }

    #[test]
    fn peer_that_drops_us_each_time_is_lost_and_one_that_helps_between_is_not() {
        let story = |helps: bool| {
            let mut prospects = Prospects::new(&[contact(1)]);
            let mut lost_at = None;
            for second in (0..600).step_by(10) {
                let now = second * SECOND;
                prospects.up(now, contact(1).id, true);
                lost_at = lost_at.or(prospects.all_lost(now, Needs::State).map(|_| second));
                if helps {
                    prospects.progressed(now + SECOND);
                }
                prospects.down(now + 5 * SECOND, contact(1).id, "useless peer");
            }
            lost_at
        };
        assert_eq!(story(false), Some(70));
        assert_eq!(story(true), None);
    }
}
