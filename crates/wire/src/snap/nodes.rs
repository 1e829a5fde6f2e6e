//! Trie nodes by their paths (snap/1 only).
//!
//! Whether a node has the hash that is expected at its path is checked elsewhere.

use alloy_primitives::{B256, Bytes};

use crate::{
    error::{Error, RlpFault},
    limits,
    rlp::{self, Reader},
};

/// 0x06: asks for trie nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetTrieNodes {
    /// Comes back in the answer.
    pub id: u64,
    /// The state's root.
    pub root: B256,
    /// What is asked for.
    pub paths: Vec<TriePaths>,
    /// Where the answer should stop, softly. Servers clamp it.
    pub response_bytes: u64,
}

/// Paths of nodes, in one trie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TriePaths {
    /// `[path]`: one node of the account trie, by its path in compact encoding.
    Account(Bytes),
    /// `[key, path..]`: nodes of the storage trie of one account.
    Storage {
        /// The account's key: 32 bytes from an honest peer.
        account: Bytes,
        /// The nodes' paths in compact encoding; at least one.
        paths: Vec<Bytes>,
    },
}

impl GetTrieNodes {
    pub(crate) fn read(mut fields: Reader<'_>) -> Result<Self, Error> {
        let id = fields.u64()?;
        let root = fields.b256()?;
        // The bound is over all sets: many of them must not multiply it.
        let mut lookups_left = limits::LOOKUPS_MAX;
        let mut sets = fields.list()?.named("trie path sets");
        let mut paths = Vec::new();
        while !sets.is_empty() && lookups_left > 0 {
            paths.push(TriePaths::read(&mut sets, &mut lookups_left)?);
        }
        let request = Self { id, root, paths, response_bytes: fields.u64()? };
        fields.finish()?;
        Ok(request)
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        rlp::put_list(out, |out| {
            rlp::put_u64(out, self.id);
            rlp::put_string(out, self.root.as_slice());
            rlp::put_items(out, &self.paths, |out, paths| paths.put(out));
            rlp::put_u64(out, self.response_bytes);
        });
    }
}

impl TriePaths {
    /// Reads a set, of its paths as many as may still be looked up: at least one is left.
    fn read(list: &mut Reader<'_>, lookups_left: &mut usize) -> Result<Self, Error> {
        let mut set = list.list()?.named("trie paths");
        // An empty set has crashed servers that took its first element (CVE-2021-41173).
        let first = read_path(&mut set)?;
        if set.is_empty() {
            *lookups_left -= 1;
            return Ok(Self::Account(first));
        }
        let mut paths = Vec::new();
        while !set.is_empty() && *lookups_left > 0 {
            paths.push(read_path(&mut set)?);
            *lookups_left -= 1;
        }
        Ok(Self::Storage { account: first, paths })
    }

    fn put(&self, out: &mut Vec<u8>) {
        rlp::put_list(out, |out| match self {
            Self::Account(path) => rlp::put_string(out, path),
            Self::Storage { account, paths } => {
                rlp::put_string(out, account);
                paths.iter().for_each(|path| rlp::put_string(out, path));
            }
        });
    }
}

fn read_path(set: &mut Reader<'_>) -> Result<Bytes, Error> {
    if set.is_empty() {
        return Err(set.fault(RlpFault::Truncated));
    }
    let path = set.string()?;
    if path.len() > limits::TRIE_PATH_BYTES_MAX {
        let max = limits::TRIE_PATH_BYTES_MAX;
        return Err(Error::TooLong { what: "trie path", length: path.len(), max });
    }
    // A copy: the paths that are kept must not keep the message alive.
    Ok(Bytes::copy_from_slice(path))
}

/// 0x07: the nodes, in the order asked for, as many as fit; an empty string in the place of one that the peer has not got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrieNodes {
    /// The request's id.
    pub id: u64,
    /// Each node's RLP.
    pub nodes: Vec<Bytes>,
}

impl TrieNodes {
    pub(crate) fn read(mut fields: Reader<'_>) -> Result<Self, Error> {
        let id = fields.u64()?;
        let nodes = fields.list()?.named("trie nodes").collect(limits::TRIE_NODES_MAX, Reader::shared)?;
        fields.finish()?;
        Ok(Self { id, nodes })
    }

    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        rlp::put_list(out, |out| {
            rlp::put_u64(out, self.id);
            rlp::put_items(out, &self.nodes, |out, node| rlp::put_string(out, node));
        });
    }
}
