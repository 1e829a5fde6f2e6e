//! What both sides of a connection speak, and where each protocol's message ids start.
//!
//! It trusts the other side's list only as far as to choose from our own.

use crate::{
    error::Error,
    rlp::{self, Reader},
    version::{EthVersion, Protocol, SnapVersion},
};

/// Ids below this one belong to the base protocol.
const FIRST_SHARED_CODE: u64 = 0x10;

/// A protocol by name and version, as a Hello announces it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability {
    /// The protocol's name, at most 8 ASCII letters by convention.
    pub name: String,
    /// The protocol's version.
    pub version: u64,
}

impl From<EthVersion> for Capability {
    fn from(version: EthVersion) -> Self {
        Self { name: "eth".to_owned(), version: version.number() }
    }
}

impl From<SnapVersion> for Capability {
    fn from(version: SnapVersion) -> Self {
        Self { name: "snap".to_owned(), version: version.number() }
    }
}

impl Capability {
    pub(crate) fn read(list: &mut Reader<'_>) -> Result<Self, Error> {
        let mut fields = list.list()?;
        let name = fields.string()?;
        let name = String::from_utf8_lossy(name).into_owned();
        // Elements that a later devp2p adds are left unread, as EIP-8 asks.
        Ok(Self { name, version: fields.u64()? })
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        rlp::put_list(out, |out| {
            rlp::put_string(out, self.name.as_bytes());
            rlp::put_u64(out, self.version);
        });
    }
}

/// What a connection speaks: of each protocol the highest version that both sides announced.
///
/// Invariant: message ids are assigned by the protocols' names in alphabetical order, from 0x10 on; so
/// snap follows eth, at a place that depends on eth's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    eth: Option<EthVersion>,
    snap: Option<SnapVersion>,
}

/// Whose message a code on the wire is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routed {
    /// The protocol, in its negotiated version.
    pub protocol: Protocol,
    /// The id relative to the protocol's base.
    pub id: u8,
}

impl Shared {
    /// The versions that `ours` and `theirs` have in common.
    ///
    /// Only protocols that this crate speaks take part: `ours` announces no others.
    pub fn negotiate(ours: &[Capability], theirs: &[Capability]) -> Self {
        let both = |capability: Capability| ours.contains(&capability) && theirs.contains(&capability);
        Self {
            eth: EthVersion::ALL.into_iter().rfind(|version| both((*version).into())),
            snap: SnapVersion::ALL.into_iter().rfind(|version| both((*version).into())),
        }
    }

    /// The version of eth that is spoken, if any.
    pub const fn eth(&self) -> Option<EthVersion> {
        self.eth
    }

    /// The version of snap that is spoken, if any.
    pub const fn snap(&self) -> Option<SnapVersion> {
        self.snap
    }

    /// The code on the wire of message `id` of `protocol`; `None` if that protocol is not spoken here.
    pub fn code(&self, protocol: Protocol, id: u8) -> Option<u64> {
        let base = match protocol {
            Protocol::P2p => 0,
            Protocol::Eth(version) if self.eth == Some(version) => FIRST_SHARED_CODE,
            Protocol::Snap(version) if self.snap == Some(version) => self.snap_base(),
            Protocol::Eth(_) | Protocol::Snap(_) => return None,
        };
        Some(base + u64::from(id))
    }

    /// Whose message a code on the wire is, or that it is nobody's.
    pub fn route(&self, code: u64) -> Result<Routed, Error> {
        let lanes = [
            (0, Some((Protocol::P2p, FIRST_SHARED_CODE))),
            (FIRST_SHARED_CODE, self.eth.map(|version| (Protocol::Eth(version), version.length()))),
            (self.snap_base(), self.snap.map(|version| (Protocol::Snap(version), version.length()))),
        ];
        lanes
            .into_iter()
            .filter_map(|(base, lane)| lane.map(|(protocol, length)| (base, protocol, length)))
            .find(|(base, _, length)| (*base..base + length).contains(&code))
            .and_then(|(base, protocol, _)| u8::try_from(code - base).ok().map(|id| Routed { protocol, id }))
            .ok_or(Error::UnknownMessage { protocol: Protocol::P2p, id: code })
    }

    fn snap_base(&self) -> u64 {
        FIRST_SHARED_CODE + self.eth.map_or(0, EthVersion::length)
    }
}
