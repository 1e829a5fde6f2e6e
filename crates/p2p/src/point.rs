//! Points on the curve: 64 bytes become a public key, or none.
//!
//! Trusts nobody: bytes from the outside may be no point, which is found here and not when they are used.

use secp256k1::PublicKey;

use crate::{Error, NodeId};

impl NodeId {
    /// The identity of 64 bytes, if they are a point on the curve.
    pub fn from_bytes(bytes: &[u8; 64]) -> Result<Self, Error> {
        parse_point(bytes).map(|key| Self::from_public_key(&key))
    }

    /// The public key. An identity always has one; the error remains so that no peer can make us panic.
    pub fn public_key(&self) -> Result<PublicKey, Error> {
        parse_point(self.as_bytes())
    }
}

/// Parses x and y of a point. libsecp256k1 checks that it lies on the curve (CVE-2026-26315).
pub(crate) fn parse_point(bytes: &[u8; 64]) -> Result<PublicKey, Error> {
    let mut uncompressed = [4; 65];
    uncompressed[1..].copy_from_slice(bytes);
    PublicKey::from_slice(&uncompressed).map_err(|_| Error::PublicKey)
}
