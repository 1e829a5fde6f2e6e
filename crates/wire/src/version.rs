//! Which versions of eth and snap are spoken, and how many message ids each occupies.
//!
//! It knows the numbers of the specifications only; which version a connection speaks is found in
//! [`crate::Shared`].

use std::fmt;

/// A version of the eth protocol that this crate reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EthVersion {
    /// eth/68: Status with total difficulty, receipts with bloom filters.
    Eth68,
    /// eth/69 (EIP-7642): Status with a block range, receipts without bloom filters.
    Eth69,
    /// eth/70 (EIP-7975): receipt answers may be cut inside a block.
    Eth70,
    /// eth/71 (EIP-8159): block access lists.
    Eth71,
}

impl EthVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 4] = [Self::Eth68, Self::Eth69, Self::Eth70, Self::Eth71];

    /// The number in the capability, 68 for `eth/68`.
    pub const fn number(self) -> u64 {
        match self {
            Self::Eth68 => 68,
            Self::Eth69 => 69,
            Self::Eth70 => 70,
            Self::Eth71 => 71,
        }
    }

    /// The version of a number, if it is spoken here.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.number() == number)
    }

    /// How many message ids the version reserves; what follows in the id space starts after them.
    pub const fn length(self) -> u64 {
        match self {
            Self::Eth68 => 17,
            // BlockRangeUpdate is 0x11, and eth/70 changes forms only.
            Self::Eth69 | Self::Eth70 => 18,
            // GetBlockAccessLists is 0x12, BlockAccessLists 0x13.
            Self::Eth71 => 20,
        }
    }
}

/// A version of the snap protocol that this crate reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SnapVersion {
    /// snap/1: trie nodes can be asked for by path.
    Snap1,
    /// snap/2 (EIP-8189): block access lists instead of trie nodes.
    Snap2,
}

impl SnapVersion {
    /// Every version, oldest first.
    pub const ALL: [Self; 2] = [Self::Snap1, Self::Snap2];

    /// The number in the capability, 1 for `snap/1`.
    pub const fn number(self) -> u64 {
        match self {
            Self::Snap1 => 1,
            Self::Snap2 => 2,
        }
    }

    /// The version of a number, if it is spoken here.
    pub fn from_number(number: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.number() == number)
    }

    /// How many message ids the version reserves.
    pub const fn length(self) -> u64 {
        match self {
            Self::Snap1 => 8,
            Self::Snap2 => 10,
        }
    }
}

/// A capability in a certain version, or the base protocol under them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// The base protocol of devp2p: Hello, Disconnect, Ping, Pong.
    P2p,
    /// The eth protocol in the given version.
    Eth(EthVersion),
    /// The snap protocol in the given version.
    Snap(SnapVersion),
}

impl fmt::Display for EthVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "eth/{}", self.number())
    }
}

impl fmt::Display for SnapVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "snap/{}", self.number())
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P2p => f.write_str("p2p"),
            Self::Eth(version) => version.fmt(f),
            Self::Snap(version) => version.fmt(f),
        }
    }
}
