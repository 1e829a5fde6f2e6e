//! How a node is named in text: the `enode://` URL, and the node record `enr:`.
//!
//! Trusts nobody: a URL comes from a command line or a file and its key may be no point on the curve, which is
//! found when it is parsed and not when it is dialled. A host's name is resolved once, by [`Enode::locate`] alone, and not
//! again; a [`Contact`](crate::Contact) keeps the name.

use std::{
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    str::FromStr,
};

use alloy_primitives::hex;

use crate::{Enode, NodeId, RecordError, record};

impl FromStr for Enode {
    type Err = EnodeError;

    fn from_str(text: &str) -> Result<Self, EnodeError> {
        if let Some(text) = text.strip_prefix("enr:") {
            return Ok(record::parse(text)?);
        }
        match parse_url(text)? {
            (id, Place::Address(address)) => Ok(Self { id, address }),
            (_, Place::Name { host, .. }) => Err(EnodeError::Host { host: host.to_owned() }),
        }
    }
}

impl Enode {
    /// The node that a text names, like [`from_str`](Self::from_str), where the host of a URL may also be a name: its first
    /// address counts, one of IPv4 before any other. BLOCKING: on the system's resolver.
    ///
    /// # Errors
    /// When the text names no node, or its host's name has no address.
    pub fn locate(text: &str) -> Result<Self, EnodeError> {
        if text.starts_with("enr:") {
            return text.parse();
        }
        match parse_url(text)? {
            (id, Place::Address(address)) => Ok(Self { id, address }),
            (id, Place::Name { host, port }) => Ok(Self { id, address: resolve(host, port)? }),
        }
    }
}

/// Where a URL says that a node is.
pub(crate) enum Place<'a> {
    Address(SocketAddr),
    Name { host: &'a str, port: u16 },
}

/// Who is meant, and where.
pub(crate) fn parse_url(url: &str) -> Result<(NodeId, Place<'_>), EnodeError> {
    let rest = url.strip_prefix("enode://").ok_or(EnodeError::Scheme)?;
    let (id, address) = rest.split_once('@').ok_or(EnodeError::NoAddress)?;
    let id = parse_id(id)?;
    let address = address.split_once('?').map_or(address, |(address, _query)| address);
    Ok((id, parse_place(address)?))
}

fn parse_id(text: &str) -> Result<NodeId, EnodeError> {
    if text.len() != 128 {
        return Err(EnodeError::IdLength { length: text.len() });
    }
    let mut bytes = [0; 64];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| EnodeError::IdHex)?;
    NodeId::from_bytes(&bytes).map_err(|_| EnodeError::IdPoint)
}

fn parse_place(text: &str) -> Result<Place<'_>, EnodeError> {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let number = port.parse().ok().filter(|port| *port != 0);
    let port = number.ok_or_else(|| EnodeError::Port { port: port.to_owned() })?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // A colon can stand in an address alone: what is no address is then no name either.
    match bare.parse::<IpAddr>() {
        Ok(address) => Ok(Place::Address(SocketAddr::new(address, port))),
        Err(_) if host.is_empty() || host.contains([':', '[', ']', '/']) => {
            Err(EnodeError::Host { host: host.to_owned() })
        }
        Err(_) => Ok(Place::Name { host, port }),
    }
}

/// BLOCKING: on the system's resolver.
fn resolve(host: &str, port: u16) -> Result<SocketAddr, EnodeError> {
    let unresolved = |why: String| EnodeError::Unresolved { host: host.to_owned(), why };
    let found = (host, port).to_socket_addrs().map_err(|error| unresolved(error.to_string()))?;
    preferred(found).ok_or_else(|| unresolved("it has no address".to_owned()))
}

/// The first address of IPv4, or else the first.
pub(crate) fn preferred(found: impl Iterator<Item = SocketAddr>) -> Option<SocketAddr> {
    let addresses: Vec<SocketAddr> = found.collect();
    let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    first.copied()
}

/// Why a text names no node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnodeError {
    /// Another scheme, or none.
    #[error("a peer is named by enode://<node id>@<host>:<port> or enr:<record>")]
    Scheme,
    /// No `@`.
    #[error("an enode URL needs an address: enode://<node id>@<host>:<port>")]
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
    /// The host is not an IP address, and names are not resolved here or this cannot be one.
    #[error("`{host}` is not an IP address")]
    Host {
        /// What stands there.
        host: String,
    },
    /// The host's name leads to no address.
    #[error("the name `{host}` cannot be resolved: {why}")]
    Unresolved {
        /// The name.
        host: String,
        /// What the system's resolver said.
        why: String,
    },
    /// The node record cannot be read, or is not to be believed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The port is missing, zero or not a number.
    #[error("`{port}` is not a TCP port")]
    Port {
        /// What stands there.
        port: String,
    },
}

#[cfg(test)]
mod tests {
    use secp256k1::SecretKey;

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
        assert_eq!(parse(&format!("enode://{id}@[host]:5")), EnodeError::Host { host: "[host]".into() });
        assert_eq!(parse("enr:a+b"), EnodeError::Record(RecordError::Base64));
        assert_eq!(parse(&format!("enode://{id}@1.2.3.4:0")), EnodeError::Port { port: "0".into() });
        assert_eq!(parse(&format!("enode://{id}@1.2.3.4:70000")), EnodeError::Port { port: "70000".into() });
        assert_eq!(parse(&format!("enode://{id}@1.2.3.4")), EnodeError::Port { port: String::new() });
    }

    #[test]
    fn name_of_a_host_is_resolved_once_and_an_unknown_one_is_named() {
        let id = some_id();
        let url = |host: &str| format!("enode://{}@{host}:30303?discport=0", hex::encode(id.as_bytes()));
        let found = Enode::locate(&url("localhost")).unwrap();
        assert_eq!(found.id, id);
        assert!(found.address.ip().is_loopback() && found.address.port() == 30_303, "{found}");
        assert_eq!(Enode::locate(&url("10.1.2.3")).unwrap().address.to_string(), "10.1.2.3:30303");
        // No name has an empty label, so that nobody is asked.
        let error = Enode::locate(&url("nobody..example")).unwrap_err();
        assert!(error.to_string().contains("`nobody..example` cannot be resolved"), "{error}");
        assert_eq!(Enode::locate(&url("a:b")), Err(EnodeError::Host { host: "a:b".into() }));
    }
}
