//! Which methods are there: by the word before their names' underscore, as with geth's `--http.api`.

use std::{collections::BTreeSet, fmt, str::FromStr};

/// A group of methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Namespace {
    /// Peers are added and removed: for whoever runs the node.
    Admin,
    /// Blocks and states.
    Eth,
    /// The network.
    Net,
    /// What this program alone has.
    Snapsync,
    /// The client's name.
    Web3,
}

impl Namespace {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Admin, Self::Eth, Self::Net, Self::Snapsync, Self::Web3];

    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Eth => "eth",
            Self::Net => "net",
            Self::Snapsync => "snapsync",
            Self::Web3 => "web3",
        }
    }
}

/// A set of them, written `eth,net,web3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespaces(BTreeSet<Namespace>);

/// A word that names no group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word} is none of admin, eth, net, snapsync, web3")]
pub struct NoNamespace {
    /// What was given.
    pub word: String,
}

impl Namespaces {
    /// What anybody may ask who reaches the port, as geth has it by default: eth, net, web3.
    pub fn public() -> Self {
        Self([Namespace::Eth, Namespace::Net, Namespace::Web3].into())
    }

    /// All.
    pub fn all() -> Self {
        Self(Namespace::ALL.into())
    }

    /// Whether one is in it.
    pub fn has(&self, one: Namespace) -> bool {
        self.0.contains(&one)
    }
}

impl FromStr for Namespaces {
    type Err = NoNamespace;

    fn from_str(text: &str) -> Result<Self, NoNamespace> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let one = |word: &str| {
            let known = Namespace::ALL.into_iter().find(|one| one.word() == word);
            known.ok_or_else(|| NoNamespace { word: word.chars().take(40).collect() })
        };
        words.map(one).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Namespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.0.iter().map(|one| one.word()).collect();
        f.write_str(&words.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_geth_writes_them() {
        let set: Namespaces = "eth, net,web3".parse().unwrap();
        assert_eq!(set, Namespaces::public());
        assert!(set.has(Namespace::Eth) && !set.has(Namespace::Admin));
        assert_eq!(set.to_string(), "eth,net,web3");
        assert!(!"".parse::<Namespaces>().unwrap().has(Namespace::Eth));
        let error = "eth,debug".parse::<Namespaces>().unwrap_err();
        assert_eq!(error.to_string(), "debug is none of admin, eth, net, snapsync, web3");
    }
}
