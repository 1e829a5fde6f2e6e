//! Who a peer is and where it is reached: [`NodeId`] and [`Enode`].
//!
//! What others give for one is read in `url.rs`, `record.rs` and `point.rs`, which trust nobody; here nothing is read.

use std::{fmt, net::SocketAddr};

use alloy_primitives::{B512, hex};
use secp256k1::{PublicKey, SecretKey};

/// A node's identity: its secp256k1 public key, x and y, without the leading 0x04.
///
/// Invariant: a point on the curve, wherever it came from the outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(B512);

impl NodeId {
    /// The identity of a public key.
    pub fn from_public_key(key: &PublicKey) -> Self {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(&key.serialize_uncompressed()[1..]);
        Self(B512::from(bytes))
    }

    /// The identity that belongs to a secret key.
    pub fn from_secret_key(key: &SecretKey) -> Self {
        Self::from_public_key(&key.public_key(secp256k1::SECP256K1))
    }

    /// The 64 bytes.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0.0
    }
}

impl fmt::Display for NodeId {
    /// The first eight bytes: enough to tell peers apart in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..8]))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

/// Where a node is reached, and who must answer there.
///
/// Written `enode://<128 hex digits>@<ip>:<tcp port>`; a `?discport=` is read over, since nothing here discovers. A node record,
/// `enr:…`, is read too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Enode {
    /// Who must answer.
    pub id: NodeId,
    /// Where, over TCP.
    pub address: SocketAddr,
}

impl fmt::Display for Enode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "enode://{}@{}", hex::encode(self.id.as_bytes()), self.address)
    }
}
