//! What a peer says about itself.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use snapsync_sync::BlockRange;

/// Names a connection; a peer that comes back has a new one, and the same [`PeerNode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PeerId(pub u64);

/// Names the node behind a connection, whatever connection it comes by: what its handshake proved, of which this is as much as
/// tells nodes apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PeerNode(pub B256);

/// How the connection came about; in falling order of trust that it was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PeerKind {
    /// No peer: blocks that the host gave us. They are here already, and there is nothing else.
    Host,
    /// The operator named it.
    Static,
    /// We dialled it.
    Outbound,
    /// It dialled us.
    Inbound,
}

/// A peer's newest block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Block number; unknown below eth/69.
    pub number: Option<u64>,
    /// Block hash.
    pub hash: B256,
}

/// What a peer's handshake said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerProfile {
    /// Who it is.
    pub node: PeerNode,
    /// eth version, 68 to 71.
    pub eth: u32,
    /// snap version, 1 or 2; `None`: it serves no state.
    pub snap: Option<u32>,
    /// Its newest block.
    pub head: Head,
    /// Blocks that it serves; `None` below eth/69: it may have all.
    pub blocks: Option<BlockRange>,
    /// How the connection came about.
    pub kind: PeerKind,
}

impl PeerProfile {
    /// Whether it speaks a protocol that has access lists (EIP-8159, EIP-8189).
    pub fn has_lists(&self) -> bool {
        self.eth >= 71 || self.snap == Some(2)
    }
}

/// What requests ask for. The same nouns as everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Noun {
    /// Account ranges.
    Accounts,
    /// Storage ranges.
    Storages,
    /// Codes.
    Codes,
    /// Headers.
    Headers,
    /// Bodies.
    Bodies,
    /// Receipts.
    Receipts,
    /// Trie nodes.
    Nodes,
    /// Access lists.
    Lists,
}

impl Noun {
    /// Every noun.
    pub const ALL: [Self; 8] = [
        Self::Accounts,
        Self::Storages,
        Self::Codes,
        Self::Headers,
        Self::Bodies,
        Self::Receipts,
        Self::Nodes,
        Self::Lists,
    ];

    /// Whether only a snap peer has it.
    pub fn is_state(self) -> bool {
        matches!(self, Self::Accounts | Self::Storages | Self::Codes | Self::Nodes)
    }

    /// Its place in arrays of [`Noun::ALL`]'s length.
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}
