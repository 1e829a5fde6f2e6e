//! Who may come in: how many strangers of one address and of one subnet, and how often.
//!
//! Pure: time is passed in. Addresses are cheap to change within a subnet and dear beyond it, so both are counted. Trusts nothing
//! but the address that the system names. Does not know who a stranger is; that takes a handshake.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Addresses that are remembered for the throttle; beyond it the oldest is forgotten.
const RECENT_MAX: usize = 4096;

/// Whose addresses are not limited as those of strangers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exempt {
    /// Loopback and local networks, as in geth.
    Near,
    /// Nobody: for tests, whose addresses are all on loopback.
    Nobody,
}

/// Limits on strangers by where they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origins {
    /// Connections of one address that are in their handshake.
    pub handshakes_per_address: usize,
    /// Connections of one subnet (/24, or /48 of IPv6) that are in their handshake.
    pub handshakes_per_subnet: usize,
    /// Connections of one address, sessions among them.
    pub sessions_per_address: usize,
    /// Connections of one subnet, sessions among them.
    pub sessions_per_subnet: usize,
    /// One connection of an address is taken in this time.
    pub throttle: Duration,
    /// Who is exempt. The addresses of static peers always are.
    pub exempt: Exempt,
}

impl Origins {
    /// For a node on a public network. geth has the same throttle.
    pub const fn mainnet() -> Self {
        Self {
            handshakes_per_address: 2,
            handshakes_per_subnet: 4,
            sessions_per_address: 3,
            sessions_per_subnet: 8,
            throttle: Duration::from_secs(30),
            exempt: Exempt::Near,
        }
    }
}

/// Whether an address is of this machine or of a network beside it.
pub(crate) fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.octets()[0] == 0,
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Where an address belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// What one host has: an address, or a /64 of IPv6.
    host: u128,
    /// What one owner has: a /24, or a /48 of IPv6.
    subnet: u128,
}

impl Place {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let bits = u128::from(v4.to_bits());
                Self { host: bits, subnet: bits >> 8 }
            }
            // No IPv4 address has these bits: shifted down, an address of IPv6 in use is still above 2^32.
            IpAddr::V6(v6) => Self { host: v6.to_bits() >> 64, subnet: v6.to_bits() >> 80 },
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    handshakes: usize,
    all: usize,
}

#[derive(Debug, Default)]
struct Table {
    hosts: BTreeMap<u128, Count>,
    subnets: BTreeMap<u128, Count>,
    /// When hosts came last, oldest first.
    recent: VecDeque<(u128, Instant)>,
    throttled: BTreeSet<u128>,
    trusted: BTreeSet<IpAddr>,
}

/// The gate of one network.
#[derive(Debug)]
pub(crate) struct Gate {
    origins: Origins,
    table: Mutex<Table>,
}

impl Gate {
    pub(crate) fn new(origins: Origins) -> Self {
        Self { origins, table: Mutex::default() }
    }

    /// A poisoned lock guards counts that are whole at each step: it is taken all the same.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A static peer's address is exempt from now on.
    pub(crate) fn trust(&self, address: IpAddr) {
        self.table().trusted.insert(address.to_canonical());
    }

    /// Lets a connection in, unless its address or subnet has as many as it may, or came just now.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr, now: Instant) -> Option<Visit> {
        let mut table = self.table();
        let is_exempt = table.trusted.contains(&address.to_canonical())
            || (self.origins.exempt == Exempt::Near && is_near(address));
        if is_exempt {
            return Some(Visit { gate: Arc::clone(self), place: None, in_handshake: false });
        }
        let place = Place::of(address);
        table.forget(now.checked_sub(self.origins.throttle));
        let host = table.hosts.get(&place.host).copied().unwrap_or_default();
        let subnet = table.subnets.get(&place.subnet).copied().unwrap_or_default();
        let Origins { handshakes_per_address, handshakes_per_subnet, .. } = self.origins;
        let is_full = host.handshakes >= handshakes_per_address
            || subnet.handshakes >= handshakes_per_subnet
            || host.all >= self.origins.sessions_per_address
            || subnet.all >= self.origins.sessions_per_subnet;
        if is_full || table.throttled.contains(&place.host) {
            return None;
        }
        table.remember(place.host, now);
        for count in table.counts(place) {
            count.handshakes += 1;
            count.all += 1;
        }
        Some(Visit { gate: Arc::clone(self), place: Some(place), in_handshake: true })
    }
}

