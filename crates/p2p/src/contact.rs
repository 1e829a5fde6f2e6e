//! A node to stay connected to, as whoever runs ours has named it: by an address, or by a host's name.
//!
//! Names are resolved when they are dialled, each time anew: one that nobody knows today is dialled tomorrow, and a host that has
//! moved is found again. Nothing waits for it but the dial of that one node.

use std::{fmt, net::SocketAddr, str::FromStr};

use alloy_primitives::hex;

use crate::{
    Enode, EnodeError, Error, NodeId,
    url::{self, Place},
};

/// Who is dialled, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contact {
    /// Who must answer.
    pub id: NodeId,
    place: Whereabouts,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Whereabouts {
    Address(SocketAddr),
    Name { host: String, port: u16 },
}

impl Contact {
    /// Where it is now. Waits on the system's resolver, if it is named.
    pub(crate) async fn locate(&self) -> Result<Enode, Error> {
        let id = self.id;
        match &self.place {
            Whereabouts::Address(address) => Ok(Enode { id, address: *address }),
            Whereabouts::Name { host, port } => {
                let unknown = |why: String| Error::Unresolved { host: host.clone(), why };
                let found = tokio::net::lookup_host((host.as_str(), *port)).await;
                let found = found.map_err(|error| unknown(error.to_string()))?;
                let address = url::preferred(found).ok_or_else(|| unknown("it has no address".to_owned()))?;
                Ok(Enode { id, address })
            }
        }
    }

    /// `host:port`, as it was given.
    pub fn place(&self) -> String {
        match &self.place {
            Whereabouts::Address(address) => address.to_string(),
            Whereabouts::Name { host, port } => format!("{host}:{port}"),
        }
    }
}

impl From<Enode> for Contact {
    fn from(enode: Enode) -> Self {
        Self { id: enode.id, place: Whereabouts::Address(enode.address) }
    }
}

impl FromStr for Contact {
    type Err = EnodeError;

    fn from_str(text: &str) -> Result<Self, EnodeError> {
        if text.starts_with("enr:") {
            return text.parse::<Enode>().map(Self::from);
        }
        let (id, place) = url::parse_url(text)?;
        let place = match place {
            Place::Address(address) => Whereabouts::Address(address),
            Place::Name { host, port } => Whereabouts::Name { host: host.to_owned(), port },
        };
        Ok(Self { id, place })
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "enode://{}@{}", hex::encode(self.id.as_bytes()), self.place())
    }
}

#[cfg(test)]
mod tests {
    use secp256k1::SecretKey;

    use super::*;

    fn contact(place: &str) -> Result<Contact, EnodeError> {
        let id = NodeId::from_secret_key(&SecretKey::from_byte_array([7; 32]).unwrap());
        format!("enode://{}@{place}", hex::encode(id.as_bytes())).parse()
    }

    #[test]
    fn contact_reads_back_what_it_writes_and_resolves_nothing_while_it_is_read() {
        for place in ["10.1.2.3:30303", "[::1]:30303", "nobody.example:30303"] {
            let read = contact(place).unwrap();
            assert_eq!(read.to_string().parse(), Ok(read.clone()));
            assert_eq!(read.place(), place);
        }
        assert_eq!(contact("a:b:1"), Err(EnodeError::Host { host: "a:b".into() }));
        assert_eq!(contact("nobody.example"), Err(EnodeError::Port { port: String::new() }));
    }

    #[tokio::test]
    async fn name_is_looked_up_for_each_dial_and_an_unknown_one_may_be_known_later() {
        let found = contact("localhost:30303").unwrap().locate().await.unwrap();
        assert!(found.address.ip().is_loopback() && found.address.port() == 30_303, "{found}");
        // No name has an empty label, so that nobody is asked.
        let error = contact("nobody..example:1").unwrap().locate().await.unwrap_err();
        assert!(matches!(&error, Error::Unresolved { host, .. } if host == "nobody..example"), "{error}");
        assert!(error.may_pass());
    }
}
