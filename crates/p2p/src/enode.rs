//! Who a peer is and where it is reached: [`NodeId`] and the `enode://` URL.
//!
//! Trusts nobody: a URL comes from a command line or a file and its key may be no point on the curve, which is
//! found when it is parsed and not when it is dialled. Does not resolve host names: an address is an address.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use alloy_primitives::{B512, hex};
use secp256k1::{PublicKey, SecretKey};

use crate::Error;

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

    /// The identity of 64 bytes, if they are a point on the curve.
    pub fn from_bytes(bytes: &[u8; 64]) -> Result<Self, Error> {
        parse_point(bytes).map(|key| Self::from_public_key(&key))
    }

    /// The public key. An identity always has one; the error remains so that no peer can make us panic.
    pub fn public_key(&self) -> Result<PublicKey, Error> {
        parse_point(&self.0.0)
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

/// Parses x and y of a point. libsecp256k1 checks that it lies on the curve (CVE-2026-26315).
pub(crate) fn parse_point(bytes: &[u8; 64]) -> Result<PublicKey, Error> {
    let mut uncompressed = [4; 65];
    uncompressed[1..].copy_from_slice(bytes);
    PublicKey::from_slice(&uncompressed).map_err(|_| Error::PublicKey)
}

/// Where a node is reached, and who must answer there.
///
/// Written `enode://<128 hex digits>@<ip>:<tcp port>`; a `?discport=` is read over, since nothing here discovers.
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

impl FromStr for Enode {
    type Err = EnodeError;

    fn from_str(url: &str) -> Result<Self, EnodeError> {
        let rest = url.strip_prefix("enode://").ok_or(EnodeError::Scheme)?;
        let (id, address) = rest.split_once('@').ok_or(EnodeError::NoAddress)?;
        let id = parse_id(id)?;
        let address = address.split_once('?').map_or(address, |(address, _query)| address);
        Ok(Self { id, address: parse_address(address)? })
    }
}

fn parse_id(text: &str) -> Result<NodeId, EnodeError> {
    if text.len() != 128 {
        return Err(EnodeError::IdLength { length: text.len() });
    }
    let mut bytes = [0; 64];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| EnodeError::IdHex)?;
    NodeId::from_bytes(&bytes).map_err(|_| EnodeError::IdPoint)
}

fn parse_address(text: &str) -> Result<SocketAddr, EnodeError> {
    let address: SocketAddr = text.parse().map_err(|_| match text.rsplit_once(':') {
        Some((host, _)) if host.trim_matches(['[', ']']).parse::<IpAddr>().is_err() => {
            EnodeError::Host { host: host.to_owned() }
        }
        Some((_, port)) => EnodeError::Port { port: port.to_owned() },
        None => EnodeError::Port { port: String::new() },
    })?;
    if address.port() == 0 {
        return Err(EnodeError::Port { port: "0".to_owned() });
    }
    Ok(address)
}

/// Why a text is no enode URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnodeError {
    /// Another scheme, or none.
    #[error("an enode URL starts with enode://")]
    Scheme,
    /// No `@`.
    #[error("an enode URL needs an address: enode://<node id>@<ip>:<port>")]
    NoAddress,
    /// The key has not 64 bytes.
    #[error("a node id has 128 hex digits, not {length}")]
    IdLength {
        /// Digits found.
        length: usize,
    },
    /// The key is not hex.
    #[error("a node id has hex digits only")]
    IdHex,
    /// The key is no public key.
    #[error("the node id is not a point on secp256k1")]
    IdPoint,
    /// The host is not an IP address.
    #[error("`{host}` is not an IP address (names are not resolved)")]
    Host {
        /// What stands there.
        host: String,
    },
    /// The port is missing, zero or not a number.
    #[error("`{port}` is not a TCP port")]
    Port {
        /// What stands there.
        port: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_id() -> NodeId {
        NodeId::from_secret_key(&SecretKey::from_byte_array([7; 32]).unwrap())
    }

    #[test]
    fn enode_reads_back_what_it_writes() {
        for address in ["127.0.0.1:30303", "[::1]:1"] {
            let enode = Enode { id: some_id(), address: address.parse().unwrap() };
            assert_eq!(enode.to_string().parse::<Enode>().unwrap(), enode);
            assert_eq!(format!("{enode}?discport=0").parse::<Enode>().unwrap(), enode);
        }
    }

    #[test]
    fn enode_errors_name_the_part_that_is_wrong() {
        let id = hex::encode(some_id().as_bytes());
        let parse = |text: &str| text.parse::<Enode>().unwrap_err();
        assert_eq!(parse("http://x"), EnodeError::Scheme);
        assert_eq!(parse(&format!("enode://{id}")), EnodeError::NoAddress);
        assert_eq!(parse("enode://abcd@1.2.3.4:5"), EnodeError::IdLength { length: 4 });
        assert_eq!(parse(&format!("enode://{}@1.2.3.4:5", "zz".repeat(64))), EnodeError::IdHex);
        assert_eq!(parse(&format!("enode://{}@1.2.3.4:5", "ff".repeat(64))), EnodeError::IdPoint);
        assert_eq!(parse(&format!("enode://{id}@host:5")), EnodeError::Host { host: "host".into() });
        assert_eq!(parse(&format!("enode://{id}@1.2.3.4:0")), EnodeError::Port { port: "0".into() });
        assert_eq!(parse(&format!("enode://{id}@1.2.3.4:70000")), EnodeError::Port { port: "70000".into() });
        assert_eq!(parse(&format!("enode://{id}@1.2.3.4")), EnodeError::Port { port: String::new() });
    }
}