impl Table {
    /// Forgets who came before this.
    fn forget(&mut self, before: Option<Instant>) {
        while let Some((host, at)) = self.recent.front().copied()
            && (before.is_some_and(|before| at <= before) || self.recent.len() >= RECENT_MAX)
        {
            self.recent.pop_front();
            self.throttled.remove(&host);
        }
    }

    fn remember(&mut self, host: u128, now: Instant) {
        self.recent.push_back((host, now));
        self.throttled.insert(host);
    }

    fn counts(&mut self, place: Place) -> [&mut Count; 2] {
        [self.hosts.entry(place.host).or_default(), self.subnets.entry(place.subnet).or_default()]
    }
}

/// A connection that was let in, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Visit {
    gate: Arc<Gate>,
    /// `None`: it is exempt and not counted.
    place: Option<Place>,
    in_handshake: bool,
}

impl Visit {
    /// The handshake is over: it is a session now.
    pub(crate) fn greeted(&mut self) {
        if let Some(place) = self.place
            && std::mem::take(&mut self.in_handshake)
        {
            for count in self.gate.table().counts(place) {
                count.handshakes -= 1;
            }
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.greeted();
        let Some(place) = self.place else { return };
        let mut table = self.gate.table();
        for count in table.counts(place) {
            count.all -= 1;
        }
        // An entry that counts nothing is no use; without this a stranger could fill the map.
        if table.hosts.get(&place.host).is_some_and(|count| count.all == 0) {
            table.hosts.remove(&place.host);
        }
        if table.subnets.get(&place.subnet).is_some_and(|count| count.all == 0) {
            table.subnets.remove(&place.subnet);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn near_and_far_are_told_apart() {
        for near in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_near(ip(near)), "{near}");
        }
        for far in ["8.8.8.8", "172.32.0.1", "192.169.0.1", "100.64.0.1", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(!is_near(ip(far)), "{far}");
        }
    }

    #[test]
    fn one_address_comes_once_in_the_throttle_and_others_are_not_touched() {
        let gate = Arc::new(Gate::new(Origins::mainnet()));
        let now = Instant::now();
        assert!(gate.enter(ip("8.8.8.8"), now).is_some());
        assert!(gate.enter(ip("8.8.8.8"), now + Duration::from_secs(29)).is_none());
        assert!(gate.enter(ip("::ffff:8.8.8.8"), now).is_none(), "the same, written otherwise");
        assert!(gate.enter(ip("8.8.4.4"), now).is_some());
        assert!(gate.enter(ip("8.8.8.8"), now + Duration::from_secs(30)).is_some());
        assert!(gate.enter(ip("2001:db8::1"), now).is_some());
        assert!(gate.enter(ip("2001:db8::2"), now).is_none(), "a host has a /64");
    }

    #[test]
    fn a_subnet_holds_a_few_handshakes_and_a_few_sessions() {
        let gate = Arc::new(Gate::new(Origins::mainnet()));
        let now = Instant::now();
        let from = |last: u8| gate.enter(IpAddr::from([8, 8, 8, last]), now);
        let mut inside: Vec<Visit> = (0..=255).filter_map(from).collect();
        assert_eq!(inside.len(), 4);
        inside.iter_mut().for_each(Visit::greeted);
        inside.extend((0..=255).filter_map(from));
        assert_eq!(inside.len(), 8);
        inside.iter_mut().for_each(Visit::greeted);
        assert!((0..=255).all(|last| from(last).is_none()));
        assert!(gate.enter(ip("8.8.9.8"), now).is_some());
        drop(inside);
        assert!(from(200).is_some(), "who left makes room");
    }

    #[test]
    fn loopback_and_static_peers_are_exempt_and_nothing_is_left_behind() {
        let gate = Arc::new(Gate::new(Origins::mainnet()));
        let now = Instant::now();
        gate.trust(ip("8.8.8.8"));
        for _ in 0..50 {
            assert!(gate.enter(ip("127.0.0.1"), now).is_some());
            assert!(gate.enter(ip("8.8.8.8"), now).is_some());
        }
        let strict = Arc::new(Gate::new(Origins { exempt: Exempt::Nobody, ..Origins::mainnet() }));
        assert!(strict.enter(ip("127.0.0.1"), now).is_some());
        assert!(strict.enter(ip("127.0.0.1"), now).is_none());
        assert!(strict.table().hosts.is_empty() && strict.table().subnets.is_empty());
        for host in 0..10_000_u32 {
            let address = IpAddr::from((0x0800_0000 + host * 256).to_be_bytes());
            assert!(strict.enter(address, now).is_some());
        }
        assert!(strict.table().recent.len() <= RECENT_MAX);
    }
}
